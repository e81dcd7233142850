package wmssql

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"strings"
	"time"
)

// lookAround does, between readings, what is due less often.
func (c *capture) lookAround(ctx context.Context, st *state) error {
	now := c.now()
	if now.Sub(st.nulls) >= nullsEvery && st.Outbox == nil {
		limited, cancel := c.limited(ctx)
		defer cancel()
		var value any
		err := c.db.QueryRowContext(limited, st.table.unmarked()).Scan(&value)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return c.setup.dialect.failed("looking for rows of "+st.what()+" without a watermark", err)
		}
		st.nulls, st.unmarked = now, err == nil
	}
	if st.Vanished != nil && now.Sub(st.vanished) >= st.Vanished.Every {
		if err := c.lookForVanished(ctx, st, now.Add(-st.Vanished.Within)); err != nil {
			return err
		}
		st.vanished = now
	}
	return nil
}

// lookForVanished asks for every row that was told since a time, and takes back what was told of those that are gone.
func (c *capture) lookForVanished(ctx context.Context, st *state, from time.Time) error {
	const together = 100
	after := ""
	for {
		held, err := c.memory.since(ctx, st.Name, after, from, together)
		if err != nil || len(held) == 0 {
			return err
		}
		after = held[len(held)-1].key
		keys := map[string][]string{}
		for _, r := range held {
			if cells := cellsOf(r.key); len(cells) == len(st.table.key) && !strings.HasPrefix(r.key, "refused/") {
				keys[r.key] = cells
			}
		}
		there, err := c.present(ctx, st, keys)
		if err != nil {
			return err
		}
		for key := range keys {
			if there[key] {
				continue
			}
			if err := c.out.take(ctx, st, told{key: key, deleted: true}); err != nil {
				return err
			}
		}
		if err := c.out.flush(ctx, nil); err != nil {
			return err
		}
	}
}

// present says which keys have a row.
func (c *capture) present(ctx context.Context, st *state, keys map[string][]string) (map[string]bool, error) {
	there := map[string]bool{}
	if len(keys) == 0 {
		return there, nil
	}
	list := make([][]string, 0, len(keys))
	for _, cells := range keys {
		list = append(list, cells)
	}
	text, args := st.table.among(list)
	rows, _, err := c.query(ctx, st, text, args, false)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		if key, ok := st.binding.Key(r.cells); ok {
			there[key] = true
		}
	}
	return there, nil
}

// cellsOf takes a source key apart into the cells of the key columns.
func cellsOf(key string) []string {
	parts := strings.Split(key, "/")[1:]
	for i, p := range parts {
		cell, err := url.PathUnescape(p)
		if err != nil {
			return nil
		}
		parts[i] = cell
	}
	return parts
}
