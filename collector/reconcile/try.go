package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/state"
)

// Tried is what would follow from the facts of a key, beside what there is.
type Tried struct {
	Key string `json:"key"`
	// Policy is the version that it was folded under.
	Policy string `json:"policy"`
	// Pending: something that was told is not folded yet, so nothing can be said. Fault is why it cannot be folded.
	Pending bool   `json:"pending,omitempty"`
	Fault   string `json:"fault,omitempty"`
	// Stored and Hash are the hashes of the state that there is and of the one that would be; Fields names what differs.
	Stored string `json:"stored,omitempty"`
	Hash   string `json:"hash,omitempty"`
	Fields string `json:"fields,omitempty"`
	// Was and Status are its status as it is and as it would be.
	Was        string           `json:"was,omitempty"`
	Status     string           `json:"status,omitempty"`
	Postings   []TriedPosting   `json:"postings,omitempty"`
	Exceptions []TriedException `json:"exceptions,omitempty"`
}

// Differs tells whether anything would be otherwise.
func (t *Tried) Differs() bool {
	return t.Fault != "" || t.Stored != t.Hash || t.Was != t.Status || len(t.Postings)+len(t.Exceptions) > 0
}

// What a change of a posting or an exception is.
const (
	New     = "new"
	Changed = "changed"
	Gone    = "gone"
	Opened  = "opened"
	Closed  = "closed"
)

// TriedPosting is a posting that would be New, Changed or Gone.
type TriedPosting struct {
	Change string         `json:"change"`
	Kind   connector.Kind `json:"kind"`
	Target string         `json:"target"`
	Key    string         `json:"key"`
	// State is how the posting stands now, "" where there is none.
	State posting.State `json:"state,omitempty"`
	// Text says how the document would differ.
	Text string `json:"text,omitempty"`
}

// TriedException is an exception that would be Opened, Closed, or Changed: another team, class or severity.
type TriedException struct {
	Change  string `json:"change"`
	Code    string `json:"code"`
	Subject string `json:"subject"`
	// Number is that of the exception that there is, 0 for none.
	Number uint64 `json:"number,omitempty"`
	Team   string `json:"team"`
	Title  string `json:"title"`
	Text   string `json:"text,omitempty"`
}

// Try folds keys of a tenant under a policy, nil for the one of each key, and says what would differ from what is kept. It only reads. The
// answer has one entry for each key that has facts or a state, sorted by key.
func (w *Worker) Try(ctx context.Context, tenant string, keys []string, p *policy.Policy) ([]Tried, error) {
	after, err := w.foldAside(ctx, tenant, keys, p)
	if err != nil {
		return nil, err
	}
	found := make([]Tried, 0, len(after))
	for _, a := range after {
		found = append(found, a.beside(a.kept))
	}
	return found, nil
}

// Differ folds keys of a tenant under two policies and says what differs under the second from what follows under the first, whatever is kept.
func (w *Worker) Differ(ctx context.Context, tenant string, keys []string, before, after *policy.Policy) ([]Tried, error) {
	olds, err := w.foldAside(ctx, tenant, keys, before)
	if err != nil {
		return nil, err
	}
	news, err := w.foldAside(ctx, tenant, keys, after)
	if err != nil {
		return nil, err
	}
	byKey := make(map[string]aside, len(olds))
	for _, o := range olds {
		byKey[o.Key.Key] = o
	}
	found := make([]Tried, 0, len(news))
	for _, n := range news {
		o, ok := byKey[n.Key.Key]
		if !ok || o.Pending != n.Pending {
			n.Pending = true // it came between the two
		}
		t := n.beside(o.would)
		if o.fault != "" && o.fault == n.fault {
			t = Tried{Key: n.Key.Key, Policy: n.policy} // under both
		} else if o.fault != "" && !n.Pending {
			t.Fault = strings.TrimPrefix(t.Fault+"; under "+o.policy+": "+o.fault, "; ")
		}
		found = append(found, t)
	}
	return found, nil
}

// result is what there is, or would be, of a key.
type result struct {
	hash, status string
	state        proto.Message
	postings     []posting.Entry
	exceptions   []exception.Exception
	// settled are causes that are there still, and that a person has closed as they are.
	settled map[cause]bool
	// waits: something may still come that would be wanted too.
	waits bool
}

