// Package stock says what lies at which site and what of it can be promised: on hand, less what is reserved and what accepted orders still
// take, less safety stock, plus what is on its way in; each site with how far it has told.
package stock

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/state"
	"github.com/dockline/dockline/proto/event"
)

// Holding is what one account of a site holds of an item, by status, in millionths.
type Holding struct {
	Site, Status string
	Quantity     int64
}

// Demand is what one key says of an item, in millionths.
type Demand struct {
	Key, Kind, Site string
	Quantity        int64
	// At is when a reservation ends, or goods are expected; zero: never, or not known.
	At time.Time
}

// Told is how far a site has told everything of its stock.
type Told struct {
	// Through is the time up to which every stream has told everything, zero where none says; Movement the lowest of their own numbers.
	Through  time.Time
	Movement uint64
	// Pending is how many movements are in the event log and not in the ledger yet.
	Pending int
	// Gaps is how many pieces of its stream are missing: goods may have moved that nobody here knows of.
	Gaps int
}

// Facts are all that a promise is worked out from.
type Facts struct {
	Item     string
	Holdings []Holding
	Demands  []Demand
	Told     map[string]Told
	// Safety is by site, and StaleAfter how old what a site has told may be, 0 for any age.
	Safety     map[string]int64
	StaleAfter map[string]time.Duration
	// Horizon is how far ahead what is on its way counts.
	Horizon time.Duration
	Now     time.Time
}

// Site is what can be promised at one site. Quantities are decimal numbers of base units.
type Site struct {
	Site string `json:"site"`
	// OnHand is what is available or on hold; Hold the part on hold.
	OnHand    string `json:"on_hand"`
	Hold      string `json:"hold"`
	Allocated string `json:"allocated"`
	// Open is what accepted orders of this site still take and nobody has reserved.
	Open    string `json:"accepted_not_allocated"`
	Safety  string `json:"safety"`
	Inbound string `json:"inbound"`
	ATP     string `json:"available_to_promise"`
	// Elsewhere is what the site has in other statuses: picked, damaged, ...
	Elsewhere map[string]string `json:"other,omitempty"`
	// AsOf is up to when the site has told everything, nil where no stream says; AsOfMovement its own number of a movement.
	AsOf         *time.Time `json:"as_of,omitempty"`
	AsOfMovement uint64     `json:"as_of_movement,omitempty"`
	AgeSeconds   int64      `json:"age_seconds,omitempty"`
	Pending      int        `json:"pending,omitempty"`
	// Stale: it is older than the policy allows, or the site has never told, or some of what it told is missing. StaleBecause says which, in a sentence.
	Stale        bool   `json:"stale"`
	StaleBecause string `json:"stale_because,omitempty"`
}

// Promise is what can be promised of an item, by site and in all.
type Promise struct {
	Item  string `json:"item"`
	Sites []Site `json:"sites"`
	// NowhereYet is what accepted orders take that no site was given yet; it is taken off the whole.
	NowhereYet string `json:"accepted_at_no_site"`
	ATP        string `json:"available_to_promise"`
	// AsOf is that of the site which is furthest behind, nil where one never told; Stale says that at least one of them is.
	AsOf       *time.Time `json:"as_of,omitempty"`
	AgeSeconds int64      `json:"age_seconds,omitempty"`
	Stale      bool       `json:"stale"`
	// StaleBecause are those of its sites, one after the other.
	StaleBecause string `json:"stale_because,omitempty"`
}

// sums are one site's, in millionths.
type sums struct {
	available, hold, allocated, open, inbound int64
	other                                     map[string]int64
}

// onHold tells the statuses of goods that lie ready and may not be used for now.
func onHold(status string) bool { return strings.HasPrefix(status, "hold") }

