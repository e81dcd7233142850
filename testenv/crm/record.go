package crm

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/dockline/dockline/testenv/sandbox"
)

// Customer is an account.
type Customer struct {
	Code string `json:"code"`
	Name string `json:"name"`
	// Copies of what the ERP decides, for sales people to see; CreditLimit is decimal.
	PriceList        string `json:"price_list,omitempty"`
	PriceListVersion string `json:"price_list_version,omitempty"`
	CreditLimit      string `json:"credit_limit,omitempty"`
	// AccountTeam is whose customer it is: for the CRM to say, and a copy in the ERP.
	AccountTeam string `json:"account_team,omitempty"`
}

// Order is what customer service sees of an order. The CRM takes what it is told: that the newest source version wins is up to
// who writes, with If-Match.
type Order struct {
	Number            string      `json:"number"`
	SourceVersion     int64       `json:"source_version"`
	Customer          string      `json:"customer"`
	CustomerReference string      `json:"customer_reference"`
	Status            string      `json:"status"`
	Lines             []OrderLine `json:"lines"`
	Tracking          []string    `json:"tracking"`
	Invoices          []string    `json:"invoices"`
	CorrelationID     string      `json:"correlation_id"`
	// References are what others call the order.
	References map[string]string `json:"references,omitempty"`
	ChangedAt  time.Time         `json:"changed_at"`
	// Revision is the record's own, also its ETag.
	Revision int64 `json:"revision"`
}

// OrderLine says what was ordered and shipped, decimal in the base unit.
type OrderLine struct {
	Line    string `json:"line"`
	Item    string `json:"item"`
	Ordered string `json:"ordered"`
	Shipped string `json:"shipped"`
}

// The states of a case.
const (
	Open   = "open"
	Closed = "closed"
)

// Case asks customer service to do something.
type Case struct {
	Number            string     `json:"number"`
	ExternalReference string     `json:"external_reference"`
	SourceVersion     int64      `json:"source_version"`
	Status            string     `json:"status"`
	Order             string     `json:"order"`
	OrderLine         string     `json:"order_line"`
	Item              string     `json:"item"`
	Customer          string     `json:"customer"`
	Cause             string     `json:"cause"`
	Missing           string     `json:"missing"`
	Text              string     `json:"text"`
	CorrelationID     string     `json:"correlation_id"`
	OpenedAt          time.Time  `json:"opened_at"`
	ClosedAt          *time.Time `json:"closed_at,omitempty"`
	Revision          int64      `json:"revision"`
}

// entry is one line of the ledger: a call and what it did. The first line holds the customers instead.
type entry struct {
	Customers []Customer    `json:"customers,omitempty"`
	Call      *sandbox.Call `json:"call,omitempty"`
	Order     *Order        `json:"order,omitempty"`
	Case      *Case         `json:"case,omitempty"`
	// Opportunity that was made or changed.
	Opportunity *Opportunity `json:"opportunity,omitempty"`
}

// store is what the ledger's lines add up to.
type store struct {
	customers []Customer
	orders    map[string]Order
	orderList []string
	cases     map[string]Case
	caseList  []string
	calls     []sandbox.Call
	// changed is when a case was last changed, by number.
	changed map[string]time.Time
	// opportunities by number, and how each of them stood, one after the other.
	opportunities   map[string]Opportunity
	opportunityList []string
	changes         []Change
}

func (s *store) apply(e entry) {
	if e.Call == nil {
		s.customers = append([]Customer{}, e.Customers...)
	}
	if e.Order != nil {
		if _, known := s.orders[e.Order.Number]; !known {
			s.orderList = append(s.orderList, e.Order.Number)
		}
		s.orders[e.Order.Number] = *e.Order
	}
	if e.Case != nil {
		if _, known := s.cases[e.Case.Number]; !known {
			s.caseList = append(s.caseList, e.Case.Number)
		}
		s.cases[e.Case.Number] = *e.Case
		if e.Call != nil {
			s.changed[e.Case.Number] = e.Call.At
		}
	}
	if o := e.Opportunity; o != nil {
		if _, known := s.opportunities[o.Number]; !known {
			s.opportunityList = append(s.opportunityList, o.Number)
		}
		s.opportunities[o.Number] = *o
		s.changes = append(s.changes, Change{Seq: int64(len(s.changes) + 1), At: o.ChangedAt, Record: *o})
	}
	if e.Call != nil {
		s.calls = append(s.calls, *e.Call)
	}
}

// precondition holds If-Match and If-None-Match: * against the record's revision, 0 where there is none (RFC 9110, section 13.1).
func precondition(r *http.Request, revision int64) error {
	if r.Header.Get("If-None-Match") == "*" && revision > 0 {
		return sandbox.Refuse(http.StatusPreconditionFailed, "changed_meanwhile", "the record is there")
	}
	if match := r.Header.Get("If-Match"); match != "" && (revision == 0 || match != etag(revision)) {
		return sandbox.Refuse(http.StatusPreconditionFailed, "changed_meanwhile", "the record is at revision %d", revision)
	}
	return nil
}

func read(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return sandbox.Refuse(http.StatusBadRequest, "bad_request", "the body is not what is expected: %v", err)
	}
	return nil
}

func putOrder(s *store, r *http.Request, body []byte, at time.Time) (entry, error) {
	var order Order
	if err := read(body, &order); err != nil {
		return entry{}, err
	}
	number := r.PathValue("number")
	held := s.orders[number]
	if err := precondition(r, held.Revision); err != nil {
		return entry{}, err
	}
	if order.Number != "" && order.Number != number {
		return entry{}, sandbox.Refuse(http.StatusUnprocessableEntity, "wrong_number", "the record's number %q is not that of the path", order.Number)
	}
	switch order.Status {
	case "accepted", "released", "backordered", "allocated", "in_preparation", "partly_shipped", "shipped", "invoiced", "cancelled":
	default:
		return entry{}, sandbox.Refuse(http.StatusUnprocessableEntity, "unknown_status", "there is no order status %q", order.Status)
	}
	order.Number, order.Revision, order.ChangedAt = number, held.Revision+1, at
	return entry{Order: &order}, nil
}

func createCase(s *store, _ *http.Request, body []byte, at time.Time) (entry, error) {
	c := Case{Status: Open}
	if err := read(body, &c); err != nil {
		return entry{}, err
	}
	c.Number, c.Revision, c.OpenedAt = fmt.Sprintf("CS%d", 500001+len(s.caseList)), 1, at
	return closing(c, at)
}

// changeCase changes the fields that the body names.
func changeCase(s *store, r *http.Request, body []byte, at time.Time) (entry, error) {
	c, known := s.cases[r.PathValue("number")]
	if !known {
		return entry{}, sandbox.Refuse(http.StatusNotFound, "unknown_case", "there is no case %q", r.PathValue("number"))
	}
	if err := precondition(r, c.Revision); err != nil {
		return entry{}, err
	}
	kept := c
	if err := read(body, &c); err != nil {
		return entry{}, err
	}
	c.Number, c.Revision, c.OpenedAt = kept.Number, kept.Revision+1, kept.OpenedAt
	return closing(c, at)
}

func closing(c Case, at time.Time) (entry, error) {
	switch {
	case c.Status != Open && c.Status != Closed:
		return entry{}, sandbox.Refuse(http.StatusUnprocessableEntity, "unknown_status", "there is no case status %q", c.Status)
	case c.Status == Open:
		c.ClosedAt = nil
	case c.ClosedAt == nil:
		c.ClosedAt = &at
	}
	return entry{Case: &c}, nil
}
