package state

import (
	"cmp"
	"slices"
	"strings"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Statuses of a shipment and of its parcels. Up to departed the site says so, then the carrier.
const (
	ShipmentPlanned   = "planned"
	ShipmentPicking   = "picking"
	ShipmentPacked    = "packed"
	ShipmentStaged    = "staged"
	ShipmentLoaded    = "loaded"
	ShipmentDeparted  = "departed"
	ShipmentInTransit = "in_transit"
	ShipmentOut       = "out_for_delivery"
	ShipmentDelivered = "delivered"
	// ShipmentPartly: some parcels, or some of the goods, were delivered and others were not.
	ShipmentPartly = "partially_delivered"
	// ShipmentClosed: invoiced, delivered (or gone, where nobody must sign and no carrier tells), and nothing is open.
	ShipmentClosed    = "closed"
	ShipmentVoided    = "voided"
	ShipmentRefused   = "refused"
	ShipmentLost      = "lost"
	ShipmentDamaged   = "damaged"
	ShipmentReturning = "returning"
	ShipmentReturned  = "returned_to_sender"
	// ShipmentCorrected: everything that was told of it was told of another number in truth.
	ShipmentCorrected = "corrected"
)

// Flags of a shipment.
const (
	// FlagNoDeparture: its carrier has it, and the site has not told that it left.
	FlagNoDeparture = "departure_missing"
	// FlagVoidUnderWay: taken back, and its carrier says that it moves all the same; FlagVoidDelivered: that it was delivered.
	FlagVoidUnderWay  = "void_under_way"
	FlagVoidDelivered = "void_after_delivery"
	// FlagNoProof: the carrier says delivered, and nobody has signed.
	FlagNoProof       = "no_proof"
	FlagPartlyRefused = "partly_refused"
	FlagDelayed       = "delayed"
	FlagParcelLost    = "parcel_lost"
	FlagParcelRefused = "parcel_refused"
	FlagParcelDamaged = "parcel_damaged"
)

// ShipmentFold is one shipment folded from all its facts.
type ShipmentFold struct {
	State *docklinev1.ShipmentState
	// Departed: the site has told that it left.
	Departed bool
	// Carried are the facts of its carriers, Voids those that take it back.
	Carried, Voids []*docklinev1.Event
	// Facts are the events that count, as they happened; Former those that a revision of their record has replaced.
	Facts    []*docklinev1.Event
	Former   []*docklinev1.Event
	Findings []Finding
}

// shipmentSteps is how the statuses of a shipment follow each other.
var shipmentSteps = []string{ShipmentPlanned, ShipmentPicking, ShipmentPacked, ShipmentStaged, ShipmentLoaded, ShipmentDeparted, ShipmentInTransit, ShipmentOut,
	ShipmentRefused, ShipmentLost, ShipmentDamaged, ShipmentReturning, ShipmentReturned, ShipmentVoided, ShipmentDelivered, ShipmentClosed}

// FoldShipment folds the facts of one shipment: what left under its number, over all orders, and what its carriers say of it.
// Facts may have departures of others that had its names (OtherDeparture).
func FoldShipment(site, number string, facts []Fact, m Mapping) ShipmentFold {
	facts, had := withoutOthers(facts)
	force := inForce(facts)
	f := &shipmentFold{mapping: m, found: force.found, steps: newSteps(shipmentSteps...), goods: newGoods()}
	f.out = ShipmentFold{State: &docklinev1.ShipmentState{Number: number, Site: site}, Former: force.former()}
	for _, fact := range force.Facts {
		f.out.Facts = append(f.out.Facts, fact.Event)
		f.site(fact.Event)
		if fact.Event.GetShipment() != nil {
			had = had.with(fact.Event)
		}
	}
	f.transport = carriers(force.Facts, f.trackings, f.out.State.HandlingUnits, f.masters, had, event.ShipmentKey(site, number))
	f.out.Carried = f.transport.facts
	f.takeGoods()
	f.finish()
	f.out.Findings = ofNoOrder(f.found.sorted(), facts)
	return f.out
}

// shipmentFold is the work of one FoldShipment.
type shipmentFold struct {
	mapping   Mapping
	out       ShipmentFold
	found     findings
	steps     *steps
	goods     *goods
	transport *transport
	// trackings are the numbers of parcels, masters those of the shipment as a whole where its parcels have numbers of their own.
	trackings, masters []string
	invoices           []*docklinev1.Event
	// covered: an invoice covers all of it, by the facts in billedBy. proof: somebody must have signed; unproved: it is known that nobody must.
	covered, proof, unproved bool
	billedBy                 []*docklinev1.Event
	packs                    map[string]*docklinev1.Event // by unit, the last that packed or opened it
}

// site notes what the site, or a system of record, says of the shipment.
func (f *shipmentFold) site(e *docklinev1.Event) {
	s := f.out.State
	switch p := e.GetPayload().(type) {
	case *docklinev1.Event_Pick:
		f.steps.note(ShipmentPicking, e)
	case *docklinev1.Event_Pack:
		if f.packs == nil {
			f.packs = make(map[string]*docklinev1.Event)
		}
		f.packs[p.Pack.GetHandlingUnit()] = e
	case *docklinev1.Event_Load:
		f.load(e, p.Load)
	case *docklinev1.Event_Shipment:
		f.out.Departed = true
		f.steps.note(ShipmentDeparted, e)
		addDeparture(s, e)
		f.describe(p.Shipment)
	case *docklinev1.Event_ShipmentVoid:
		f.out.Voids = append(f.out.Voids, e)
	case *docklinev1.Event_Invoice, *docklinev1.Event_InvoiceVoid:
		f.invoices = append(f.invoices, e)
	}
}

func (f *shipmentFold) load(e *docklinev1.Event, l *docklinev1.Load) {
	s := f.out.State
	s.Dock, s.Trailer, s.Seal = cmp.Or(l.GetDock(), s.Dock), cmp.Or(l.GetTrailer(), s.Trailer), cmp.Or(l.GetSeal(), s.Seal)
	switch e.GetKind() {
	case docklinev1.EventKind_EVENT_KIND_LOAD_STAGED:
		f.steps.note(ShipmentStaged, e)
	case docklinev1.EventKind_EVENT_KIND_LOAD_LOADED, docklinev1.EventKind_EVENT_KIND_TRAILER_SEALED:
		f.steps.note(ShipmentLoaded, e)
	}
}

// describe keeps what a departure says beside its lines; a later one that leaves something out does not take it away.
func (f *shipmentFold) describe(p *docklinev1.Shipment) {
	s := f.out.State
	s.Service, s.Scac, s.BillOfLading = cmp.Or(p.GetService(), s.Service), cmp.Or(p.GetScac(), s.Scac), cmp.Or(p.GetBillOfLading(), s.BillOfLading)
	s.Trailer, s.Seal = cmp.Or(p.GetTrailer(), s.Trailer), cmp.Or(p.GetSeal(), s.Seal)
	s.FreightTerms, s.ToSite = cmp.Or(p.GetFreightTerms(), s.FreightTerms), cmp.Or(p.GetToSite(), s.ToSite)
	if len(p.GetParcels()) > 0 {
		f.trackings, f.masters = append(f.trackings, p.GetParcels()...), append(f.masters, p.GetTracking())
	} else {
		f.trackings = append(f.trackings, p.GetTracking())
	}
	units := append(s.HandlingUnits, p.GetHandlingUnits()...)
	for _, line := range p.GetLines() {
		units = append(units, line.GetHandlingUnit())
		if line.GetOrder() != "" {
			s.Orders = append(s.Orders, line.GetOrder())
		}
	}
	s.HandlingUnits = sortedSet(slices.DeleteFunc(units, func(unit string) bool { return unit == "" }))
	s.Orders = sortedSet(s.Orders)
}

// ofNoOrder leaves of what is wrong with the records that which no order's fold sees; all else is told where the orders are folded.
func ofNoOrder(found []Finding, facts []Fact) []Finding {
	return slices.DeleteFunc(found, func(f Finding) bool {
		if f.Code == CodeNotShipped {
			return false
		}
		return f.Code != CodeChangedRecord || slices.ContainsFunc(facts, func(fact Fact) bool {
			return slices.Contains(f.EventIDs, fact.Event.GetId()) &&
				slices.ContainsFunc(fact.Event.GetShipment().GetLines(), func(l *docklinev1.Line) bool { return l.GetOrder() != "" })
		})
	})
}

// addDeparture adds one event of a shipment, in the order in which they happened; a source may tell of a shipment line by line.
func addDeparture(state *docklinev1.ShipmentState, e *docklinev1.Event) {
	s := e.GetShipment()
	state.Number, state.Site = s.GetNumber(), e.GetSite()
	state.Carrier, state.Tracking = cmp.Or(s.GetCarrier(), state.Carrier), cmp.Or(s.GetTracking(), state.Tracking)
	state.DepartedAt, state.EventId = e.GetOccurredAt(), cmp.Or(state.EventId, e.GetId())
	state.Lines = append(state.Lines, s.GetLines()...)
}

func sortLines(lines []*docklinev1.Line) {
	slices.SortStableFunc(lines, func(a, b *docklinev1.Line) int {
		return cmp.Or(cmp.Compare(a.GetOrder(), b.GetOrder()), cmp.Compare(a.GetOrderLine(), b.GetOrderLine()), cmp.Compare(rawCode(a), rawCode(b)),
			cmp.Compare(a.GetLot(), b.GetLot()), cmp.Compare(a.GetHandlingUnit(), b.GetHandlingUnit()), strings.Compare(a.GetQuantity().GetValue(), b.GetQuantity().GetValue()))
	})
}
