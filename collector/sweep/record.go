package sweep

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
)

// CodeField is that of a field on which two systems disagree.
const CodeField = "sweep_field"

// Records is one kind of record of a system, beside what the other side holds of it, by number. It is compared without clock, database or network.
type Records struct {
	// System is the target's name, Other what people call the other side: Dockline, or the system that owns the records.
	System, Other string
	Kind          connector.Kind
	Held          []Expected
	Listed        []connector.Listed
	// Began is when the list was begun, Since from when on a record that the other side does not hold is looked at.
	Began, Since time.Time
}

// CompareOrders holds orders against what Dockline holds: one finding for each that differs, with all its differences.
func (c Records) CompareOrders() Compared {
	var out Compared
	held := make(map[string]*Expected)
	for i := range c.Held {
		held[c.Held[i].Key] = &c.Held[i]
	}
	// A feed that has told of an order tells of all that are younger; what is older than all of them was there before Dockline.
	since := c.Began
	for _, e := range c.Held {
		if !e.MadeAt.IsZero() && e.MadeAt.Before(since) {
			since = e.MadeAt
		}
	}
	if since.Before(c.Since) {
		since = c.Since
	}
	for _, d := range c.newest() {
		e := held[d.Number]
		delete(held, d.Number)
		f := Finding{Subject: string(c.Kind) + " " + d.Number, Kind: c.Kind, Site: d.Site, Order: d.Number, Number: d.Number}
		switch {
		case d.Draft || e == nil && (d.Reversed || d.At.Before(since)):
			continue
		case e == nil:
			f.Result, f.Lines = Extra, connector.SumLines(d.Lines, false)
			f.Text = fmt.Sprintf("%s has the order %s, which Dockline does not know.", c.System, d.Number)
		default:
			f.Result, f.Key, f.Site = Different, e.Key, e.Site
			if f.Details, f.Lines = differences(e.Content, d); len(f.Details) == 0 {
				out.Matched++
				continue
			}
			f.Text = fmt.Sprintf("Order %s is not the same on both sides: %s.", d.Number, inWords(f.Details, c.System))
			c.explain(&f, e)
		}
		f.Quantity = sumOf(f.Lines)
		out.Findings = append(out.Findings, f)
	}
	for number, e := range held {
		f := Finding{Subject: string(c.Kind) + " " + number, Kind: c.Kind, Result: Missing, Site: e.Site, Order: number, Key: e.Key, Lines: e.Content.Lines, Quantity: sumOf(e.Content.Lines)}
		f.Text = fmt.Sprintf("%s has no order %s any longer, although it reported it.", c.System, number)
		c.explain(&f, e)
		out.Findings = append(out.Findings, f)
	}
	slices.SortFunc(out.Findings, func(a, b Finding) int { return cmp.Compare(a.Subject, b.Subject) })
	return out
}

func (c Records) explain(f *Finding, e *Expected) {
	switch {
	case !e.Settled:
		f.Cause, f.Because = Pending, []string{e.Why}
		f.Text += " This explains it: " + e.Why + "."
	case !e.MovedAt.Before(c.Began):
		f.Cause = Pending
		f.Text += " This explains it: the order changed while the sweep was reading."
	}
}

// CompareFields holds the copies that a system keeps against the records of another: one finding for each field of a record on which they disagree.
// What only one of them has is nobody's case: not every customer is in every system.
func (c Records) CompareFields() Compared {
	var out Compared
	held := make(map[string]*Expected)
	for i := range c.Held {
		held[c.Held[i].Key] = &c.Held[i]
	}
	for _, d := range c.newest() {
		e := held[d.Number]
		if e == nil {
			out.Foreign++
			continue
		}
		details, _ := differences(e.Content, d)
		if len(details) == 0 {
			out.Matched++
		}
		for _, each := range details {
			out.Findings = append(out.Findings, Finding{Subject: string(c.Kind) + " " + d.Number + " " + each.What, Kind: c.Kind, Result: Different, Key: e.Key, Number: d.Number, Field: each.What,
				Details: []Detail{each}, Text: fmt.Sprintf("The %s of %s %s is %s in %s and %s in %s.", strings.ReplaceAll(each.What, "_", " "), words(c.Kind), d.Number, orNothing(each.Ours), c.Other,
					orNothing(each.Theirs), c.System)})
		}
	}
	slices.SortFunc(out.Findings, func(a, b Finding) int { return cmp.Compare(a.Subject, b.Subject) })
	return out
}