// cause is what an exception of a key is about.
type cause struct{ code, subject string }

// aside is a key folded without writing anything.
type aside struct {
	Refolded
	policy, fault string
	had           bool
	kept, would   result
}

func (w *Worker) foldAside(ctx context.Context, tenant string, names []string, p *policy.Policy) ([]aside, error) {
	keys := make([]foldKey, 0, len(names))
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		keys = append(keys, foldKey{tenant, name})
	}
	var found map[string]*aside
	how := refolding{under: p}
	how.told = func(v *view, out *outcome, stored []posting.Entry) error {
		a, err := asideOf(v, out, stored)
		found[v.key] = a
		return err
	}
	all, err := w.refoldAll(ctx, keys, how, func() { found = make(map[string]*aside) })
	if err != nil {
		return nil, fmt.Errorf("fold aside: %w", err)
	}
	slices.SortFunc(all, func(a, b Refolded) int { return strings.Compare(a.Key.Key, b.Key.Key) })
	list := make([]aside, 0, len(all))
	for _, r := range all {
		a := found[r.Key.Key]
		if a == nil {
			a = &aside{fault: strings.Join(r.Differences, "; ")}
		} else if r.Facts == 0 && !a.had {
			continue
		}
		a.Refolded = r
		if p != nil {
			a.policy = p.Version
		}
		list = append(list, *a)
	}
	return list, nil
}

// refoldAll folds keys anew, small ones in one transaction and each large one as StepLarge reads it. begin is called before what how.told was
// told counts.
func (w *Worker) refoldAll(ctx context.Context, keys []foldKey, how refolding, begin func()) (all []Refolded, err error) {
	var large []foldKey
	err = w.DB.Read(ctx, func(tx *db.Tx) error {
		begin()
		all, large = nil, nil
		rest, apart, err := w.apart(ctx, tx, keys, false)
		if err != nil {
			return err
		}
		large = apart
		all, err = w.comparePages(ctx, tx, rest, how)
		return err
	})
	for i := 0; i < len(large) && err == nil; i++ {
		var one Refolded
		one, err = w.compareLarge(ctx, large[i], how)
		all = append(all, one)
	}
	return all, err
}

func asideOf(v *view, out *outcome, stored []posting.Entry) (*aside, error) {
	a := &aside{policy: v.policy.Version, would: result{status: out.status, state: out.state, waits: len(out.waits) > 0}}
	if out.state != nil {
		hash, err := state.Hash(out.state)
		if err != nil {
			return nil, err
		}
		a.would.hash = hash
	}
	if a.had = v.had != nil; a.had {
		a.kept.hash, a.kept.status = v.had.hash, v.had.status
		if out.state != nil {
			a.kept.state = out.state.ProtoReflect().New().Interface()
			if err := proto.Unmarshal(v.had.body, a.kept.state); err != nil {
				a.kept.state = nil
			}
		}
	}
	have := make(map[posting.Ref]posting.State, len(stored))
	for _, e := range stored {
		have[e.Ref] = e.State
		followUp := e.Kind == connector.StockAdjustment && strings.Contains(e.Key, "#")
		if e.Wanted && e.State != posting.Superseded && !followUp {
			a.kept.postings = append(a.kept.postings, e)
		}
	}
	for _, d := range out.postings {
		if d.Kind == connector.StockAdjustment && d.Document.GetStockAdjustment().GetDelta() == "0" {
			continue // nothing is posted
		}
		a.would.postings = append(a.would.postings, posting.Entry{Ref: d.Ref(), State: have[d.Ref()], Document: d.Document})
	}
	if out.frozen { // what was decided before stays
		a.would.postings = slices.Clone(a.kept.postings)
	}
	mine := v.batch.exceptions.Of(exception.Origin{Tenant: v.tenant, Name: v.origin()})
	closed := make(map[cause]*exception.Exception)
	for _, e := range append(slices.Clone(mine), v.batch.exceptions.Of(exception.Origin{Tenant: v.tenant, Name: v.clocks()})...) {
		if e.Unresolved() {
			a.kept.exceptions = append(a.kept.exceptions, *e)
		} else {
			closed[cause{e.Code, e.Subject}] = e
		}
	}
	a.kept.settled = make(map[cause]bool)
	if out.frozen {
		a.would.exceptions = slices.Clone(a.kept.exceptions)
	}
	for _, d := range append(slices.Clone(out.exceptions), out.breaches...) {
		if e := closed[cause{d.Code, d.Subject}]; e != nil && e.Stands(d) {
			a.kept.settled[cause{d.Code, d.Subject}] = true
		}
		a.would.exceptions = append(a.would.exceptions, exception.Exception{Code: d.Code, Subject: d.Subject, Class: d.Class, Severity: d.Severity, Team: d.Team, Title: d.Title})
	}
	return a, nil
}

