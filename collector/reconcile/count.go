package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// counted decides about a count as a whole. Its variances are worked out where the buckets are folded; a count that agrees with all
// of them leads to no document.
func (v *view) counted(site, number string) {
	fold := state.FoldCount(site, number, v.facts, v.mapping())
	o := &v.outcome
	o.state, o.site, o.status = fold.State, site, "counted"
	v.raiseFindings(fold.Findings, "", "")
	v.replaced(fold.Former, byRecount)
	v.wakeBuckets(fold.State)
	for _, e := range fold.Decided {
		o.reasons[e.GetId()] = "it decides about a count: what is booked follows from the count"
	}
	for _, e := range fold.Rejected {
		o.reasons[e.GetId()] = "the count was rejected"
	}
	if fold.State.GetDecision() == state.DecisionReject {
		o.status = "rejected"
	}
	final, agree, other, open := true, true, false, 0
	for _, line := range fold.State.GetLines() {
		if state.DecisionOf(fold.State, line) == state.DecisionReject {
			continue
		}
		open++
		variance := v.varianceOf(line.GetStockKey(), state.UseOf(number, line.GetAgain()))
		switch {
		case variance.GetStanding() != state.StandingFinal:
			final = false
		case variance.GetVariance() == 0:
		case v.adjustable(line.GetStockKey()):
			agree = false
		default:
			other = true
		}
	}
	if !final || open == 0 {
		return
	}
	reason := "the count agrees with the book"
	switch {
	case !agree:
		return // its adjustments say what becomes of it
	case other:
		reason = "only stock that is available is adjusted"
	}
	if o.status == "counted" {
		o.status = "agrees"
	}
	for _, e := range fold.Facts {
		if !slices.Contains(fold.Rejected, e) {
			o.reasons[e.GetId()] = reason
		}
	}
}

// varianceOf is what a count came to in a bucket, nil where the bucket is not folded yet; its fold then wakes the count.
func (v *view) varianceOf(stockKey string, use state.Use) *docklinev1.CountVariance {
	rows := must(v.batch.tx.Lookup(v.ctx, db.Lookup{Table: "state", Columns: []string{"body"}, Key: byKey, Rows: [][]any{{v.tenant, stockKey}}}))
	for _, row := range rows {
		stock := &docklinev1.StockState{}
		if err := proto.Unmarshal(row[0].([]byte), stock); err != nil {
			panic(viewFault{fmt.Errorf("state of %s: %w", stockKey, err)})
		}
		for _, variance := range stock.GetVariances() {
			if useOf(variance) == use {
				return variance
			}
		}
	}
	return nil
}

func useOf(variance *docklinev1.CountVariance) state.Use {
	return state.UseOf(variance.GetCount(), variance.GetAgain())
}

// adjustable: the book of a system of record knows neither stock that is not available nor items that the mapping does not know.
func (v *view) adjustable(stockKey string) bool {
	b, err := state.ParseBucket(stockKey)
	return err == nil && b.Status == event.Available && b.Owner == "" && !b.Unmapped()
}

// stock decides about one bucket of the ledger: what each count of it says about the book.
func (v *view) stock() {
	bucket := must(state.ParseBucket(v.key))
	uncertainty := v.waits(bucket.Site).ClockUncertainty
	fold := state.FoldBucket(bucket, v.facts, v.mapping(), state.Surroundings{
		Book:     accountBook{v.batch.accounts[v.foldKey], v, uncertainty.Truncate(time.Microsecond)},
		OpenedBy: v.openedBy(bucket.Site),
		Decided:  v.decisions(bucket.Site),
	})
	o := &v.outcome
	if o.site = bucket.Site; len(v.facts) == 0 && fold.State.GetOnHand() == 0 {
		o.gone = true // nothing lies there, and nobody has opened or counted it: that it once was otherwise must not show
		return
	}
	o.state = fold.State
	had := v.hadStock()
	v.batch.book(v, true, state.RowsMinus(fold.State.GetRows(), had.GetRows()))
	v.raiseFindings(v.toldHere(fold.Findings), "", "")
	for i, variance := range fold.State.GetVariances() {
		v.variance(bucket, fold.State, variance, fold.Asserted[i])
	}
	for _, e := range fold.Facts {
		if e.GetAdjustment() != nil {
			o.reasons[e.GetId()] = "it books a count: what the system of record is told follows from the count"
		}
	}
	v.wakeCounts(bucket.Site, had, fold.State)
}

