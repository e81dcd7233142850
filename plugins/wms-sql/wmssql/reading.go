package wmssql

import (
	"context"
	"database/sql"
	"time"
)

// maxPage bounds the bytes of one page: rows may be wider than their number suggests.
const maxPage = 8 << 20

// begin starts a reading: it asks for the horizon first, so that what is then read holds every row of a transaction that was over by then.
func (c *capture) begin(ctx context.Context, st *state) error {
	p, typ := st.progress, st.table.columns[st.table.watermark].typ
	newest, there := "", false
	var err error
	if !typ.isTime() && st.Outbox == nil {
		if newest, there, err = c.newest(ctx, st); err != nil {
			return err
		}
	}
	h, err := c.horizon(ctx)
	if err != nil {
		return err
	}
	if there { // whatever is below it was given out by now
		p.noteMark(mark{h.Now, newest})
	}
	st.began, st.who, st.lag = c.now(), h.Who, h.Now.Sub(h.Oldest)
	r := &reading{Thorough: true, Open: h.Oldest, Seen: h.Now, Row: h.Row}
	if h.Held {
		r.Open = earlier(p.Open, h.Oldest)
	}
	from := p.Open
	if st.began.Before(st.thorough) && p.Seen.After(p.Open) {
		r.Thorough, from = false, p.Seen
	}
	r.At = c.from(st, typ, from, h.Now)
	p.Now = r
	return nil
}

// from is where a reading begins that is to see every row written at a time or later; nil is the very beginning.
func (c *capture) from(st *state, typ columnType, at, now time.Time) *place {
	p := st.progress
	switch {
	case !p.Begun || st.Outbox != nil:
		return nil
	case typ == typeBytes && p.Row != "":
		return &place{Watermark: p.Row}
	case at.IsZero():
		return nil
	}
	at = at.Add(-c.setup.Overlap)
	if typ.isTime() {
		return &place{Watermark: watermarkOf(at, now, typ, st.zone(c.setup))}
	}
	if watermark, ok := p.below(at); ok {
		return &place{Watermark: watermark}
	}
	return nil
}

// zone is that of times without an offset.
func (s *stream) zone(all *setup) *time.Location {
	if zone, err := time.LoadLocation(s.Zone); err == nil && s.Zone != "" {
		return zone
	}
	return all.zone
}

// newest is the highest watermark that can be seen.
func (c *capture) newest(ctx context.Context, st *state) (text string, there bool, err error) {
	limited, cancel := c.limited(ctx)
	defer cancel()
	var value any
	if err := c.db.QueryRowContext(limited, st.table.newest()).Scan(&value); err != nil {
		return "", false, c.setup.dialect.failed("reading the newest row of "+st.what(), err)
	}
	text, there = textOf(value, st.table.columns[st.table.watermark].typ)
	return text, there, nil
}

// horizon asks the database which transactions are open, or believes that none is.
func (c *capture) horizon(ctx context.Context) (horizon, error) {
	limited, cancel := c.limited(ctx)
	defer cancel()
	d := c.setup.dialect
	if c.setup.Horizon == horizonDatabase {
		h, err := d.horizon(limited, c.db)
		return h, d.failed("asking which transactions are open", err)
	}
	var now int64
	if err := c.db.QueryRowContext(limited, d.clock).Scan(&now); err != nil {
		return horizon{}, d.failed("asking for the time", err)
	}
	return horizon{Now: micro(now), Oldest: micro(now)}, nil
}

// page reads and tells the next rows, and says whether there may be more.
func (c *capture) page(ctx context.Context, st *state) (more bool, err error) {
	text, args := st.table.page(st.progress.Now.At, c.setup.Page)
	rows, full, err := c.query(ctx, st, text, args, true)
	if err != nil {
		return false, err
	}
	if st.Group {
		err = c.groups(ctx, st, rows)
	} else {
		err = c.rows(ctx, st, rows)
	}
	if err != nil {
		return false, err
	}
	if st.Outbox != nil && len(rows) > 0 {
		if err := c.acknowledge(ctx, st, rows); err != nil {
			return false, err
		}
	}
	return full, nil
}

func (c *capture) rows(ctx context.Context, st *state, rows []row) error {
	page := make([]told, len(rows))
	for i := range rows {
		page[i] = st.read(st.table, st.binding, rows[i:i+1])
	}
	return c.out.takeAll(ctx, st, page, func(n int) error {
		st.progress.Now.At = placeOf(st.table, rows[n])
		return c.out.flushFull(ctx)
	})
}

