// Package viewtest fills a database, through the packages that own its tables, with what a small dock has in the middle of a day.
package viewtest

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/receipt"
	"github.com/dockline/dockline/collector/state"
	"github.com/dockline/dockline/collector/state/statetest"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

const (
	// Tenant is whose dock it is.
	Tenant = "acme"
	// Site is its site, which has never been online.
	Site = "dc-east"
	// Order went out with shipment SH1 and has a confirmed goods issue.
	Order = "SO00017"
	// Awkward is accepted only; its number must be escaped in a URL and in HTML.
	Awkward = `SO/2 <b>&"x"`
)

// Began is when the first event occurred.
var Began = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

// Day is the filled database.
type Day struct {
	t  testing.TB
	db *db.DB
	// Events are in the order of their offsets: two orders accepted, a pick, a shipment.
	Events []*docklinev1.Event
	log    *eventlog.Log
}

// New fills an empty database.
func New(t testing.TB, d *db.DB) *Day {
	t.Helper()
	day := &Day{t: t, db: d}
	day.log = &eventlog.Log{DB: d, Now: day.at(10), Links: links, Keys: func(e *docklinev1.Event) []eventlog.Touch {
		var touches []eventlog.Touch
		for _, touch := range state.Keys(e, codes{}) {
			touches = append(touches, eventlog.Touch(touch))
		}
		return touches
	}}
	if _, err := (&fleet.Fleet{DB: d, Now: day.at(-60)}).AddSite(t.Context(), fleet.Registration{Tenant: Tenant, ID: Site, Title: "East", Region: "EU"}); err != nil {
		t.Fatal(err)
	}
	day.Append(Accepted(Order, 0), Accepted(Awkward, 1),
		fact(Site, docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, "T1", Order, 5, &docklinev1.Event{Payload: &docklinev1.Event_Pick{Pick: &docklinev1.Pick{Task: "T1", Lines: lines(Order)}}}),
		fact(Site, docklinev1.EventKind_EVENT_KIND_SHIPMENT_DEPARTED, "SH1", "SH1", 9, &docklinev1.Event{Payload: &docklinev1.Event_Shipment{
			Shipment: &docklinev1.Shipment{Number: "SH1", Carrier: "DHL", Tracking: "JJD0001", Lines: lines(Order)}}}))
	day.fold(Order, day.Events[0], day.Events[2], day.Events[3])
	day.fold(Awkward, day.Events[1])
	day.stock(day.Events[2])
	day.post()
	day.write(func(ctx context.Context, tx *db.Tx) error {
		_, err := exception.Sync(ctx, tx, Tenant, "fold/order/"+Order, []exception.Desired{{Code: "short_pick", Subject: Order + " line 1", Class: docklinev1.FaultClass_FAULT_CLASS_PROCESS,
			Title: "Picked short", Text: "2 of 12 were not found: decide whether the rest is still wanted.", Team: "operations", Site: Site, Order: Order, Customer: "C1",
			EventIDs: []string{day.Events[2].GetId()}}}, day.at(11)())
		if err != nil {
			return err
		}
		return receipt.Refresh(ctx, tx, Tenant, []string{day.Events[2].GetId(), day.Events[3].GetId()}, []string{"erp"}, day.at(13)())
	})
	day.Place()
	return day
}

// Accepted is an order of one line that the system of record reports; minute is when.
func Accepted(number string, minute int) *docklinev1.Event {
	return fact("", docklinev1.EventKind_EVENT_KIND_ORDER_ACCEPTED, number, number, minute, &docklinev1.Event{Payload: &docklinev1.Event_Order{Order: &docklinev1.Order{
		Number: number, Customer: "C1", CustomerName: "Müller & Söhne", Site: Site, Currency: "EUR", OrderedAt: timestamppb.New(Began), PromisedAt: timestamppb.New(Began.Add(30 * time.Hour)), PriceList: "retail", PriceListVersion: "2026-2",
		Verdicts: []*docklinev1.Verdict{{Check: "credit", Outcome: "pass", Reason: "within the limit"}}, Lines: lines(number)}}})
}

// Append takes events into the log, without an offset yet.
func (d *Day) Append(events ...*docklinev1.Event) {
	d.t.Helper()
	var recorded []eventlog.Recorded
	for _, e := range events {
		r := eventlog.Recorded{Event: e}
		if e.GetSite() != "" {
			r.Epoch, r.EpochOrdinal, r.Seq = fmt.Sprintf("%032x", 1), 1, uint64(len(d.Events)+1)
		}
		recorded, d.Events = append(recorded, r), append(d.Events, e)
	}
	d.write(func(ctx context.Context, tx *db.Tx) error { _, err := d.log.Append(ctx, tx, recorded); return err })
	d.Place()
}

