package collector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/collector/state"
	"github.com/dockline/dockline/proto/configfile"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Trial is a test of a policy: facts in, statuses, postings and exceptions out. It is kept as YAML in the folder tests of a policy folder.
type Trial struct {
	Name string `yaml:"name"`
	// After is how long after the last fact it is judged, default 24h; Incomplete: sites have not told everything yet.
	After      time.Duration `yaml:"after,omitempty"`
	Incomplete bool          `yaml:"incomplete,omitempty"`
	// Facts are events of dockline.v1, in the order in which they are told.
	Facts  []map[string]any `yaml:"facts"`
	Expect Outcome          `yaml:"expect"`
}

// Outcome is what follows from the facts of a trial.
type Outcome struct {
	Statuses   map[string]string   `yaml:"statuses"`
	Postings   []ExpectedPosting   `yaml:"postings"`
	Exceptions []ExpectedException `yaml:"exceptions"`
}

// ExpectedPosting is a posting that is wanted; without a document any will do.
type ExpectedPosting struct {
	Target   string         `yaml:"target"`
	Kind     string         `yaml:"kind"`
	Key      string         `yaml:"key"`
	Document map[string]any `yaml:"document,omitempty"`
}

func (p ExpectedPosting) name() string { return p.Target + "/" + p.Kind + "/" + p.Key }

// ExpectedException is an exception that is open; without a team any will do.
type ExpectedException struct {
	Code    string `yaml:"code"`
	Subject string `yaml:"subject"`
	Team    string `yaml:"team,omitempty"`
}

func (e ExpectedException) name() string { return e.Code + " [" + e.Subject + "]" }

// TrialResult is what became of one trial.
type TrialResult struct {
	File string `json:"file"`
	Name string `json:"name"`
	// Differences say what was otherwise than expected; none where nothing was.
	Differences []string `json:"differences,omitempty"`
	Got         Outcome  `json:"-"`
}

// ReadTrials reads the tests of a policy folder, sorted by file.
func ReadTrials(folder string) (map[string]*Trial, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "tests", "*.yaml"))
	if err != nil {
		return nil, err
	}
	all := make(map[string]*Trial, len(paths))
	var faults configfile.Faults
	for _, path := range paths {
		t := &Trial{}
		_, err := configfile.Read(path, t)
		var more configfile.Faults
		if errors.As(err, &more) {
			faults = append(faults, more...)
		} else if err != nil {
			return nil, err
		}
		all[path] = t
	}
	return all, faults.Err()
}

// RunTrials runs tests under a policy in a database of their own, and says what came out of each.
func RunTrials(ctx context.Context, p *policy.Policy, trials map[string]*Trial) ([]TrialResult, error) {
	folder, err := os.MkdirTemp("", "dockline-policy-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	d, err := db.Open(ctx, "sqlite:"+filepath.Join(folder, "trial.db"))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if err := d.Migrate(ctx); err != nil {
		return nil, err
	}
	var results []TrialResult
	for i, path := range slices.Sorted(maps.Keys(trials)) {
		t := trials[path]
		r := TrialResult{File: path, Name: t.Name}
		got, err := (&trialBench{d: d, p: p, tenant: fmt.Sprintf("trial-%d", i+1)}).run(ctx, t)
		if err != nil {
			if ctx.Err() != nil {
				return results, err
			}
			r.Differences = []string{err.Error()}
		} else {
			r.Got, r.Differences = *got, t.Expect.differences(got)
		}
		results = append(results, r)
	}
	return results, nil
}

// trialBench is a tenant of its own for one trial.
type trialBench struct {
	d      *db.DB
	p      *policy.Policy
	tenant string
	clock  time.Time
	log    *eventlog.Log
	worker *reconcile.Worker
}

