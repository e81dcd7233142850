package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/posting"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// ErrNoKey: nothing was ever told of a key.
var ErrNoKey = errors.New("nothing is known")

// Explained is what the policy decides about a key as it stands.
type Explained struct {
	Key string `json:"key"`
	// Policy is the version that the key is folded under.
	Policy   string       `json:"policy_version"`
	Status   string       `json:"status"`
	Site     string       `json:"site,omitempty"`
	Customer string       `json:"customer,omitempty"`
	Items    []string     `json:"items,omitempty"`
	Routes   []RouteAsked `json:"routes"`
	Decided  []Decision   `json:"decided"`
	// Codes are those of its exceptions.
	Codes []string `json:"codes,omitempty"`

	Under *policy.Policy `json:"-"`
}

// RouteAsked is a route that was looked at for a document about the key.
type RouteAsked struct {
	Kind connector.Kind `json:"kind"`
	Site string         `json:"site"`
	policy.Taken
}

// Explain folds a key under a policy, nil for its own, and says which rules decided what. Nothing is written.
func (w *Worker) Explain(ctx context.Context, tenant, key string, p *policy.Policy) (*Explained, error) {
	var e *Explained
	how := refolding{under: p}
	how.told = func(v *view, out *outcome, _ []posting.Entry) error {
		if v.own == 0 && v.had == nil {
			return nil
		}
		e = &Explained{Key: key, Policy: v.policy.Version, Status: out.status, Site: out.site, Customer: out.customer, Under: v.policy}
		for _, r := range v.routes {
			e.Routes = append(e.Routes, RouteAsked{r.kind, r.site, r.Taken})
		}
		for _, r := range out.ruled {
			inputs, err := json.Marshal(r.inputs)
			if err != nil {
				return err
			}
			e.Decided = append(e.Decided, Decision{Key: key, Decision: r.decision, Subject: r.subject, Outcome: r.outcome, Version: v.policy.Version, Rule: r.rule, Inputs: inputs, At: v.now.UTC()})
		}
		for _, x := range out.exceptions {
			e.Codes = append(e.Codes, x.Code)
		}
		if order, ok := out.state.(*docklinev1.OrderState); ok {
			for _, line := range order.GetLines() {
				e.Items = append(e.Items, line.GetItem())
			}
		}
		return nil
	}
	all, err := w.refoldAll(ctx, []foldKey{{tenant, key}}, how, func() { e = nil })
	switch {
	case err != nil:
		return nil, err
	case e != nil:
		return e, nil
	case len(all) > 0 && all[0].Pending:
		return nil, fmt.Errorf("%s: something that was told is not folded yet; ask again in a moment", key)
	case len(all) > 0 && len(all[0].Differences) > 0:
		return nil, fmt.Errorf("%s: %s", key, all[0].Differences[0])
	}
	return nil, fmt.Errorf("%w of %s of tenant %s", ErrNoKey, key, tenant)
}
