package erp

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/dockline/dockline/testenv/sandbox"
)

// Config is what a sandbox ERP is opened with.
type Config struct {
	// Dir holds the store, one file erp.jsonl; it is made where absent.
	Dir string
	// Seed decides master data and faults.
	Seed uint64
	// Master replaces the seeded master data of a new store; a store that is there keeps its own.
	Master *Master
	// Token is the bearer token to ask for; empty lets everybody in.
	Token string
	// Faults are in force from the first request.
	Faults sandbox.Faults
	// RefuseNegativeStock refuses a goods issue that would take the book below zero.
	RefuseNegativeStock bool
	// Now is the ERP's clock; nil is time.Now.
	Now func() time.Time
}

// Server is the ERP as an http.Handler.
type Server struct {
	config   Config
	injector *sandbox.Injector
	handler  http.Handler

	mu        sync.Mutex
	ledger    *sandbox.Ledger
	store     *store
	catalogue *Catalogue
	schema    schema
}

// New opens the store, or makes it with its master data.
func New(c Config) (*Server, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Server{config: c, injector: sandbox.NewInjector(c.Seed, c.Faults), store: newStore()}
	ledger, err := sandbox.OpenLedger(filepath.Join(c.Dir, "erp.jsonl"), func(line []byte) error {
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		return s.store.apply(e)
	})
	if err != nil {
		return nil, err
	}
	s.ledger = ledger
	if s.store.master == nil {
		master := c.Master
		if master == nil {
			master = NewMaster(c.Seed)
		}
		if err := s.commit(entry{Master: master}); err != nil {
			ledger.Close()
			return nil, err
		}
	}
	s.catalogue = newCatalogue(s.store.master)
	s.handler = s.routes()
	return s, nil
}

// Close closes the store. Requests that come later are refused.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ledger.Close()
}

// Faults is the switch for failures.
func (s *Server) Faults() *sandbox.Injector { return s.injector }

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Catalogue is the feed of items.
func (s *Server) Catalogue() *Catalogue { return s.catalogue }

// Master is the master data of the store.
func (s *Server) Master() *Master {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.store.master
}

func (s *Server) commit(e entry) error {
	if err := s.ledger.Append(e); err != nil {
		return err
	}
	return s.store.apply(e)
}

// told makes a handler for a call that changes something: do decides under the lock, then call and effect are one line.
func (s *Server) told(do func(*work) (any, error)) http.HandlerFunc {
	return sandbox.Told(s.config.Now, func(call sandbox.Call, r *http.Request, body []byte) (any, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		call.Seq = int64(len(s.store.calls) + 1)
		w := &work{store: s.store, at: call.At, body: body, request: r, refuse: s.config.RefuseNegativeStock}
		answer, err := do(w)
		e := entry{Call: &call}
		if err != nil {
			refusal := sandbox.AsRefusal(err)
			call.Status, call.Code = refusal.Status, refusal.Code
		} else {
			call.Made, e.Changes, e.Moves = w.made, w.changes, w.moves
		}
		if failed := s.commit(e); failed != nil {
			return nil, failed
		}
		return answer, err
	})
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	api := map[string]func(*work) (any, error){
		"POST /api/sales-orders":                  createOrder,
		"POST /api/order-imports":                 importOrder,
		"POST /api/sales-orders/{number}/confirm": confirmOrder,
		"POST /api/sales-orders/{number}/cancel":  cancelOrder,
		"POST /api/goods-issues":                  createIssue,
		"POST /api/invoices":                      createInvoice,
		"POST /api/stock-adjustments":             createAdjustment,
		"POST /api/returns":                       createReturn,
		"POST /api/credit-memos":                  createCredit,
		"POST /api/order-amendments":              createAmendment,
		"POST /api/backorders/{number}/release":   releaseBackorder,
		"POST /api/goods-issue-reversals":         reverseIssue,
		"POST /api/invoice-reversals":             reverseInvoice,
		"POST /api/periods":                       closePeriod,
		"POST /api/credit-memos/{number}/post":    postCredit,
		"DELETE /api/credit-memos/{number}":       deleteCredit,
		"POST /api/credit-reversals":              reverseCredit,
		"POST /api/return-receipts":               createReceipt,
		"POST /api/return-receipt-reversals":      reverseReceipt,
	}
	for pattern, do := range api {
		mux.HandleFunc(pattern, s.told(do))
	}
	s.reads(mux)
	sandbox.Control(mux, s.injector)
	return s.injector.Wrap(guardAPI(s.config.Token, mux))
}

// guardAPI leaves /control and /health open: they are the sandbox's own, not the ERP's.
func guardAPI(token string, mux http.Handler) http.Handler {
	outer := http.NewServeMux()
	outer.Handle("/api/", sandbox.Guard(token, mux))
	outer.Handle("/", mux)
	return outer
}
