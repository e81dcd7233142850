// Package crm is a sandbox CRM: an HTTP server with a store of its own that keeps a record of each order, cases, opportunities and customers,
// and a journal of everything that it was told. It does not look whether an external reference was used before.
package crm

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/dockline/dockline/testenv/sandbox"
)

// Config is what a sandbox CRM is opened with.
type Config struct {
	// Dir holds the store, one file crm.jsonl; it is made where absent.
	Dir string
	// Seed decides the faults.
	Seed uint64
	// Customers of a new store; a store that is there keeps its own.
	Customers []Customer
	// Token is the bearer token to ask for; empty lets everybody in.
	Token string
	// Faults are in force from the first request.
	Faults sandbox.Faults
	// Now is the CRM's clock; nil is time.Now.
	Now func() time.Time
}

// Server is the CRM as an http.Handler.
type Server struct {
	config   Config
	injector *sandbox.Injector
	handler  http.Handler

	mu       sync.Mutex
	ledger   *sandbox.Ledger
	store    *store
	products products
}

// New opens the store, or makes it.
func New(c Config) (*Server, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Server{config: c, injector: sandbox.NewInjector(c.Seed, c.Faults), store: &store{orders: map[string]Order{}, cases: map[string]Case{}, changed: map[string]time.Time{}, opportunities: map[string]Opportunity{}}}
	ledger, err := sandbox.OpenLedger(filepath.Join(c.Dir, "crm.jsonl"), func(line []byte) error {
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		s.store.apply(e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.ledger = ledger
	if s.store.customers == nil {
		if err := s.commit(entry{Customers: c.Customers}); err != nil {
			ledger.Close()
			return nil, err
		}
	}
	s.handler = s.routes()
	return s, nil
}

// Close closes the store. Requests that come later are refused.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ledger.Close()
}

// HandCustomer changes an account as somebody does at its screen.
func (s *Server) HandCustomer(code string, change func(*Customer)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.store.customers {
		if s.store.customers[i].Code == code {
			change(&s.store.customers[i])
			return nil
		}
	}
	return fmt.Errorf("there is no customer %q", code)
}

// AddCustomer adds an account, as somebody does at its screen, kept as long as the process lives.
func (s *Server) AddCustomer(c Customer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store.customers = append(s.store.customers, c)
}

// Faults is the switch for failures.
func (s *Server) Faults() *sandbox.Injector { return s.injector }

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

func (s *Server) commit(e entry) error {
	if err := s.ledger.Append(e); err != nil {
		return err
	}
	s.store.apply(e)
	return nil
}

// told makes a handler for a call that changes something: call and effect are one line of the ledger.
func (s *Server) told(do func(*store, *http.Request, []byte, time.Time) (entry, error)) http.HandlerFunc {
	return sandbox.Told(s.config.Now, func(call sandbox.Call, r *http.Request, body []byte) (any, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		call.Seq = int64(len(s.store.calls) + 1)
		e, err := do(s.store, r, body, call.At)
		if err != nil {
			refusal := sandbox.AsRefusal(err)
			call.Status, call.Code, e = refusal.Status, refusal.Code, entry{}
		}
		e.Call = &call
		var answer any
		switch {
		case e.Order != nil:
			call.Made, answer = e.Order.Number, e.Order
		case e.Case != nil:
			call.Made, answer = e.Case.Number, e.Case
		case e.Opportunity != nil:
			call.Made, answer = e.Opportunity.Number, e.Opportunity
		}
		if failed := s.commit(e); failed != nil {
			return nil, failed
		}
		return answer, err
	})
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /api/orders/{number}", s.told(putOrder))
	mux.HandleFunc("POST /api/cases", s.told(createCase))
	mux.HandleFunc("PATCH /api/cases/{number}", s.told(changeCase))
	mux.HandleFunc("POST /api/opportunities", s.told(createOpportunity))
	mux.HandleFunc("PATCH /api/opportunities/{number}", s.told(changeOpportunity))
	mux.HandleFunc("PUT /api/products", s.putProducts)
	s.reads(mux)
	sandbox.Control(mux, s.injector)
	outer := http.NewServeMux()
	outer.Handle("/api/", sandbox.Guard(s.config.Token, mux))
	outer.Handle("/", mux)
	return s.injector.Wrap(outer)
}

func etag(revision int64) string { return fmt.Sprintf("%q", fmt.Sprint(revision)) }