// Place gives events their offsets and receipts their positions.
func (d *Day) Place() {
	d.t.Helper()
	s := &eventlog.Sequencer{DB: d.db, Holder: "viewtest"}
	for {
		n, err := s.Step(d.t.Context())
		if err != nil {
			d.t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}

// fold writes the state of an order as the reconcile stage does.
func (d *Day) fold(number string, events ...*docklinev1.Event) {
	d.t.Helper()
	facts := make([]state.Fact, len(events))
	for i, e := range events {
		facts[i] = state.Fact{Event: e, Seq: uint64(i)}
	}
	o := state.FoldOrder(number, facts, codes{}).State
	d.row(event.OrderKey(number), o, o.GetStatus(), o.GetSite(), len(facts))
}

func (d *Day) stock(pick *docklinev1.Event) {
	d.t.Helper()
	bucket := state.Bucket{Site: Site, Bin: "01-01", Item: "A-1", Status: "available"}
	d.row(bucket.Key(), statetest.FoldStock(bucket, []state.Fact{{Event: pick, Seq: 1}}, codes{}, "", 0).State, "", Site, 1)
}

func (d *Day) row(key string, m proto.Message, status, site string, facts int) {
	d.t.Helper()
	hash, err := state.Hash(m)
	if err != nil {
		d.t.Fatal(err)
	}
	body, err := proto.Marshal(m)
	if err != nil {
		d.t.Fatal(err)
	}
	d.write(func(ctx context.Context, tx *db.Tx) error {
		return tx.InsertAll(ctx, db.Insert{Table: "state", Columns: []string{"tenant", "fold_key", "body", "hash", "status", "site", "fact_count", "policy_version", "first_at", "changed_at"},
			Rows: [][]any{{Tenant, key, body, hash, status, site, int64(facts), "v1", d.at(10)().UnixMicro(), d.at(10)().UnixMicro()}}})
	})
}

// post plans the goods issue of the shipment and the status for the CRM, and sends the first.
func (d *Day) post() {
	d.t.Helper()
	correlation := event.CorrelationID(Tenant, Order)
	issue := posting.Desired{Target: "erp", Kind: connector.GoodsIssue, Key: Order + "/SH1", SerialKey: event.OrderKey(Order), Site: Site, CorrelationID: correlation, SourceVersion: 1,
		Style: connector.Advance, EventIDs: []string{d.Events[3].GetId()}, Document: &docklinev1.Document{Document: &docklinev1.Document_GoodsIssue{
			GoodsIssue: &docklinev1.GoodsIssue{Order: Order, Shipment: "SH1", Site: Site, Lines: []*docklinev1.DocumentLine{{OrderLine: "1", Item: "A-1", Quantity: "12"}}}}}}
	status := posting.Desired{Target: "crm", Kind: connector.OrderStatus, Key: Order, CorrelationID: correlation, SourceVersion: 1, Style: connector.Level,
		EventIDs: []string{d.Events[3].GetId()}, Document: &docklinev1.Document{Document: &docklinev1.Document_OrderStatus{OrderStatus: &docklinev1.OrderStatus{Order: Order, Status: "shipped"}}}}
	d.write(func(ctx context.Context, tx *db.Tx) error {
		return posting.Put(ctx, tx, Tenant, event.OrderKey(Order), "v1", []posting.Desired{issue, status}, d.at(10)())
	})
	clock := d.at(12)
	sender := &posting.Sender{DB: d.db, Target: "erp", Connector: &connectortest.Memory{Now: clock}, Holder: "viewtest", Now: clock, Log: slog.New(slog.DiscardHandler),
		Cases: func(context.Context, *db.Tx, string, string, []posting.Case) ([]string, error) { return nil, nil },
		Receipts: func(ctx context.Context, tx *db.Tx, tenant string, ids []string, now time.Time) error {
			return receipt.Refresh(ctx, tx, tenant, ids, []string{"erp"}, now)
		}}
	for range 100 {
		n, err := sender.Step(d.t.Context())
		if err != nil {
			d.t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
	d.t.Fatal("the sender does not come to rest")
}

func (d *Day) write(f func(ctx context.Context, tx *db.Tx) error) {
	d.t.Helper()
	if err := d.db.Write(d.t.Context(), func(tx *db.Tx) error { return f(d.t.Context(), tx) }); err != nil {
		d.t.Fatal(err)
	}
}

// at is a clock that stands that many minutes after Began.
func (d *Day) at(minutes int) func() time.Time {
	return func() time.Time { return Began.Add(time.Duration(minutes) * time.Minute) }
}

func lines(order string) []*docklinev1.Line {
	return []*docklinev1.Line{{Order: order, OrderLine: "1", Item: "A-1", Bin: "01-01", Description: "Bolt M8", Quantity: &docklinev1.Quantity{Value: "12"}, Ordered: &docklinev1.Quantity{Value: "12"}}}
}

func fact(site string, kind docklinev1.EventKind, key, subject string, minute int, e *docklinev1.Event) *docklinev1.Event {
	at := timestamppb.New(Began.Add(time.Duration(minute) * time.Minute))
	e.Tenant, e.Site, e.Source, e.Kind, e.Subject, e.SourceKey, e.SourceRevision, e.OccurredAt, e.CapturedAt = Tenant, site, "wms", kind, subject, key, "1", at, at
	e.Id = event.ID(event.Cause{Tenant: Tenant, Site: site, Source: "wms", SourceKey: key, Revision: "1", Kind: event.KindName(kind)})
	return e
}

// codes takes every code as it is.
type codes struct{}

func (codes) Item(_, code, _ string) (string, bool)               { return code, code != "" }
func (codes) Base(_, _, _ string, millionths int64) (int64, bool) { return millionths, true }

func links(e *docklinev1.Event) []eventlog.Link {
	var links []eventlog.Link
	for _, l := range state.Links(e) {
		links = append(links, eventlog.Link(l))
	}
	return links
}