func (b *trialBench) run(ctx context.Context, t *Trial) (*Outcome, error) {
	events, err := b.events(t)
	if err != nil {
		return nil, err
	}
	m := &Collector{config: &Config{}, log: slog.New(slog.DiscardHandler), db: b.d, configured: b.p, clock: func() time.Time { return b.clock }}
	b.log = m.newLog()
	b.worker = &reconcile.Worker{DB: b.d, Policy: b.p, Append: appending(b.log), Now: m.clock}
	for _, e := range events {
		if at := e.GetOccurredAt().AsTime(); at.After(b.clock) {
			b.clock = at
		}
	}
	last := b.clock
	if err := reconcile.Activate(ctx, b.d, b.tenant, b.p, appending(b.log), b.clock); err != nil {
		return nil, err
	}
	for i, e := range events {
		r := eventlog.Recorded{Event: e}
		if e.GetSite() != "" {
			r.Epoch, r.EpochOrdinal, r.Seq = "trial", 1, uint64(i+1)
		}
		if err := b.d.Write(ctx, func(tx *db.Tx) error {
			_, err := b.log.Append(ctx, tx, []eventlog.Recorded{r})
			return err
		}); err != nil {
			return nil, fmt.Errorf("fact %d: %w", i+1, err)
		}
	}
	if err := b.settle(ctx); err != nil {
		return nil, err
	}
	if !t.Incomplete {
		if err := b.complete(ctx, events); err != nil {
			return nil, err
		}
	}
	after := t.After
	if after == 0 {
		after = 24 * time.Hour
	}
	b.clock = last.Add(after)
	if err := b.settle(ctx); err != nil {
		return nil, err
	}
	return b.outcome(ctx)
}

// events reads the facts, as those of the trial's tenant.
func (b *trialBench) events(t *Trial) ([]*docklinev1.Event, error) {
	var events []*docklinev1.Event
	for i, fact := range t.Facts {
		text, err := json.Marshal(fact)
		if err != nil {
			return nil, fmt.Errorf("fact %d: %w", i+1, err)
		}
		e := &docklinev1.Event{}
		if err := protojson.Unmarshal(text, e); err != nil {
			return nil, fmt.Errorf("fact %d: %w", i+1, err)
		}
		if e.GetId() == "" {
			e.Id = fmt.Sprintf("fact-%d", i+1)
		}
		e.Tenant = b.tenant
		events = append(events, e)
	}
	return events, nil
}

// complete says that the sites have told everything, so that what is missing is missing.
func (b *trialBench) complete(ctx context.Context, events []*docklinev1.Event) error {
	movement := make(map[string]uint64)
	for _, e := range events {
		if e.GetSite() != "" {
			movement[e.GetSite()] = max(movement[e.GetSite()], e.GetMovement())
		}
	}
	return b.d.Write(ctx, func(tx *db.Tx) error {
		for _, site := range slices.Sorted(maps.Keys(movement)) {
			if err := tx.InsertAll(ctx, db.Insert{Table: "stream", Columns: []string{"tenant", "site", "plugin", "stream", "moves_stock", "through_at", "movement"},
				Rows: [][]any{{b.tenant, site, "trial", "trial", 1, b.clock.UnixMicro(), int64(movement[site])}}}); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `INSERT INTO dirty (tenant, fold_key) SELECT tenant, fold_key FROM stream_wait WHERE tenant = ?`, b.tenant)
		return err
	})
}

// settle folds until nothing is due.
func (b *trialBench) settle(ctx context.Context) error {
	for range 10_000 {
		n, err := b.worker.Step(ctx)
		if err != nil {
			return err
		}
		large, err := b.worker.StepLarge(ctx)
		if err != nil || n+large == 0 {
			return err
		}
	}
	return errors.New("the facts do not come to rest")
}

// outcome reads what followed.
func (b *trialBench) outcome(ctx context.Context) (*Outcome, error) {
	out := &Outcome{Statuses: make(map[string]string)}
	err := b.d.Read(ctx, func(tx *db.Tx) error {
		rows, err := tx.Query(ctx, `SELECT fold_key, status FROM state WHERE tenant = ? ORDER BY fold_key`, b.tenant)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var key, status string
			if err := rows.Scan(&key, &status); err != nil {
				return err
			}
			if kind, _, _ := strings.Cut(key, "/"); judged[kind] {
				out.Statuses[key] = status
			}
		}
		if err := rows.Err(); err != nil {
			return err
		}
		rows.Close()
		entries, err := posting.List(ctx, tx, posting.Filter{Tenant: b.tenant, Limit: 100_000})
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !e.Wanted || e.State == posting.Superseded {
				continue
			}
			document, err := plainOf(e.Document)
			if err != nil {
				return err
			}
			out.Postings = append(out.Postings, ExpectedPosting{Target: e.Target, Kind: string(e.Kind), Key: e.Key, Document: document})
		}
		list, err := exception.List(ctx, tx, b.tenant, exception.Filter{State: exception.Open, Limit: 100_000})
		for _, e := range list {
			out.Exceptions = append(out.Exceptions, ExpectedException{Code: e.Code, Subject: e.Subject, Team: e.Team})
		}
		return err
	})
	slices.SortFunc(out.Postings, func(a, b ExpectedPosting) int { return strings.Compare(a.name(), b.name()) })
	slices.SortFunc(out.Exceptions, func(a, b ExpectedException) int { return strings.Compare(a.name(), b.name()) })
	return out, err
}

