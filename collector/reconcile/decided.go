package reconcile

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// What a rule of the policy decides about facts and documents.
const (
	DecidedOverShip     = "over_ship"    // held, or posted although it is too much
	DecidedSubstitution = "substitution" // refused
	DecidedRemainder    = "remainder"    // what becomes of the rest of a line
	DecidedInvoice      = "invoice"      // limited
	DecidedOwnership    = "ownership"    // refused
	DecidedRoute        = "route"        // not taken
	DecidedCredit       = "credit"       // not credited, because of what was done with it
)

// ruled is something that a rule decided.
type ruled struct {
	decision, subject, outcome string
	rule                       policy.Rule
	inputs                     map[string]any
}

// mostRuled is how many decisions are kept about one key.
const mostRuled = 1000

// rule notes what a rule decided, and from what. What is decided more than once about one thing is noted once.
func (v *view) rule(decision, subject, outcome string, rule policy.Rule, inputs map[string]any) {
	if len(v.outcome.ruled) >= mostRuled || slices.ContainsFunc(v.outcome.ruled, func(r ruled) bool { return r.decision == decision && r.subject == subject }) {
		return
	}
	v.outcome.ruled = append(v.outcome.ruled, ruled{decision, subject, outcome, rule, inputs})
}

// notTaken notes the routes that do not hold for a document.
func (v *view) notTaken(kind connector.Kind, site string, d *docklinev1.Document, routes []policy.Taken) {
	about := naturalKey(string(kind), site, cmp.Or(d.GetGoodsIssue().GetShipment(), d.GetInvoiceTrigger().GetShipment(),
		d.GetReturnReceipt().GetNumber(), d.GetCreditRequest().GetNumber()))
	for i, r := range routes {
		if v.routes = append(v.routes, asked{kind, site, r}); !r.Holds {
			v.rule(DecidedRoute, fmt.Sprintf("%s/%d", about, i+1), "not taken", r.Rule, map[string]any{"kind": kind, "site": site, "targets": r.Targets, "when": r.When})
		}
	}
}

// asked is a route that was looked at.
type asked struct {
	kind connector.Kind
	site string
	policy.Taken
}

// refusedSubstitutions notes picks of another item that the rules do not let stand for the one ordered.
func (v *view) refusedSubstitutions(fold *state.OrderFold) {
	for _, s := range fold.Substitutions {
		if s.Child >= 0 {
			continue
		}
		line := fold.State.GetLines()[s.Line]
		v.rule(DecidedSubstitution, fmt.Sprintf("%s/%d/%s", s.EventID, s.Line, s.Item), "refused", v.policy.WhyFulfilment(v.scope(s.Site, fold.State.GetCustomer()), line.GetItem(), "substitution"),
			map[string]any{"customer": fold.State.GetCustomer(), "site": s.Site, "ordered": line.GetItem(), "picked": s.Item, "quantity": event.FormatQuantity(s.Quantity), "approval": s.Approval, "event": s.EventID})
	}
}

// ruleOver notes what becomes of a shipment that took too much.
func (v *view) ruleOver(fold *state.OrderFold, issue *state.Issue, line *docklinev1.OrderLineState, over, asked int64, rule policy.Fulfilment, approvedBy string) {
	outcome := "posted"
	if rule.OverShip == policy.Hold {
		outcome = "held"
	}
	if approvedBy != "" {
		outcome = "approved"
	}
	site, customer := issue.Shipment.GetSite(), fold.State.GetCustomer()
	v.rule(DecidedOverShip, site+"/"+issue.Shipment.GetNumber()+"/"+line.GetOrderLine(), outcome, v.policy.WhyFulfilment(v.scope(site, customer), line.GetItem(), "over_ship"),
		map[string]any{"customer": customer, "site": site, "item": line.GetItem(), "over": event.FormatQuantity(over), "ordered": event.FormatQuantity(asked), "tolerance": rule.OverShipTolerance,
			"line": line.GetOrderLine(), "approved_by": approvedBy})
}

// ruleInvoice notes that less is invoiced of a line than left.
func (v *view) ruleInvoice(fold *state.OrderFold, issue *state.Issue, l *docklinev1.DocumentLine, cut int64) {
	site, customer := issue.Shipment.GetSite(), fold.State.GetCustomer()
	v.rule(DecidedInvoice, site+"/"+issue.Shipment.GetNumber()+"/"+l.GetOrderLine()+"/"+l.GetItem()+"/"+l.GetLot(), "limited", v.policy.WhyFulfilment(v.scope(site, customer), l.GetItem(), "invoice"),
		map[string]any{"customer": customer, "site": site, "item": l.GetItem(), "shipped": l.GetQuantity(), "not_invoiced": event.FormatQuantity(cut)})
}

