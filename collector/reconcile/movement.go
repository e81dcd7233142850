package reconcile

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// statusUnmapped is of a movement with a code that the mapping does not know: it is folded by the mapping in force now, and again when that changes.
const statusUnmapped = "unmapped"

// standInAgain is when a second scan that stands in for the first looks for it once more: both may have been folded at the same moment.
const standInAgain = time.Minute

// movement writes what one record moves into the ledger, as the difference to what it moved before, and has the buckets folded again.
func (v *view) movement() {
	first := state.FirstScan(v.key)
	fold := v.foldMovement(first)
	o := &v.outcome
	o.state, o.status = fold.State, "moved"
	had := &docklinev1.LedgerRecord{}
	if v.had != nil {
		if err := proto.Unmarshal(v.had.body, had); err != nil {
			panic(viewFault{fmt.Errorf("state of %s: %w", v.key, err)})
		}
	}
	for _, fact := range v.facts {
		o.site = max(o.site, fact.Event.GetSite()) // a carrier's fact has none, whichever is read last
	}
	for _, row := range fold.State.GetRows() {
		if strings.HasPrefix(row.GetItem(), state.UnmappedPrefix) {
			o.status = statusUnmapped
		}
	}
	delta := state.RowsMinus(fold.State.GetRows(), had.GetRows())
	v.batch.book(v, false, delta)
	v.wakeAccounts(delta)
	v.wakeDoubles(first)
	v.raiseFindings(v.movementFindings(fold.Findings), "", "")
	v.adjustBook(fold)
}

// foldMovement folds the key; that of a shipment with what its own fold knows of it, which has this one folded again when that changes.
func (v *view) foldMovement(first string) state.MovementFold {
	site, number, ok := state.MovedShipment(v.key)
	if !ok {
		return state.FoldMovement(v.key, v.facts, v.mapping(), first != "" && v.batch.scans[foldKey{v.tenant, first}])
	}
	shipment := &docklinev1.ShipmentState{}
	for _, row := range must(v.batch.tx.Lookup(v.ctx, db.Lookup{Table: "state", Columns: []string{"body"}, Key: byKey, Rows: [][]any{{v.tenant, event.ShipmentKey(site, number)}}})) {
		if err := proto.Unmarshal(row[0].([]byte), shipment); err != nil {
			panic(viewFault{fmt.Errorf("state of shipment %s of %s: %w", number, site, err)})
		}
	}
	return state.FoldShipmentMovement(v.key, v.facts, v.mapping(), state.CarriedOf(shipment))
}

// wakeMovement has the goods of a shipment booked anew where something else became of them.
func (v *view) wakeMovement(fold *state.ShipmentFold) {
	if !fold.Departed {
		return // nothing is booked
	}
	s := fold.State
	had := &docklinev1.ShipmentState{}
	if v.had != nil {
		if err := proto.Unmarshal(v.had.body, had); err != nil {
			panic(viewFault{fmt.Errorf("state of %s: %w", v.key, err)})
		}
	}
	if !state.CarriedOf(had).Equal(state.CarriedOf(s)) {
		v.outcome.also = append(v.outcome.also, state.ShipmentMovementKey(s.GetSite(), s.GetNumber()))
	}
}

// wakeAccounts has the buckets folded again that rows touch.
func (v *view) wakeAccounts(rows []*docklinev1.LedgerRow) {
	seen := make(map[string]bool)
	for _, row := range rows {
		for _, account := range []string{row.GetFrom(), row.GetTo()} {
			if !seen[account] && kept(account) && !v.batch.inBatch[foldKey{v.tenant, account}] {
				v.outcome.also = append(v.outcome.also, account)
			}
			seen[account] = true
		}
	}
}

// wakeDoubles has second scans of these events folded again: they stood in until now.
func (v *view) wakeDoubles(first string) {
	if first != "" && v.had == nil && !v.batch.scans[foldKey{v.tenant, first}] {
		v.wake(v.now.Add(standInAgain))
	}
	for _, fact := range v.facts {
		key := foldKey{v.tenant, state.DoubleKey(fact.Event.GetId())}
		if key.key != v.key && v.batch.doubled[key] {
			v.outcome.also = append(v.outcome.also, key.key)
		}
	}
}

// movementFindings leaves what no order, receipt or return tells.
func (v *view) movementFindings(found []state.Finding) []state.Finding {
	return slices.DeleteFunc(found, func(f state.Finding) bool {
		return slices.ContainsFunc(v.facts, func(fact state.Fact) bool {
			return slices.Contains(f.EventIDs, fact.Event.GetId()) && !state.MovesStockOnly(fact.Event)
		})
	})
}

// adjustBook tells the system of record of stock that is no longer available, or was found: the book knows nothing of bins in between.
func (v *view) adjustBook(fold state.MovementFold) {
	for _, e := range fold.Facts {
		if e.GetPick() != nil && !slices.ContainsFunc(event.Lines(e), func(l *docklinev1.Line) bool { return l.GetOrder() != "" }) {
			v.outcome.reasons[e.GetId()] = "it names no order, so it moves stock within the site: nothing is to be posted"
		}
		if !state.MovesStockOnly(e) {
			continue
		}
		v.outcome.reasons[e.GetId()] = "it moves stock within the site: nothing is to be posted"
		if number, reason, books := bookReason(e); books && v.adjustFor(e, number, reason, fold.State.GetRows()) {
			delete(v.outcome.reasons, e.GetId())
		}
	}
	var former []*docklinev1.Event
	for _, e := range fold.Former {
		if state.MovesStockOnly(e) {
			former = append(former, e)
		}
	}
	v.replaced(former, byRevision)
}

