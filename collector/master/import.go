package master

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Import reads master data of one system page by page: records and cursor are one transaction, so that it goes on where it was. It takes no
// more than its share of the time, of the database and of the system's account; the rest is for events and postings.
type Import struct {
	Party
	Source connector.MasterSource
	// Changed is called when records have changed. Nil: nobody is.
	Changed func()

	polled map[docklinev1.MasterKind]time.Time
}

// Run reads until ctx ends. Faults of the system are waited out, with longer pauses, and told.
func (i *Import) Run(ctx context.Context) error { return i.run(ctx, "read master data", i.Step) }

// Step reads the next page of the first kind that has one, and says whether there may be more at once. It is for one goroutine.
func (i *Import) Step(ctx context.Context) (more bool, err error) {
	for _, kind := range i.Kinds {
		held, err := i.take(ctx)
		if err != nil || !held {
			return false, err
		}
		if more, err = i.page(ctx, kind); more || err != nil {
			return i.ended(ctx, more, err, unread)
		}
	}
	return i.ended(ctx, false, nil, unread)
}

const unread = "Items, customers and bins made or changed there are not known here and at the sites until it can."

// progress is how far a kind was read.
type progress struct {
	cursor        connector.Cursor
	whole, asked  int64
	told, wholeAt int64
	known         bool // the row is there
}

// same says that p is the same place of the same reading: each reading that ends has another wholeAt than the one before.
func (p progress) same(q progress) bool {
	return bytes.Equal(p.cursor, q.cursor) && p.whole == q.whole && p.told == q.told && p.wholeAt == q.wholeAt
}

// first says that nothing was read yet of a reading that is not the first.
func (p progress) first() bool {
	return p.whole == 1 && p.wholeAt > 0 && len(p.cursor) == 0 && p.told == 0
}

// What a person may have asked for: to read everything anew, and to let go of whatever is not told then.
const (
	askedWhole  = 1
	askedAccept = 2
)

func (i *Import) progress(ctx context.Context, tx *db.Tx, kind docklinev1.MasterKind) (p progress, err error) {
	var cursor []byte
	err = tx.QueryRow(ctx, `SELECT cursor_value, whole, asked, told, whole_at FROM master_source WHERE tenant = ? AND source = ? AND kind = ?`, i.Tenant, i.Name, int64(kind)).
		Scan(&cursor, &p.whole, &p.asked, &p.told, &p.wholeAt)
	if errors.Is(err, sql.ErrNoRows) {
		return progress{whole: 1}, nil
	}
	if len(cursor) > 0 {
		p.cursor = cursor
	}
	p.known = err == nil
	return p, err
}

func (i *Import) keep(ctx context.Context, tx *db.Tx, kind docklinev1.MasterKind, p progress) error {
	cursor := []byte(p.cursor)
	if cursor == nil {
		cursor = []byte{}
	}
	return tx.Upsert(ctx, db.Insert{Table: "master_source", Columns: []string{"tenant", "source", "kind", "cursor_value", "whole", "asked", "told", "polled_at", "whole_at"},
		Rows:     [][]any{{i.Tenant, i.Name, int64(kind), cursor, p.whole, p.asked, p.told, i.now().UnixMicro(), p.wholeAt}},
		Conflict: []string{"tenant", "source", "kind"}, Update: []string{"cursor_value", "whole", "asked", "told", "polled_at", "whole_at"}})
}