// writeRuled brings what was decided about keys beside what is written of it, and writes what changed.
func (b *batch) writeRuled(ctx context.Context) error {
	var keys [][]any
	for key := range b.ruled {
		keys = append(keys, []any{key.tenant, key.key})
	}
	if len(keys) == 0 {
		return nil
	}
	rows, err := b.tx.Lookup(ctx, db.Lookup{Table: "policy_decision", Key: byKey, Rows: keys, Where: "t.ended_at = 0",
		Columns: []string{"tenant", "fold_key", "number", "decision", "subject", "outcome", "rule_file", "rule_line", "rule_key", "inputs"}})
	if err != nil {
		return fmt.Errorf("decisions: %w", err)
	}
	type name struct {
		foldKey
		decision, subject string
	}
	have := make(map[name][]any, len(rows))
	for _, row := range rows {
		have[name{keyOf(row), row[3].(string), row[4].(string)}] = row
	}
	fresh := db.Insert{Table: "policy_decision", Columns: []string{"tenant", "fold_key", "decision", "subject", "outcome", "policy_version", "rule_file", "rule_line", "rule_key", "inputs", "decided_at"}}
	for _, key := range slices.SortedFunc(maps.Keys(b.ruled), compareKeys) {
		decided := b.ruled[key]
		for _, r := range decided.list {
			inputs, err := json.Marshal(r.inputs)
			if err != nil {
				return err
			}
			at := name{key, r.decision, r.subject}
			old, there := have[at]
			if there && old[5] == r.outcome && old[6] == r.rule.File && old[7] == int64(r.rule.Line) && old[8] == r.rule.Key && old[9] == string(inputs) {
				delete(have, at)
				continue
			}
			fresh.Rows = append(fresh.Rows, []any{key.tenant, key.key, r.decision, r.subject, r.outcome, decided.version, r.rule.File, int64(r.rule.Line), r.rule.Key, string(inputs), b.now.UnixMicro()})
		}
	}
	ended := db.Update{Table: "policy_decision", Key: []string{"number"}, Set: []string{"ended_at"}}
	for _, row := range have {
		ended.Rows = append(ended.Rows, []any{row[2], b.now.UnixMicro()})
	}
	if _, err := b.tx.UpdateAll(ctx, ended); err != nil {
		return err
	}
	return b.tx.InsertAll(ctx, fresh)
}

// decidedBy is what was decided about a key under a version.
type decidedBy struct {
	version string
	list    []ruled
}

// Decision is what a rule of the policy decided, as people read it.
type Decision struct {
	Key      string          `json:"key"`
	Decision string          `json:"decision"`
	Subject  string          `json:"subject"`
	Outcome  string          `json:"outcome"`
	Version  string          `json:"policy_version"`
	Rule     policy.Rule     `json:"rule"`
	Inputs   json.RawMessage `json:"inputs"`
	At       time.Time       `json:"at"`
	// Ended is when it was decided otherwise, or there was nothing to decide any longer; zero while it holds.
	Ended time.Time `json:"ended,omitzero"`
}

// Decisions are those about a key, the oldest first, those that no longer hold too.
func Decisions(ctx context.Context, tx *db.Tx, tenant, key string) ([]Decision, error) {
	rows, err := tx.Query(ctx, `SELECT fold_key, decision, subject, outcome, policy_version, rule_file, rule_line, rule_key, inputs, decided_at, ended_at FROM policy_decision
		WHERE tenant = ? AND fold_key = ? ORDER BY number`, tenant, key)
	if err != nil {
		return nil, fmt.Errorf("decisions about %s: %w", key, err)
	}
	defer rows.Close()
	list := []Decision{}
	for rows.Next() {
		var d Decision
		var inputs string
		var at, ended int64
		if err := rows.Scan(&d.Key, &d.Decision, &d.Subject, &d.Outcome, &d.Version, &d.Rule.File, &d.Rule.Line, &d.Rule.Key, &inputs, &at, &ended); err != nil {
			return nil, err
		}
		d.Inputs, d.At = json.RawMessage(inputs), time.UnixMicro(at).UTC()
		if ended != 0 {
			d.Ended = time.UnixMicro(ended).UTC()
		}
		list = append(list, d)
	}
	return list, rows.Err()
}
