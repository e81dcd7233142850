package reconcile

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/collector/receipt"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// writes is what a batch will write, gathered so that each table gets few statements.
type writes struct {
	oldStates, newStates, newReasons, newWaits, newMarks [][]any
	oldReasons, oldWaits                                 [][]any
	newCommands                                          [][]any
	newLinks                                             [][]any
	letters                                              [][]any
	released                                             []*docklinev1.Event
	receipts                                             map[string]map[string]bool // by tenant, event ids
	marked                                               map[foldKey]bool
	demands                                              map[foldKey][]state.Demand
	ruled                                                map[foldKey]decidedBy
	names                                                map[foldKey]map[name]string
}

// note brings what was decided about a key beside what is known of it, and notes the difference. Postings and exceptions compare for
// themselves.
func (b *batch) note(ctx context.Context, v *view, out *outcome) error {
	changed, err := b.noteState(v, out)
	if err != nil {
		return err
	}
	if out.frozen {
		return b.exceptions.Sync(exception.Origin{Tenant: v.tenant, Name: v.failure()}, out.exceptions)
	}
	if changed {
		b.noteDemand(v.foldKey, out)
	}
	if changed && !b.large {
		b.refresh(v.tenant, b.postings.Feeding(v.posting())) // whatever became of these meanwhile
	}
	if !isLedger(v.key) {
		if b.ruled == nil {
			b.ruled = make(map[foldKey]decidedBy)
		}
		b.ruled[v.foldKey] = decidedBy{v.policy.Version, out.ruled}
	}
	if v.orderNumber() != "" {
		if b.names == nil {
			b.names = make(map[foldKey]map[name]string)
		}
		b.names[v.foldKey] = out.names
	}
	b.noteReasons(v.foldKey, out.reasons)
	b.noteWaits(v.foldKey, out.allWaits())
	if err := b.postings.Put(v.posting(), v.policy.Version, out.postings); err != nil {
		return err
	}
	if err := b.exceptions.Sync(exception.Origin{Tenant: v.tenant, Name: v.origin()}, out.exceptions); err != nil {
		return err
	}
	if err := b.exceptions.Sync(exception.Origin{Tenant: v.tenant, Name: v.failure()}, nil); err != nil {
		return err
	}
	if out.letter != nil {
		b.letters = append(b.letters, out.letter.row(v.foldKey))
	}
	if hasClocks(v.key) {
		b.clocks.Put(v.milestone(), out.clocks)
		if err := b.exceptions.Sync(exception.Origin{Tenant: v.tenant, Name: v.clocks()}, out.breaches); err != nil {
			return err
		}
	}
	if err := b.noteCommands(ctx, v, out); err != nil {
		return err
	}
	for _, l := range out.links {
		b.newLinks = append(b.newLinks, []any{v.tenant, l.key, l.partOf, l.eventID, l.inForce})
	}
	if out.told != 0 {
		if _, err := b.tx.Exec(ctx, `UPDATE link SET told = ? WHERE tenant = ? AND link_key = ? AND told <> ?`, out.told, v.tenant, v.key, out.told); err != nil {
			return err
		}
	}
	if !out.wakeAt.IsZero() {
		b.mark(v.foldKey, out.wakeAt, noFact)
	}
	for _, key := range out.also {
		b.markOnce(foldKey{v.tenant, key})
	}
	return nil
}

// writeWishes writes the postings and exceptions that were noted. A receipt follows from these and from the reasons, and from nothing else
// that a fold knows: those of events that have none of them are left alone.
func (b *batch) writeWishes(ctx context.Context) error {
	fed, err := b.postings.Write(ctx, b.tx)
	if err != nil {
		return err
	}
	for tenant, ids := range fed {
		b.refresh(tenant, ids)
	}
	synced, err := b.exceptions.Write(ctx, b.tx)
	if err != nil {
		return err
	}
	for origin, s := range synced {
		if _, of := strings.CutPrefix(origin.Name, foldKey{}.origin()); of {
			b.refresh(origin.Tenant, s.Events)
		}
	}
	return nil
}

// noteState tells whether there is anything about the key that was not folded before.
func (b *batch) noteState(v *view, out *outcome) (bool, error) {
	facts := int64(v.own)
	if b.large {
		facts = int64(b.factCount)
	}
	if out.state == nil {
		if out.gone && v.had != nil {
			b.oldStates = append(b.oldStates, []any{v.tenant, v.key})
		}
		return true, nil // a record, or nothing
	}
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(out.state)
	if err != nil {
		return false, err
	}
	hash, err := state.Hash(out.state)
	if err != nil {
		return false, err
	}
	firstAt := b.now.UnixMicro()
	if had := v.had; had != nil {
		firstAt = had.firstAt
		same := had.hash == hash && bytes.Equal(had.body, body) && had.status == out.status && had.site == out.site && had.customer == out.customer
		if same && had.factCount == facts && had.policy == v.policy.Version {
			return false, nil
		}
	}
	if v.had == nil || v.had.hash != hash {
		b.done.Changed++
	}
	b.newStates = append(b.newStates, []any{v.tenant, v.key, body, hash, out.status, out.site, out.customer, facts, v.policy.Version, firstAt, b.now.UnixMicro(), progressOf(out.state)})
	return true, nil
}