// bookReason is under which number, and why, an event changes what the book has as available.
func bookReason(e *docklinev1.Event) (number, reason string, books bool) {
	object := event.KindName(e.GetKind())
	switch p := e.GetPayload().(type) {
	case *docklinev1.Event_Adjustment:
		return cmp.Or(p.Adjustment.GetNumber(), e.GetSourceKey(), e.GetId()), strings.TrimSpace(object + " " + p.Adjustment.GetReason()), true
	case *docklinev1.Event_StockStatusChange:
		if e.GetKind() == docklinev1.EventKind_EVENT_KIND_STOCK_DAMAGED {
			c := p.StockStatusChange
			reason = object
			if c.GetStage() != "" {
				reason += " at " + c.GetStage()
			}
			if c.GetClaim() != "" {
				reason += ", claim " + c.GetClaim()
			}
			return cmp.Or(c.GetNumber(), e.GetSourceKey(), e.GetId()), reason, true
		}
	}
	return "", "", false
}

// adjustFor wants an adjustment for each available bucket that the event changed, and tells whether there is any.
func (v *view) adjustFor(e *docklinev1.Event, number, reason string, rows []*docklinev1.LedgerRow) (posted bool) {
	changes := make(map[string]int64)
	var keys []string
	for _, row := range rows {
		if row.GetEventId() != e.GetId() {
			continue
		}
		for _, account := range []string{row.GetFrom(), row.GetTo()} {
			if v.adjustable(account) {
				if _, ok := changes[account]; !ok {
					keys = append(keys, account)
				}
				changes[account] += state.InAccount(row, account)
			}
		}
	}
	for _, key := range keys {
		b := must(state.ParseBucket(key))
		if changes[key] == 0 || b.Bin == "" {
			continue
		}
		document := &docklinev1.Document{Document: &docklinev1.Document_StockAdjustment{StockAdjustment: &docklinev1.StockAdjustment{Site: b.Site, Bin: b.Bin, Item: b.Item,
			Lot: b.Lot, Delta: event.FormatQuantity(changes[key]), AsOf: e.GetOccurredAt(), AsOfMovement: e.GetMovement(), Reason: reason}}}
		routes := v.targets(connector.StockAdjustment, b.Site, nil, document, v.policy)
		for _, target := range sortedNames(routes) {
			posted = true
			v.want(posting.Desired{Target: target, Kind: connector.StockAdjustment, Key: adjustmentKey(e, number, b), SerialKey: key, Site: b.Site,
				CorrelationID: event.CorrelationID(v.tenant, v.key), Document: document, EventIDs: siteEvents([]*docklinev1.Event{e}), Style: routes[target]})
		}
	}
	return posted
}

// adjustmentKey names what one record changes in one bucket. A source may tell several records under one number: where the number is not the
// record's own key, that is part of the name.
func adjustmentKey(e *docklinev1.Event, number string, b state.Bucket) string {
	parts := []string{event.KindName(e.GetKind()), number, b.Item, b.Lot, b.Bin, b.Site}
	if record := cmp.Or(e.GetSourceKey(), e.GetId()); record != number || e.GetOrdinal() > 0 {
		sum := sha256.Sum256([]byte(cmp.Or(event.Record(e), record)))
		parts = append(parts, hex.EncodeToString(sum[:6]))
	}
	return naturalKey(parts...)
}

// loadScans reads, for second scans, whether the log has the first, and for all movements whether there are second scans of them.
func (b *batch) loadScans(ctx context.Context, keys []foldKey) error {
	b.scans, b.doubled = make(map[foldKey]bool), make(map[foldKey]bool)
	var firsts, doubles [][]any
	asked := make(map[foldKey]bool)
	for _, key := range keys {
		if !strings.HasPrefix(key.key, state.KindMovement+"/") {
			continue
		}
		if first := state.FirstScan(key.key); first != "" {
			firsts = append(firsts, []any{key.tenant, first})
		}
		for _, fact := range b.decoded[key].facts {
			double := foldKey{key.tenant, state.DoubleKey(fact.Event.GetId())}
			if !asked[double] {
				asked[double] = true
				doubles = append(doubles, []any{double.tenant, double.key})
			}
		}
	}
	if len(asked) == 0 {
		return nil
	}
	known, err := b.tx.Lookup(ctx, db.Lookup{Table: "fact", Columns: []string{"tenant", "event_id"}, Key: []string{"tenant", "event_id"}, Rows: firsts,
		Where: "fold_key NOT LIKE 'record/%'"})
	if err != nil {
		return err
	}
	for _, row := range known {
		b.scans[keyOf(row)] = true
	}
	known, err = b.tx.Lookup(ctx, db.Lookup{Table: "state", Columns: byKey, Key: byKey, Rows: doubles})
	for _, row := range known {
		b.doubled[keyOf(row)] = true
	}
	return err
}