// hadStock is the bucket as it was last folded, empty where it was not.
func (v *view) hadStock() *docklinev1.StockState {
	old := &docklinev1.StockState{}
	if v.had != nil {
		if err := proto.Unmarshal(v.had.body, old); err != nil {
			panic(viewFault{fmt.Errorf("state of %s: %w", v.key, err)})
		}
	}
	return old
}

// decisions are what was decided about the counts of this bucket. The count's fold has the bucket folded again when that changes.
func (v *view) decisions(site string) map[state.Use]string {
	numbers := make(map[string]string)
	var rows [][]any
	for _, fact := range v.facts {
		if number := fact.Event.GetCount().GetNumber(); number != "" {
			key := event.CountKey(site, number)
			if _, asked := numbers[key]; !asked {
				numbers[key] = number
				rows = append(rows, []any{v.tenant, key})
			}
		}
	}
	decided := make(map[state.Use]string)
	for _, row := range must(v.batch.tx.Lookup(v.ctx, db.Lookup{Table: "state", Columns: []string{"fold_key", "body"}, Key: byKey, Rows: rows})) {
		count := &docklinev1.CountState{}
		if err := proto.Unmarshal(row[1].([]byte), count); err != nil {
			panic(viewFault{fmt.Errorf("state of %s: %w", row[0], err)})
		}
		for _, line := range count.GetLines() {
			if line.GetStockKey() == v.key {
				decided[state.UseOf(numbers[row[0].(string)], line.GetAgain())] = state.DecisionOf(count, line)
			}
		}
	}
	return decided
}

// wakeBuckets has those buckets of a count folded again about which something else was decided.
func (v *view) wakeBuckets(count *docklinev1.CountState) {
	old := &docklinev1.CountState{}
	if v.had != nil {
		if err := proto.Unmarshal(v.had.body, old); err != nil {
			panic(viewFault{fmt.Errorf("state of %s: %w", v.key, err)})
		}
	}
	decided := func(s *docklinev1.CountState) map[string]string {
		by := make(map[string]string)
		for _, line := range s.GetLines() {
			if decision := state.DecisionOf(s, line); decision != "" {
				by[line.GetStockKey()] += state.UseOf(decision, line.GetAgain()).Name() + ";"
			}
		}
		return by
	}
	was, is := decided(old), decided(count)
	for _, line := range append(old.GetLines(), count.GetLines()...) {
		if key := line.GetStockKey(); was[key] != is[key] {
			v.outcome.also = append(v.outcome.also, key)
		}
	}
}

// toldHere leaves out what is told where the order or the count of a record is folded.
func (v *view) toldHere(found []state.Finding) []state.Finding {
	return slices.DeleteFunc(found, func(f state.Finding) bool {
		if f.Code != state.CodeChangedRecord && f.Code != state.CodeChangedEvent {
			return false
		}
		return slices.ContainsFunc(v.facts, func(fact state.Fact) bool {
			return slices.Contains(f.EventIDs, fact.Event.GetId()) && (fact.Event.GetCount() != nil || state.Order(fact.Event) != "")
		})
	})
}

// openedBy is the snapshot that opened a site's stock, "" where there is none yet. A bucket that finds none and a snapshot that is folded
// at the same time wait for each other: either the one sees the snapshot, or the other sees the bucket.
func (v *view) openedBy(site string) string {
	if id, ok := v.batch.openings[siteKey{v.tenant, site}]; ok {
		return id
	}
	id := v.storedOpening(site)
	if id == "" {
		v.lockOpening(site)
		id = v.storedOpening(site)
	}
	v.batch.opened(siteKey{v.tenant, site}, id)
	return id
}

func (v *view) lockOpening(site string) {
	if err := v.batch.tx.Lock(v.ctx, "opening/"+v.tenant+"/"+site); err != nil {
		panic(viewFault{err})
	}
}

