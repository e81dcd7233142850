// Package api serves what the collector knows as JSON, and takes orders in; errors are RFC 9457 problems.
package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/collector/submission"
	"github.com/dockline/dockline/collector/sweep"
	"github.com/dockline/dockline/proto/event"
)

// Config is what the API reads from.
type Config struct {
	DB *db.DB
	// Tokens are let in: one comes with every request as `Authorization: Bearer TOKEN`. Without any everybody is.
	Tokens Tokens
	// OfflineAfter is how long after its last word a site counts as offline. 0 is fleet's default.
	OfflineAfter time.Duration
	// Now is the clock by which a site's presence is judged; nil is time.Now.
	Now func() time.Time
	// Log may be nil.
	Log *slog.Logger
	// Process names this run of the collector among its members; "" is none.
	Process string
	// Submissions takes orders in; with nil the API is for reading only.
	Submissions *submission.Intake
	// Desk is where people work, with the policy in force; with nil nothing can be done about exceptions and orders. Acted is called when something
	// was done; it may be nil.
	Desk  func() Desk
	Acted func()
	// Sweep begins a comparison of a system; with nil nobody can. Swept is called when one was begun; it may be nil.
	Sweep Sweep
	Swept func()
}

type server struct {
	Config
	fleet *fleet.Fleet
	log   *eventlog.Log
	once  *once
}

// New returns a handler for everything below /api/v1/. Every request may have ?tenant=; without it the only tenant there is is meant, and where there
// are several the answer is 400. What changes something is a POST with an Idempotency-Key.
func New(c Config) http.Handler {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s := &server{Config: c, fleet: &fleet.Fleet{DB: c.DB, OfflineAfter: c.OfflineAfter, Now: c.Now}, log: &eventlog.Log{DB: c.DB}}
	s.once = &once{db: c.DB, process: c.Process, now: s.now}
	mux := http.NewServeMux()
	reads := map[string]func(*request) (any, error){
		"/api/v1/sites":            s.sites,
		"/api/v1/sites/{id}":       s.site,
		"/api/v1/days":             s.days,
		"/api/v1/events":           s.events,
		"/api/v1/events/{id}":      s.event,
		"/api/v1/orders":           s.orders,
		"/api/v1/orders/{number}":  s.order,
		"/api/v1/decisions":        s.decisions,
		"/api/v1/goods":            s.goods,
		"/api/v1/postings":         s.postings,
		"/api/v1/postings/verdict": s.verdict,
		"/api/v1/exceptions":       s.exceptions,
		"/api/v1/stock":            s.stock,
		"/api/v1/stock/atp":        s.promised,
		"/api/v1/availability":     s.availability,
		"/api/v1/receipts":         s.receipts,
		"/api/v1/search":           s.find,
		"/api/v1/sweeps":           s.sweeps,
		"/api/v1/sweeps/{number}":  s.sweep,

		"/api/v1/submissions/{number}":        s.submissions,
		"/api/v1/exceptions/{number}":         s.exception,
		"/api/v1/exceptions/{number}/actions": s.offers(func(q *request) string { return "exception/" + q.PathValue("number") }),
		"/api/v1/orders/{number}/actions":     s.offers(func(q *request) string { return event.OrderKey(q.PathValue("number")) }),
	}
	changes := map[string]change{
		"/api/v1/orders": s.submit,
		"/api/v1/sweeps": s.beginSweep,
		"/api/v1/orders/{number}/actions/{action}":     s.actOnOrder,
		"/api/v1/exceptions/{number}/notes":            s.act(noted),
		"/api/v1/exceptions/{number}/assignee":         s.act(assigned),
		"/api/v1/exceptions/{number}/actions/{action}": s.act(anyAction),
	}
	allowed := make(map[string][]string)
	for pattern, answer := range reads {
		mux.HandleFunc("GET "+pattern, s.handle(answer))
		allowed[pattern] = []string{http.MethodGet, http.MethodHead}
	}
	for pattern, do := range changes {
		mux.HandleFunc("POST "+pattern, s.changing(do))
		allowed[pattern] = append(allowed[pattern], http.MethodPost)
	}
	for pattern, methods := range allowed {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Allow", strings.Join(methods, ", "))
			write(w, &Problem{Status: http.StatusMethodNotAllowed, Detail: "Use " + strings.Join(methods, " or ") + " here."})
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		write(w, &Problem{Status: http.StatusNotFound, Detail: "There is no " + r.URL.Path + "."})
	})
	return Guard(s.Tokens, mux)
}

// bears compares hashes, so that neither content nor length of the token shows in the time it takes.
func bears(r *http.Request, token string) bool {
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	want, got := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(strings.TrimSpace(given)))
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// handle answers with what answer returns: a value as JSON, a *Problem as it is, and any other error without its text, which is for
// the log.
func (s *server) handle(answer func(*request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, askAgain, err := s.answer(r, answer)
		var problem *Problem
		switch {
		case err == nil && askAgain != "":
			w.Header().Set("Location", askAgain)
			send(w, http.StatusAccepted, "application/json", body)
			return
		case err == nil:
			send(w, http.StatusOK, "application/json", body)
			return
		case errors.As(err, &problem):
		case errors.Is(err, view.ErrNoOrder), errors.Is(err, view.ErrNoGoods), errors.Is(err, eventlog.ErrNoEvent), errors.Is(err, exception.ErrAbsent), errors.Is(err, reconcile.ErrNoKey), errors.Is(err, sweep.ErrAbsent):
			problem = &Problem{Status: http.StatusNotFound, Detail: err.Error()}
		case r.Context().Err() != nil:
			return
		default:
			s.Log.Error("answer an API request", "path", r.URL.Path, "err", err)
			problem = &Problem{Status: http.StatusInternalServerError, Detail: "The collector could not read its database; its log says why."}
		}
		write(w, problem)
	}
}

func (s *server) answer(r *http.Request, answer func(*request) (any, error)) (body []byte, askAgain string, err error) {
	q, err := s.read(r)
	if err != nil {
		return nil, "", err
	}
	value, err := answer(q)
	if err != nil {
		return nil, "", err
	}
	if l, ok := value.(later); ok {
		value, askAgain = l.value, l.location
	}
	body, err = json.Marshal(value)
	return body, askAgain, err
}

// Problem is an error as RFC 9457 has it, sent as application/problem+json. Its type is about:blank: the status says what it is.
type Problem struct {
	// Title is the text of the status.
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Detail is one sentence for a person.
	Detail string `json:"detail,omitempty"`
	// Errors are what is wrong with single fields of what was sent.
	Errors []submission.Fault `json:"errors,omitempty"`

	// retryAfter is in how many seconds it may be asked again, 0 for nothing.
	retryAfter int
}

// Error is the detail.
func (p *Problem) Error() string { return p.Detail }

func write(w http.ResponseWriter, p *Problem) {
	p.Title = http.StatusText(p.Status)
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and a number
	}
	if p.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	send(w, p.Status, "application/problem+json", body)
}

func send(w http.ResponseWriter, status int, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // who hung up does not want it
}
