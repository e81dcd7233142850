// Package giveback is what people decide about goods that come back: that more of them is credited than was disposed of, or that what came without
// an RMA is taken for an order. A decision is a fact, so it holds whenever the return is folded again.
package giveback

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

var (
	// ErrBeyondDisposition: a credit goes beyond what was disposed of, and nobody has said that this is meant.
	ErrBeyondDisposition = errors.New("beyond what was disposed of")
	// ErrAbsent: there is no such return, or it has no such line.
	ErrAbsent = errors.New("nothing of that name is known")
	// ErrIncorrect: what was said makes no sense, whenever it is said.
	ErrIncorrect = errors.New("called in a wrong way")
)

// Decision is what a person decides about one return.
type Decision struct {
	Tenant string
	// Key is that of the return or the blind return.
	Key        string
	By, Reason string
	// Source is who tells it to the event log.
	Source string
	// Append takes the fact into the event log within the caller's transaction.
	Append func(ctx context.Context, tx *db.Tx, events []*docklinev1.Event) error
	// Note says of a key that is not in the database where it is archived, or nothing; nil says nothing.
	Note func(ctx context.Context, tx *db.Tx, tenant, key string) string
}

// absent is the error about a key that is not in the database.
func (d Decision) absent(ctx context.Context, tx *db.Tx, key string) error {
	note := ""
	if d.Note != nil {
		note = d.Note(ctx, tx, d.Tenant, key)
	}
	return fmt.Errorf("%s of tenant %s: %w%s", key, d.Tenant, ErrAbsent, note)
}

// Decided is what a decision came to.
type Decided struct {
	Key      string `json:"key"`
	Decision string `json:"decision"`
	// Event is the fact that keeps it.
	Event string `json:"event"`
	Order string `json:"order,omitempty"`
	// Lines are what was allowed to be credited beyond the dispositions, or the order's lines that goods were taken for.
	Lines  []Line `json:"lines,omitempty"`
	Reason string `json:"reason"`
}

// Line is a line of a return, and a quantity in its base unit.
type Line struct {
	OrderLine string `json:"order_line,omitempty"`
	Item      string `json:"item,omitempty"`
	Quantity  string `json:"quantity,omitempty"`
}

// Credit says how much of each line is to be credited altogether; one that is left out stays as it is. What goes beyond them
// is refused unless override is set, what goes beyond what came back, or beyond what left of the order, always.
func (d Decision) Credit(ctx context.Context, tx *db.Tx, lines []Line, override bool, now time.Time) (*Decided, error) {
	s, err := d.load(ctx, tx)
	if err != nil {
		return nil, err
	}
	told := &docklinev1.ReturnDecision{Decision: state.DecidedCredit}
	beyond, named := false, make(map[*docklinev1.ReturnLineState]bool)
	for _, asked := range lines {
		l, err := lineOf(s, asked)
		if err != nil {
			return nil, err
		}
		named[l] = true
		total, err := event.ParseQuantity(asked.Quantity)
		if err != nil {
			return nil, fmt.Errorf("%w: quantity %w", ErrIncorrect, err)
		}
		if total < 0 || total > l.GetReceived() {
			return nil, fmt.Errorf("%s of item %s cannot be credited: %s came back", asked.Quantity, l.GetItem(), event.FormatQuantity(l.GetReceived()))
		}
		extra := total - (l.GetCreditable() - l.GetAllowed())
		if extra <= 0 {
			continue // its dispositions allow it without anybody's word
		}
		beyond = true
		told.Lines = append(told.Lines, lineOfWord(l, extra))
		if !override {
			return nil, fmt.Errorf("%s of item %s is %w: %s of it may be credited, of %s that came back. Have the site tell what became of the rest; or, where it is meant, say so with --override and a reason",
				asked.Quantity, l.GetItem(), ErrBeyondDisposition, event.FormatQuantity(l.GetCreditable()-l.GetAllowed()), event.FormatQuantity(l.GetReceived()))
		}
		if err := d.sold(ctx, tx, s, l, total); err != nil {
			return nil, err
		}
	}
	for _, l := range s.GetLines() { // what was decided of other lines stays
		if !named[l] && l.GetAllowed() > 0 {
			told.Lines = append(told.Lines, lineOfWord(l, l.GetAllowed()))
		}
	}
	if !beyond && !allowed(s) {
		return nil, errors.New("nothing is to be decided: what was disposed of allows it, and it is asked for by itself")
	}
	if beyond { // it overrules what fulfilment.yaml says of credits
		if err := people.Allow(ctx, tx, d.Tenant, d.By, people.ExceptionApprove); err != nil {
			return nil, err
		}
	}
	return d.tell(ctx, tx, s, told, now)
}

