package api

import (
	"time"

	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/posting"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Postings answers GET /api/v1/postings?state=S&target=T&site=ID&limit=N, the last changed first.
type Postings struct {
	Postings []Posting `json:"postings"`
	// Total is how many there are, whatever the limit.
	Total int64 `json:"total"`
}

// Posting is what one system of record is told, and how far that is.
type Posting struct {
	Target string `json:"target"`
	Kind   string `json:"kind"`
	Key    string `json:"key"`
	State  string `json:"state"`
	Site   string `json:"site,omitempty"`
	// For is the key whose fold wants it: "order/SO00017".
	For           string `json:"for"`
	CorrelationID string `json:"correlation_id,omitempty"`
	Style         string `json:"style"`
	// Document is what is wanted, Documents what the target made of it.
	Document  *Message  `json:"document,omitempty"`
	Documents []Message `json:"documents"`
	Wanted    bool      `json:"wanted"`
	Attempts  int64     `json:"attempts"`
	// Fault is why it stands where it stands.
	Fault       *Fault     `json:"fault,omitempty"`
	Policy      string     `json:"policy_version"`
	CreatedAt   *time.Time `json:"created_at"`
	ChangedAt   *time.Time `json:"changed_at"`
	ConfirmedAt *time.Time `json:"confirmed_at,omitempty"`
}

// Fault is what went wrong. Class is technical, data or process.
type Fault struct {
	Class  string `json:"class"`
	Code   string `json:"code"`
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"`
}

func postingOf(e *posting.Entry) Posting {
	p := Posting{Target: e.Target, Kind: string(e.Kind), Key: e.Key, State: string(e.State), Site: e.Site, For: e.FoldKey, CorrelationID: e.CorrelationID,
		Style: string(e.Style), Documents: []Message{}, Wanted: e.Wanted, Attempts: e.Attempts, Policy: e.PolicyVersion,
		CreatedAt: when(e.CreatedAt), ChangedAt: when(e.ChangedAt), ConfirmedAt: when(e.ConfirmedAt)}
	if e.Document != nil {
		p.Document = &Message{e.Document}
	}
	for _, d := range e.Documents {
		p.Documents = append(p.Documents, Message{d})
	}
	if e.Fault.Class != docklinev1.FaultClass_FAULT_CLASS_UNSPECIFIED {
		p.Fault = &Fault{Class: class(e.Fault.Class), Code: e.Fault.Code, Text: e.Fault.Text, Remedy: e.Fault.Remedy}
	}
	return p
}

// Exceptions answers GET /api/v1/exceptions?state=S&site=ID&order=NUMBER&team=T&limit=N, the last changed first; with after=NUMBER by
// number, to read them all: ask again after Next, which stays where there are no more.
type Exceptions struct {
	Exceptions []Exception `json:"exceptions"`
	Next       uint64      `json:"next"`
	// Total is how many there are, whatever limit and after say.
	Total int64 `json:"total"`
}

// Exception is something that needs a person.
type Exception struct {
	Number   uint64 `json:"number"`
	State    string `json:"state"`
	Class    string `json:"class"`
	Severity string `json:"severity"`
	Code     string `json:"code"`
	Subject  string `json:"subject"`
	Title    string `json:"title"`
	Text     string `json:"text"`
	Team     string `json:"team"`
	Site     string `json:"site,omitempty"`
	Order    string `json:"order,omitempty"`
	Customer string `json:"customer,omitempty"`
	// Value is decimal, in the order's currency.
	Value string `json:"value,omitempty"`
	// Detail is the raw record, in Base64.
	Detail     []byte     `json:"detail,omitempty"`
	EventIDs   []string   `json:"event_ids"`
	DueAt      *time.Time `json:"due_at,omitempty"`
	OpenedAt   *time.Time `json:"opened_at"`
	ChangedAt  *time.Time `json:"changed_at"`
	ResolvedAt *time.Time `json:"resolved_at,omitempty"`
}

func exceptionOf(e *exception.Exception) Exception {
	return Exception{Number: e.Number, State: string(e.State), Class: class(e.Class), Severity: severity(e.Severity), Code: e.Code, Subject: e.Subject,
		Title: e.Title, Text: e.Text, Team: e.Team, Site: e.Site, Order: e.Order, Customer: e.Customer, Value: e.Value, Detail: e.Detail,
		EventIDs: orEmpty(e.EventIDs), DueAt: when(e.DueAt), OpenedAt: when(e.OpenedAt), ChangedAt: when(e.ChangedAt), ResolvedAt: when(e.ResolvedAt)}
}
