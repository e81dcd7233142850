package api

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"unicode/utf8"

	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/collector/submission"
	"github.com/dockline/dockline/collector/sweep"
)

// maxBody is how many bytes a request may have.
const maxBody = 1 << 20

// done is the answer to a change.
type done struct {
	status int
	// location is where what came of it can be asked for.
	location string
	value    any
	// after is done when the change is in the database; it may be nil.
	after func()
}

// change is something that a request does, in one transaction with the answer that is kept of it. It may be run more than once before one of
// them is committed.
type change func(q *request, tx *db.Tx, body []byte) (done, error)

// changing answers a request that changes something, once for each key.
func (s *server) changing(do change) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := s.changeOnce(w, r, do); err != nil && r.Context().Err() == nil {
			write(w, s.problemOf(r, err))
		}
	}
}

func (s *server) changeOnce(w http.ResponseWriter, r *http.Request, do change) (err error) {
	body, err := bodyOf(r)
	if err != nil {
		return err
	}
	q, err := s.read(r)
	if err != nil {
		return err
	}
	if q.tenant == "" {
		return bad("Add tenant=: there is none yet.")
	}
	a, err := newAttempt(r, q.tenant, body)
	if err != nil {
		return err
	}
	had, err := s.once.begin(r.Context(), a)
	if err != nil {
		return err
	}
	if had != nil {
		had.again(w)
		return nil
	}
	ended := false
	defer func() {
		if !ended {
			err = errors.Join(err, s.once.forget(r.Context(), a))
		}
	}()
	var came done
	var answer []byte
	err = s.DB.Write(r.Context(), func(tx *db.Tx) (err error) {
		if came, err = do(q, tx, body); err != nil {
			return err
		}
		if answer, err = json.Marshal(came.value); err != nil {
			return err
		}
		return s.once.end(r.Context(), tx, a, came.status, came.location, answer)
	})
	if err != nil {
		return err
	}
	ended = true
	if came.after != nil {
		came.after()
	}
	if came.location != "" {
		w.Header().Set("Location", came.location)
	}
	send(w, came.status, "application/json", answer)
	return nil
}

func bodyOf(r *http.Request) ([]byte, error) {
	// A page of a stranger in a browser can send anything but this without asking first.
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		return nil, &Problem{Status: http.StatusUnsupportedMediaType, Detail: "Send the body as application/json."}
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, bad("The request broke off; send it again under the same key.")
	case len(body) > maxBody:
		return nil, &Problem{Status: http.StatusRequestEntityTooLarge, Detail: "A request has at most 1 MiB."}
	case !utf8.Valid(body): // package json would put one sign in the place of all that it cannot read, and make one number of two
		return nil, bad("The body is not UTF-8 from byte %d on: send it as UTF-8.", submission.NoText(body))
	}
	return body, nil
}

// problemOf is what a client is told of an error; the text of one that is not his is for the log.
func (s *server) problemOf(r *http.Request, err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if faults, ok := errors.AsType[submission.Faults](err); ok {
		return &Problem{Status: http.StatusUnprocessableEntity, Detail: "What was sent cannot be taken: " + faults.Error() + ".", Errors: faults}
	}
	for status, refusals := range map[int][]error{
		http.StatusForbidden:           {people.ErrNotAllowed},
		http.StatusConflict:            {submission.ErrDiffers, exception.ErrNotNow, sweep.ErrOpen},
		http.StatusUnprocessableEntity: {exception.ErrIncorrect, exception.ErrNoAction},
		http.StatusNotFound:            {exception.ErrAbsent, view.ErrNoOrder, reconcile.ErrNoKey, people.ErrAbsent},
	} {
		for _, refusal := range refusals {
			if errors.Is(err, refusal) {
				return &Problem{Status: status, Detail: sentence(err.Error())}
			}
		}
	}
	if exception.IsRefusal(err) {
		return &Problem{Status: http.StatusConflict, Detail: sentence(err.Error())}
	}
	s.Log.Error("do what the API was asked", "path", r.URL.Path, "err", err)
	return &Problem{Status: http.StatusInternalServerError, Detail: "The collector could not use its database; its log says why. Send the request again under the same key."}
}
