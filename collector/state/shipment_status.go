package state

import (
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// finish derives where the shipment is from what site and carriers say.
func (f *shipmentFold) finish() {
	s, t := f.out.State, f.transport
	sortLines(s.Lines)
	for _, unit := range sortedKeys(f.packs) {
		if f.packs[unit].GetKind() == docklinev1.EventKind_EVENT_KIND_PACK_CONFIRMED {
			f.steps.note(ShipmentPacked, f.packs[unit])
		}
	}
	s.Milestones, s.Problems = t.milestones(), t.problems
	s.Etas, s.Eta = t.etas()
	for _, e := range t.facts {
		f.stepOf(e)
	}
	f.steps.infer(ShipmentDeparted, ShipmentInTransit, ShipmentOut, ShipmentDelivered, ShipmentRefused, ShipmentLost, ShipmentDamaged, ShipmentReturning, ShipmentReturned)
	f.proofs()
	f.invoiced()
	f.status()
	f.flags()
	s.Steps = f.steps.list()
}

// stepOf notes the step that a fact of a carrier is.
func (f *shipmentFold) stepOf(e *docklinev1.Event) {
	if status := nextStatus("", e); status != "" {
		f.steps.note(status, e)
	}
}

func (f *shipmentFold) proofs() {
	s := f.out.State
	for _, e := range f.transport.facts {
		if d := e.GetDelivery(); d != nil {
			s.Proofs = append(s.Proofs, &docklinev1.DeliveryProof{At: e.GetOccurredAt(), Signer: d.GetSigner(), Place: d.GetPlace(), Latitude: d.GetLatitude(), Longitude: d.GetLongitude(),
				Evidence: d.GetEvidence(), Tracking: d.GetTracking(), HandlingUnits: d.GetHandlingUnits(), EventId: e.GetId(), Source: e.GetSource()})
		}
	}
}

// Billing is what the orders of a shipment say of its invoices.
type Billing interface {
	// Billed is the invoices in force that cover what shipments took of an order, and whether its customer must have signed before it is closed.
	Billed(order string) (invoices []*docklinev1.ShipmentInvoice, proof bool)
}

// invoiced lists the invoices of the shipment. Which of them cover it its orders know; all is covered where each of them has one.
func (f *shipmentFold) invoiced() {
	s := f.out.State
	for _, invoice := range InvoicesInForce(f.invoices) {
		if slices.Contains(invoice.GetShipments(), s.Number) {
			s.Invoices = append(s.Invoices, invoice.GetNumber())
		}
	}
	f.covered = len(s.Invoices) > 0
	if orders, ok := f.mapping.(Billing); ok {
		f.ofOrders(orders)
	}
	s.Invoices = sortedSet(s.Invoices)
}

func (f *shipmentFold) ofOrders(orders Billing) {
	s, out := f.out.State, make(map[string]bool)
	for _, l := range f.goods.lines {
		out[l.Order] = out[l.Order] || l.Departed > l.Voided
	}
	all := len(out) > 0
	for _, order := range sortedKeys(out) {
		invoices, proof := orders.Billed(order)
		billed := false
		for _, i := range invoices {
			if i.GetShipment() == s.Number && i.GetSite() == s.Site {
				billed = true
				s.Invoices, f.billedBy = append(s.Invoices, i.GetInvoice()), append(f.billedBy, &docklinev1.Event{Id: i.GetEventId(), OccurredAt: i.GetAt()})
			}
		}
		f.proof = f.proof || proof && out[order]
		all = all && (billed || !out[order])
	}
	f.covered, f.unproved = f.covered || all, !f.proof
}

// status is the first of these that holds: taken back, delivered or ended otherwise, under way, and how far the site has come.
func (f *shipmentFold) status() {
	s := f.out.State
	base := f.ofSite()
	carried, ids := f.ofCarriers()
	switch {
	case len(f.out.Facts) == 0:
		s.Status = ShipmentCorrected
	case f.voided() && carried != ShipmentDelivered && carried != ShipmentPartly:
		s.Status, s.StatusEventIds = ShipmentVoided, idsOf(f.out.Voids...)
	case carried != "":
		s.Status, s.StatusEventIds = carried, ids
	default:
		s.Status, s.StatusEventIds = base, f.steps.ids(base)
	}
	for _, void := range f.out.Voids {
		if s.Status == ShipmentVoided {
			f.steps.note(ShipmentVoided, void)
		}
	}
	for _, p := range f.transport.parcels {
		if p.Status == "" && base != ShipmentPlanned {
			p.Status, p.StatusEventIds = base, f.steps.ids(base)
		}
		if p.Tracking != "" || p.HandlingUnit != "" {
			s.Parcels = append(s.Parcels, p)
		}
	}
	if s.Status == ShipmentDelivered || s.Status == ShipmentPartly {
		for _, p := range f.transport.parcels {
			if p.Status == ShipmentDelivered {
				s.DeliveredAt = laterOf(s.DeliveredAt, p.At)
			}
		}
	}
	// Where nobody must sign and no carrier tells anything, its invoice is the last that is heard of it.
	ended := s.Status == ShipmentDelivered || f.unproved && s.Status == ShipmentDeparted && len(f.transport.facts) == 0
	if f.proof && len(s.Proofs) == 0 {
		ended = false
	}
	if ended && f.covered && !slices.ContainsFunc(s.Problems, func(p *docklinev1.TransportProblem) bool { return p.Open }) {
		f.close()
	}
}

// close ends a shipment that is where it should be, and invoiced.
func (f *shipmentFold) close() {
	s := f.out.State
	s.Status = ShipmentClosed
	because := slices.Clone(f.billedBy)
	for _, e := range f.invoices {
		if slices.Contains(s.Invoices, e.GetInvoice().GetNumber()) && e.GetInvoice() != nil {
			because = append(because, e)
		}
	}
	for _, e := range f.out.Facts { // what brought it where it is
		if slices.Contains(s.StatusEventIds, e.GetId()) {
			because = append(because, e)
		}
	}
	last := slices.MaxFunc(because, func(a, b *docklinev1.Event) int { return byHappening(Fact{Event: a}, Fact{Event: b}) })
	f.steps.note(ShipmentClosed, last)
	for _, e := range because {
		s.StatusEventIds = append(s.StatusEventIds, e.GetId())
	}
	s.StatusEventIds = sortedSet(s.StatusEventIds)
}

// ofSite is how far the site has come.
func (f *shipmentFold) ofSite() string {
	for _, status := range []string{ShipmentDeparted, ShipmentLoaded, ShipmentStaged, ShipmentPacked, ShipmentPicking} {
		if step := f.steps.byName[status]; step != nil && !step.Inferred {
			return status
		}
	}
	return ShipmentPlanned
}

// under is how far parcels under way are, the least first; ended how bad an end is, the worst first.
var (
	under = []string{"", ShipmentInTransit, ShipmentOut, ShipmentReturning}
	ended = []string{ShipmentLost, ShipmentDamaged, ShipmentRefused, ShipmentReturned}
)

// ofCarriers is where the parcels are together: where they agree that, where some were delivered partly so, else the least of those that are
// still under way, and once none is the worst of their ends. "" while no carrier has said anything.
func (f *shipmentFold) ofCarriers() (status string, ids []string) {
	by := make(map[string][]string)
	for _, p := range f.transport.parcels {
		by[p.Status] = append(by[p.Status], p.StatusEventIds...)
	}
	all := func() []string {
		for _, list := range by {
			ids = append(ids, list...)
		}
		return sortedSet(ids)
	}
	if len(by[ShipmentDelivered]) > 0 {
		accepted, refused := f.goods.total()
		switch {
		case len(by) > 1 || accepted > 0 && refused > 0:
			return ShipmentPartly, all()
		case refused > 0:
			return ShipmentRefused, all()
		}
		return ShipmentDelivered, all()
	}
	if len(by) == 1 {
		for status := range by {
			return status, all()
		}
	}
	for _, status := range under {
		if _, ok := by[status]; ok && status != "" {
			return status, sortedSet(by[status])
		}
		if _, ok := by[status]; ok && f.out.Departed {
			return ShipmentDeparted, f.steps.ids(ShipmentDeparted) // of some parcels nothing is said since
		}
	}
	for _, status := range ended {
		if _, ok := by[status]; ok {
			return status, sortedSet(by[status])
		}
	}
	return "", nil
}

func (f *shipmentFold) flags() {
	s, t := f.out.State, f.transport
	flag := func(on bool, name string) {
		if on {
			s.Flags = append(s.Flags, name)
		}
	}
	moves := f.movesAfterVoid()
	delivered := s.Status == ShipmentDelivered || s.Status == ShipmentPartly || s.Status == ShipmentClosed && s.DeliveredAt != nil
	accepted, refused := f.goods.total()
	flag(!f.out.Departed && len(t.facts) > 0, FlagNoDeparture)
	flag(f.goods.pending, FlagPendingVoid)
	flag(f.voided() && !delivered && moves, FlagVoidUnderWay)
	flag(delivered && f.wholeVoid(), FlagVoidDelivered)
	flag(delivered && len(s.Proofs) == 0, FlagNoProof)
	flag(accepted > 0 && refused > 0, FlagPartlyRefused)
	flag(t.open(milestoneDelayed), FlagDelayed)
	flag(t.open(milestoneLost), FlagParcelLost)
	flag(t.open(milestoneRefused), FlagParcelRefused)
	flag(t.open(milestoneDamaged), FlagParcelDamaged)
	slices.Sort(s.Flags)
}

// voided tells whether everything that left was taken back; also a void alone, since the departure may still be told.
func (f *shipmentFold) voided() bool {
	return len(f.out.Voids) > 0 && (!f.out.Departed || f.goods.allVoided())
}

// wholeVoid tells whether all of the shipment is taken back, as opposed to some of its lines.
func (f *shipmentFold) wholeVoid() bool {
	return slices.ContainsFunc(f.out.Voids, func(e *docklinev1.Event) bool { return len(e.GetShipmentVoid().GetLines()) == 0 })
}

// movesAfterVoid tells whether a carrier says that goods move which were taken back before.
func (f *shipmentFold) movesAfterVoid() bool {
	return slices.ContainsFunc(f.transport.facts, func(e *docklinev1.Event) bool {
		switch nextStatus("", e) {
		case ShipmentInTransit, ShipmentOut, ShipmentDelivered:
		default:
			return false
		}
		return !slices.ContainsFunc(f.out.Voids, func(void *docklinev1.Event) bool { return occurred(void).After(occurred(e)) })
	})
}
