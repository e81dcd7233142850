package agent

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/dockline/dockline/agent/health"
	"github.com/dockline/dockline/agent/journal"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	// pendingFor is how long an answer holds, so that pages that keep themselves up to date do not make the disk work.
	pendingFor = 3 * time.Second
	// pendingEvents and pendingReceipts bound what is looked at: the oldest, which people ask for first.
	pendingEvents, pendingReceipts = 5000, 10000
)

// Pending is what is not yet in the ERP: events that the collector does not have, and those of which its receipts leave something to do.
func (a *Agent) Pending() (*health.Pending, error) {
	a.asking.Lock()
	defer a.asking.Unlock()
	if a.pending != nil && time.Since(a.pendingAt) < pendingFor {
		return a.pending, nil
	}
	p := &health.Pending{}
	seen := uint64(0)
	heldErr := a.journal.Each(context.Background(), false, func(h journal.Held) bool {
		if h.Event != nil {
			p.Here(h.Event, h.CapturedAt)
		}
		seen++
		return seen < pendingEvents
	})
	if waiting := a.journal.Stats().Events; waiting > seen {
		p.More = waiting - seen
	}
	open, receipts := uint64(0), 0
	openErr := a.inbox.EachOpen(func(r *docklinev1.EventReceipt, happened time.Time) bool {
		if receipts++; receipts <= pendingReceipts {
			p.Receipt(r, happened)
		} else {
			open++
		}
		return receipts < 2*pendingReceipts
	})
	p.More += open
	p.Sort()
	a.pending, a.pendingAt = p, time.Now()
	return p, errors.Join(heldErr, openErr)
}

// control is what the running agent answers to its own commands, beyond status.
func (a *Agent) control() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"GET /journal": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/jsonl")
			lines := newEventLines(w, r.URL.Query())
			if err := a.journal.Each(r.Context(), lines.all, lines.write); err != nil {
				lines.fault(err)
			}
		},
		"GET /journal/verify": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(a.journal.Verify(r.Context())) // who hung up does not want it
		},
	}
}

// EventQuery chooses what of a journal is listed. Limit 0 is no limit.
type EventQuery struct {
	All     bool
	Limit   int
	Subject string
}

func (q EventQuery) values() url.Values {
	return url.Values{"all": {strconv.FormatBool(q.All)}, "limit": {strconv.Itoa(q.Limit)}, "subject": {q.Subject}}
}

// EventLine is one line of `journal export`: an event with its place, or what could not be read.
type EventLine struct {
	Epoch        string          `json:"epoch,omitempty"`
	Seq          uint64          `json:"seq,omitempty"`
	CapturedAt   time.Time       `json:"captured_at,omitzero"`
	Acknowledged bool            `json:"acknowledged,omitempty"`
	Event        json.RawMessage `json:"event,omitempty"`
	Fault        string          `json:"fault,omitempty"`
}

// eventLines writes a journal's events as JSON lines.
type eventLines struct {
	out     *json.Encoder
	all     bool
	limit   int
	subject string
	wrote   int
}

func newEventLines(w interface{ Write([]byte) (int, error) }, q url.Values) *eventLines {
	limit, _ := strconv.Atoi(q.Get("limit")) // what is no number is no limit
	return &eventLines{out: json.NewEncoder(w), all: q.Get("all") == "true", limit: limit, subject: q.Get("subject")}
}

func (l *eventLines) write(h journal.Held) bool {
	if l.subject != "" && h.Event.GetSubject() != l.subject {
		return true
	}
	line := EventLine{Epoch: h.Epoch, Seq: h.Seq, CapturedAt: h.CapturedAt, Acknowledged: h.Acknowledged}
	body, err := protojson.Marshal(h.Event)
	if h.Event == nil || err != nil {
		line.Fault = "this event cannot be read"
	} else {
		line.Event = body
	}
	l.wrote++
	return l.out.Encode(line) == nil && (l.limit <= 0 || l.wrote < l.limit)
}

func (l *eventLines) fault(err error) { _ = l.out.Encode(EventLine{Fault: err.Error()}) }
