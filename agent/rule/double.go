package rule

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

const (
	// remember is how long a scan is, after it was captured: a file may tell of one deed twice in two files.
	remember = time.Hour
	// maxScans bounds what is remembered; beyond it the oldest are forgotten.
	maxScans = 20_000
)

// Codes of warnings.
const (
	// CodeDouble: this is the second scan of one deed, and counts for nothing.
	CodeDouble = "double_scan"
	// CodeOther: the handling unit was told at this step a moment ago, with other content; both count.
	CodeOther = "double_scan_differs"
)

// deed is a step at handling units, as a hash.
type deed [16]byte

// scan is the one that counts.
type scan struct {
	id, source, key string
	at              time.Time // occurred
	content         [16]byte
	kept            time.Time
}

// doubles remembers the scans that count.
type doubles struct {
	mu    sync.Mutex
	scans map[deed]scan
}

func (d *doubles) find(of deed) (scan, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.scans[of]
	return s, ok
}

func (d *doubles) keep(pending map[deed]scan, now time.Time) {
	if len(pending) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.scans == nil {
		d.scans = map[deed]scan{}
	}
	for of, s := range pending {
		s.kept = now
		d.scans[of] = s
	}
	if len(d.scans) > maxScans {
		d.forget(now)
	}
}

// forget drops what is old, and the older half of the rest where that is not enough.
func (d *doubles) forget(now time.Time) {
	maps.DeleteFunc(d.scans, func(_ deed, s scan) bool { return now.Sub(s.kept) > remember })
	if len(d.scans) <= maxScans {
		return
	}
	times := make([]time.Time, 0, len(d.scans))
	for _, s := range d.scans {
		times = append(times, s.kept)
	}
	slices.SortFunc(times, time.Time.Compare)
	middle := times[len(times)/2]
	maps.DeleteFunc(d.scans, func(_ deed, s scan) bool { return s.kept.Before(middle) })
}

// double compares an event with the scan that counts, and becomes that scan where there is none. What comes later than the time of the rule
// is a deed of its own, also where doubles lie in between.
func (n *Entry) double(e *docklinev1.Event) {
	of, units := deedOf(e)
	within := n.rules.within[e.GetKind()]
	if within == 0 || units == "" {
		return
	}
	first, ok := n.pending[of]
	if !ok {
		first, ok = n.rules.doubles.find(of)
	}
	mine := scanOf(e)
	apart := mine.at.Sub(first.at)
	switch {
	case !ok || apart > within:
		n.note(e)
	case first.id == mine.id, apart < -within:
		// Told again, or from long before: what counts stays what it is.
	case mine.key != "" && mine.source == first.source && mine.key == first.key:
		// Another revision of one record is no second scan: the centre takes the newer one.
	case mine.content != first.content:
		e.Warnings = append(e.Warnings, &docklinev1.SiteWarning{Code: CodeOther, Text: fmt.Sprintf(
			"handling unit %s was told at %s %s before with other content; both count. If one is wrong, correct it where it was made.", units, event.KindName(e.GetKind()), distance(apart))})
	default:
		e.DoubleOf = first.id
		e.Warnings = append(e.Warnings, &docklinev1.SiteWarning{Code: CodeDouble, Text: fmt.Sprintf(
			"handling unit %s was told at %s %s before: this second scan is kept and counts for nothing.", units, event.KindName(e.GetKind()), distance(apart))})
	}
}

// note makes an event the scan that counts, once its entry is kept.
func (n *Entry) note(e *docklinev1.Event) {
	of, units := deedOf(e)
	if n.rules.within[e.GetKind()] == 0 || units == "" {
		return
	}
	if n.pending == nil {
		n.pending = map[deed]scan{}
	}
	n.pending[of] = scanOf(e)
}

func scanOf(e *docklinev1.Event) scan {
	return scan{id: event.IDOf(e), source: e.GetSource(), key: e.GetSourceKey(), at: e.GetOccurredAt().AsTime(), content: contentOf(e)}
}

// distance is a time between two scans as a person says it.
func distance(apart time.Duration) string {
	if apart < 0 {
		apart = -apart
	}
	if apart < time.Second {
		return "less than a second"
	}
	return apart.Round(time.Second).String()
}

// deedOf names the step and the handling units of an event; none where it has no unit.
func deedOf(e *docklinev1.Event) (of deed, units string) {
	set := map[string]bool{}
	if unit := e.GetPack().GetHandlingUnit(); unit != "" {
		set[unit] = true
	}
	if p, ok := event.Payload(e).(interface{ GetHandlingUnits() []string }); ok {
		for _, unit := range p.GetHandlingUnits() {
			set[unit] = true
		}
	}
	for _, line := range event.Lines(e) {
		if unit := line.GetHandlingUnit(); unit != "" {
			set[unit] = true
		}
	}
	if len(set) == 0 {
		return of, ""
	}
	all := slices.Sorted(maps.Keys(set))
	h := sha256.New()
	part(h, event.KindName(e.GetKind()))
	for _, unit := range all {
		part(h, unit)
	}
	copy(of[:], h.Sum(nil))
	if len(all) > 3 {
		return of, fmt.Sprintf("%s and %d more", all[0], len(all)-1)
	}
	return of, strings.Join(all, ", ")
}

// contentOf is a hash of what was moved, for whom, and where to. Weights, times and tasks may differ from scan to scan; goods may not.
func contentOf(e *docklinev1.Event) (content [16]byte) {
	h := sha256.New()
	if l := e.GetLoad(); l != nil { // the same carton in another trailer is no second scan
		part(h, l.GetTrailer())
		part(h, l.GetDock())
		part(h, strings.Join(l.GetShipments(), "\x00"))
	}
	for _, l := range linesOf(e) {
		for _, text := range []string{l.GetOrder(), l.GetOrderLine(), l.GetItem(), l.GetGtin(), l.GetQuantity().GetValue(), l.GetQuantity().GetUnit(), l.GetLot(), strings.Join(l.GetSerials(), "\x00"),
			l.GetHandlingUnit(), l.GetBin(), l.GetToBin(), l.GetStockStatus(), l.GetOriginalItem(), l.GetToStatus(), l.GetToLot(), l.GetToHandlingUnit(), l.GetOwner(), l.GetToOwner(),
			l.GetCondition(), l.GetDisposition()} {
			part(h, text)
		}
	}
	copy(content[:], h.Sum(nil))
	return content
}

func part(h hash.Hash, text string) {
	fmt.Fprintf(h, "%d:", len(text))
	_, _ = io.WriteString(h, text)
}