// newest are the records as they were listed last, by number.
func (c Records) newest() []connector.Listed {
	at := make(map[string]int)
	var out []connector.Listed
	for _, d := range c.Listed {
		if i, twice := at[d.Number]; twice {
			out[i] = d
			continue
		}
		at[d.Number] = len(out)
		out = append(out, d)
	}
	return out
}

// sameValue: numbers are the same however many zeros they are written with.
func sameValue(a, b string) bool {
	if a == b {
		return true
	}
	x, isX := new(big.Rat).SetString(a)
	y, isY := new(big.Rat).SetString(b)
	return isX && isY && x.Cmp(y) == 0
}

func isRecord(kind connector.Kind) bool {
	return kind == connector.OrderRecord || kind == connector.CustomerRecord
}

// compareRecords holds what was listed of a kind of record against what the centre, or the system that owns it, holds.
func (s *Sweep) compareRecords(ctx context.Context, tx *db.Tx, t *Target, r *Run, kind connector.Kind) error {
	listed, err := r.documents(ctx, tx)
	if err != nil {
		return err
	}
	c := Records{System: t.Name, Other: "Dockline", Kind: kind, Listed: listed, Began: r.readAt, Since: s.since(r, kind)}
	var out Compared
	if kind == connector.OrderRecord {
		if c.Held, err = s.heldOrders(ctx, tx, t, r, listed); err != nil {
			return err
		}
		out = c.CompareOrders()
	} else {
		if t.Stock { // it is the record: what it says is what copies are compared with
			r.Matched += int64(len(listed))
			r.next()
			return errorsOf(keepRecords(ctx, tx, t, kind, listed, r.readAt), r.forgetDocuments(ctx, tx))
		}
		if c.Held, c.Other, err = recordsOf(ctx, tx, t, kind); err != nil {
			return err
		}
		if c.Other == "" {
			r.NotCompared = append(r.NotCompared, notCompared(t, kind, s.Centre.Keepers(r.Tenant, kind)))
			r.next()
			return r.forgetDocuments(ctx, tx)
		}
		out = c.CompareFields()
	}
	r.Matched, r.Foreign = r.Matched+int64(out.Matched), r.Foreign+int64(out.Foreign)
	unexplained := func(f *Finding) bool { return f.Cause == Unexplained }
	r.next()
	if kind == connector.OrderRecord && slices.ContainsFunc(out.Findings, func(f Finding) bool { return unexplained(&f) }) {
		r.Phase, r.place = asking, r.place-1
	} else {
		unexplained = nil
	}
	return errorsOf(r.add(ctx, tx, out.Findings, unexplained), r.forgetDocuments(ctx, tx))
}

