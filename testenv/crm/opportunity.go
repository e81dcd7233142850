package crm

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/dockline/dockline/testenv/sandbox"
)

// The states of an opportunity. It is won when the customer has agreed to what was offered: its number is then that of the quote.
const (
	Offered = "offered"
	Won     = "won"
	Lost    = "lost"
)

// Opportunity is what a customer may buy.
type Opportunity struct {
	Number   string            `json:"number"`
	Customer string            `json:"customer"`
	Status   string            `json:"status"`
	Lines    []OpportunityLine `json:"lines"`
	// Order is the one that came of it, once somebody has written it down here.
	Order     string    `json:"order,omitempty"`
	ChangedAt time.Time `json:"changed_at"`
	Revision  int64     `json:"revision"`
}

// OpportunityLine is so much of an item, decimal in its base unit.
type OpportunityLine struct {
	Item     string `json:"item"`
	Quantity string `json:"quantity"`
}

// Change is one line of the CRM's feed of opportunities: how one stood after it was changed.
type Change struct {
	Seq    int64       `json:"seq"`
	At     time.Time   `json:"at"`
	Record Opportunity `json:"record"`
}

func createOpportunity(s *store, _ *http.Request, body []byte, at time.Time) (entry, error) {
	o := Opportunity{Status: Offered}
	if err := read(body, &o); err != nil {
		return entry{}, err
	}
	o.Number, o.Revision, o.ChangedAt = fmt.Sprintf("OP%d", 700001+len(s.opportunities)), 1, at
	return s.offered(o)
}

// changeOpportunity changes the fields that the body names.
func changeOpportunity(s *store, r *http.Request, body []byte, at time.Time) (entry, error) {
	o, known := s.opportunities[r.PathValue("number")]
	if !known {
		return entry{}, sandbox.Refuse(http.StatusNotFound, "unknown_opportunity", "there is no opportunity %q", r.PathValue("number"))
	}
	kept := o
	o.Lines = slices.Clone(o.Lines)
	if err := read(body, &o); err != nil {
		return entry{}, err
	}
	o.Number, o.Revision, o.ChangedAt = kept.Number, kept.Revision+1, at
	return s.offered(o)
}

// offered holds an opportunity against what the CRM knows.
func (s *store) offered(o Opportunity) (entry, error) {
	switch {
	case o.Status != Offered && o.Status != Won && o.Status != Lost:
		return entry{}, sandbox.Refuse(http.StatusUnprocessableEntity, "unknown_status", "there is no status %q of an opportunity", o.Status)
	case !slices.ContainsFunc(s.customers, func(c Customer) bool { return c.Code == o.Customer }):
		return entry{}, sandbox.Refuse(http.StatusUnprocessableEntity, "unknown_customer", "there is no customer %q", o.Customer)
	case len(o.Lines) == 0:
		return entry{}, sandbox.Refuse(http.StatusUnprocessableEntity, "no_lines", "nothing is offered")
	}
	return entry{Opportunity: &o}, nil
}

// readOpportunities answers with all of them, and with the feed of what was changed since a place in it.
func (s *Server) readOpportunities(get func(path string, answer func(w http.ResponseWriter, r *http.Request))) {
	get("/api/opportunities", func(w http.ResponseWriter, r *http.Request) {
		var all []Opportunity
		for _, number := range s.store.opportunityList {
			all = append(all, s.store.opportunities[number])
		}
		sandbox.WritePage(w, r, all)
	})
	get("/api/changes", func(w http.ResponseWriter, r *http.Request) { sandbox.WritePage(w, r, s.store.changes) })
}