// beside holds what would be against what is, or what would be otherwise.
func (a *aside) beside(was result) Tried {
	t := Tried{Key: a.Key.Key, Policy: a.policy, Pending: a.Pending}
	if t.Pending {
		return t
	}
	if t.Fault = a.fault; t.Fault != "" {
		return t
	}
	t.Stored, t.Hash, t.Was, t.Status = was.hash, a.would.hash, was.status, a.would.status
	if t.Stored != t.Hash && was.state != nil && a.would.state != nil {
		t.Fields = fieldsOf(was.state, a.would.state)
	}
	t.Postings, t.Exceptions = changedPostings(was, a.would), changedExceptions(was, a.would)
	return t
}

func changedPostings(was, would result) (list []TriedPosting) {
	have := make(map[posting.Ref]posting.Entry, len(was.postings))
	for _, e := range was.postings {
		have[e.Ref] = e
	}
	add := func(change string, e posting.Entry, text string) {
		list = append(list, TriedPosting{Change: change, Kind: e.Kind, Target: e.Target, Key: e.Ref.Key, State: e.State, Text: text})
	}
	wanted := make(map[posting.Ref]bool)
	for _, e := range would.postings {
		wanted[e.Ref] = true
		old, ok := have[e.Ref]
		switch {
		case !ok:
			add(New, e, "")
		case !proto.Equal(old.Document, e.Document):
			add(Changed, e, posting.Difference(old.Document, e.Document))
		}
	}
	for _, e := range was.postings {
		if !wanted[e.Ref] && !would.waits {
			add(Gone, e, "")
		}
	}
	slices.SortFunc(list, func(a, b TriedPosting) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Target, b.Target), cmp.Compare(a.Key, b.Key))
	})
	return list
}

func changedExceptions(was, would result) (list []TriedException) {
	have := make(map[cause]exception.Exception, len(was.exceptions))
	for _, e := range was.exceptions {
		have[cause{e.Code, e.Subject}] = e
	}
	add := func(change string, e exception.Exception, number uint64, text string) {
		list = append(list, TriedException{Change: change, Code: e.Code, Subject: e.Subject, Number: number, Team: e.Team, Title: e.Title, Text: text})
	}
	wanted := make(map[cause]bool)
	for _, e := range would.exceptions {
		c := cause{e.Code, e.Subject}
		wanted[c] = true
		old, ok := have[c]
		if !ok && was.settled[c] {
			continue
		} else if !ok {
			add(Opened, e, 0, "")
		} else if text := otherOwner(old, e); text != "" {
			add(Changed, e, old.Number, text)
		}
	}
	for _, e := range was.exceptions {
		if !wanted[cause{e.Code, e.Subject}] {
			add(Closed, e, e.Number, "")
		}
	}
	slices.SortFunc(list, func(a, b TriedException) int {
		return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.Subject, b.Subject))
	})
	return list
}

func otherOwner(was, would exception.Exception) string {
	var texts []string
	for _, part := range []struct{ name, was, would string }{{"team", was.Team, would.Team}, {"class", was.Class.String(), would.Class.String()}, {"severity", was.Severity.String(), would.Severity.String()}} {
		if part.was != part.would {
			texts = append(texts, part.name+" "+part.was+" -> "+part.would)
		}
	}
	return strings.Join(texts, ", ")
}
