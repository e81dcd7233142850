package downlink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// MaxCodeBytes bounds a code and a name of master data.
const MaxCodeBytes = 256

// PutMaster brings a tenant's master data of one kind, code to name, up to date; what is not in it stays, or is no longer known where
// it is the whole of it. It returns how many records have changed. Sites get the changes only.
func PutMaster(ctx context.Context, d *db.DB, tenant string, kind docklinev1.MasterKind, records map[string]string, whole bool) (changed int, err error) {
	err = d.Write(ctx, func(tx *db.Tx) (err error) {
		changed, err = PutMasterIn(ctx, tx, tenant, kind, records, whole)
		return err
	})
	return changed, err
}

// PutMasterIn is PutMaster in the caller's transaction.
func PutMasterIn(ctx context.Context, tx *db.Tx, tenant string, kind docklinev1.MasterKind, records map[string]string, whole bool) (changed int, err error) {
	if tenant == "" || kind == docklinev1.MasterKind_MASTER_KIND_UNSPECIFIED {
		return 0, errors.New("master data: a tenant and a kind")
	}
	for code, name := range records {
		if code == "" || len(code) > MaxCodeBytes || len(name) > MaxCodeBytes || strings.ContainsRune(code+name, 0) {
			return 0, fmt.Errorf("master data: %q, %q: code and name are text of up to %d bytes, and a code is not empty", code, name, MaxCodeBytes)
		}
	}
	err = func() error {
		if err := tx.Lock(ctx, "master/"+tenant); err != nil {
			return err
		}
		version := int64(0)
		if err := tx.QueryRow(ctx, `SELECT coalesce(max(version), 0) FROM master_record WHERE tenant = ?`, tenant).Scan(&version); err != nil {
			return err
		}
		known, err := masterOf(ctx, tx, tenant, kind)
		if err != nil {
			return err
		}
		into := db.Insert{Table: "master_record", Columns: []string{"tenant", "kind", "code", "name", "version", "removed"}, Conflict: []string{"tenant", "kind", "code"},
			Update: []string{"name", "version", "removed"}}
		put := func(code, name string, removed int64) {
			version++
			into.Rows = append(into.Rows, []any{tenant, int64(kind), code, name, version, removed})
		}
		for _, code := range sortedCodes(records) {
			if old, there := known[code]; !there || old != records[code] {
				put(code, records[code], 0)
			}
		}
		for _, code := range sortedCodes(known) {
			if _, there := records[code]; whole && !there {
				put(code, known[code], 1)
			}
		}
		changed = len(into.Rows)
		return tx.Upsert(ctx, into)
	}()
	if err != nil {
		return 0, fmt.Errorf("master data of %s: %w", tenant, err)
	}
	return changed, nil
}

