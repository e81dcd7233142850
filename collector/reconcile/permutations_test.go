package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/milestone"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/collector/state"
	. "github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/history"
)

// placed is an event with its place in the site's journal.
type placed struct {
	*docklinev1.Event
	ordinal, seq uint64
}

// TestPermutations makes random histories of every kind of event and tells each in random orders, with duplicates, late facts and in random
// batches: there is one state of every key, with its postings, exceptions and reasons, and it is the one that plain sums over the history say.
//
// Shows: S59
func TestPermutations(t *testing.T) {
	t.Run("pure folds", func(t *testing.T) {
		for seed := range uint64(testenv.Count("permutations.pure")) {
			if err := foldPermuted(seed, foldPure); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
	})
	t.Run("event log and reconcile", func(t *testing.T) {
		d := testenv.SQLite(t)
		keys := 0
		for first := 0; first < testenv.Count("permutations.database"); first += together {
			n, err := tellPermuted(t, d, uint64(first), func(*docklinev1.Event) bool { return true })
			if err != nil {
				t.Fatal(err)
			}
			keys += n
		}
		testenv.Figure(t, "histories", testenv.Count("permutations.database"), "keys compared", keys)
	})
}

// pureFold folds the facts of one key to what is compared.
type pureFold func(key string, facts []state.Fact) (proto.Message, string, error)

// foldPermuted folds every key of a history from its facts in several orders, with duplicates.
func foldPermuted(seed uint64, fold pureFold) error {
	h := history.Random(seed)
	random := rand.New(rand.NewPCG(seed, 3))
	byKey := factsOf(h)
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		facts := byKey[key]
		first, want, err := fold(key, facts)
		if err != nil {
			return err
		}
		for range 3 {
			again := slices.Clone(facts)
			for _, f := range facts {
				if random.IntN(4) == 0 { // sent again, from a later place
					f.EpochOrdinal, f.Seq = 2, f.Seq+7
					again = append(again, f)
				}
			}
			random.Shuffle(len(again), func(i, j int) { again[i], again[j] = again[j], again[i] })
			if _, got, err := fold(key, again); err != nil || got != want {
				return fmt.Errorf("%s: the same facts in another order fold to\n%s\nnot to\n%s (%v)", key, got, want, err)
			}
		}
		if s, ok := first.(*docklinev1.OrderState); ok {
			if err := truthOf(h, s); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
	}
	return nil
}

// factsOf are the facts of a history by key, also those of versions of a record for keys that only other versions touch, as the log has them.
func factsOf(h *history.History) map[string][]state.Fact {
	byKey, ofRecord := make(map[string][]state.Fact), make(map[string]map[string]bool)
	touched := make([]map[string]bool, len(h.Events))
	for i, e := range h.Events {
		touched[i] = make(map[string]bool)
		for _, touch := range state.Keys(e, anyCode{}) {
			byKey[touch.Key] = append(byKey[touch.Key], state.Fact{EpochOrdinal: 1, Seq: uint64(i + 1), Event: touch.Event})
			touched[i][touch.Key] = true
			if name := event.Record(e); name != "" {
				if ofRecord[name] == nil {
					ofRecord[name] = make(map[string]bool)
				}
				ofRecord[name][touch.Key] = true
			}
		}
	}
	for i, e := range h.Events {
		for key := range ofRecord[event.Record(e)] {
			if !touched[i][key] && e.GetDeadLetter() == nil && e.GetCommandResult() == nil {
				byKey[key] = append(byKey[key], state.Fact{EpochOrdinal: 1, Seq: uint64(i + 1), Event: event.Elsewhere(e)})
			}
		}
	}
	return withLinked(h, byKey)
}

// withLinked adds to the facts of each key those of the keys that are linked to it, as the worker loads them.
func withLinked(h *history.History, byKey map[string][]state.Fact) map[string][]state.Fact {
	parts := make(map[string]map[string]bool)
	for _, e := range h.Events {
		for _, l := range state.Links(e) {
			if parts[l.PartOf] == nil {
				parts[l.PartOf] = make(map[string]bool)
			}
			parts[l.PartOf][l.Key] = state.Carries(l.Key)
		}
	}
	all := maps.Clone(byKey)
	for key := range byKey {
		for _, via := range slices.Sorted(maps.Keys(parts[key])) {
			for _, f := range byKey[via] {
				if part, ok := state.Concerning(key, f.Event); ok && parts[key][via] && state.Follows(f.Event.GetKind()) {
					f.Via, f.Event = via, part
					all[key] = append(all[key], f)
				}
			}
		}
	}
	return all
}

// historyPolicy is the policy of histories: as shipped, but that the CRM owns the address of an order, which the ERP tells too.
var historyPolicy = sync.OnceValue(func() *policy.Policy {
	shipped, err := os.ReadFile("../policy/default/ownership.yaml")
	if err != nil {
		panic(err)
	}
	registry := strings.Replace(string(shipped), "ownership:\n", "ownership:\n  - fields: [order.ship_to]\n    owners: [crm]\n", 1)
	p, err := policy.Load(fstest.MapFS{"targets.yaml": &fstest.MapFile{Data: []byte(threeSystems)}, "ownership.yaml": &fstest.MapFile{Data: []byte(registry)}})
	if err != nil {
		panic(err)
	}
	return p
})

// historyOwners is who owns what in histories, as the worker asks for it.
type historyOwners struct{}

func (historyOwners) Writes(e *docklinev1.Event) state.Writes {
	p := historyPolicy()
	w := p.Ownership.Writing(e.GetKind(), p.RoleOf(e))
	ok, denied := p.Ownership.May(e.GetKind(), p.RoleOf(e), state.Word(e))
	return state.Writes{Tell: ok, Denied: denied, Foreign: w.Foreign, Own: w.Own}
}

func (historyOwners) Rank(*docklinev1.Event, string) int { return 0 }

// truthOf holds an order against the sums of its history.
func truthOf(h *history.History, s *docklinev1.OrderState) error {
	var faults []error
	for _, line := range s.GetLines() {
		name := history.LineName(s.GetNumber(), line.GetOrderLine())
		if line.GetOrderLine() == "" || !h.Truth.Known[s.GetNumber()] {
			continue
		}
		if want := h.Truth.Shipped[name] * event.Scale; line.GetShipped() != want {
			faults = append(faults, fmt.Errorf("line %s has shipped %d, the history %d", name, line.GetShipped(), want))
		}
		if want := h.Truth.Voided[name] * event.Scale; line.GetVoided() != want {
			faults = append(faults, fmt.Errorf("of line %s %d is taken back, in the history %d", name, line.GetVoided(), want))
		}
	}
	return errors.Join(faults...)
}

func foldPure(key string, facts []state.Fact) (proto.Message, string, error) {
	owned := state.Own(facts, historyOwners{})
	folded, rest, err := foldOwned(key, owned.Facts)
	for _, c := range owned.Claims {
		rest += fmt.Sprint(" ", c.Record, c.Whole, c.Differences)
	}
	return folded, rest, err
}

func foldOwned(key string, facts []state.Fact) (proto.Message, string, error) {
	kind, parts, err := event.ParseKey(key)
	if err != nil {
		return nil, "", err
	}
	var folded proto.Message
	var rest string
	switch kind {
	case state.KindOrder:
		f := state.FoldOrder(parts[0], facts, anyCode{})
		folded, rest = f.State, fmt.Sprint(f.Issues, f.Shorts, f.Findings, f.Rank, f.Reached, idsOf(f.Facts), idsOf(f.Former), idsOf(f.Refused))
	case state.KindShipment:
		f := state.FoldShipment(parts[0], parts[1], facts, anyCode{})
		folded, rest = f.State, fmt.Sprint(f.Findings, f.Departed, idsOf(f.Facts), idsOf(f.Former), idsOf(f.Carried), idsOf(f.Voids))
	case state.KindReturn:
		f := state.FoldReturn(parts[0], facts, anyCode{})
		folded, rest = f.State, fmt.Sprint(f.Findings, f.Known, idsOf(f.Facts), idsOf(f.Former))
	case state.KindBlindReturn:
		f := state.FoldBlindReturn(parts[0], parts[1], facts, anyCode{})
		folded, rest = f.State, fmt.Sprint(f.Findings, f.Matched, idsOf(f.Facts), idsOf(f.Former))
	case state.KindInbound:
		f := state.FoldInbound(parts[0], parts[1], facts, anyCode{})
		folded, rest = f.State, fmt.Sprint(f.Findings, idsOf(f.Facts), idsOf(f.Former))
	case state.KindCount:
		f := state.FoldCount(parts[0], parts[1], facts, anyCode{})
		folded, rest = f.State, fmt.Sprint(f.Findings, idsOf(f.Facts), idsOf(f.Former))
	case state.KindStock:
		bucket, err := state.ParseBucket(key)
		if err != nil {
			return nil, "", err
		}
		f := FoldStock(bucket, facts, anyCode{}, "", 2*time.Second)
		folded, rest = f.State, fmt.Sprint(f.Findings, idsOf(f.Facts))
	case state.KindOpening:
		folded = state.FoldOpening(parts[0], facts)
	case state.KindRecord:
		r, found := state.FoldRecord(facts)
		return nil, fmt.Sprint(r, found), nil
	case state.KindSubmission:
		return nil, "", nil
	default:
		return nil, "", nil // folded with what it is linked to, by the other half of the test
	}
	hash, err := state.Hash(folded)
	return folded, hash + " " + rest, err
}

func idsOf(events []*docklinev1.Event) []string {
	var list []string
	for _, e := range events {
		list = append(list, e.GetId())
	}
	return list
}

// anyCode takes every code as it is.
type anyCode struct{}

func (anyCode) Item(_, code, gtin string) (string, bool)                    { return code + gtin, true }
func (anyCode) Base(_, _, _ string, millionths int64) (base int64, ok bool) { return millionths, true }

const (
	// together is how many histories are told at the same time, each to a tenant of its own; tellings is how often each is told.
	together = 20
	tellings = 3
)

// tellPermuted tells some histories several times, each telling to a tenant of its own, through the event log and the worker, and compares what
// the tables hold. keep leaves facts out for the worker's mapping of keys.
func tellPermuted(t *testing.T, d *db.DB, first uint64, keep func(*docklinev1.Event) bool) (keys int, err error) {
	p := historyPolicy()
	clock := Morning.Add(time.Hour)
	now := func() time.Time { return clock }
	log := &eventlog.Log{DB: d, Now: now, Keys: func(e *docklinev1.Event) (touches []eventlog.Touch) {
		if !keep(e) {
			return nil
		}
		for _, t := range state.Keys(e, p.Mapping) {
			touches = append(touches, eventlog.Touch(t))
		}
		return touches
	}}
	log.Links = func(e *docklinev1.Event) (links []eventlog.Link) {
		for _, l := range state.Links(e) {
			links = append(links, eventlog.Link(l))
		}
		return links
	}
	worker := &reconcile.Worker{DB: d, Policy: p, Now: now}
	random := rand.New(rand.NewPCG(first, 11))
	waiting := make(map[string][]placed)
	for i := range together {
		for telling := range tellings {
			tenant := fmt.Sprintf("h%d-%d", first+uint64(i), telling)
			waiting[tenant] = inOrder(first+uint64(i), telling, tenant, random)
		}
	}
	tenants := slices.Sorted(maps.Keys(waiting))
	for left := len(tenants); left > 0; {
		if err := tellBatch(t.Context(), d, log, waiting, tenants, random); err != nil {
			return 0, err
		}
		left = 0
		for _, list := range waiting {
			left += len(list)
		}
		if random.IntN(3) == 0 || left == 0 {
			if err := foldAll(t.Context(), worker); err != nil {
				return 0, err
			}
		}
	}
	for range 4 { // whatever is waited for, the time for it is over
		clock = clock.Add(200 * 24 * time.Hour)
		if err := foldAll(t.Context(), worker); err != nil {
			return 0, err
		}
	}
	return compareTellings(t.Context(), d, first)
}

// inOrder is the order in which one telling tells its events: the first as they happened, the others in any order and with duplicates.
func inOrder(seed uint64, telling int, tenant string, random *rand.Rand) []placed {
	var list []placed
	for i, e := range history.Random(seed).Events {
		e = proto.CloneOf(e)
		e.Tenant = tenant
		if e.GetCorrelationId() == "" {
			e.CorrelationId = "one" // else it names the tenant
		}
		list = append(list, placed{e, 1, uint64(i + 1)})
		if i%5 == 0 {
			list = append(list, placed{Event: spoken(e, i)})
		}
		if telling > 0 && random.IntN(4) == 0 {
			list = append(list, placed{proto.CloneOf(e), 2, uint64(i + 1)})
		}
	}
	if telling > 0 {
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	}
	return list
}

// spoken is what a person tells a clock of an order at about the time of an event.
func spoken(e *docklinev1.Event, i int) *docklinev1.Event {
	names := []string{"released", "picked", "shipped", "promised"}
	actions := []string{milestone.Pause, milestone.Resume, milestone.Extend, milestone.Reset, milestone.Signal, milestone.Stop}
	told := &docklinev1.MilestoneChange{Key: fmt.Sprintf("order/SO%d", 1+i%2), Name: names[i/5%len(names)], Action: actions[i/3%len(actions)], Reason: "agreed", Seconds: 3600}
	return &docklinev1.Event{Id: fmt.Sprintf("spoken %d", i), Tenant: e.GetTenant(), Source: policy.Self, Kind: docklinev1.EventKind_EVENT_KIND_MILESTONE_CHANGED, Subject: told.Name, Actor: "ana",
		SourceKey: fmt.Sprintf("spoken/%d", i), OccurredAt: e.GetOccurredAt(), CorrelationId: "one", Payload: &docklinev1.Event_MilestoneChange{MilestoneChange: told}}
}

// tellBatch appends the next few events of some tenants in one transaction.
func tellBatch(ctx context.Context, d *db.DB, log *eventlog.Log, waiting map[string][]placed, tenants []string, random *rand.Rand) error {
	var recorded []eventlog.Recorded
	for _, tenant := range tenants {
		n := min(random.IntN(12), len(waiting[tenant]))
		for _, e := range waiting[tenant][:n] {
			r := eventlog.Recorded{Event: e.Event}
			if e.GetSite() != "" {
				r.Epoch, r.EpochOrdinal, r.Seq = fmt.Sprintf("e%d", e.ordinal), e.ordinal, e.seq
			}
			recorded = append(recorded, r)
		}
		waiting[tenant] = waiting[tenant][n:]
	}
	return d.Write(ctx, func(tx *db.Tx) error {
		_, err := log.Append(ctx, tx, recorded)
		return err
	})
}

func foldAll(ctx context.Context, worker *reconcile.Worker) error {
	for range 1000 {
		if n, err := worker.Step(ctx); n == 0 || err != nil {
			return err
		}
	}
	return errors.New("keys stay dirty")
}

// derived are the queries of everything that follows from events, of one tenant, without what only numbers rows: a text, and a body.
var derived = []string{
	`SELECT 'state ' || fold_key || ' ' || status || ' ' || site || ' ' || customer, body FROM state WHERE tenant = ?`,
	`SELECT 'posting ' || target || ' ' || kind || ' ' || natural_key || ' ' || document_hash || ' ' || CASE state WHEN 'planned' THEN 'ready' ELSE state END, NULL FROM posting WHERE tenant = ? AND state <> 'superseded'`,
	`SELECT 'exception ' || origin || ' ' || code || ' ' || subject || ' ' || title || ' ' || text, NULL FROM exception WHERE tenant = ? AND state <> 'resolved'`,
	`SELECT 'milestone ' || fold_key || ' ' || name || ' ' || standing || ' ' || breached || ' ' || started_at || ' ' || due_at || ' ' || reached_at || ' ' || paused_at || ' ' || waited || ' ' || remains || ' ' || expected_at || ' ' || facts, NULL FROM milestone WHERE tenant = ?`,
	`SELECT 'reason ' || event_id || ' ' || fold_key || ' ' || reason, NULL FROM no_document WHERE tenant = ?`,
}

// compareTellings compares what every telling of a history came to with the first one, and that with the history.
func compareTellings(ctx context.Context, d *db.DB, first uint64) (keys int, err error) {
	for i := range uint64(together) {
		seed := first + i
		var want []string
		for telling := range tellings {
			tenant := fmt.Sprintf("h%d-%d", seed, telling)
			got, err := derivedOf(ctx, d, tenant)
			if err != nil {
				return 0, err
			}
			if telling == 0 {
				want = got
				keys += len(got)
				if err := truthInDatabase(ctx, d, tenant, history.Random(seed)); err != nil {
					return 0, fmt.Errorf("seed %d: %w", seed, err)
				}
				continue
			}
			for j := range max(len(want), len(got)) {
				if j >= len(want) || j >= len(got) || want[j] != got[j] {
					return 0, fmt.Errorf("seed %d told otherwise comes to\n%q\nnot to\n%q", seed, lineAt(got, j), lineAt(want, j))
				}
			}
		}
	}
	return keys, nil
}

func lineAt(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return "(nothing)"
}

func derivedOf(ctx context.Context, d *db.DB, tenant string) (lines []string, err error) {
	names := strings.NewReplacer(tenant, "TENANT", event.CorrelationID(tenant, "SO1"), "correlation of SO1", event.CorrelationID(tenant, "SO2"), "correlation of SO2")
	err = d.Read(ctx, func(tx *db.Tx) error {
		lines = nil
		for _, query := range derived {
			rows, err := tx.Query(ctx, query, tenant)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var line string
				var body []byte
				if err := rows.Scan(&line, &body); err != nil {
					return err
				}
				lines = append(lines, names.Replace(line+" "+string(body)))
			}
			if err := rows.Err(); err != nil {
				return err
			}
		}
		return nil
	})
	slices.Sort(lines)
	return lines, err
}

