package wmssql

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

const (
	// windowRows and windowBytes bound the changes of one transaction that are held to tell of each row only what it has become.
	windowRows, windowBytes = 2000, 4 << 20
)

// applier makes of the messages of a line what is told.
type applier struct {
	relations map[uint32]*relation
	// open: a transaction has begun and its commit has not come. rows of it have come, of which the first skip were told by an earlier life.
	open       bool
	rows, skip int
	// xid is the transaction's; visible says that others see what it wrote.
	xid     uint32
	visible bool
	window  []change
	bytes   int
}

// relation is a table as the line has announced it. st is nil for one that no stream reads; at are the places of the stream's columns.
type relation struct {
	st    *state
	at    []int
	types *pgtype.Map
}

// change is what has become of one row: the row, or only its key where it is gone or was not sent whole.
type change struct {
	st    *state
	key   string
	keyed bool
	row   row
	gone  bool
	// again: the row is to be read from the table, for it came in part.
	again bool
}

// apply works on one message.
func (f *follower) apply(ctx context.Context, m any) error {
	s := f.c.cursor.Slot
	switch m := m.(type) {
	case walBegin:
		f.open, f.rows, f.skip, f.xid, f.visible = true, 0, 0, m.xid, false
		if s.Tx == m.final.String() {
			f.skip = s.Skip
		} else {
			s.Tx, s.Skip = m.final.String(), 0
		}
	case walRelation:
		f.announce(m)
	case walChange:
		return f.changed(ctx, m)
	case walTruncate:
		for _, id := range m.relations {
			if r := f.relations[id]; r != nil && r.st != nil {
				r.st.progress.Truncated = f.c.now()
			}
		}
	case walCommit:
		if err := f.work(ctx); err != nil {
			return err
		}
		f.open = false
		s.Tx, s.Skip = "", 0
		s.reached(m.end)
	case walKeepalive:
		if !f.open {
			s.reached(m.end)
		}
	}
	return nil
}

// announce notes a table's columns. What a stream needs and the table lacks sets the stream aside.
func (f *follower) announce(m walRelation) {
	r := &relation{types: pgtype.NewMap()}
	f.relations[m.id] = r
	for _, st := range f.states {
		named := st.schema == m.schema && st.relation == m.name
		if !named && st.oid != m.id {
			continue
		}
		if st.aside != nil {
			return
		}
		at, err := placesIn(st, m)
		if err == nil && !named {
			err = schemaFault(st.what(), "the table is now %s.%s; correct the configuration, or bring it back", m.schema, m.name)
		}
		if err != nil {
			f.setAside(st, err)
			return
		}
		r.st, r.at = st, at
	}
}

func placesIn(st *state, m walRelation) ([]int, error) {
	at := make([]int, len(st.table.columns))
	for i, c := range st.table.columns {
		if at[i] = slices.IndexFunc(m.columns, func(w walColumn) bool { return w.name == c.actual }); at[i] < 0 {
			return nil, schemaFault(st.what(), "the rows that come have no column %s any more; correct the configuration, bring the column back, or add it to the publication", c.name)
		}
	}
	return at, nil
}

// changed takes a row into the window.
func (f *follower) changed(ctx context.Context, m walChange) error {
	if f.rows++; f.rows <= f.skip {
		return nil
	}
	r := f.relations[m.relation]
	if r == nil || r.st == nil || r.st.aside != nil {
		return nil
	}
	made, err := r.changes(m)
	if err != nil {
		f.setAside(r.st, err)
		return nil
	}
	for _, c := range made {
		for _, cell := range c.row.cells {
			f.bytes += len(cell)
		}
	}
	f.window = append(f.window, made...)
	if len(f.window) >= windowRows || f.bytes >= windowBytes {
		return f.work(ctx)
	}
	return nil
}

// changes are what a message means: where the key has changed the old row is gone, and the new one is another.
func (r *relation) changes(m walChange) (out []change, err error) {
	var before *change
	if m.old != nil {
		c, err := r.change(m.old, nil)
		if err != nil {
			return nil, err
		}
		c.gone, c.again = true, false
		before = &c
	}
	if m.op == 'D' {
		if before == nil {
			return nil, fmt.Errorf("%w: a deletion without its row", errShort)
		}
		return []change{*before}, nil
	}
	whole := m.old
	if !m.whole {
		whole = nil
	}
	now, err := r.change(m.new, whole)
	if err != nil {
		return nil, err
	}
	if before != nil && before.keyed && before.key != now.key {
		out = append(out, *before)
	}
	return append(out, now), nil
}

