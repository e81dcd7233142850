package crm

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/dockline/dockline/testenv/sandbox"
)

// ProductRecord is what sales people see of an item.
type ProductRecord struct {
	Code    string `json:"code"`
	Name    string `json:"name"`
	Unit    string `json:"unit"`
	Version int64  `json:"version"`
	Deleted bool   `json:"deleted,omitempty"`
}

// products is the CRM's list of them, kept as long as the process lives.
type products struct {
	mu     sync.Mutex
	by     map[string]ProductRecord
	refuse map[string]string
}

// RefuseProduct lets the CRM refuse an item with a reason; "" takes it again.
func (s *Server) RefuseProduct(code, reason string) {
	s.products.mu.Lock()
	defer s.products.mu.Unlock()
	if s.products.refuse == nil {
		s.products.refuse = map[string]string{}
	}
	if s.products.refuse[code] = reason; reason == "" {
		delete(s.products.refuse, code)
	}
}

// Products lists those that are not deleted, by code.
func (s *Server) Products() []ProductRecord {
	s.products.mu.Lock()
	defer s.products.mu.Unlock()
	var all []ProductRecord
	for _, p := range s.products.by {
		if !p.Deleted {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b ProductRecord) int { return strings.Compare(a.Code, b.Code) })
	return all
}

// putProducts takes a list of products; of each the newest version wins, and those that are refused are named.
func (s *Server) putProducts(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Products []ProductRecord `json:"products"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, sandbox.MaxBody)).Decode(&in); err != nil {
		sandbox.WriteError(w, http.StatusBadRequest, "bad_request", err.Error())
		return
	}
	s.products.mu.Lock()
	defer s.products.mu.Unlock()
	if s.products.by == nil {
		s.products.by = map[string]ProductRecord{}
	}
	refused := []map[string]string{}
	for _, p := range in.Products {
		switch {
		case s.products.refuse[p.Code] != "":
			refused = append(refused, map[string]string{"code": p.Code, "reason": s.products.refuse[p.Code]})
		case s.products.by[p.Code].Version > p.Version:
			// what it has is newer
		default:
			s.products.by[p.Code] = p
		}
	}
	sandbox.Write(w, http.StatusOK, map[string]any{"refused": refused})
}