// page takes one answer of the system, and says whether there is more of this kind.
func (i *Import) page(ctx context.Context, kind docklinev1.MasterKind) (more bool, err error) {
	at, err := i.begin(ctx, kind)
	if err != nil {
		return false, err
	}
	call, cancel := context.WithTimeout(ctx, i.timeout())
	page, err := i.Source.Master(call, kind, at.cursor)
	cancel()
	if errors.Is(err, connector.ErrForgotten) && len(at.cursor) > 0 {
		err = i.anew(ctx, kind, at)
		return err == nil, err
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w", connector.MasterKindName(kind), err)
	}
	if i.polled == nil {
		i.polled = map[docklinev1.MasterKind]time.Time{}
	}
	if len(page.Records)+len(page.Refused) == 0 && at.whole == 0 && bytes.Equal(page.Cursor, at.cursor) && i.now().Sub(i.polled[kind]) < time.Minute {
		return false, nil
	}
	i.polled[kind] = i.now()
	if at.first() {
		if err := i.forgetSeen(ctx, kind, at); err != nil {
			return false, err
		}
	}
	good, refused := sift(kind, page)
	next := progress{cursor: page.Cursor, whole: at.whole, asked: at.asked, told: at.told + int64(len(page.Records)+len(page.Refused)), wholeAt: at.wholeAt}
	var done Done
	err = i.change(ctx, kind, at, next, func(tx *db.Tx) (err error) {
		if done, err = (Put{Tenant: i.Tenant, Source: i.Name, Kind: kind, Records: good}).Do(ctx, tx, i.now()); err != nil {
			return err
		}
		if err := refuse(ctx, tx, i.Tenant, i.Name, kind, refused, i.now()); err != nil {
			return err
		}
		if err := i.seen(ctx, tx, kind, next, good, refused); err != nil {
			return err
		}
		return accepted(ctx, tx, i.Tenant, i.Name, kind, good)
	})
	if err != nil {
		return false, err
	}
	if done.Changed > 0 && i.Changed != nil {
		i.Changed()
	}
	if page.More || next.whole == 0 {
		return page.More, nil
	}
	return false, i.close(ctx, kind, next)
}

// sift leaves out the records that cannot be taken.
func sift(kind docklinev1.MasterKind, page connector.MasterPage) (good []*docklinev1.MasterRecord, refused []connector.RefusedRecord) {
	refused = page.Refused
	for _, r := range page.Records {
		r.Kind = kind
		if fault := Fault(r); fault != "" {
			refused = append(refused, connector.RefusedRecord{Code: r.GetCode(), Reason: fault, Raw: rawOf(r)})
			continue
		}
		good = append(good, r)
	}
	return good, refused
}

// begin is how far a kind was read, with what a person has asked for taken up.
func (i *Import) begin(ctx context.Context, kind docklinev1.MasterKind) (at progress, err error) {
	err = i.DB.Read(ctx, func(tx *db.Tx) (err error) {
		at, err = i.progress(ctx, tx, kind)
		return err
	})
	if err != nil || at.known && (at.asked == 0 || at.whole == 1) {
		return at, err
	}
	// The row says that the kind is being read, so that nobody takes what is there so far for all.
	if err = i.anew(ctx, kind, at); err != nil {
		return at, err
	}
	return progress{whole: 1, asked: at.asked, wholeAt: at.wholeAt, known: true}, nil
}

// anew begins reading a kind from the beginning.
func (i *Import) anew(ctx context.Context, kind docklinev1.MasterKind, at progress) error {
	return i.change(ctx, kind, at, progress{whole: 1, asked: at.asked, wholeAt: at.wholeAt}, func(*db.Tx) error { return nil })
}

// change goes from one state of reading to the next, with what f does.
func (i *Import) change(ctx context.Context, kind docklinev1.MasterKind, from, to progress, f func(tx *db.Tx) error) error {
	return i.during(ctx, kind, from, func(tx *db.Tx, held progress) error {
		if held.asked > to.asked && from.asked == to.asked {
			to.asked = held.asked // it was asked for meanwhile
		}
		if err := f(tx); err != nil {
			return err
		}
		return i.keep(ctx, tx, kind, to)
	})
}

// during writes what belongs to one place of one reading. Where another collector has read on, or everything anew, it is errOvertaken and
// nothing is written: of that reading nothing is known here.
func (i *Import) during(ctx context.Context, kind docklinev1.MasterKind, at progress, f func(tx *db.Tx, held progress) error) error {
	err := i.turn.write(ctx, func(tx *db.Tx) error {
		if err := tx.Lock(ctx, "import/"+i.Tenant+"/"+i.Name); err != nil {
			return err
		}
		held, err := i.progress(ctx, tx, kind)
		if err != nil {
			return err
		}
		if !held.same(at) {
			return errOvertaken
		}
		return f(tx, held)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", connector.MasterKindName(kind), err)
	}
	return nil
}