func (v *view) storedOpening(site string) string {
	rows := must(v.batch.tx.Lookup(v.ctx, db.Lookup{Table: "state", Columns: []string{"body"}, Key: byKey, Rows: [][]any{{v.tenant, state.OpeningKey(site)}}}))
	if len(rows) == 0 {
		return ""
	}
	opening := &docklinev1.StockState{}
	if err := proto.Unmarshal(rows[0][0].([]byte), opening); err != nil {
		panic(viewFault{fmt.Errorf("opening of %s: %w", site, err)})
	}
	return opening.GetOpenedBy()
}

// variance decides about one count of a bucket and notes how it stands.
func (v *view) variance(b state.Bucket, stock *docklinev1.StockState, variance *docklinev1.CountVariance, told state.Asserted) {
	where := fmt.Sprintf("bin %s, item %s", b.Bin, b.Item)
	if b.Lot != "" {
		where += ", lot " + b.Lot
	}
	if variance.GetStanding() == state.StandingRejected {
		return // what was booked of it is taken back
	}
	if variance.GetStanding() == state.StandingRecount {
		if variance.GetDecision() == state.DecisionRecount {
			v.recountAsked(b, where, told)
			v.adjust(b, variance, told, false)
			return
		}
		v.raise(exception.Desired{Code: "recount", Class: process, Subject: told.Name(), Site: b.Site, EventIDs: told.EventIDs,
			Title: fmt.Sprintf("Count %s of %s must be repeated", told.Name(), where),
			Text: fmt.Sprintf("Goods moved at %s of site %s within %s of count %s, and neither has a movement number, so nobody can say whether they were counted. Count the bin again while nothing moves there.",
				where, b.Site, v.waits(b.Site).ClockUncertainty, told.Name())})
		v.adjust(b, variance, told, false)
		return
	}
	var lagging []string
	if !stock.GetOpened() {
		lagging = []string{"the stock of the site was never opened by a snapshot of the book"}
	}
	at := variance.GetAsOf().AsTime().Add(v.waits(b.Site).ClockUncertainty) // a movement that close may have been before it
	lagging = append(lagging, v.lagging(b.Site, at, variance.GetAsOfMovement())...)
	if len(lagging) == 0 && !v.settled(variance) && v.unfolded(b.Site, at) {
		lagging = []string{"movements before it are in the event log, and not in the ledger yet"}
		v.wake(v.now.Add(firstLook))
	}
	if len(lagging) == 0 {
		variance.Standing = state.StandingFinal
		v.adjust(b, variance, told, true)
		return
	}
	if v.adjust(b, variance, told, false) {
		variance.Standing = state.StandingFinal // it was decided before; a stream that has come since does not undo it
		return
	}
	if !v.adjustable(v.key) {
		v.outcome.waits[b.Site] = true
		return
	}
	_, last := v.since(told.EventIDs)
	until := last.Add(v.waits(b.Site).CountWait)
	v.waitFor(b.Site, until)
	if !v.now.Before(until) {
		v.outcome.wakeAt = v.now.Add(v.waits(b.Site).CountWait + firstLook) // the streams wake it before
		v.raise(exception.Desired{Code: "count_waiting", Class: data, Subject: told.Name(), Site: b.Site, EventIDs: told.EventIDs,
			Title: fmt.Sprintf("Count %s of %s cannot be settled", told.Name(), where),
			Text: fmt.Sprintf("Count %s of %s at site %s waits, because movements before it may still be missing: %s. Look why, or repeat the count later; it is settled by itself when they are there, and nothing is booked until then.",
				told.Name(), where, b.Site, strings.Join(lagging, "; "))})
	}
}

// settled tells whether the count stood just so when the bucket was last folded.
func (v *view) settled(variance *docklinev1.CountVariance) bool {
	return slices.ContainsFunc(v.hadStock().GetVariances(), func(had *docklinev1.CountVariance) bool {
		return useOf(had) == useOf(variance) && had.GetStanding() == state.StandingFinal && had.GetVariance() == variance.GetVariance() && had.GetEventId() == variance.GetEventId()
	})
}