func sortedCodes(records map[string]string) []string {
	codes := make([]string, 0, len(records))
	for code := range records {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	return codes
}

// masterOf is what is known of a kind, without what is no longer.
func masterOf(ctx context.Context, tx *db.Tx, tenant string, kind docklinev1.MasterKind) (map[string]string, error) {
	rows, err := tx.Query(ctx, `SELECT code, name FROM master_record WHERE tenant = ? AND kind = ? AND removed = 0`, tenant, int64(kind))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	known := map[string]string{}
	for rows.Next() {
		var code, name string
		if err := rows.Scan(&code, &name); err != nil {
			return nil, err
		}
		known[code] = name
	}
	return known, rows.Err()
}

// mastered is what is known of a site's master data in one session.
type mastered struct {
	session    string
	held, sent int64
	at         time.Time
}

// serveMaster sends the next list of master data to every site that is online and lacks some, one at a time to each. Which sites lack
// any is remembered: where nothing has changed, only the sites that are online are listed.
func (d *Downlink) serveMaster(ctx context.Context) (int, error) {
	sites, err := d.behind(ctx)
	if err != nil {
		return 0, fmt.Errorf("downlink: master data: %w", err)
	}
	lists := 0
	for _, key := range sites {
		m := d.mastered[key]
		rows, err := d.masterRows(ctx, key.tenant, m.held)
		if err != nil || len(rows) == 0 {
			return lists, err
		}
		for {
			payload, err := proto.Marshal(&docklinev1.MasterList{Previous: uint64(m.held), Records: rows})
			if err == nil {
				err = d.Publish(ctx, wire.Message{Topic: wire.DownTopic(key.tenant, key.site, wire.Master), Payload: payload})
			}
			if err == nil {
				break
			}
			if !errors.Is(err, wire.ErrTooLarge) || len(rows) < 2 {
				return lists, fmt.Errorf("downlink to %s: master data: %w", key.site, err)
			}
			rows = rows[:len(rows)/2]
		}
		m.sent, m.at = int64(rows[len(rows)-1].GetVersion()), d.now()
		lists++
	}
	return lists, nil
}

// behind are the sites to which a list is to be sent now.
func (d *Downlink) behind(ctx context.Context) (sites []siteKey, err error) {
	since := d.now().Add(-cmp.Or(d.OfflineAfter, 20*time.Second)).UnixMicro()
	incarnation, err := d.DB.Incarnation(ctx)
	if err != nil {
		return nil, err
	}
	err = d.DB.Read(ctx, func(tx *db.Tx) error {
		sites = nil
		tops := map[string]int64{}
		err := each(ctx, tx, `SELECT tenant, max(version) FROM master_record GROUP BY tenant`, nil, func(scan func(...any) error) error {
			var tenant string
			var top int64
			err := scan(&tenant, &top)
			tops[tenant] = top
			return err
		})
		if err != nil || len(tops) == 0 {
			return err
		}
		var online []siteKey
		seen := map[siteKey]*mastered{}
		err = each(ctx, tx, `SELECT tenant, site, session FROM presence WHERE online = 1 AND seen_at >= ? ORDER BY tenant, site`, []any{since}, func(scan func(...any) error) error {
			var key siteKey
			var session string
			if err := scan(&key.tenant, &key.site, &session); err != nil {
				return err
			}
			m := d.mastered[key]
			if m == nil || m.session != session {
				m = &mastered{session: session, held: -1}
			}
			if seen[key] = m; m.held < tops[key.tenant] {
				online = append(online, key)
			}
			return nil
		})
		if err != nil {
			return err
		}
		d.mastered = seen
		for _, key := range online {
			var raw []byte
			if err := tx.QueryRow(ctx, `SELECT heartbeat FROM presence WHERE tenant = ? AND site = ?`, key.tenant, key.site).Scan(&raw); err != nil {
				return err
			}
			h, m := &docklinev1.Heartbeat{}, d.mastered[key]
			if err := proto.Unmarshal(raw, h); err != nil {
				return err
			}
			if m.held = 0; h.GetIncarnation() == incarnation {
				m.held = int64(h.GetMasterThrough())
			}
			waiting := m.sent > m.held && d.now().Sub(m.at) < cmp.Or(d.Resend, 5*time.Second)
			if h.GetSession() == m.session && m.held < tops[key.tenant] && !waiting {
				sites = append(sites, key)
			}
		}
		return nil
	})
	return sites, err
}

func each(ctx context.Context, tx *db.Tx, query string, args []any, row func(scan func(...any) error) error) error {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (d *Downlink) masterRows(ctx context.Context, tenant string, after int64) (found []*docklinev1.MasterRecord, err error) {
	err = d.DB.Read(ctx, func(tx *db.Tx) error {
		found = nil
		return each(ctx, tx, `SELECT kind, code, name, version, removed FROM master_record WHERE tenant = ? AND version > ? ORDER BY version LIMIT ?`,
			[]any{tenant, after, cmp.Or(d.ListLength, 500)}, func(scan func(...any) error) error {
				r := &docklinev1.MasterRecord{}
				var kind, version, removed int64
				if err := scan(&kind, &r.Code, &r.Name, &version, &removed); err != nil {
					return err
				}
				r.Kind, r.Version, r.Removed = docklinev1.MasterKind(kind), uint64(version), removed == 1
				found = append(found, r)
				return nil
			})
	})
	return found, err
}
