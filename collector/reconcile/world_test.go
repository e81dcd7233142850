package reconcile_test

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// world is a database with an event log and a worker, and a clock that stands still until it is moved.
type world struct {
	t      *testing.T
	d      *db.DB
	log    *eventlog.Log
	worker *reconcile.Worker
	clock  time.Time
	seq    uint64
	names  map[string]string
}

func newWorld(t *testing.T, d *db.DB, files map[string]string) *world {
	t.Helper()
	w := &world{t: t, d: d, clock: Morning.Add(time.Hour), names: make(map[string]string)}
	if _, given := files["milestones.yaml"]; !given { // what is tested is not how long it takes
		files = maps.Clone(files)
		if files == nil {
			files = make(map[string]string)
		}
		files["milestones.yaml"] = "default: {}\n"
	}
	now := func() time.Time { return w.clock }
	p := w.policy(files)
	w.log = &eventlog.Log{DB: d, Now: now}
	w.worker = &reconcile.Worker{DB: d, Policy: p, Now: now, Append: w.append}
	w.use(p)
	if err := reconcile.Activate(t.Context(), d, Tenant, p, w.append, w.clock); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) policy(files map[string]string) *policy.Policy {
	w.t.Helper()
	folder := fstest.MapFS{}
	for name, text := range files {
		folder[name] = &fstest.MapFile{Data: []byte(text)}
	}
	p, err := policy.Load(folder)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// use makes a policy the one in force, also for the keys of new events.
func (w *world) use(p *policy.Policy) {
	w.worker.Policy = p
	w.log.Keys = func(e *docklinev1.Event) []eventlog.Touch {
		var touches []eventlog.Touch
		for _, t := range state.Keys(e, p.Mapping) {
			touches = append(touches, eventlog.Touch(t))
		}
		return touches
	}
	w.log.Links = func(e *docklinev1.Event) []eventlog.Link {
		var links []eventlog.Link
		for _, l := range state.Links(e) {
			links = append(links, eventlog.Link(l))
		}
		return links
	}
}

func (w *world) append(ctx context.Context, tx *db.Tx, events []*docklinev1.Event) error {
	var recorded []eventlog.Recorded
	for _, e := range events {
		recorded = append(recorded, eventlog.Recorded{Event: e})
	}
	_, err := w.log.Append(ctx, tx, recorded)
	return err
}

// tell appends events as they arrive, and folds until nothing is due.
func (w *world) tell(events ...*docklinev1.Event) {
	w.t.Helper()
	w.hear(events...)
	w.settle()
}

func (w *world) hear(events ...*docklinev1.Event) {
	w.t.Helper()
	err := w.d.Write(w.t.Context(), func(tx *db.Tx) error {
		var recorded []eventlog.Recorded
		for _, e := range events {
			r := eventlog.Recorded{Event: proto.CloneOf(e)}
			if e.GetSite() != "" {
				w.seq++
				r.Epoch, r.EpochOrdinal, r.Seq = "e1", 1, w.seq
			}
			recorded = append(recorded, r)
		}
		_, err := w.log.Append(w.t.Context(), tx, recorded)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) settle() {
	w.t.Helper()
	for range 2000 {
		n, err := w.worker.Step(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
	w.t.Fatal("keys stay dirty")
}

func (w *world) pass(d time.Duration) {
	w.t.Helper()
	w.clock = w.clock.Add(d)
	w.settle()
}

// stream says how far the site's dock has told everything, and wakes who waits for it.
func (w *world) stream(through time.Time, movement int64) {
	w.t.Helper()
	w.exec(`DELETE FROM stream`)
	w.exec(`INSERT INTO stream (tenant, site, plugin, stream, moves_stock, through_at, movement) VALUES (?, ?, ?, ?, ?, ?, ?)`, Tenant, Site, WMS, "dock", 1, through.UnixMicro(), movement)
	w.exec(`INSERT INTO dirty (tenant, fold_key) SELECT tenant, fold_key FROM stream_wait`)
	w.settle()
}

func (w *world) exec(query string, args ...any) {
	w.t.Helper()
	err := w.d.Write(w.t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(w.t.Context(), query, args...)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// confirm makes the planned postings of a kind confirmed, as a sender would.
func (w *world) confirm(kind string) {
	w.t.Helper()
	w.exec(`UPDATE posting SET state = 'confirmed', confirmed_hash = document_hash, confirmed_version = source_version, confirmed_document = document, sent_document = document WHERE kind = ?`, kind)
}

// name has an event's id printed as a word.
func (w *world) name(e *docklinev1.Event, word string) *docklinev1.Event {
	w.names[e.GetId()] = word
	return e
}

// rows reads a query as text, one row a line.
func (w *world) rows(query string, args ...any) string {
	w.t.Helper()
	var b strings.Builder
	err := w.d.Read(w.t.Context(), func(tx *db.Tx) error {
		b.Reset()
		rows, err := tx.Query(w.t.Context(), query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		for rows.Next() {
			values, dest := make([]sql.NullString, len(columns)), make([]any, len(columns))
			for i := range values {
				dest[i] = &values[i]
			}
			if err := rows.Scan(dest...); err != nil {
				return err
			}
			var cells []string
			for _, v := range values {
				cells = append(cells, v.String)
			}
			fmt.Fprintln(&b, strings.Join(cells, " | "))
		}
		return rows.Err()
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.readable(b.String())
}

func (w *world) readable(text string) string {
	for id, word := range w.names {
		text = strings.ReplaceAll(text, id, word)
	}
	return text
}

// postings are those wanted of some kinds, as a person reads them.
func (w *world) postings(kinds ...string) string {
	w.t.Helper()
	var b strings.Builder
	err := w.d.Read(w.t.Context(), func(tx *db.Tx) error {
		b.Reset()
		entries, err := posting.List(w.t.Context(), tx, posting.Filter{Tenant: Tenant})
		if err != nil {
			return err
		}
		for i := len(entries) - 1; i >= 0; i-- {
			e := entries[i]
			if len(kinds) > 0 && !strings.Contains(strings.Join(kinds, " "), string(e.Kind)) {
				continue
			}
			events, err := posting.EventIDs(w.t.Context(), tx, Tenant, e.Ref)
			if err != nil {
				return err
			}
			needs, err := posting.Needs(w.t.Context(), tx, Tenant, e.Ref)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "%s %s wanted=%t\n  %s\n", e.Ref, e.State, e.Wanted, compact(e.Document))
			if len(events) > 0 {
				fmt.Fprintf(&b, "  fed by %v\n", events)
			}
			if len(needs) > 0 {
				fmt.Fprintf(&b, "  needs %v\n", needs)
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.readable(b.String())
}

// compact prints a message on one line; prototext itself varies its blanks on purpose.
func compact(m proto.Message) string {
	return strings.Join(strings.Fields(prototext.MarshalOptions{}.Format(m)), " ")
}

func (w *world) exceptions() string {
	w.t.Helper()
	var b strings.Builder
	err := w.d.Read(w.t.Context(), func(tx *db.Tx) error {
		b.Reset()
		list, err := exception.List(w.t.Context(), tx, Tenant, exception.Filter{State: exception.Open})
		if err != nil {
			return err
		}
		for i := len(list) - 1; i >= 0; i-- {
			e := list[i]
			fmt.Fprintf(&b, "%s %s %s [%s] team=%s site=%s order=%s customer=%s value=%s events=%v\n  %s\n  %s\n", e.Origin, e.Class, e.Code, e.Subject,
				e.Team, e.Site, e.Order, e.Customer, e.Value, e.EventIDs, e.Title, e.Text)
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.readable(b.String())
}

// codes are those of the open exceptions.
func (w *world) codes() string {
	return strings.Join(strings.Fields(w.rows(`SELECT code FROM exception WHERE state = 'open' ORDER BY code, subject`)), " ")
}

// all is everything that was decided, for golden files.
func (w *world) all() string {
	var b strings.Builder
	section := func(title, text string) {
		if text != "" {
			fmt.Fprintf(&b, "== %s\n%s", title, text)
		}
	}
	section("states", w.rows(`SELECT fold_key, status, site, customer, fact_count FROM state ORDER BY fold_key`))
	section("postings", w.postings())
	section("exceptions", w.exceptions())
	section("commands", w.rows(`SELECT site, command_key, version, outcome, outcome_text FROM command ORDER BY site, command_key`))
	section("no document", w.rows(`SELECT fold_key, event_id, reason FROM no_document ORDER BY fold_key, reason, event_id`))
	section("receipts", w.rows(`SELECT event_id, level FROM receipt ORDER BY level, event_id`))
	section("waits", w.rows(`SELECT fold_key, site FROM stream_wait ORDER BY fold_key`))
	return b.String()
}

func (w *world) stateOf(key string, into proto.Message) {
	w.t.Helper()
	var body []byte
	err := w.d.Read(w.t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow(w.t.Context(), `SELECT body FROM state WHERE tenant = ? AND fold_key = ?`, Tenant, key).Scan(&body)
	})
	if err == nil {
		err = proto.Unmarshal(body, into)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// activate puts another policy in force.
func (w *world) activate(files map[string]string) {
	w.t.Helper()
	p := w.policy(files)
	w.clock = w.clock.Add(time.Minute)
	w.use(p)
	if err := reconcile.Activate(w.t.Context(), w.d, Tenant, p, w.append, w.clock); err != nil {
		w.t.Fatal(err)
	}
	w.settle()
}
