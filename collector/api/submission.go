package api

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/submission"
)

// Submissions answers GET /api/v1/submissions/{number}?customer=&channel=&wait=5s: what became of the orders that were handed in under a number. Where
// one is asked for by its customer and its channel, and the system of record has not answered, it waits for that so long (30 s at most).
type Submissions struct {
	Submissions []Submission `json:"submissions"`
}

// Submission is an order that was handed in.
type Submission struct {
	Number   string `json:"number"`
	Customer string `json:"customer"`
	Source   string `json:"source"`
	Site     string `json:"site,omitempty"`
	By       string `json:"by,omitempty"`
	Event    string `json:"event"`
	// Status is submitted, accepted, rejected by the system of record, or refused where that did not even take it; Orders are its numbers there, Reasons
	// why it did not accept or take it.
	Status  string     `json:"status"`
	Orders  []string   `json:"orders"`
	Reasons []string   `json:"reasons"`
	At      *time.Time `json:"submitted_at"`
	// Postings are how systems of record are told of it.
	Postings []Posting `json:"postings"`
}

// SubmissionOf is a submission as the API shows it.
func SubmissionOf(s *view.Submission) Submission {
	e := s.Event
	out := Submission{Number: e.GetOrder().GetNumber(), Customer: e.GetOrder().GetCustomer(), Source: e.GetSource(), Site: e.GetSite(), By: e.GetActor(), Event: e.GetId(), Status: s.Status(),
		Orders: orEmpty(s.Orders), Reasons: orEmpty(s.Reasons()), Postings: eachOf(s.Postings, postingOf)}
	if e.GetCapturedAt().IsValid() {
		out.At = when(e.GetCapturedAt().AsTime())
	}
	return out
}

func (s *server) submissions(q *request) (any, error) {
	number, wait := q.PathValue("number"), time.Duration(0)
	if text := q.query.Get("wait"); text != "" {
		given, err := time.ParseDuration(text)
		if err != nil || given < 0 {
			return nil, bad("wait is %q: give a time like 5s.", text)
		}
		wait = min(given, longestWait)
	}
	deadline := time.Now().Add(wait)
	for {
		found, err := view.Submissions(q.Context(), s.DB, q.tenant, number)
		if err != nil {
			return nil, err
		}
		found = slices.DeleteFunc(found, func(one view.Submission) bool {
			return q.query.Has("customer") && one.Event.GetOrder().GetCustomer() != q.query.Get("customer") ||
				q.query.Has("channel") && one.Event.GetSource() != submission.Source(q.query.Get("channel"))
		})
		if len(found) == 0 {
			return nil, &Problem{Status: http.StatusNotFound, Detail: "No order was handed in under the number " + number + " that is asked for."}
		}
		open := slices.ContainsFunc(found, func(one view.Submission) bool { return !one.Answered() })
		if !open || !time.Now().Before(deadline) {
			return Submissions{eachOf(found, SubmissionOf)}, nil
		}
		select {
		case <-q.Context().Done():
			return nil, q.Context().Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// submit answers POST /api/v1/orders: an order is handed in. 201 says that it is in the event log, and Location where to ask what the system of record
// says of it; it was handed in before where known is true.
func (s *server) submit(q *request, tx *db.Tx, body []byte) (done, error) {
	if s.Submissions == nil {
		return done{}, &Problem{Status: http.StatusMethodNotAllowed, Detail: "Orders cannot be handed in here."}
	}
	order, err := submission.Parse(body)
	if err != nil {
		return done{}, err
	}
	taken, err := s.Submissions.Take(q.Context(), tx, q.tenant, order)
	if err != nil {
		return done{}, err
	}
	at := url.Values{"tenant": {q.tenant}, "customer": {order.Customer}, "channel": {order.Channel}}
	return done{http.StatusCreated, "/api/v1/submissions/" + url.PathEscape(order.Number) + "?" + at.Encode(), taken, s.Submissions.Wake}, nil
}

// sentence makes a text of Go's one for people.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(first)) + text[size:]
	if strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}
