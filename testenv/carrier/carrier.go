// Package carrier is a sandbox carrier: an HTTP server with a store of its own that takes parcels from docks, moves them from hub to hub to their
// consignees, and tells of it as a feed of changes. Some it loses, some are refused and go back.
package carrier

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/dockline/dockline/testenv/sandbox"
)

// What becomes of a parcel. The dock does not know; the test that hands it over does.
const (
	// Delivered: it comes to its consignee, who signs.
	Delivered = "delivered"
	// Late: so does it, after a delay.
	Late = "late"
	// Lost: it is not there any more after its first hub.
	Lost = "lost"
	// Found: it is lost, is found again, and comes to its consignee.
	Found = "found"
	// Refused: its consignee does not take it, and it goes back.
	Refused = "refused"
	// Damaged: it comes to its consignee damaged, who takes it all the same.
	Damaged = "damaged"
)

// ways are the stations of a parcel by what becomes of it.
var ways = map[string][]string{
	Delivered: {"picked_up", "arrived", "out_for_delivery", "delivered"},
	Late:      {"picked_up", "delayed", "arrived", "out_for_delivery", "delivered"},
	Lost:      {"picked_up", "arrived", "lost"},
	Found:     {"picked_up", "lost", "arrived", "out_for_delivery", "delivered"},
	Refused:   {"picked_up", "arrived", "out_for_delivery", "refused", "returning", "returned_to_sender"},
	Damaged:   {"picked_up", "damaged", "out_for_delivery", "delivered"},
}

// Parcel is one that a dock handed over.
type Parcel struct {
	Tracking  string `json:"tracking"`
	Consignee string `json:"consignee"`
	// Fate is what becomes of it, Status what it is now: "accepted", or its last station.
	Fate   string `json:"fate"`
	Status string `json:"status"`
	// Station is how many of its stations it has passed.
	Station int `json:"station"`
}

// Done tells whether it goes no further.
func (p Parcel) Done() bool { return p.Station == len(ways[p.Fate]) }

// Change is one thing that the carrier tells of a parcel; numbers grow by one.
type Change struct {
	Number   int       `json:"number"`
	Tracking string    `json:"tracking"`
	Station  string    `json:"station"`
	At       time.Time `json:"at"`
	Place    string    `json:"place"`
	Signer   string    `json:"signer"`
	Cause    string    `json:"cause"`
	Claim    string    `json:"claim"`
	// ETA and FormerETA are there for a delay.
	ETA       *time.Time `json:"eta,omitempty"`
	FormerETA *time.Time `json:"former_eta,omitempty"`
}

// Config is what a carrier is opened with. Now nil is time.Now.
type Config struct {
	Dir    string
	Seed   uint64
	Faults sandbox.Faults
	Now    func() time.Time
}

// Server is the carrier as an http.Handler.
type Server struct {
	config   Config
	injector *sandbox.Injector
	handler  http.Handler

	mu      sync.Mutex
	ledger  *sandbox.Ledger
	parcels map[string]Parcel
	order   []string
	changes []Change
}

// entry is one line of the ledger: parcels as they are now, and what is told of them.
type entry struct {
	Parcels []Parcel `json:"parcels,omitempty"`
	Changes []Change `json:"changes,omitempty"`
}

// New opens the store, or makes it.
func New(c Config) (*Server, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Server{config: c, injector: sandbox.NewInjector(c.Seed, c.Faults), parcels: map[string]Parcel{}}
	ledger, err := sandbox.OpenLedger(filepath.Join(c.Dir, "carrier.jsonl"), func(line []byte) error {
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		s.apply(e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.ledger = ledger
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/about", func(w http.ResponseWriter, r *http.Request) {
		sandbox.Write(w, http.StatusOK, map[string]string{"product": "sandbox-carrier", "version": "1.0"})
	})
	mux.HandleFunc("GET /api/changes", s.getChanges)
	mux.HandleFunc("GET /api/parcels", s.getParcels)
	sandbox.Control(mux, s.injector)
	s.handler = s.injector.Wrap(mux)
	return s, nil
}

// Close closes the store.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ledger.Close()
}

// Faults is the switch for failures.
func (s *Server) Faults() *sandbox.Injector { return s.injector }

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

func (s *Server) apply(e entry) {
	for _, p := range e.Parcels {
		if _, known := s.parcels[p.Tracking]; !known {
			s.order = append(s.order, p.Tracking)
		}
		s.parcels[p.Tracking] = p
	}
	s.changes = append(s.changes, e.Changes...)
}

func (s *Server) commit(e entry) error {
	if err := s.ledger.Append(e); err != nil {
		return err
	}
	s.apply(e)
	return nil
}

// Take takes a parcel from a dock, with what is to become of it. One that is taken already stays as it is.
func (s *Server) Take(tracking, consignee, fate string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.parcels[tracking]; known {
		return nil
	}
	return s.commit(entry{Parcels: []Parcel{{Tracking: tracking, Consignee: consignee, Fate: fate, Status: "accepted"}}})
}

// Work moves every parcel on by one station, and returns how many moved.
func (s *Server) Work() (moved int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var e entry
	now := s.config.Now().UTC()
	for _, tracking := range s.order {
		p := s.parcels[tracking]
		if p.Done() {
			continue
		}
		p.Status = ways[p.Fate][p.Station]
		p.Station++
		e.Parcels, e.Changes = append(e.Parcels, p), append(e.Changes, changeOf(p, len(s.changes)+len(e.Changes)+1, now))
	}
	if len(e.Parcels) == 0 {
		return 0, nil
	}
	return len(e.Parcels), s.commit(e)
}

func changeOf(p Parcel, number int, now time.Time) Change {
	c := Change{Number: number, Tracking: p.Tracking, Station: p.Status, At: now, Place: "hub " + strconv.Itoa(1+p.Station%3)}
	switch p.Status {
	case "delivered":
		c.Place, c.Signer = p.Consignee, "Goods in, "+p.Consignee
	case "delayed":
		late, former := now.Add(48*time.Hour), now.Add(24*time.Hour)
		c.ETA, c.FormerETA, c.Cause = &late, &former, "closed road"
	case "lost":
		c.Cause, c.Claim = "not in the trailer", "CL-"+p.Tracking
	case "refused":
		c.Cause = "the consignee did not order it"
	case "damaged":
		c.Cause, c.Claim = "wet", "CL-"+p.Tracking
	}
	return c
}

// Parcels are all that it was handed, oldest first.
func (s *Server) Parcels() []Parcel {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Parcel
	for _, tracking := range s.order {
		list = append(list, s.parcels[tracking])
	}
	return list
}

func (s *Server) getParcels(w http.ResponseWriter, r *http.Request) {
	sandbox.WritePage(w, r, s.Parcels())
}

func (s *Server) getChanges(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	since, _ := strconv.Atoi(r.URL.Query().Get("since"))
	found := slices.DeleteFunc(slices.Clone(s.changes), func(c Change) bool { return c.Number <= since })
	const most = 100
	more := len(found) > most
	found = found[:min(len(found), most)]
	next := since
	if len(found) > 0 {
		next = found[len(found)-1].Number
	}
	sandbox.Write(w, http.StatusOK, map[string]any{"changes": found, "next": next, "more": more})
}
