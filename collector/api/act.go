package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/submission"
)

// Desk is where people work on exceptions and orders, each act within the caller's transaction, where the person may, and recorded.
type Desk interface {
	ActOn(ctx context.Context, tx *db.Tx, tenant string, number uint64, action string, a exception.Acting) (string, error)
	ActOnOrder(ctx context.Context, tx *db.Tx, tenant, number, action string, a exception.Acting) (said string, applied bool, err error)
	Offers(ctx context.Context, tx *db.Tx, tenant, key string) ([]exception.Offer, error)
}

// Acting is the body of what somebody does: POST /api/v1/exceptions/{number}/actions/{action} and /api/v1/orders/{number}/actions/{action}.
type Acting struct {
	// By is who does it; "" is the API itself.
	By     string `json:"by"`
	Reason string `json:"reason"`
	// Set are the values that the action takes, by name.
	Set map[string]string `json:"set"`
}

// Acted answers it: in one sentence what has become of it, and the exception as it is now.
type Acted struct {
	Said string `json:"said"`
	// Applied says of an order whether it counts; false: others own it, it is kept, and their team has a case.
	Applied   *bool      `json:"applied,omitempty"`
	Exception *Exception `json:"exception,omitempty"`
}

// Offers answers GET .../actions: what can be done, each with the values that it takes, or why it cannot be done now.
type Offers struct {
	Actions []exception.Offer `json:"actions"`
}

// ExceptionDetail answers GET /api/v1/exceptions/{number}.
type ExceptionDetail struct {
	Exception
	Notes   []exception.Note  `json:"notes"`
	Actions []exception.Offer `json:"actions"`
}

// strict reads a body that is one value and has no other fields than into.
func strict(body []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return submission.Unreadable(err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return submission.Faults{{Text: "there is more behind the object; send one at a time"}}
	}
	return nil
}

func (s *server) exception(q *request) (any, error) {
	number, err := exceptionNumber(q)
	if err != nil {
		return nil, err
	}
	var d ExceptionDetail
	err = s.DB.Read(q.Context(), func(tx *db.Tx) error {
		e, err := exception.Get(q.Context(), tx, q.tenant, number)
		if err != nil {
			return err
		}
		d.Exception = ExceptionOf(e)
		if d.Notes, err = exception.Notes(q.Context(), tx, q.tenant, number); err != nil {
			return err
		}
		d.Actions, err = s.offersOf(q, tx, "exception/"+strconv.FormatUint(number, 10))
		return err
	})
	d.Notes = append([]exception.Note{}, d.Notes...)
	return d, err
}

func exceptionNumber(q *request) (uint64, error) {
	number, err := strconv.ParseUint(q.PathValue("number"), 10, 63)
	if err != nil {
		return 0, bad("%q: give the number of an exception.", q.PathValue("number"))
	}
	return number, nil
}

// offersOf are none where nobody works here.
func (s *server) offersOf(q *request, tx *db.Tx, key string) ([]exception.Offer, error) {
	offers := []exception.Offer{}
	if s.Desk == nil {
		return offers, nil
	}
	found, err := s.Desk().Offers(q.Context(), tx, q.tenant, key)
	return append(offers, found...), err
}

// offers answers which actions there are for the object that key names.
func (s *server) offers(key func(q *request) string) func(*request) (any, error) {
	return func(q *request) (any, error) {
		var o Offers
		err := s.DB.Read(q.Context(), func(tx *db.Tx) (err error) {
			o.Actions, err = s.offersOf(q, tx, key(q))
			return err
		})
		return o, err
	}
}

// act does something about an exception; of says what, from the request.
func (s *server) act(of func(q *request, body []byte) (action string, a exception.Acting, err error)) change {
	return func(q *request, tx *db.Tx, body []byte) (done, error) {
		if s.Desk == nil {
			return done{}, nobodyHere
		}
		number, err := exceptionNumber(q)
		if err != nil {
			return done{}, err
		}
		action, a, err := of(q, body)
		if err != nil {
			return done{}, err
		}
		a.By, a.Now = cmp.Or(a.By, policy.API), s.now()
		said, err := s.Desk().ActOn(q.Context(), tx, q.tenant, number, action, a)
		if err != nil {
			return done{}, err
		}
		e, err := exception.Get(q.Context(), tx, q.tenant, number)
		if err != nil {
			return done{}, err
		}
		now := ExceptionOf(e)
		return done{http.StatusOK, "", Acted{Said: said, Exception: &now}, s.Acted}, nil
	}
}

var nobodyHere = &Problem{Status: http.StatusMethodNotAllowed, Detail: "Nothing can be done here."}

func anyAction(q *request, body []byte) (string, exception.Acting, error) {
	var in Acting
	err := strict(body, &in)
	return q.PathValue("action"), exception.Acting{By: in.By, Reason: in.Reason, Set: in.Set}, err
}

// noted is POST /api/v1/exceptions/{number}/notes: {"by": "ines", "text": "..."}.
func noted(_ *request, body []byte) (string, exception.Acting, error) {
	var in struct {
		By   string `json:"by"`
		Text string `json:"text"`
	}
	err := strict(body, &in)
	if err == nil && in.Text == "" {
		err = submission.Faults{{Field: "text", Text: "is missing; write what is to be noted"}}
	}
	return "comment", exception.Acting{By: in.By, Reason: in.Text}, err
}

// assigned is POST /api/v1/exceptions/{number}/assignee: {"by": "ines", "person": "otto", "team": "claims", "reason": "..."}; "none" takes it from
// whoever has it.
func assigned(_ *request, body []byte) (string, exception.Acting, error) {
	var in struct {
		By     string `json:"by"`
		Reason string `json:"reason"`
		Person string `json:"person"`
		Team   string `json:"team"`
	}
	err := strict(body, &in)
	set := make(map[string]string)
	for name, value := range map[string]string{"person": in.Person, "team": in.Team} {
		if value != "" {
			set[name] = value
		}
	}
	return "assign", exception.Acting{By: in.By, Reason: in.Reason, Set: set}, err
}

// actOnOrder is POST /api/v1/orders/{number}/actions/{action}.
func (s *server) actOnOrder(q *request, tx *db.Tx, body []byte) (done, error) {
	if s.Desk == nil {
		return done{}, nobodyHere
	}
	action, a, err := anyAction(q, body)
	if err != nil {
		return done{}, err
	}
	a.By, a.Now = cmp.Or(a.By, policy.API), s.now()
	said, applied, err := s.Desk().ActOnOrder(q.Context(), tx, q.tenant, q.PathValue("number"), action, a)
	return done{http.StatusOK, "", Acted{Said: said, Applied: &applied}, s.Acted}, err
}