func truthInDatabase(ctx context.Context, d *db.DB, tenant string, h *history.History) error {
	return d.Read(ctx, func(tx *db.Tx) error {
		rows, err := tx.Query(ctx, `SELECT body FROM state WHERE tenant = ? AND fold_key LIKE 'order/%'`, tenant)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var body []byte
			s := &docklinev1.OrderState{}
			if err := rows.Scan(&body); err != nil {
				return err
			}
			if err := proto.Unmarshal(body, s); err != nil {
				return err
			}
			if err := truthOf(h, s); err != nil {
				return fmt.Errorf("order %s: %w", s.GetNumber(), err)
			}
		}
		return rows.Err()
	})
}

// TestAFoldThatIgnoresVoidsIsCaught plants a wrong fold, pure and in the tables: the test above must fail with it.
func TestAFoldThatIgnoresVoidsIsCaught(t *testing.T) {
	isVoid := func(e *docklinev1.Event) bool { return e.GetKind() == docklinev1.EventKind_EVENT_KIND_SHIPMENT_VOIDED }
	caught := 0
	for seed := range uint64(50) {
		if err := foldPermuted(seed, func(key string, facts []state.Fact) (proto.Message, string, error) {
			return foldPure(key, slices.DeleteFunc(slices.Clone(facts), func(f state.Fact) bool { return isVoid(f.Event) }))
		}); err != nil && strings.Contains(err.Error(), "taken back") {
			caught++
		}
	}
	if caught < 8 {
		t.Errorf("of 50 histories %d showed that voids are ignored", caught)
	}
	if _, err := tellPermuted(t, testenv.SQLite(t), 0, func(e *docklinev1.Event) bool { return !isVoid(e) }); err == nil || !strings.Contains(err.Error(), "taken back") {
		t.Errorf("that voids are ignored in the tables is not found: %v", err)
	}
}

