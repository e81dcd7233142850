package master

import (
	"context"
	"fmt"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// removals is how many removals one transaction takes, so that none holds up the road.
const removals = 500

// seen remembers what a reading from the beginning has told. The first one needs no memory: there is nothing that it could miss.
func (i *Import) seen(ctx context.Context, tx *db.Tx, kind docklinev1.MasterKind, p progress, good []*docklinev1.MasterRecord, refused []connector.RefusedRecord) error {
	if p.whole == 0 || p.wholeAt == 0 {
		return nil
	}
	codes := map[string]bool{}
	into := db.Insert{Table: "master_seen", Columns: []string{"tenant", "source", "kind", "code"}, Conflict: []string{"tenant", "source", "kind", "code"}}
	add := func(code string) {
		if code != "" && !codes[code] {
			codes[code] = true
			into.Rows = append(into.Rows, []any{i.Tenant, i.Name, int64(kind), code})
		}
	}
	for _, r := range good {
		if !r.GetRemoved() {
			add(r.GetCode())
		}
	}
	for _, r := range refused { // it is there, only not fit: what is known of it stays
		add(codeOf(r))
	}
	if len(into.Rows) == 0 {
		return nil
	}
	_, err := tx.InsertAbsent(ctx, into)
	return err
}

// forgetSeen drops what earlier readings have told, before the first page of a reading and after its end. It is done in many transactions: one
// that drops a million rows would hold everybody up.
func (i *Import) forgetSeen(ctx context.Context, kind docklinev1.MasterKind, at progress) error {
	for {
		var n int64
		err := i.during(ctx, kind, at, func(tx *db.Tx, _ progress) (err error) {
			n, err = tx.Exec(ctx, `DELETE FROM master_seen WHERE tenant = ? AND source = ? AND kind = ? AND code <= (SELECT max(code) FROM (
				SELECT code FROM master_seen WHERE tenant = ? AND source = ? AND kind = ? ORDER BY code LIMIT ?) AS first_of)`,
				i.Tenant, i.Name, int64(kind), i.Tenant, i.Name, int64(kind), 10*removals)
			return err
		})
		if err != nil || n == 0 {
			return err
		}
	}
}

const unseen = ` FROM master_record r WHERE r.tenant = ? AND r.kind = ? AND r.source = ? AND r.removed = 0
	AND NOT EXISTS (SELECT 1 FROM master_seen s WHERE s.tenant = r.tenant AND s.source = r.source AND s.kind = r.kind AND s.code = r.code)`

// close ends a reading from the beginning: what was not told is removed, a part at a time. Where that is
// most of what was known, it is rather the system that has not told all: nothing is removed until a person says so.
// What was told is forgotten only when the end is written down: a collector that dies before would else take all that it knows for gone.
func (i *Import) close(ctx context.Context, kind docklinev1.MasterKind, at progress) error {
	if at.wholeAt > 0 {
		if at.asked != askedAccept {
			if err := i.shrunk(ctx, kind, at); err != nil {
				return err
			}
		}
		if err := i.removeUnseen(ctx, kind, at); err != nil {
			return err
		}
	}
	end := progress{cursor: at.cursor, told: at.told, wholeAt: max(i.now().UnixMicro(), at.wholeAt+1)}
	if err := i.change(ctx, kind, at, end, func(*db.Tx) error { return nil }); err != nil {
		return err
	}
	if i.Changed != nil {
		i.Changed()
	}
	return i.forgetSeen(ctx, kind, end)
}

func (i *Import) shrunk(ctx context.Context, kind docklinev1.MasterKind, at progress) error {
	var gone, all int64
	err := i.DB.Read(ctx, func(tx *db.Tx) error {
		held, err := i.progress(ctx, tx, kind)
		if err != nil {
			return err
		}
		if !held.same(at) {
			return errOvertaken
		}
		if err := tx.QueryRow(ctx, `SELECT count(*)`+unseen, i.Tenant, int64(kind), i.Name).Scan(&gone); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `SELECT count(*) FROM master_record WHERE tenant = ? AND kind = ? AND source = ? AND removed = 0`, i.Tenant, int64(kind), i.Name).Scan(&all)
	})
	if err != nil || gone <= 50 || 2*gone <= all {
		return err
	}
	return &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_DATA, Code: codeShrunk,
		Text:   fmt.Sprintf("read from the beginning, it no longer tells of %d of the %d records of kind %s that are known", gone, all, connector.MasterKindName(kind)),
		Remedy: fmt.Sprintf("See whether they are gone there. If so: `dockline-collector master sync %s --tenant %s --kind %s --accept`. Until then nothing is removed", i.Name, i.Tenant, connector.MasterKindName(kind))}
}

// removeUnseen looks beside everybody else, and writes a part at a time.
func (i *Import) removeUnseen(ctx context.Context, kind docklinev1.MasterKind, at progress) error {
	after := ""
	for {
		var gone []*docklinev1.MasterRecord
		err := i.DB.Read(ctx, func(tx *db.Tx) error {
			gone = nil
			return each(ctx, tx, `SELECT r.code, r.name`+unseen+` AND r.code > ? ORDER BY r.code LIMIT ?`, []any{i.Tenant, int64(kind), i.Name, after, removals}, func(scan func(...any) error) error {
				r := &docklinev1.MasterRecord{Kind: kind, Removed: true}
				err := scan(&r.Code, &r.Name)
				gone = append(gone, r)
				return err
			})
		})
		if err != nil || len(gone) == 0 {
			return err
		}
		after = gone[len(gone)-1].Code
		err = i.during(ctx, kind, at, func(tx *db.Tx, _ progress) error {
			_, err := (Put{Tenant: i.Tenant, Source: i.Name, Kind: kind, Records: gone, own: true}).Do(ctx, tx, i.now())
			return err
		})
		if err != nil {
			return err
		}
	}
}