// unfolded tells whether a movement at the site up to a moment is in the event log and not in the ledger yet: a bucket may be folded before
// what moved its goods is.
func (v *view) unfolded(site string, at time.Time) bool {
	rows, err := v.batch.tx.Query(v.ctx, `SELECT DISTINCT d.fold_key FROM dirty d JOIN fact f ON f.tenant = d.tenant AND f.fold_key = d.fold_key JOIN event e ON e.log_id = f.log_id
		WHERE d.tenant = ? AND d.fold_key >= 'movement/' AND d.fold_key < 'movement0' AND d.due_at <= ? AND e.site = ? AND e.occurred_at <= ? LIMIT ?`,
		v.tenant, v.now.UnixMicro(), site, at.UnixMicro(), len(v.batch.inBatch)+1)
	if err != nil {
		panic(viewFault{fmt.Errorf("movements of %s that are not folded yet: %w", site, err)})
	}
	defer rows.Close()
	found := false
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			panic(viewFault{err})
		}
		found = found || !v.batch.inBatch[foldKey{v.tenant, key}] // those of the batch are in the ledger
	}
	if err := rows.Err(); err != nil {
		panic(viewFault{err})
	}
	return found
}

// recountAsked: the approver wants the bin counted once more.
func (v *view) recountAsked(b state.Bucket, where string, told state.Asserted) {
	v.raise(exception.Desired{Code: "recount", Class: process, Subject: told.Name(), Site: b.Site, EventIDs: told.EventIDs,
		Title: fmt.Sprintf("Count %s of %s must be repeated", told.Name(), where),
		Text:  fmt.Sprintf("Whoever approves counts asked for count %s at %s of site %s to be repeated. Count the bin again; nothing is booked until then.", told.Name(), where, b.Site)})
}

// adjust wants the adjustment for a variance. Where it is not final it wants only what has, or may have, had its effect, as it
// stands, and tells whether there is any.
func (v *view) adjust(b state.Bucket, variance *docklinev1.CountVariance, told state.Asserted, final bool) bool {
	if !v.adjustable(v.key) {
		return false
	}
	document := &docklinev1.Document{Document: &docklinev1.Document_StockAdjustment{StockAdjustment: &docklinev1.StockAdjustment{Count: told.Name(), Site: b.Site, Bin: b.Bin,
		Item: b.Item, Lot: b.Lot, Delta: event.FormatQuantity(variance.GetVariance()), AsOf: variance.GetAsOf(), AsOfMovement: variance.GetAsOfMovement(),
		Reason: "cycle count " + told.Name()}}}
	routes := v.targets(connector.StockAdjustment, b.Site, nil, document, v.policyOfCount(b.Site, told.Number))
	kept := false
	for _, target := range sortedNames(routes) {
		d := posting.Desired{Target: target, Kind: connector.StockAdjustment, Key: naturalKey(told.Name(), b.Item, b.Lot, b.Bin, b.Site), SerialKey: v.key, Site: b.Site,
			CorrelationID: event.CorrelationID(v.tenant, event.CountKey(b.Site, told.Number)), Document: document, EventIDs: told.EventIDs, Style: routes[target]}
		e, effective := v.effective(d.Ref())
		switch {
		case final && (variance.GetVariance() != 0 || effective):
			v.want(d)
		case !final && effective:
			d.Document = e.Document
			v.want(d)
			kept = true
		}
	}
	return kept
}

// policyOfCount is the version under which the count itself is folded: a bucket outlives many versions.
func (v *view) policyOfCount(site, count string) *policy.Policy {
	rows := must(v.batch.tx.Lookup(v.ctx, db.Lookup{Table: "state", Columns: []string{"policy_version"}, Key: byKey, Rows: [][]any{{v.tenant, event.CountKey(site, count)}}}))
	for _, row := range rows {
		if version := row[0].(string); version != v.policy.Version {
			return must(v.batch.worker.version(v.ctx, v.batch.tx, v.tenant, version))
		}
	}
	return v.policy
}

// wakeCounts has those counts folded again of which the standing or the variance here is another than before.
func (v *view) wakeCounts(site string, had, stock *docklinev1.StockState) {
	before := make(map[state.Use]string)
	for _, variance := range had.GetVariances() {
		before[useOf(variance)] = fmt.Sprint(variance.GetStanding(), variance.GetVariance())
	}
	for _, variance := range stock.GetVariances() {
		if before[useOf(variance)] != fmt.Sprint(variance.GetStanding(), variance.GetVariance()) {
			v.outcome.also = append(v.outcome.also, event.CountKey(site, variance.GetCount()))
		}
	}
}