// judged are the kinds of keys whose status a test says.
var judged = map[string]bool{state.KindOrder: true, state.KindShipment: true, state.KindReturn: true, state.KindBlindReturn: true, state.KindInbound: true, state.KindCount: true}

// plainOf is a message as a tree for YAML.
func plainOf(m proto.Message) (map[string]any, error) {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, err
	}
	var tree map[string]any
	return tree, yaml.Unmarshal(text, &tree)
}

// differences say what came out otherwise than expected.
func (want Outcome) differences(got *Outcome) (texts []string) {
	differ := func(format string, args ...any) { texts = append(texts, fmt.Sprintf(format, args...)) }
	for _, key := range slices.Sorted(maps.Keys(want.Statuses)) {
		if got.Statuses[key] != want.Statuses[key] {
			differ("%s is %q, expected %q", key, got.Statuses[key], want.Statuses[key])
		}
	}
	have := make(map[string]ExpectedPosting)
	for _, p := range got.Postings {
		have[p.name()] = p
	}
	for _, p := range want.Postings {
		is, ok := have[p.name()]
		delete(have, p.name())
		if !ok {
			differ("no posting %s", p.name())
		} else if p.Document != nil {
			if text := differentDocument(is.Document, p.Document); text != "" {
				differ("posting %s: %s", p.name(), text)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		differ("posting %s is not expected", name)
	}
	open := make(map[string]ExpectedException)
	for _, e := range got.Exceptions {
		open[e.name()] = e
	}
	for _, e := range want.Exceptions {
		is, ok := open[e.name()]
		delete(open, e.name())
		switch {
		case !ok:
			differ("no exception %s", e.name())
		case e.Team != "" && e.Team != is.Team:
			differ("exception %s is of team %s, expected %s", e.name(), is.Team, e.Team)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(open)) {
		differ("exception %s is not expected", name)
	}
	return texts
}

// differentDocument reads both as documents, so that it does not matter how they are written.
func differentDocument(is, want map[string]any) string {
	var documents [2]*docklinev1.Document
	for i, tree := range []map[string]any{want, is} {
		text, err := json.Marshal(tree)
		if err != nil {
			return err.Error()
		}
		documents[i] = &docklinev1.Document{}
		if err := protojson.Unmarshal(text, documents[i]); err != nil {
			return "its document: " + err.Error()
		}
	}
	if proto.Equal(documents[0], documents[1]) {
		return ""
	}
	return "expected -> got: " + posting.Difference(documents[0], documents[1])
}

// WriteTrial writes a test as YAML.
func WriteTrial(path string, t *Trial) error {
	text, err := yaml.MarshalWithOptions(t, yaml.IndentSequence(true))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o640)
}

// Record makes a test of everything that was told of a key and of what is linked to it. What is expected is what the policy makes of it now.
func (k *PolicyDesk) Record(ctx context.Context, tenant, key string, p *policy.Policy) (*Trial, error) {
	t := &Trial{Name: key}
	err := k.DB.Read(ctx, func(tx *db.Tx) error {
		t.Facts = nil
		rows, err := tx.Query(ctx, `SELECT body FROM event WHERE variant = 0 AND kind <> ? AND log_id IN (SELECT f.log_id FROM fact f WHERE f.tenant = ? AND f.fold_key = ?
			UNION SELECT f.log_id FROM fact f JOIN link l ON l.tenant = f.tenant AND l.link_key = f.fold_key WHERE l.tenant = ? AND l.part_of = ?) ORDER BY log_id`,
			docklinev1.EventKind_EVENT_KIND_ORDER_RELEASED, tenant, key, tenant, key)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var body []byte
			if err := rows.Scan(&body); err != nil {
				return err
			}
			e := &docklinev1.Event{}
			if err := proto.Unmarshal(body, e); err != nil {
				return err
			}
			e.Tenant = ""
			fact, err := plainOf(e)
			if err != nil {
				return err
			}
			t.Facts = append(t.Facts, fact)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	if len(t.Facts) == 0 {
		return nil, fmt.Errorf("%w of %s of tenant %s", reconcile.ErrNoKey, key, tenant)
	}
	results, err := RunTrials(ctx, p, map[string]*Trial{"": t})
	if err != nil {
		return nil, err
	}
	if results[0].Got.Statuses == nil {
		return nil, errors.New(strings.Join(results[0].Differences, "; "))
	}
	t.Expect = results[0].Got
	return t, nil
}
