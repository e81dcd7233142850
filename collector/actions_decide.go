package collector

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/policy/version"
	"github.com/dockline/dockline/collector/reconcile"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// decideActions are what people decide about the exceptions of orders. What they decide is a fact in the event log, by which the order is folded
// from then on, so that it holds however often that is done.
func decideActions(p *policy.Policy) exception.Actions {
	d := decider{p}
	approve := exception.Action{Name: reconcile.Approve, Scope: people.ExceptionApprove, Allowed: unresolved}
	over, instead, rest := approve, approve, approve
	over.Title, over.For, over.Do = "Let the shipment count as it left", ofFold(reconcile.CodeOverShipped), d.approveOver
	instead.Title, instead.For, instead.Allowed, instead.Do = "Let the other item stand for the one ordered", ofFold(reconcile.CodeSubstitutionRefused), d.mayApprovePick, d.approvePick
	rest.Title, rest.For, rest.Allowed, rest.Do = "Say what becomes of the rest", ofFold(reconcile.CodeRemainder), d.mayDecideRest, d.decideRest
	rest.Sets = []exception.Set{{Name: "outcome", Help: "keep it on the order, cancel it, or split it off into an order of its own", Required: true,
		Choices: []string{string(policy.RemainderKeep), string(policy.RemainderCancel), string(policy.RemainderSplit)}}}
	return exception.Actions{over, instead, rest,
		{Name: reconcile.Substitute, Title: "Send another item for what is missing", Scope: people.ExceptionAct, For: ofFold(reconcile.CodeShortPick), Allowed: unresolved,
			Propose: d.substitutes, Do: d.substitute}}
}

// ofFold tells the exceptions of a code that the fold of an order has found.
func ofFold(code string) func(e *exception.Exception) bool {
	return func(e *exception.Exception) bool {
		return e.Code == code && e.Order != "" && e.Origin == "fold/"+event.OrderKey(e.Order)
	}
}

func unresolved(_ context.Context, _ *db.Tx, e *exception.Exception) error {
	if !e.Unresolved() {
		return errors.New("it is resolved")
	}
	return nil
}

// decider appends what people decide, with the keys that the policy in force gives it.
type decider struct{ policy *policy.Policy }

// tell appends a decision about an exception's order.
func (d decider) tell(ctx context.Context, tx *db.Tx, e *exception.Exception, a exception.Acting, decided *docklinev1.Decision) error {
	decided.Key, decided.About, decided.Reason, decided.Site, decided.Exception = event.OrderKey(e.Order), e.Code, a.Reason, e.Site, e.Number
	fact := &docklinev1.Event{Tenant: e.Tenant, Source: policy.Self, Kind: docklinev1.EventKind_EVENT_KIND_EXCEPTION_DECIDED, Subject: e.Order, Actor: a.By, OccurredAt: timestamppb.New(a.Now),
		CorrelationId: event.CorrelationID(e.Tenant, e.Order), SourceKey: fmt.Sprintf("exception/%d", e.Number), SourceRevision: a.Now.UTC().Format(time.RFC3339Nano) + " " + decided.GetAction(),
		Payload: &docklinev1.Event_Decision{Decision: decided}}
	fact.Id = event.ID(event.Cause{Tenant: fact.Tenant, Source: fact.Source, SourceKey: fact.SourceKey, Revision: fact.SourceRevision, Kind: event.KindName(fact.Kind)})
	log := &eventlog.Log{Links: links, Now: func() time.Time { return a.Now }, Keys: func(e *docklinev1.Event) []eventlog.Touch { return touchesOf(e, d.policy) }}
	return appending(log)(ctx, tx, []*docklinev1.Event{fact})
}