func lineOfWord(l *docklinev1.ReturnLineState, quantity int64) *docklinev1.Line {
	return &docklinev1.Line{Order: l.GetOrder(), OrderLine: l.GetOrderLine(), Item: l.GetItem(), Quantity: &docklinev1.Quantity{Value: event.FormatQuantity(quantity)}}
}

// allowed tells whether a person has allowed anything so far.
func allowed(s *docklinev1.ReturnState) bool {
	for _, l := range s.GetLines() {
		if l.GetAllowed() > 0 {
			return true
		}
	}
	return false
}

func (d Decision) load(ctx context.Context, tx *db.Tx) (*docklinev1.ReturnState, error) {
	if strings.TrimSpace(d.Reason) == "" {
		return nil, errors.New("say why: whoever looks at this return later has nothing else to go by")
	}
	if err := people.Allow(ctx, tx, d.Tenant, d.By, people.ExceptionAct); err != nil {
		return nil, err
	}
	kind, _, err := event.ParseKey(d.Key)
	if err != nil || kind != state.KindReturn && kind != state.KindBlindReturn {
		return nil, fmt.Errorf("%q is no return: %w; give return/RMA or blind_return/SITE/RECEIPT", d.Key, ErrAbsent)
	}
	found, err := tx.Lookup(ctx, db.Lookup{Table: "state", Columns: []string{"body"}, Key: []string{"tenant", "fold_key"}, Rows: [][]any{{d.Tenant, d.Key}}})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, d.absent(ctx, tx, d.Key)
	}
	s := &docklinev1.ReturnState{}
	return s, proto.Unmarshal(found[0][0].([]byte), s)
}

func lineOf(s *docklinev1.ReturnState, asked Line) (found *docklinev1.ReturnLineState, err error) {
	for _, l := range s.GetLines() {
		if asked.OrderLine != "" && l.GetOrderLine() != asked.OrderLine || asked.Item != "" && l.GetItem() != asked.Item {
			continue
		}
		if found != nil {
			return nil, errors.New("several lines are meant: name order line and item")
		}
		found = l
	}
	if found == nil {
		return nil, fmt.Errorf("the return has no line %s: %w", strings.TrimSpace(asked.OrderLine+" "+asked.Item), ErrAbsent)
	}
	return found, nil
}

// tell appends the decision, in the place of one of its kind that was made before, and records who made it.
func (d Decision) tell(ctx context.Context, tx *db.Tx, s *docklinev1.ReturnState, told *docklinev1.ReturnDecision, now time.Time) (*Decided, error) {
	kind, parts, err := event.ParseKey(d.Key)
	if err != nil {
		return nil, err
	}
	told.Reason = d.Reason
	if told.Number = s.GetNumber(); kind == state.KindBlindReturn {
		told.ReceiptSite, told.Receipt = parts[0], parts[1]
	}
	e := &docklinev1.Event{Tenant: d.Tenant, Source: d.Source, Kind: docklinev1.EventKind_EVENT_KIND_RETURN_DECIDED, Subject: d.Key, Actor: d.By, OccurredAt: timestamppb.New(now),
		SourceKey: "decision/" + told.GetDecision() + "/" + d.Key, SourceRevision: now.UTC().Format(time.RFC3339Nano), Payload: &docklinev1.Event_ReturnDecision{ReturnDecision: told}}
	e.Id = event.ID(event.Cause{Tenant: e.Tenant, Source: e.Source, SourceKey: e.SourceKey, Revision: e.SourceRevision, Kind: event.KindName(e.Kind)})
	if fault := event.Validate(e); fault != nil {
		return nil, fault
	}
	if err := d.Append(ctx, tx, []*docklinev1.Event{e}); err != nil {
		return nil, err
	}
	done := &Decided{Key: d.Key, Decision: told.GetDecision(), Event: e.GetId(), Order: told.GetOrder(), Reason: d.Reason}
	detail := map[string]any{"event": e.GetId(), "decision": told.GetDecision()}
	for _, l := range told.GetLines() {
		detail["line "+strings.TrimSpace(l.GetOrderLine()+" "+l.GetItem())] = l.GetQuantity().GetValue()
		done.Lines = append(done.Lines, Line{OrderLine: l.GetOrderLine(), Item: l.GetItem(), Quantity: l.GetQuantity().GetValue()})
	}
	if told.GetOrder() != "" {
		detail["order"] = told.GetOrder()
	}
	return done, audit.Record(ctx, tx, audit.Act{Tenant: d.Tenant, By: d.By, Action: "return." + told.GetDecision(), Object: d.Key, Reason: d.Reason, Detail: detail}, now)
}