// progressOf is an order's progress as the table keeps it, with a blank on each side of a name.
func progressOf(m proto.Message) string {
	o, ok := m.(*docklinev1.OrderState)
	if !ok || len(o.GetProgress()) == 0 {
		return ""
	}
	return " " + strings.Join(o.GetProgress(), " ") + " "
}

func (b *batch) noteReasons(key foldKey, want map[string]string) {
	have := b.reasons[key]
	for _, id := range slices.Sorted(maps.Keys(have)) {
		if want[id] != have[id] {
			b.oldReasons = append(b.oldReasons, []any{key.tenant, id, key.key})
			b.refresh(key.tenant, []string{id})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(want)) {
		if want[id] != have[id] {
			b.newReasons = append(b.newReasons, []any{key.tenant, id, key.key, want[id]})
			b.refresh(key.tenant, []string{id})
		}
	}
}

func (b *batch) noteWaits(key foldKey, want map[string]bool) {
	have := b.waits[key]
	for site := range have {
		if !want[site] {
			b.oldWaits = append(b.oldWaits, []any{key.tenant, key.key, site})
		}
	}
	for site := range want {
		if !have[site] {
			b.newWaits = append(b.newWaits, []any{key.tenant, key.key, site})
		}
	}
}

// allWaits are the sites that anything waits for.
func (o *outcome) allWaits() map[string]bool {
	if len(o.clockWaits) == 0 {
		return o.waits
	}
	all := maps.Clone(o.waits)
	maps.Copy(all, o.clockWaits)
	return all
}

func (b *batch) noteCommands(ctx context.Context, v *view, out *outcome) error {
	for _, c := range out.commands {
		body, err := proto.MarshalOptions{Deterministic: true}.Marshal(c.body)
		if err != nil {
			return err
		}
		row := []any{v.tenant, c.site, c.body.GetKey(), c.body.GetVersion(), body, c.hash, b.now.UnixMicro(), int64(0), "", int64(0)}
		if c.fresh {
			// In a database that was put back the site's answer may be told before the command is made again.
			if e := answerTo(c, out.results); e != nil {
				r := e.GetCommandResult()
				row[7], row[8], row[9] = int64(r.GetOutcome()), r.GetText(), e.GetOccurredAt().AsTime().UnixMicro()
			}
			b.newCommands = append(b.newCommands, row)
		} else if _, err := b.tx.Exec(ctx, `UPDATE command SET version = ?, position = NULL, body = ?, body_hash = ?, outcome = 0, outcome_text = '', created_at = ?, completed_at = 0
			WHERE tenant = ? AND site = ? AND command_key = ?`, row[3], row[4], row[5], row[6], row[0], row[1], row[2]); err != nil {
			return fmt.Errorf("command %s: %w", c.body.GetKey(), err)
		}
		if c.body.GetReleaseOrder() != nil {
			b.released = append(b.released, released(c.body))
		}
	}
	for _, e := range out.results {
		r := e.GetCommandResult()
		if b.resultKnown(v.foldKey, e) {
			continue
		}
		if _, err := b.tx.Exec(ctx, `UPDATE command SET outcome = ?, outcome_text = ?, completed_at = ? WHERE tenant = ? AND site = ? AND command_key = ? AND version = ?
			AND (outcome <> ? OR outcome_text <> ?)`, r.GetOutcome(), r.GetText(), e.GetOccurredAt().AsTime().UnixMicro(), v.tenant, e.GetSite(), r.GetKey(), r.GetVersion(),
			r.GetOutcome(), r.GetText()); err != nil {
			return fmt.Errorf("result of command %s: %w", r.GetKey(), err)
		}
	}
	return nil
}

// answerTo is what its site has said of a command, nil for nothing.
func answerTo(c command, results []*docklinev1.Event) *docklinev1.Event {
	for _, e := range results {
		if r := e.GetCommandResult(); e.GetSite() == c.site && r.GetKey() == c.body.GetKey() && r.GetVersion() == c.body.GetVersion() {
			return e
		}
	}
	return nil
}

// resultKnown tells whether what a site answered stands beside its command already, or is about a version of it that was overtaken.
func (b *batch) resultKnown(key foldKey, e *docklinev1.Event) bool {
	r := e.GetCommandResult()
	if kind, parts, err := event.ParseKey(key.key); err != nil || kind != state.KindOrder || r.GetKey() != state.CommandKey(parts[0]) {
		return false // the result of a command that was not read
	}
	for _, c := range b.commands[key] {
		if c.site == e.GetSite() && c.version == int64(r.GetVersion()) {
			return c.outcome == int64(r.GetOutcome()) && c.text == r.GetText()
		}
	}
	return true
}

// refresh notes events whose receipts may read otherwise now.
func (b *batch) refresh(tenant string, ids []string) {
	if len(ids) == 0 {
		return
	}
	if b.receipts == nil {
		b.receipts = make(map[string]map[string]bool)
	}
	if b.receipts[tenant] == nil {
		b.receipts[tenant] = make(map[string]bool)
	}
	for _, id := range ids {
		b.receipts[tenant][id] = true
	}
}

// mark has a key folded again at a time, with what is new of it until then.
func (b *batch) mark(key foldKey, at time.Time, told span) {
	b.newMarks = append(b.newMarks, []any{key.tenant, key.key, at.UnixMicro(), told.first, told.last})
}

// markOnce has a key folded again at once.
func (b *batch) markOnce(key foldKey) {
	if b.marked[key] {
		return
	}
	if b.marked == nil {
		b.marked = make(map[foldKey]bool)
	}
	b.marked[key] = true
	b.newMarks = append(b.newMarks, []any{key.tenant, key.key, int64(0), noFact.first, noFact.last})
}

// write writes what was noted. Rows go in the order of their keys, so that two workers wait for each other and do not deadlock.
func (b *batch) write(ctx context.Context) error {
	if err := b.closeBooks(ctx); err != nil {
		return err
	}
	if err := b.writeDemand(ctx); err != nil {
		return err
	}
	if err := b.writeRuled(ctx); err != nil {
		return err
	}
	if err := b.writeNames(ctx); err != nil {
		return err
	}
	if err := b.tx.Upsert(ctx, db.Insert{Table: "state", Rows: b.newStates, Conflict: byKey,
		Columns: []string{"tenant", "fold_key", "body", "hash", "status", "site", "customer", "fact_count", "policy_version", "first_at", "changed_at", "progress"},
		Update:  []string{"body", "hash", "status", "site", "customer", "fact_count", "policy_version", "changed_at", "progress"}}); err != nil {
		return err
	}
	if err := b.tx.DeleteAll(ctx, "state", byKey, b.oldStates); err != nil {
		return err
	}
	if err := b.tx.DeleteAll(ctx, "no_document", []string{"tenant", "event_id", "fold_key"}, b.oldReasons); err != nil {
		return err
	}
	if err := b.tx.InsertAll(ctx, db.Insert{Table: "no_document", Columns: []string{"tenant", "event_id", "fold_key", "reason"}, Rows: b.newReasons}); err != nil {
		return err
	}
	if err := b.tx.DeleteAll(ctx, "stream_wait", []string{"tenant", "fold_key", "site"}, b.oldWaits); err != nil {
		return err
	}
	if err := b.tx.InsertAll(ctx, db.Insert{Table: "stream_wait", Columns: []string{"tenant", "fold_key", "site"}, Rows: b.newWaits}); err != nil {
		return err
	}
	if err := b.tx.Upsert(ctx, db.Insert{Table: "dead_letter", Columns: letterColumns, Conflict: byKey, Update: letterColumns[2:], Rows: b.letters}); err != nil {
		return err
	}
	if err := b.clocks.Write(ctx, b.tx); err != nil {
		return err
	}
	if err := b.tx.InsertAll(ctx, db.Insert{Table: "command", Columns: []string{"tenant", "site", "command_key", "version", "body", "body_hash", "created_at", "outcome", "outcome_text", "completed_at"}, Rows: b.newCommands}); err != nil {
		return err
	}
	if _, err := b.tx.UpdateAll(ctx, db.Update{Table: "link", Key: []string{"tenant", "link_key", "part_of", "event_id"}, Set: []string{"in_force"}, Rows: b.newLinks}); err != nil {
		return err
	}
	if len(b.released) > 0 && b.worker.Append != nil {
		if err := b.worker.Append(ctx, b.tx, b.released); err != nil {
			return fmt.Errorf("append releases: %w", err)
		}
	}
	systems := b.inForce().OfRole(ownership.SystemOfRecord)
	for _, tenant := range slices.Sorted(maps.Keys(b.receipts)) {
		if err := receipt.Refresh(ctx, b.tx, tenant, slices.Sorted(maps.Keys(b.receipts[tenant])), systems, b.now); err != nil {
			return err
		}
	}
	if err := b.writeDigests(ctx); err != nil {
		return err
	}
	return b.flushMarks(ctx)
}

// flushMarks deletes the marks that were read, and makes the new ones.
func (b *batch) flushMarks(ctx context.Context) error {
	if _, err := b.tx.Delete(ctx, "dirty", "id", b.marks); err != nil {
		return err
	}
	slices.SortStableFunc(b.newMarks, func(x, y []any) int {
		return cmp.Or(cmp.Compare(x[0].(string), y[0].(string)), cmp.Compare(x[1].(string), y[1].(string)))
	})
	return b.tx.InsertAll(ctx, db.Insert{Table: "dirty", Columns: []string{"tenant", "fold_key", "due_at", "first_fact", "last_fact"}, Rows: b.newMarks})
}
