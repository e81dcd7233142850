package state

import (
	"cmp"
	"slices"
	"strings"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// finish derives what the sums and shipments say: implied steps, statuses, flags.
func (f *orderFold) finish() {
	s := f.out.State
	f.holds()
	for _, issue := range f.out.Issues {
		s.Shipments = append(s.Shipments, issue.Shipment)
		if issue.Voided {
			s.VoidedShipments = append(s.VoidedShipments, issue.Shipment.GetNumber())
		}
	}
	slices.SortFunc(s.Invoices, func(a, b *docklinev1.Invoice) int { return cmp.Compare(a.GetNumber(), b.GetNumber()) })
	for _, line := range s.Lines {
		f.derive(line)
		line.Status = f.lineStatus(line)
		line.Progress = progress([]*docklinev1.OrderLineState{line})
	}
	s.Status = f.status()
	s.Progress = progress(s.Lines)
	f.lineFacts()
	f.orderFacts()
	f.refusedCommands()
	f.verdicts()
	f.changes()
	f.flags()
}

// derive works out a line's sums from its counters.
func (f *orderFold) derive(l *docklinev1.OrderLineState) {
	l.Out = l.Shipped - l.Voided
	if f.out.Cancelled {
		l.Cancelled += max(0, wanted(l)-l.Out)
	}
	l.Net = wanted(l)
	l.Open = l.Net - l.Out
	l.ToInvoice = l.Out - l.Invoiced
	l.ReturnOpen = l.ReturnAuthorised - l.Returned
	if len(f.out.State.Holds) > 0 {
		l.Held = max(0, l.Open)
	}
	l.InferredPicked = max(0, max(l.Packed, l.Out)-l.Picked)
	l.InferredPacked = max(0, l.Out-l.Packed)
}

// lineStatus is the first that applies. A line whose goods have all left is not held any more.
func (f *orderFold) lineStatus(l *docklinev1.OrderLineState) string {
	switch {
	case !f.out.Known:
		return f.unaccepted()
	case f.rejected:
		return Rejected
	case strings.HasPrefix(l.Item, UnmappedPrefix):
		return Accepted
	case l.Net <= 0 && l.Out == 0:
		return Cancelled
	case l.Held > 0:
		return Held
	case l.Open <= 0 && l.Invoiced >= min(l.Out, l.Net) && l.Invoiced > 0 && (l.Delivered >= l.Out || !f.proof()):
		return Closed
	case l.Open <= 0 && l.Delivered >= l.Out:
		return Delivered
	case l.Open <= 0:
		return Shipped
	case l.Out > 0:
		return PartiallyShipped
	case l.Packed >= l.Net:
		return Packed
	case l.Picked > 0 || l.Short > 0 || l.Packed > 0:
		return Picking
	case l.Allocated > 0:
		return Allocated
	case l.Backordered > 0:
		return Backordered
	case len(f.releases) > 0:
		return Released
	}
	return Accepted
}

// unaccepted is the status of an order that no system of record has told of.
func (f *orderFold) unaccepted() string {
	switch {
	case len(f.submissions) > 0:
		return Submitted
	case len(f.quotes) > 0:
		return Quoted
	}
	return Unknown
}

func (f *orderFold) proof() bool {
	return f.rules != nil && f.rules.ProofOfDelivery(f.out.State.Customer)
}

// status of the order: that of its lines where they agree, else how far the first of them has come.
func (f *orderFold) status() string {
	lines := make(map[string]int)
	total := 0
	for _, line := range f.out.State.Lines {
		if line.Status != Cancelled {
			lines[line.Status]++
			total++
		}
	}
	gone := lines[Shipped] + lines[Delivered] + lines[Closed]
	switch {
	case !f.out.Known:
		return f.unaccepted()
	case f.rejected:
		return Rejected
	case total == 0 && (f.out.Cancelled || len(f.out.State.Lines) > 0):
		return Cancelled
	case lines[Held] > 0 || total == 0 && len(f.out.State.Holds) > 0:
		return Held
	case gone == total && gone > 0:
		return f.allGone(lines, gone)
	case gone+lines[PartiallyShipped] > 0:
		return PartiallyShipped
	case lines[Packed] > 0 && lines[Packed] == total:
		return Packed
	case lines[Packed] > 0:
		return PartiallyPacked
	case lines[Picking] > 0:
		return Picking
	case lines[Allocated] > 0:
		return Allocated
	case lines[Backordered] > 0:
		return Backordered
	case len(f.releases) > 0:
		return Released
	}
	return Accepted
}

func (f *orderFold) allGone(lines map[string]int, gone int) string {
	switch {
	case lines[Closed] == gone:
		return Closed
	case lines[Delivered]+lines[Closed] == gone && lines[Delivered] > 0:
		return Delivered
	case lines[Delivered] > 0:
		return PartiallyDelivered
	}
	return Shipped
}

// refusedCommands keeps the refusals that no result of a higher version of the same command has overtaken.
func (f *orderFold) refusedCommands() {
	for _, e := range f.results {
		r := e.GetCommandResult()
		overtaken := slices.ContainsFunc(f.results, func(other *docklinev1.Event) bool {
			return other.GetSite() == e.GetSite() && other.GetCommandResult().GetKey() == r.GetKey() && other.GetCommandResult().GetVersion() > r.GetVersion()
		})
		if r.GetOutcome() == docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED && !overtaken {
			f.out.Refused = append(f.out.Refused, e)
		}
	}
}

func (f *orderFold) flags() {
	var flags []string
	flag := func(on bool, name string) {
		if on {
			flags = append(flags, name)
		}
	}
	out := int64(0)
	for _, line := range f.out.State.Lines {
		out += line.Out
	}
	over := slices.ContainsFunc(f.out.Issues, func(i Issue) bool { return len(i.Over) > 0 })
	flag(!f.out.Known && len(f.out.Facts) > len(f.quotes)+len(f.submissions), FlagOrphan)
	flag(over, FlagOverShipped)
	flag(f.out.Cancelled && out > 0, FlagCancelAfterShip)
	flag(f.out.Cancelled && f.out.Order == nil, FlagCancelBeforeSeen)
	flag(len(f.unresolved) > 0, FlagUnresolvedLines)
	flag(len(f.out.Refused) > 0, FlagCommandRefused)
	flag(f.out.State.CancelRequest != nil, FlagCancelRequested)
	flag(f.refused && !f.out.Cancelled, FlagCancelRefused)
	flag(f.pending, FlagPendingVoid)
	flag(f.wasComplete(), FlagReopened)
	flag(slices.ContainsFunc(f.out.Substitutions, func(s Substitution) bool { return s.Child < 0 }), FlagSubstitutionRefused)
	slices.Sort(flags)
	f.out.State.Flags = flags
}

// wasComplete tells whether the order is open although it was complete once: its goods had all left and were invoiced, and then a
// shipment was voided, an invoice was taken back, or the order was made larger.
func (f *orderFold) wasComplete() bool {
	s := f.out.State
	if !f.out.Known || f.out.Cancelled || f.rejected || s.Status == Closed || s.Status == Cancelled || len(s.Lines) == 0 {
		return false
	}
	taken := len(s.VoidedInvoices) > 0 || slices.ContainsFunc(s.Lines, func(l *docklinev1.OrderLineState) bool { return l.Voided > 0 })
	if taken {
		return f.oncePaid() && !slices.ContainsFunc(s.Lines, func(l *docklinev1.OrderLineState) bool { return l.Shipped < l.Net })
	}
	if f.ordered == nil || !f.oncePaid() {
		return false
	}
	larger := false
	for _, l := range s.Lines {
		before := f.ordered[l.OrderLine]
		if l.Invoiced < before {
			return false
		}
		larger = larger || l.Net > before
	}
	return larger && f.raisedLast()
}

// oncePaid: every shipment that ever was had its invoice, also where one was taken back since.
func (f *orderFold) oncePaid() bool {
	named, nameless := make(map[string]bool), 0
	for _, invoice := range f.invoices {
		if len(invoice.GetShipments()) == 0 {
			nameless++
		}
		for _, number := range invoice.GetShipments() {
			named[number] = true
		}
	}
	for _, issue := range f.out.Issues {
		if named[issue.Shipment.GetNumber()] {
			continue
		}
		if nameless--; nameless < 0 {
			return false
		}
	}
	return len(f.out.Issues) > 0
}

// raisedLast: what the system of record says now was said after the last of its invoices.
func (f *orderFold) raisedLast() bool {
	last := f.about[len(f.about)-1].Event
	for _, at := range f.invoiceAt {
		if !occurred(last).After(occurred(f.out.Facts[at])) {
			return false
		}
	}
	return true
}
