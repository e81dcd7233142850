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
	for _, issue := range f.out.Issues {
		s.Shipments = append(s.Shipments, issue.Shipment)
	}
	for _, invoice := range f.invoices {
		s.Invoices = append(s.Invoices, invoice)
	}
	slices.SortFunc(s.Invoices, func(a, b *docklinev1.Invoice) int { return cmp.Compare(a.GetNumber(), b.GetNumber()) })
	for _, line := range s.Lines {
		if f.out.Cancelled {
			line.Cancelled = max(0, line.Ordered-line.Shipped)
		}
		line.InferredPicked = max(0, max(line.Packed, line.Shipped)-line.Picked)
		line.InferredPacked = max(0, line.Shipped-line.Packed)
		line.Status = f.lineStatus(line)
	}
	s.Status = f.status()
	f.refusedCommands()
	f.flags()
}

func (f *orderFold) lineStatus(l *docklinev1.OrderLineState) string {
	net := l.Ordered - l.Cancelled
	switch {
	case !f.out.Known:
		return Unknown
	case f.rejected:
		return Rejected
	case strings.HasPrefix(l.Item, UnmappedPrefix):
		return Accepted
	case net <= 0 && l.Shipped == 0:
		return Cancelled
	case l.Shipped >= net:
		return Shipped
	case l.Shipped > 0:
		return PartiallyShipped
	case l.Packed >= net:
		return Packed
	case l.Picked > 0 || l.Short > 0 || l.Packed > 0:
		return Picking
	case f.released:
		return Released
	}
	return Accepted
}

// status of the order: that of its lines where they agree, else how far the first of them has come.
func (f *orderFold) status() string {
	lines := make(map[string]int)
	for _, line := range f.out.State.Lines {
		if line.Status != Cancelled {
			lines[line.Status]++
		}
	}
	open := len(lines) - min(1, lines[Shipped])
	switch {
	case !f.out.Known:
		return Unknown
	case f.rejected:
		return Rejected
	case len(lines) == 0 && f.out.Cancelled:
		return Cancelled
	case len(lines) == 0 && len(f.out.State.Lines) > 0:
		return Cancelled
	case open == 0 && lines[Shipped] > 0:
		if Invoiced(f.out.State) {
			return Closed
		}
		return Shipped
	case lines[Shipped]+lines[PartiallyShipped] > 0:
		return PartiallyShipped
	case lines[Packed] > 0 && len(lines) == 1:
		return Packed
	case lines[Packed]+lines[Picking] > 0:
		return Picking
	case f.released:
		return Released
	}
	return Accepted
}

// Invoiced tells whether invoices cover every shipment. One that names no shipment covers one, since a shipment is what is invoiced.
func Invoiced(s *docklinev1.OrderState) bool {
	if len(s.GetShipments()) == 0 || len(s.GetInvoices()) == 0 {
		return false
	}
	named, nameless := make(map[string]bool), 0
	for _, invoice := range s.GetInvoices() {
		if len(invoice.GetShipments()) == 0 {
			nameless++
		}
		for _, number := range invoice.GetShipments() {
			named[number] = true
		}
	}
	for _, shipment := range s.GetShipments() {
		if named[shipment.GetNumber()] {
			continue
		}
		if nameless--; nameless < 0 {
			return false
		}
	}
	return true
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
		out += line.Shipped
	}
	over := slices.ContainsFunc(f.out.Issues, func(i Issue) bool { return len(i.Over) > 0 })
	flag(!f.out.Known && len(f.out.Facts) > 0, FlagOrphan)
	flag(over, FlagOverShipped)
	flag(f.out.Cancelled && out > 0, FlagCancelAfterShip)
	flag(f.out.Cancelled && f.out.Order == nil, FlagCancelBeforeSeen)
	flag(len(f.unresolved) > 0, FlagUnresolvedLines)
	flag(len(f.out.Refused) > 0, FlagCommandRefused)
	slices.Sort(flags)
	f.out.State.Flags = flags
}
