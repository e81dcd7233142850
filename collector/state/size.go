package state

import (
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Size is how much was told of one key, over all of its facts, whatever counts in the end: the same for every permutation, and from a digest.
type Size struct {
	// Facts are those of the key itself, OwnLines the lines of these; a fact without lines counts as one. Lines has those that came through links too.
	Facts, OwnLines, Lines int64
	site                   string
	sites                  bool // more than one
	newest                 []Happening
}

// Add counts one fact more.
func (s *Size) Add(f Fact) {
	lines := max(int64(len(event.Lines(f.Event))), 1)
	if f.Group != nil {
		lines = f.Group.Count() // of one line each
	}
	s.Lines += lines
	if f.Via != "" {
		return
	}
	s.Facts += f.Counted()
	s.OwnLines += lines
	if site := f.Event.GetSite(); site != "" {
		s.sites = s.sites || s.site != "" && s.site != site
		s.site = site
	}
	if f.Group != nil {
		s.newest = append(s.newest, f.Group.Newest...)
	} else {
		s.newest = append(s.newest, HappeningOf(f.Event))
	}
	if len(s.newest) > 4*mostStatusFacts {
		s.keepNewest()
	}
}

func (s *Size) keepNewest() {
	slices.SortFunc(s.newest, Happening.Compare)
	s.newest = slices.CompactFunc(s.newest, func(a, b Happening) bool { return a.ID == b.ID })
	s.newest = slices.Delete(s.newest, 0, max(0, len(s.newest)-mostStatusFacts))
}

// Site is the site that told of the key, "" where several did.
func (s *Size) Site() string {
	if s.sites {
		return ""
	}
	return s.site
}

// TooLargeOrder is the state of an order of which more lines were told than are folded: that this is so, and by which facts.
func TooLargeOrder(tenant, number string, s *Size) *docklinev1.OrderState {
	s.keepNewest()
	order := &docklinev1.OrderState{Number: number, Status: TooLarge, CorrelationId: event.CorrelationID(tenant, number), StatusFactCount: uint32(s.Facts)}
	for _, h := range s.newest {
		order.StatusFacts = append(order.StatusFacts, h.ID)
	}
	return order
}