// approveOver lets go on what is held because more left than was ordered: so much of each line as is too much now, and no more.
func (d decider) approveOver(ctx context.Context, tx *db.Tx, e *exception.Exception, a exception.Acting) (string, error) {
	decisions, err := reconcile.Decisions(ctx, tx, e.Tenant, event.OrderKey(e.Order))
	if err != nil {
		return "", err
	}
	decided := &docklinev1.Decision{Action: reconcile.Approve, Subject: e.Subject}
	var texts []string
	for _, ruled := range decisions {
		var in struct{ Line, Item, Over string }
		if !ruled.Ended.IsZero() || ruled.Decision != reconcile.DecidedOverShip || json.Unmarshal(ruled.Inputs, &in) != nil {
			continue
		}
		site, number, _ := strings.Cut(e.Subject, " ")
		if ruled.Subject != site+"/"+number+"/"+in.Line {
			continue
		}
		decided.Lines = append(decided.Lines, &docklinev1.Line{OrderLine: in.Line, Quantity: &docklinev1.Quantity{Value: in.Over}})
		texts = append(texts, fmt.Sprintf("%s of item %s on line %s", in.Over, in.Item, in.Line))
	}
	if len(texts) == 0 {
		return "", errors.New("it is folded anew at this moment, and may be otherwise then; look at it again")
	}
	return fmt.Sprintf("approved: %s more than ordered; what waited for it goes on, and people are asked again where it becomes more", strings.Join(texts, ", ")), d.tell(ctx, tx, e, a, decided)
}

// pickOf is the event of the pick that an exception is about.
func pickOf(e *exception.Exception) string {
	return e.Subject[strings.LastIndexByte(e.Subject, ' ')+1:]
}

// mayApprovePick is an error where the policy of the order forbids other items, whoever approves.
func (d decider) mayApprovePick(ctx context.Context, tx *db.Tx, e *exception.Exception) error {
	if err := unresolved(ctx, tx, e); err != nil {
		return err
	}
	p, s, err := d.order(ctx, tx, e)
	if err != nil {
		return err
	}
	for _, line := range s.GetLines() {
		if strings.HasPrefix(e.Subject, "line "+line.GetOrderLine()+" ") && p.Fulfilment(p.Scope(e.Tenant, e.Site, s.GetCustomer()), line.GetItem()).Substitution == policy.SubstitutionForbidden {
			return fmt.Errorf("fulfilment.yaml forbids other items for %s; change the order in the system of record", line.GetItem())
		}
	}
	return nil
}

func (d decider) approvePick(ctx context.Context, tx *db.Tx, e *exception.Exception, a exception.Acting) (string, error) {
	return "approved: the other item stands for the one ordered, and the system of record is told", d.tell(ctx, tx, e, a, &docklinev1.Decision{Action: reconcile.Approve, Subject: pickOf(e)})
}

// mayDecideRest is an error where the rule of the policy has decided already, and only somebody in the system of record can do it.
func (d decider) mayDecideRest(ctx context.Context, tx *db.Tx, e *exception.Exception) error {
	if err := unresolved(ctx, tx, e); err != nil {
		return err
	}
	p, s, err := d.order(ctx, tx, e)
	if err != nil {
		return err
	}
	if rule := p.Fulfilment(p.Scope(e.Tenant, e.Site, s.GetCustomer()), "").Remainder; rule != policy.RemainderAsk {
		return fmt.Errorf("fulfilment.yaml says %s, and no system of record takes that from Dockline: do it there", rule)
	}
	return nil
}

func (d decider) decideRest(ctx context.Context, tx *db.Tx, e *exception.Exception, a exception.Acting) (string, error) {
	said := map[string]string{"keep": "the rest stays on the order", "cancel": "the rest is cancelled in the system of record", "split": "the rest moves to an order of its own in the system of record"}[a.Set["outcome"]]
	return said, d.tell(ctx, tx, e, a, &docklinev1.Decision{Action: reconcile.Approve, Subject: e.Subject, Outcome: a.Set["outcome"]})
}