// change reads a row's cells; those that were not sent again are taken from the row as it was, where that has come.
func (r *relation) change(cells, was []walCell) (change, error) {
	t := r.st.table
	c := change{st: r.st, row: row{cells: make([]string, len(t.columns)), null: make([]bool, len(t.columns))}}
	for i, at := range r.at {
		if at >= len(cells) {
			return c, errShort
		}
		cell := cells[at]
		if cell.unchanged && at < len(was) {
			cell = was[at]
		}
		if cell.unchanged {
			c.again = true
			continue
		}
		if cell.null {
			c.row.null[i] = true
			continue
		}
		value, err := valueOf(r.types, cell.text, t.columns[i].kind)
		if err != nil {
			return c, schemaFault(r.st.what(), "column %s has %q, which is no %s: %w", t.columns[i].name, cell.text, t.columns[i].kind, err)
		}
		text, there := textOf(value, t.columns[i].typ)
		c.row.cells[i], c.row.null[i] = text, !there
	}
	c.key, c.keyed = r.st.binding.Key(c.row.cells)
	return c, nil
}

// valueOf gives a text as the value that the driver gives of a polled row, so that both ways write the same.
func valueOf(m *pgtype.Map, text, kind string) (any, error) {
	scanned := func(into any, oid uint32, text string) error {
		return m.Scan(oid, pgtype.TextFormatCode, []byte(text), into)
	}
	switch kind {
	case "BOOL":
		return text == "t", nil
	case "BYTEA":
		var v []byte
		err := scanned(&v, pgtype.ByteaOID, text)
		return v, err
	case "FLOAT4":
		var v float32
		err := scanned(&v, pgtype.Float4OID, text)
		return float64(v), err
	case "FLOAT8":
		var v float64
		err := scanned(&v, pgtype.Float8OID, text)
		return v, err
	case "DATE":
		var v pgtype.Date
		if err := scanned(&v, pgtype.DateOID, text); err != nil {
			return nil, err
		}
		return v.Value()
	case "TIMESTAMP":
		var v pgtype.Timestamp
		if err := scanned(&v, pgtype.TimestampOID, text); err != nil {
			return nil, err
		}
		return v.Value()
	case "TIMESTAMPTZ":
		var v pgtype.Timestamptz
		if err := scanned(&v, pgtype.TimestamptzOID, text); err != nil {
			return nil, err
		}
		return v.Value()
	}
	return text, nil
}

// work tells what the rows of the window have become, each once. Until all is told the cursor stands at the window's beginning: what a next life reads
// again, it knows.
func (f *follower) work(ctx context.Context) error {
	last := map[string]int{}
	for i, c := range f.window {
		if c.keyed {
			last[c.key] = i // a key begins with its stream's name
		}
	}
	for i, c := range f.window {
		if c.st.aside != nil || c.keyed && last[c.key] != i {
			continue
		}
		if err := f.tell(ctx, c); err != nil {
			return err
		}
		if err := f.c.out.flushFull(ctx); err != nil {
			return err
		}
	}
	clear(f.window)
	f.window, f.bytes = f.window[:0], 0
	f.c.cursor.Slot.Skip = max(f.c.cursor.Slot.Skip, f.rows)
	return nil
}

func (f *follower) tell(ctx context.Context, c change) error {
	st := c.st
	rows := []row{c.row}
	if c.keyed && (st.Group || c.again) {
		if err := f.awaitVisible(ctx); err != nil {
			return err
		}
		text, args := st.table.group(keyCells(st.table, c.row))
		var err error
		if rows, _, err = f.c.query(ctx, st, text, args, false); err != nil {
			if class, ok := classOf(err); ok && class != faultAway && class != faultBusy {
				f.setAside(st, err)
				return nil
			}
			return err
		}
	} else if c.gone {
		rows = nil
	}
	if len(rows) > 0 {
		return f.c.out.take(ctx, st, st.read(st.table, st.binding, rows))
	}
	if c.gone && c.keyed && st.Deletes == deletesTakeBack {
		return f.c.out.take(ctx, st, told{key: c.key, deleted: true})
	}
	return nil // it is gone by now, which the line will say
}

// awaitVisible waits until the transaction is over for others too. Its commit is in the log, and so comes over the line, a moment before that: a row that
// is read from the table in this moment is as it was before. The lock on its number goes last.
func (f *follower) awaitVisible(ctx context.Context) error {
	if f.visible {
		return nil
	}
	limited, cancel := f.c.limited(ctx)
	defer cancel()
	for {
		var held bool
		err := f.c.db.QueryRowContext(limited, "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'transactionid' AND transactionid = $1::text::xid AND granted)", strconv.FormatUint(uint64(f.xid), 10)).Scan(&held)
		if err == nil && !held {
			f.visible = true
			return nil
		}
		if err == nil {
			select {
			case <-time.After(time.Millisecond):
				continue
			case <-limited.Done():
				err = limited.Err()
			}
		}
		return postgres.failed("waiting for a transaction to end", err)
	}
}
