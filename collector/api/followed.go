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
	// Fault is why it stands where it stands, WaitsFor what it waits for while it is on its way: a pause, another posting, its hour.
	Fault       *Fault     `json:"fault,omitempty"`
	WaitsFor    string     `json:"waits_for,omitempty"`
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
		Style: string(e.Style), Documents: []Message{}, Wanted: e.Wanted, Attempts: e.Attempts, Policy: e.PolicyVersion, WaitsFor: e.Waits,
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
	// Team has it now, Assignee is the person. Group is the same for what one cause may well have made.
	Team     string `json:"team"`
	Assignee string `json:"assignee,omitempty"`
	Group    string `json:"group,omitempty"`
	Target   string `json:"target,omitempty"`
	Site     string `json:"site,omitempty"`
	Order    string `json:"order,omitempty"`
	Customer string `json:"customer,omitempty"`
	// Value is decimal, in the order's currency.
	Value string `json:"value,omitempty"`
	// Detail is the raw record, in Base64.
	Detail   []byte   `json:"detail,omitempty"`
	EventIDs []string `json:"event_ids"`
	// Level is how many levels of its escalation there have been, Times how often it was opened. Closed is automatic, human or waived.
	Level          int        `json:"level"`
	Times          int        `json:"times"`
	Closed         string     `json:"closed,omitempty"`
	ClosedBy       string     `json:"closed_by,omitempty"`
	AcknowledgedAt *time.Time `json:"acknowledged_at,omitempty"`
	SnoozedUntil   *time.Time `json:"snoozed_until,omitempty"`
	DueAt          *time.Time `json:"due_at,omitempty"`
	OpenedAt       *time.Time `json:"opened_at"`
	ChangedAt      *time.Time `json:"changed_at"`
	ResolvedAt     *time.Time `json:"resolved_at,omitempty"`
}

// ExceptionOf is an exception as the API shows it.
func ExceptionOf(e *exception.Exception) Exception {
	return Exception{Number: e.Number, State: string(e.State), Class: class(e.Class), Severity: severity(e.Severity), Code: e.Code, Subject: e.Subject,
		Title: e.Title, Text: e.Text, Team: e.Team, Assignee: e.Assignee, Group: e.Group, Target: e.Target, Site: e.Site, Order: e.Order, Customer: e.Customer, Value: e.Value, Detail: e.Detail,
		Level: e.Level, Times: e.Times, Closed: string(e.Closed), ClosedBy: e.ClosedBy, AcknowledgedAt: when(e.AcknowledgedAt), SnoozedUntil: when(e.SnoozedUntil),
		EventIDs: orEmpty(e.EventIDs), DueAt: when(e.DueAt), OpenedAt: when(e.OpenedAt), ChangedAt: when(e.ChangedAt), ResolvedAt: when(e.ResolvedAt)}
}

// ExceptionGroup is exceptions that one cause may have made.
type ExceptionGroup struct {
	Group     string     `json:"group"`
	Code      string     `json:"code"`
	Class     string     `json:"class"`
	Severity  string     `json:"severity"`
	Team      string     `json:"team"`
	Target    string     `json:"target,omitempty"`
	Site      string     `json:"site,omitempty"`
	N         int64      `json:"n"`
	Orders    int64      `json:"orders"`
	Customers int64      `json:"customers"`
	First     uint64     `json:"first"`
	Title     string     `json:"title"`
	OpenedAt  *time.Time `json:"opened_at"`
	DueAt     *time.Time `json:"due_at"`
	Level     int        `json:"level"`
}

// GroupOf is a group as the API shows it.
func GroupOf(g *exception.Group) ExceptionGroup {
	return ExceptionGroup{Group: g.Key, Code: g.Code, Class: class(g.Class), Severity: severity(g.Severity), Team: g.Team, Target: g.Target, Site: g.Site, N: g.N, Orders: g.Orders,
		Customers: g.Customers, First: g.First, Title: g.Title, OpenedAt: when(g.OpenedAt), DueAt: when(g.DueAt), Level: g.Level}
}
