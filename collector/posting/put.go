package posting

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Put says what one fold wants, whole: what it wanted before and does not name now is no longer wanted. It works out the
// difference to what is confirmed and touches nothing where there is none. The caller's transaction also holds the state from
// which desired was derived. Exceptions and receipts that follow from it are brought in line by the target's next Sender step.
func Put(ctx context.Context, tx *db.Tx, tenant, foldKey, policyVersion string, desired []Desired, now time.Time) error {
	key := FoldKey{tenant, foldKey}
	b, err := Load(ctx, tx, []FoldKey{key}, now)
	if err != nil {
		return err
	}
	if err := b.Put(key, policyVersion, desired); err != nil {
		return err
	}
	_, err = b.Write(ctx, tx)
	return err
}

// put is what one fold wants.
type put struct {
	batch                          *Batch
	tenant, foldKey, policyVersion string
	now                            int64
	wishes                         []wish
	// order are the rows that are settled here, as loaded; fresh those that are new.
	order, fresh []*row
	wanted       map[Ref]bool
	// moved: something may have become ready.
	moved bool
}

// wish is one desired posting.
type wish struct {
	Desired
	body []byte
}

func wishOf(d Desired) (wish, error) {
	if d.Document == nil {
		return wish{}, errors.New("no document")
	}
	if a := d.Document.GetStockAdjustment(); a != nil {
		if _, err := event.ParseQuantity(a.Delta); err != nil {
			return wish{}, fmt.Errorf("delta %q: %w", a.Delta, err)
		}
	}
	body, err := marshal(d.Document)
	return wish{d, body}, err
}

// run brings in what is wanted, withdraws what was not named, and settles follow-ups.
func (p *put) run() error {
	for _, r := range p.batch.folds[FoldKey{p.tenant, p.foldKey}] {
		if r.FoldKey == p.foldKey { // else another fold of the batch wants it now
			p.order = append(p.order, r)
		}
	}
	for _, w := range p.wishes {
		if err := p.want(w); err != nil {
			return fmt.Errorf("posting %s: %w", w.Ref(), err)
		}
	}
	return p.finish()
}

// want brings one desired posting in: new, changed, or as it was.
func (p *put) want(w wish) error {
	at := place{p.tenant, w.Ref()}
	p.wanted[at.Ref] = true
	r := p.batch.rows[at]
	if r == nil {
		p.insert(w)
		return nil
	}
	if r.FoldKey != p.foldKey {
		p.order = append(p.order, r)
	}
	needsChanged := p.batch.setNeeds(at, w.Needs)
	p.batch.setEvents(at, w.EventIDs)
	return p.restate(r, w.Desired, w.body, needsChanged)
}

func (p *put) insert(w wish) {
	r := &row{body: w.body, hash: hashOf(w.body), Entry: Entry{Tenant: p.tenant, Ref: w.Ref(), FoldKey: p.foldKey,
		SerialKey: w.SerialKey, Site: w.Site, CorrelationID: w.CorrelationID, Style: w.Style, Document: w.Document,
		SourceVersion: max(w.SourceVersion, p.batch.least), PolicyVersion: p.policyVersion}}
	r.schedule(w.Desired)
	if isChain(r) && delta(r.Document) == 0 {
		return
	}
	r.begin(p.now)
	p.add(r, w.EventIDs)
	p.batch.setNeeds(r.place(), w.Needs)
}

// add takes a new row.
func (p *put) add(r *row, events []string) {
	p.batch.rows[r.place()] = r
	p.batch.fresh = append(p.batch.fresh, r)
	p.batch.setEvents(r.place(), events)
	p.fresh = append(p.fresh, r)
	p.moved = true
}

// restate brings what is known of a posting in line with what is wanted of it now.
func (p *put) restate(r *row, d Desired, body []byte, needsChanged bool) error {
	if isChain(r) && delta(d.Document) == 0 {
		return p.withdraw(r)
	}
	hash := hashOf(body)
	changed := hash != r.hash
	if changed {
		r.body, r.hash, r.Document = body, hash, d.Document
		r.SourceVersion = max(d.SourceVersion, r.SourceVersion+1, p.batch.least)
		r.PolicyVersion = p.policyVersion
		r.touch()
	}
	if changed || r.State == Superseded {
		r.schedule(d)
	}
	if r.FoldKey != p.foldKey || r.SerialKey != d.SerialKey || r.Site != d.Site || r.CorrelationID != d.CorrelationID || !r.Wanted {
		r.FoldKey, r.SerialKey, r.Site, r.CorrelationID, r.Wanted = p.foldKey, d.SerialKey, d.Site, d.CorrelationID, true
		r.touch()
	}
	switch r.State {
	case Planned, Ready:
		if changed || needsChanged {
			p.moved = true
			return r.plan(p.now)
		}
	case Rejected:
		if changed {
			p.moved = true
			return r.plan(p.now)
		}
	case Superseded:
		if r.hash == r.waivedHash {
			return nil
		}
		p.moved = true
		return r.plan(p.now)
	case Confirmed, Diverged:
		return p.compare(r, changed)
	case Correcting:
		r.caseDue = r.caseDue || r.changed && !isChain(r) // the sender looks whether it is still to be taken back
	}
	// Sending, unknown and blocked: whoever settles them compares with what is wanted then.
	return nil
}