// notCompared says why what a system lists of a kind was held against nothing; keepers are the systems that are the record of it.
func notCompared(t *Target, kind connector.Kind, keepers []string) string {
	many := several(kind)
	if len(keepers) == 0 {
		return fmt.Sprintf("The %s of %s were compared with nothing: no system that is the record of them lists any. Add records.%s to the definition of the one that is.", many, t.Name, kind)
	}
	commands := make([]string, len(keepers))
	for i, name := range keepers {
		commands[i] = "`dockline-collector sweep --target " + name + "`"
	}
	return fmt.Sprintf("The %s of %s were compared with nothing: those of %s, which is the record of them, were never listed. Run %s first, then this again.", many, t.Name,
		strings.Join(keepers, " or "), strings.Join(commands, " or "))
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// heldOrders are those that were listed, and those that should have been; what is under way for one explains that it differs.
func (s *Sweep) heldOrders(ctx context.Context, tx *db.Tx, t *Target, r *Run, listed []connector.Listed) ([]Expected, error) {
	var numbers []string
	for _, d := range listed {
		numbers = append(numbers, d.Number)
	}
	held, err := s.Centre.Held(ctx, tx, HeldAsk{Tenant: t.Tenant, Target: t.Name, Site: r.Site, Since: s.since(r, connector.OrderRecord), Numbers: numbers})
	if err != nil {
		return nil, err
	}
	pending, err := s.pending(ctx, tx, r)
	if err != nil {
		return nil, err
	}
	why := make(map[string]string)
	for i := range pending {
		if e := &pending[i]; e.Kind == connector.OrderAmendment || e.Kind == connector.OrderCreate {
			why[e.Content.Order] = e.posting(t.Name) + ": " + e.Why
		}
	}
	for i := range held {
		if text := why[held[i].Key]; text != "" {
			held[i].Settled, held[i].Why = false, text
		}
	}
	return held, nil
}

// unreadPages is how many pages of a system's feed are looked at for what has not been taken in yet.
const unreadPages = 50

// askOrders looks whether the system has told of orders that differ what has not been taken in yet: the feed may be behind the list, and a collector that is
// stopped takes nothing in.
func (s *Sweep) askOrders(ctx context.Context, t *Target, r *Run, counted func(), save saving) error {
	var asked []Finding
	var cursor connector.Cursor
	err := s.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if asked, err = r.toAsk(ctx, tx, expectedPage); err != nil || len(asked) == 0 {
			return err
		}
		cursor, err = s.Centre.Cursor(ctx, tx, t)
		return err
	})
	if err != nil {
		return err
	}
	if len(asked) == 0 {
		r.next()
		return save(nil)
	}
	unread := make(map[string]bool)
	for range unreadPages {
		page, err := t.Connector.Changes(ctx, cursor)
		if err != nil {
			return fmt.Errorf("what %s has told since: %w", t.Name, err)
		}
		for _, e := range page.Events {
			unread[e.GetSubject()] = true
		}
		if cursor = page.Cursor; !page.More {
			break
		}
	}
	counted()
	return save(func(tx *db.Tx) error {
		var numbers []string
		for _, f := range asked {
			numbers = append(numbers, f.Order)
		}
		held, err := s.Centre.Held(ctx, tx, HeldAsk{Tenant: t.Tenant, Target: t.Name, Numbers: numbers})
		if err != nil {
			return err
		}
		moved := make(map[string]bool)
		for _, e := range held {
			moved[e.Key] = !e.Settled || !e.MovedAt.Before(r.readAt)
		}
		for i := range asked {
			switch f := &asked[i]; {
			case unread[f.Order]:
				f.Cause = Pending
				f.Text += fmt.Sprintf(" This explains it: %s has reported a change of it that is not taken in yet.", t.Name)
			case moved[f.Order]:
				f.Cause = Pending
				f.Text += " This explains it: the order changed while the sweep was reading."
			}
		}
		return r.add(ctx, tx, asked, nil)
	})
}

// keepRecords keeps what the record of a kind says, in place of what it said before, for the sweeps of systems that hold copies.
func keepRecords(ctx context.Context, tx *db.Tx, t *Target, kind connector.Kind, listed []connector.Listed, at time.Time) error {
	if _, err := tx.Exec(ctx, `DELETE FROM sweep_record WHERE tenant = ? AND target = ? AND kind = ?`, t.Tenant, t.Name, string(kind)); err != nil {
		return err
	}
	insert := db.Insert{Table: "sweep_record", Columns: []string{"tenant", "target", "kind", "number", "read_at", "body"}}
	for _, d := range (Records{Listed: listed}).newest() {
		body, err := encoded(d)
		if err != nil {
			return err
		}
		insert.Rows = append(insert.Rows, []any{t.Tenant, t.Name, string(kind), d.Number, micros(at), body})
	}
	return tx.InsertAll(ctx, insert)
}

// recordsOf are those that another system last listed as their record, and its name; where several did, the first by name.
func recordsOf(ctx context.Context, tx *db.Tx, t *Target, kind connector.Kind) (held []Expected, system string, err error) {
	names, err := tx.Texts(ctx, `SELECT DISTINCT target FROM sweep_record WHERE tenant = ? AND kind = ? AND target <> ? ORDER BY target`, t.Tenant, string(kind), t.Name)
	if err != nil || len(names) == 0 {
		return nil, "", err
	}
	texts, err := tx.Texts(ctx, `SELECT body FROM sweep_record WHERE tenant = ? AND target = ? AND kind = ? ORDER BY number`, t.Tenant, names[0], string(kind))
	if err != nil {
		return nil, "", err
	}
	listed, err := decoded[connector.Listed](texts)
	for _, d := range listed {
		held = append(held, Expected{Kind: kind, Key: d.Number, Settled: true, Content: connector.Content{Fields: d.Fields}})
	}
	return held, names[0], err
}