// ATP works out what can be promised of an item over a set of sites; none: all.
func ATP(f Facts, sites []string) Promise {
	bySite := make(map[string]*sums)
	at := func(site string) *sums {
		if bySite[site] == nil {
			bySite[site] = &sums{other: make(map[string]int64)}
		}
		return bySite[site]
	}
	for _, site := range sites {
		at(site)
	}
	for _, h := range f.Holdings {
		s := at(h.Site)
		switch {
		case h.Status == event.Available:
			s.available += h.Quantity
		case onHold(h.Status):
			s.hold += h.Quantity
		default:
			s.other[h.Status] += h.Quantity
		}
	}
	demand(f, at)
	p := Promise{Item: f.Item, Sites: []Site{}, NowhereYet: "0"}
	var total int64
	if nowhere := bySite[""]; nowhere != nil && len(sites) == 0 {
		p.NowhereYet = event.FormatQuantity(nowhere.open)
		total -= nowhere.open
	}
	for _, name := range sortedKeys(bySite) {
		if name == "" || len(sites) > 0 && !slices.Contains(sites, name) {
			continue
		}
		site, atp := bySite[name].site(name, f)
		total += atp
		p.Sites = append(p.Sites, site)
	}
	p.ATP = event.FormatQuantity(total)
	p.age()
	return p
}

// age makes the whole as old as the site that is furthest behind.
func (p *Promise) age() {
	never := false
	var why []string
	for _, s := range p.Sites {
		if p.Stale = p.Stale || s.Stale; s.StaleBecause != "" {
			why = append(why, s.StaleBecause)
		}
		switch {
		case s.AsOf == nil:
			never = true
		case p.AsOf == nil || s.AsOf.Before(*p.AsOf):
			p.AsOf, p.AgeSeconds = s.AsOf, s.AgeSeconds
		}
	}
	if p.StaleBecause = strings.Join(why, " "); never {
		p.AsOf, p.AgeSeconds = nil, 0
	}
}

// demand adds reservations that have not ended, what orders take beyond them, and what is to come.
func demand(f Facts, at func(string) *sums) {
	reserved := make(map[string]int64) // by order
	for _, d := range f.Demands {
		switch {
		case d.Kind == state.DemandAllocated && (d.At.IsZero() || d.At.After(f.Now)):
			at(d.Site).allocated += d.Quantity
			reserved[d.Key] += d.Quantity
		case d.Kind == state.DemandInbound && !d.At.After(f.Now.Add(f.Horizon)):
			at(d.Site).inbound += d.Quantity
		}
	}
	for _, d := range f.Demands {
		if d.Kind == state.DemandOpen {
			at(d.Site).open += max(0, d.Quantity-reserved[d.Key])
		}
	}
}

func (s *sums) site(name string, f Facts) (Site, int64) {
	safety := f.Safety[name]
	atp := s.available - s.allocated - s.open - safety + s.inbound
	site := Site{Site: name, OnHand: event.FormatQuantity(s.available + s.hold), Hold: event.FormatQuantity(s.hold), Allocated: event.FormatQuantity(s.allocated),
		Open: event.FormatQuantity(s.open), Safety: event.FormatQuantity(safety), Inbound: event.FormatQuantity(s.inbound), ATP: event.FormatQuantity(atp)}
	for _, status := range sortedKeys(s.other) {
		if s.other[status] != 0 {
			if site.Elsewhere == nil {
				site.Elsewhere = make(map[string]string)
			}
			site.Elsewhere[status] = event.FormatQuantity(s.other[status])
		}
	}
	told := f.Told[name]
	site.AsOfMovement, site.Pending = told.Movement, told.Pending
	if !told.Through.IsZero() {
		site.AsOf, site.AgeSeconds = &told.Through, max(0, int64(f.Now.Sub(told.Through).Seconds()))
	}
	site.StaleBecause = told.stale(name, f.Now, f.StaleAfter[name])
	site.Stale = site.StaleBecause != ""
	return site, atp
}

// stale says why what a site has told may not be what lies there, "" where nothing speaks against it; limit is how old it may be, 0 for any age.
func (t Told) stale(site string, now time.Time, limit time.Duration) string {
	switch {
	case t.Gaps > 0:
		return fmt.Sprintf("Of what site %s told, %s of its stream %s missing: goods may have moved there that are not counted here.", site, event.Several(t.Gaps, "piece"), event.Are(t.Gaps))
	case limit > 0 && t.Through.IsZero():
		return fmt.Sprintf("Site %s has never said how far it has told everything.", site)
	case limit > 0 && now.Sub(t.Through) > limit:
		return fmt.Sprintf("Site %s has told everything up to %s only, and stock.yaml allows %s (stale_after).", site, t.Through.UTC().Format(time.RFC3339), limit)
	}
	return ""
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
