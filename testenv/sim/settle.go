package sim

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// rounds is the most that is allowed until everything is quiet once everything works again.
const rounds = 600

// patience is how long it is quiet before what nobody has explained must be somebody's, and what is explained nobody's: longer than any
// wait of the built-in policy but that of counts, which end when their streams do, and than a second journal is suspected after a Hello
// that came late (an hour).
const patience = 70 * time.Minute

// settle has everything work again and steps everybody until nothing is left to do.
func (w *world) settle(ctx context.Context) error {
	w.trace.add(w.now, "everything works again")
	w.weather = calm
	if err := w.centre.startAll(ctx); err != nil {
		return err
	}
	left, aged := "nothing was looked at", false
	for round := range rounds {
		if err := w.round(ctx); err != nil {
			return err
		}
		if err := w.people(ctx); err != nil {
			return err
		}
		var err error
		if left, err = w.left(ctx); err != nil || left == "" && aged {
			return err
		}
		if left == "" {
			w.pass(patience)
			aged = true
		}
		w.pass(time.Duration(1+min(round, 60)) * time.Second)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return &broken{"it does not come to rest: " + left}
}

// round lets everybody do what he can.
func (w *world) round(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err // else every step would fail, as when a database is away, and the day would go on for good
	}
	w.office.accept()
	w.erp.invoices()
	for _, s := range w.sites {
		if !s.recovered {
			if err := s.recover(ctx); err != nil {
				return err
			}
		}
		s.correct(true)
		for range 5 {
			for n := range 5 {
				w.steps++
				if err := s.step(ctx, n); err != nil {
					return err
				}
			}
		}
	}
	w.pass(50 * time.Millisecond)
	for w.deliver() {
	}
	for _, m := range w.centre.members {
		for _, step := range m.steps {
			for more := true; more; {
				var err error
				w.steps++
				if more, err = w.centre.run(ctx, m, step); err != nil {
					return err
				}
			}
		}
	}
	w.pass(50 * time.Millisecond)
	for w.deliver() {
	}
	return nil
}

// left says what is still to be done, "" when nothing is.
func (w *world) left(ctx context.Context) (string, error) {
	var what []string
	note := func(n int64, text string) {
		if n > 0 {
			what = append(what, fmt.Sprintf("%d %s", n, text))
		}
	}
	if !w.done() {
		what = append(what, "work on the floors")
	}
	note(int64(len(w.inFlight)), "messages")
	for _, m := range w.centre.members {
		note(int64(len(m.offered)), "messages at collector "+m.name)
	}
	for _, s := range w.sites {
		note(int64(s.journal.Stats().Events), "events in the journal of "+s.name)
		pending, err := s.inbox.Pending()
		if err != nil {
			return "", err
		}
		note(int64(len(pending)), "commands at "+s.name)
	}
	for _, q := range []struct{ text, query string }{
		{"envelopes in the inbox", `SELECT count(*) FROM inbox`},
		{"events without an offset", `SELECT count(*) FROM event WHERE log_offset IS NULL`},
		{"marks that are due", fmt.Sprintf(`SELECT count(*) FROM dirty WHERE due_at <= %d`, w.now.Add(30*time.Second).UnixMicro())},
		{"large keys", `SELECT count(*) FROM large_key WHERE due_at > 0`},
		{"keys that wait for a stream", `SELECT count(*) FROM stream_wait`},
		{"losses that nobody has accepted", `SELECT count(*) FROM gap WHERE closed_at = 0`},
		{"postings under way", `SELECT count(*) FROM posting WHERE wanted = 1 AND state IN ('planned', 'ready', 'sending', 'unknown', 'correcting', 'rejected') OR case_due = 1`},
		{"commands without an outcome", `SELECT count(*) FROM command WHERE outcome = 0`},
		{"receipts that a site lacks", `SELECT count(*) FROM receipt r JOIN presence p ON p.tenant = r.tenant AND p.site = r.site WHERE r.position IS NULL OR r.position > p.receipts_through`},
	} {
		n, err := w.centre.count(ctx, q.query)
		if err != nil {
			return "", err
		}
		note(n, q.text)
	}
	if len(what) == 0 {
		return "", nil
	}
	waits, err := w.centre.texts(ctx, `SELECT 'key ' || fold_key || ' waits for ' || site FROM stream_wait UNION ALL
		SELECT 'stream ' || stream || ' of ' || plugin || ' of ' || site || ' is told through movement ' || movement || ' of ' || moves_stock || ', at ' || through_at FROM stream UNION ALL
		SELECT 'epoch ' || e.epoch || ' of ' || e.site || ' has ' || e.last_seq || ' events, there from ' || coalesce(r.lo, 0) || ' to ' || coalesce(r.hi, 0) || ', moved to ' || e.moved_to FROM epoch e
		LEFT JOIN received r ON r.tenant = e.tenant AND r.site = e.site AND r.epoch = e.epoch WHERE e.complete = 0 UNION ALL
		SELECT 'command ' || command_key || ' version ' || version || ' at ' || site || ' is number ' || coalesce(position, 0) FROM command WHERE outcome = 0`)
	return strings.Join(append(what, waits...), ", "), err
}

func (c *centre) count(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = c.quietly(func() error {
		return c.db.Read(ctx, func(tx *db.Tx) error { return tx.QueryRow(ctx, query, args...).Scan(&n) })
	})
	return n, err
}
