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

func (f *shipmentFold) invoiced() {
	for _, invoice := range InvoicesInForce(f.invoices) {
		if slices.Contains(invoice.GetShipments(), f.out.State.Number) {
			f.out.State.Invoices = append(f.out.State.Invoices, invoice.GetNumber())
		}
	}
	f.out.State.Invoices = sortedSet(f.out.State.Invoices)
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
	if s.Status == ShipmentDelivered && len(s.Invoices) > 0 && !slices.ContainsFunc(s.Problems, func(p *docklinev1.TransportProblem) bool { return p.Open }) {
		f.close()
	}
}

// close ends a shipment that is delivered and invoiced.
func (f *shipmentFold) close() {
	s := f.out.State
	s.Status = ShipmentClosed
	for _, e := range f.invoices {
		if slices.Contains(s.Invoices, e.GetInvoice().GetNumber()) && e.GetInvoice() != nil {
			s.StatusEventIds = append(s.StatusEventIds, e.GetId())
			f.steps.note(ShipmentClosed, e)
		}
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
	delivered := s.Status == ShipmentDelivered || s.Status == ShipmentPartly || s.Status == ShipmentClosed
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
