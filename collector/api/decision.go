package api

import (
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/proto/event"
)

// Decision is what a rule of the policy decided: held, refused, limited, not told.
type Decision struct {
	Key      string `json:"key"`
	Decision string `json:"decision"`
	// Subject says what of the key it is about, Outcome what was decided.
	Subject string `json:"subject"`
	Outcome string `json:"outcome"`
	// Rule is the line of PolicyVersion that decided.
	Rule          Rule   `json:"rule"`
	PolicyVersion string `json:"policy_version"`
	// Inputs are what it was decided from.
	Inputs any       `json:"inputs"`
	At     time.Time `json:"at"`
	// EndedAt is when it was decided otherwise, or there was nothing to decide any longer; absent while it holds.
	EndedAt *time.Time `json:"ended_at,omitempty"`
}

// Rule is a place in a version of the policy.
type Rule struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Key  string `json:"key"`
}

// Decisions answers GET /api/v1/decisions.
type Decisions struct {
	Decisions []Decision `json:"decisions"`
}

// decisions are those about one order, or another key, the oldest first.
func (s *server) decisions(q *request) (any, error) {
	order, key := q.query.Get("order"), q.query.Get("key")
	if (order == "") == (key == "") {
		return nil, bad("Say order=NUMBER, or key= with another key, as the console shows it.")
	}
	if order != "" {
		key = event.OrderKey(order)
	}
	var found []reconcile.Decision
	err := s.DB.Read(q.Context(), func(tx *db.Tx) (err error) {
		found, err = reconcile.Decisions(q.Context(), tx, q.tenant, key)
		return err
	})
	return Decisions{eachOf(found, func(d *reconcile.Decision) Decision {
		return Decision{Key: d.Key, Decision: d.Decision, Subject: d.Subject, Outcome: d.Outcome, Rule: Rule{d.Rule.File, d.Rule.Line, d.Rule.Key}, PolicyVersion: d.Version,
			Inputs: d.Inputs, At: d.At, EndedAt: when(d.Ended)}
	})}, err
}