// substitutes proposes the items that the policy lets stand for what is missing.
func (d decider) substitutes(ctx context.Context, tx *db.Tx, e *exception.Exception) ([]exception.Set, error) {
	p, s, err := d.order(ctx, tx, e)
	if err != nil {
		return nil, err
	}
	line, err := lineOf(s, e)
	if err != nil {
		return nil, err
	}
	rule := p.Fulfilment(p.Scope(e.Tenant, e.Site, s.GetCustomer()), line.GetItem())
	switch {
	case rule.Substitution == policy.SubstitutionForbidden:
		return nil, fmt.Errorf("fulfilment.yaml forbids other items for %s", line.GetItem())
	case len(rule.Substitutes) == 0:
		return nil, fmt.Errorf("fulfilment.yaml names no substitutes of %s", line.GetItem())
	}
	missing := event.FormatQuantity(line.GetOpen())
	return []exception.Set{{Name: "item", Help: "which item is to come", Required: true, Choices: slices.Clone(rule.Substitutes)},
		{Name: "quantity", Help: fmt.Sprintf("for how much of what is missing; all of it, %s, where it is not said", missing)},
		{Name: "send", Help: "how much of the other item; the same where it is not said"}}, nil
}

// substitute has another item come for what is missing.
func (d decider) substitute(ctx context.Context, tx *db.Tx, e *exception.Exception, a exception.Acting) (string, error) {
	_, s, err := d.order(ctx, tx, e)
	if err != nil {
		return "", err
	}
	line, err := lineOf(s, e)
	if err != nil {
		return "", err
	}
	original, err := quantityOf(a.Set["quantity"], "quantity", line.GetOpen())
	if err == nil && original > line.GetOpen() {
		err = fmt.Errorf("%w: quantity %s: only %s of line %s is open", exception.ErrIncorrect, a.Set["quantity"], event.FormatQuantity(line.GetOpen()), line.GetOrderLine())
	}
	if err != nil {
		return "", err
	}
	send, err := quantityOf(a.Set["send"], "send", original)
	if err != nil {
		return "", err
	}
	item := a.Set["item"]
	told := &docklinev1.Line{Order: e.Order, OrderLine: line.GetOrderLine(), Item: item, Quantity: &docklinev1.Quantity{Value: event.FormatQuantity(send)},
		OriginalItem: line.GetItem(), OriginalQuantity: &docklinev1.Quantity{Value: event.FormatQuantity(original)}}
	return fmt.Sprintf("%s of item %s is to come for %s of %s; the system of record is told, and the site then gets the order as it is", event.FormatQuantity(send), item, event.FormatQuantity(original), line.GetItem()),
		d.tell(ctx, tx, e, a, &docklinev1.Decision{Action: reconcile.Substitute, Subject: e.Subject, Lines: []*docklinev1.Line{told}})
}

// quantityOf reads a quantity in base units, in millionths.
func quantityOf(text, name string, otherwise int64) (int64, error) {
	if text == "" {
		return otherwise, nil
	}
	n, err := event.ParseQuantity(text)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("%w: %s %q: a number of base units above 0, like 2 or 1.5", exception.ErrIncorrect, name, text)
	}
	return n, nil
}

// order is an exception's order as it was folded, and the version of the policy that it is under.
func (d decider) order(ctx context.Context, tx *db.Tx, e *exception.Exception) (*policy.Policy, *docklinev1.OrderState, error) {
	var body []byte
	var under string
	if err := tx.QueryRow(ctx, `SELECT body, policy_version FROM state WHERE tenant = ? AND fold_key = ?`, e.Tenant, event.OrderKey(e.Order)).Scan(&body, &under); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			err = view.ErrNoOrder
		}
		return nil, nil, fmt.Errorf("order %s: %w", e.Order, err)
	}
	s := &docklinev1.OrderState{}
	if err := proto.Unmarshal(body, s); err != nil {
		return nil, nil, fmt.Errorf("order %s: %w", e.Order, err)
	}
	if under == "" || under == d.policy.Version {
		return d.policy, s, nil
	}
	p, err := version.Load(ctx, tx, under)
	return p, s, err
}

// lineOf is the line that an exception is about, "line 2", where something of it is open.
func lineOf(s *docklinev1.OrderState, e *exception.Exception) (*docklinev1.OrderLineState, error) {
	for _, line := range s.GetLines() {
		if e.Subject != "line "+line.GetOrderLine() {
			continue
		}
		if line.GetOpen() <= 0 {
			return nil, fmt.Errorf("nothing of line %s is open", line.GetOrderLine())
		}
		return line, nil
	}
	return nil, fmt.Errorf("order %s has no %s any more", s.GetNumber(), e.Subject)
}