// compare is for a posting that had its effect.
func (p *put) compare(r *row, changed bool) error {
	switch {
	case isChain(r):
		return nil // settleChain looks at the whole chain
	case r.State == Confirmed && r.hash != r.confirmedHash:
		p.moved = p.moved || r.Style == connector.Level
		return diverge(r, p.now)
	case r.State == Diverged && r.hash == r.confirmedHash:
		r.say(Fault{})
		r.caseDue = true
		return r.move(Confirmed)
	case r.State == Diverged && r.confirmedHash == "":
		r.readyAt = p.now // what the target has is not what we sent: reading back tells whether it is what is wanted now
	case r.State == Diverged && (changed || r.Style == connector.Level):
		return diverge(r, p.now)
	}
	return nil
}

// diverge moves a posting that is confirmed with other content than is wanted: a status is restated, a document needs a person.
func diverge(r *row, now int64) error {
	if !r.Wanted && r.State == Confirmed && r.Booked.GetServiceCase().GetClosed() {
		return nil // a case that is closed there bothers nobody
	}
	if r.Style == connector.Level && r.Wanted {
		if r.State == Diverged {
			r.Attempts, r.readyAt, r.caseDue = 0, now, true
			r.say(Fault{})
			return r.move(Ready)
		}
		return r.plan(now)
	}
	if r.State != Diverged {
		if err := r.move(Diverged); err != nil {
			return err
		}
	}
	r.readyAt, r.caseDue = now, true
	r.touch()
	if !r.Wanted {
		r.say(noLongerWanted(r))
		return nil
	}
	r.say(Fault{Class: docklinev1.FaultClass_FAULT_CLASS_PROCESS, Code: "document_changed",
		Text:   r.Target + " has " + documentNames(r.Documents) + " as it was sent; what the site reports now differs: " + Difference(r.Booked, r.Document) + ".",
		Remedy: "Correct the document in " + r.Target + ", or reverse it and enter the difference by hand."})
	return nil
}

func noLongerWanted(r *row) Fault {
	return Fault{Class: docklinev1.FaultClass_FAULT_CLASS_PROCESS, Code: "no_longer_wanted",
		Text:   r.Target + " has " + documentNames(r.Documents) + ", but the facts that led to it are no longer in force.",
		Remedy: "Reverse it in " + r.Target + "."}
}

// withdraw is for a posting that no fold wants any longer.
func (p *put) withdraw(r *row) error {
	switch r.State {
	case Planned, Ready, Rejected:
		r.caseDue = r.caseDue || r.State == Rejected
		r.say(Fault{})
		p.moved = true
		return r.move(Superseded)
	case Superseded:
		return nil
	}
	if !r.Wanted {
		return nil
	}
	r.Wanted = false
	r.touch()
	if r.State == Confirmed && !isChain(r) || r.State == Diverged {
		return diverge(r, p.now)
	}
	r.caseDue = r.caseDue || r.State == Correcting && !isChain(r)
	return nil
}

// finish withdraws what was not named and settles follow-ups.
func (p *put) finish() error {
	for _, r := range p.order {
		if r.FoldKey == p.foldKey && r.chainKey == "" && !p.wanted[r.Ref] {
			if err := p.withdraw(r); err != nil {
				return err
			}
		}
	}
	for _, r := range p.order {
		if !isChain(r) || r.chainKey != "" {
			continue
		}
		var follow []*row
		for _, f := range p.order {
			if f.chainKey == r.Key && f.Target == r.Target && f.Kind == r.Kind {
				follow = append(follow, f)
				p.batch.setEvents(f.place(), p.batch.events[r.place()])
			}
		}
		next, did, err := settleChain(r, follow, p.now)
		if err != nil {
			return err
		}
		if next != nil {
			p.add(next, p.batch.events[r.place()])
		}
		p.moved = p.moved || did
	}
	return nil
}

// inOrder sorts so that what others need comes first, and otherwise keeps the order given; it refuses a name twice.
func inOrder(desired []Desired) ([]Desired, error) {
	index := make(map[Ref]int, len(desired))
	for i, d := range desired {
		if _, ok := index[d.Ref()]; ok {
			return nil, fmt.Errorf("%s is wanted twice", d.Ref())
		}
		index[d.Ref()] = i
	}
	out := make([]Desired, 0, len(desired))
	seen := make([]int, len(desired)) // 1 under way, 2 done
	var visit func(i int) error
	visit = func(i int) error {
		switch seen[i] {
		case 1:
			return fmt.Errorf("%s needs itself", desired[i].Ref())
		case 2:
			return nil
		}
		seen[i] = 1
		for _, need := range desired[i].Needs {
			if j, ok := index[need]; ok {
				if err := visit(j); err != nil {
					return err
				}
			}
		}
		seen[i] = 2
		out = append(out, desired[i])
		return nil
	}
	for i := range desired {
		if err := visit(i); err != nil {
			return nil, err
		}
	}
	return out, nil
}