// TestAWrongFoldIsCaught plants folds that are wrong: the test above must fail with each.
func TestAWrongFoldIsCaught(t *testing.T) {
	isCorrection := func(e *docklinev1.Event) bool {
		return e.GetShipment() != nil && e.GetSourceRevision() != "" && e.GetSourceRevision() != "9"
	}
	caught := 0
	for seed := range uint64(50) {
		if err := foldPermuted(seed, func(key string, facts []state.Fact) (proto.Message, string, error) {
			return foldPure(key, slices.DeleteFunc(slices.Clone(facts), func(f state.Fact) bool { return isCorrection(f.Event) }))
		}); err != nil && strings.Contains(err.Error(), "has shipped") {
			caught++
		}
	}
	if caught < 3 {
		t.Errorf("of 50 histories %d showed that corrections are ignored", caught)
	}
	if _, err := tellPermuted(t, testenv.SQLite(t), 0, func(e *docklinev1.Event) bool { return !isCorrection(e) }); err == nil || !strings.Contains(err.Error(), "has shipped") {
		t.Errorf("that corrections are ignored in the tables is not found: %v", err)
	}
	// And one that counts what came last, and not what the source says: here it is order that decides.
	err := error(nil)
	for seed := uint64(0); seed < 50 && err == nil; seed++ {
		err = foldPermuted(seed, func(key string, facts []state.Fact) (proto.Message, string, error) {
			return foldPure(key, facts[:len(facts)-len(facts)/4])
		})
	}
	if err == nil || !strings.Contains(err.Error(), "in another order") {
		t.Errorf("a fold that overlooks what came last is not found: %v", err)
	}
}

// TestAFoldThatTakesEverybodysWordIsCaught plants a fold that lets every system say everything: TestPermutations must fail with it.
func TestAFoldThatTakesEverybodysWordIsCaught(t *testing.T) {
	caught, cases := 0, 0
	for seed := range uint64(50) {
		if err := foldPermuted(seed, foldOwned); err != nil && strings.Contains(err.Error(), "has shipped") {
			caught++
		}
		for _, facts := range factsOf(history.Random(seed)) {
			cases += len(state.Own(facts, historyOwners{}).Claims)
		}
	}
	if caught < 3 || cases < 50 {
		t.Errorf("of 50 histories %d showed that everybody's word is taken; they come to %d cases", caught, cases)
	}
}