// groups tells every key of a page once, of all its rows: the page may have only some of them.
func (c *capture) groups(ctx context.Context, st *state, rows []row) error {
	seen := map[string]bool{}
	for _, r := range rows {
		key, ok := st.binding.Key(r.cells)
		whole := []row{r}
		if ok && !seen[key] {
			seen[key] = true
			text, args := st.table.group(keyCells(st.table, r))
			var err error
			if whole, _, err = c.query(ctx, st, text, args, false); err != nil {
				return err
			}
		} else if ok {
			whole = nil
		}
		if len(whole) > 0 {
			if err := c.out.take(ctx, st, st.read(st.table, st.binding, whole)); err != nil {
				return err
			}
		}
		st.progress.Now.At = placeOf(st.table, r)
		if err := c.out.flushFull(ctx); err != nil {
			return err
		}
	}
	return nil
}

// source is what rows are read from.
func (c *capture) source() interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
} {
	if c.in != nil {
		return c.in
	}
	return c.db
}

// query reads rows. Of a page it takes no more than fits; full says that the statement's limit, or that of the bytes, was reached.
func (c *capture) query(ctx context.Context, st *state, text string, args []any, page bool) (out []row, full bool, err error) {
	limited, cancel := c.limited(ctx)
	defer cancel()
	d := c.setup.dialect
	rows, err := c.source().QueryContext(limited, text, args...)
	if err != nil {
		return nil, false, d.failed("reading "+st.what(), err)
	}
	defer rows.Close()
	if err := st.table.same(rows); err != nil {
		return nil, false, err
	}
	values := make([]any, len(st.table.columns))
	into := make([]any, len(values))
	for i := range values {
		into[i] = &values[i]
	}
	size := 0
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, false, d.failed("reading "+st.what(), err)
		}
		r := rowOf(st.table, values)
		for _, cell := range r.cells {
			size += len(cell)
		}
		out = append(out, r)
		if page && size > maxPage {
			return out, true, nil
		}
	}
	if err := rows.Err(); err != nil {
		return nil, false, d.failed("reading "+st.what(), err)
	}
	return out, page && len(out) == c.setup.Page, nil
}

func rowOf(t *table, values []any) row {
	r := row{cells: make([]string, len(values)), null: make([]bool, len(values))}
	for i, v := range values {
		text, there := textOf(v, t.columns[i].typ)
		r.cells[i], r.null[i] = text, !there
	}
	return r
}

func placeOf(t *table, r row) *place {
	p := &place{Watermark: r.cells[t.watermark]}
	for _, at := range t.tie {
		p.Tie = append(p.Tie, r.cells[at])
	}
	return p
}

func keyCells(t *table, r row) []string {
	out := make([]string, len(t.key))
	for i, at := range t.key {
		out[i] = r.cells[at]
	}
	return out
}

// end closes a reading that came to its end.
func (c *capture) end(st *state) {
	p, now := st.progress, c.now()
	took := now.Sub(st.began)
	r := p.Now
	p.Now, p.Begun, p.Seen = nil, true, r.Seen
	if r.Thorough {
		p.Open, p.Row = r.Open, r.Row
		st.thorough = now.Add(min(9*took, thoroughMost))
	}
	p.forgetMarks(p.Open.Add(-c.setup.Overlap))
	st.next = now.Add(max(c.setup.Poll, took)) // at most half of the time
}

// acknowledge lets rows leave the outbox, once what they say is durable.
func (c *capture) acknowledge(ctx context.Context, st *state, rows []row) error {
	if err := c.out.flush(ctx, nil); err != nil {
		return err
	}
	if err := c.stream.Flush(ctx); err != nil {
		return err
	}
	const together = 100
	for len(rows) > 0 {
		n := min(together, len(rows))
		keys := make([][]string, n)
		for i, r := range rows[:n] {
			keys[i] = keyCells(st.table, r)
		}
		text, args := st.table.acknowledge(*st.Outbox, keys)
		limited, cancel := c.limited(ctx)
		_, err := c.writer.ExecContext(limited, text, args...)
		cancel()
		if err != nil {
			return c.setup.dialect.failed("acknowledging rows of "+st.what(), err)
		}
		rows = rows[n:]
	}
	return nil
}
