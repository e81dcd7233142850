package posting

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// A document that had its effect is never edited. Where the target takes reversals, what is delivered and no longer desired is taken back by a
// document of its own, linked to the first; when that is confirmed the posting is what it was before it was sent: planned again under the next
// reference where it is still wanted with other content, superseded where it is not.

// reference is the key under which the target keeps the posting's present document.
func (r *row) reference() string {
	if r.Generation > 1 {
		return fmt.Sprintf("%s#%d", r.Key, r.Generation)
	}
	return r.Key
}

// reverses is the kind that a reversal takes back; "" for other kinds.
func reverses(kind connector.Kind) connector.Kind {
	for of, by := range connector.Reversals {
		if by == kind {
			return of
		}
	}
	return ""
}

// reversible says whether the target is told a reversal of this posting.
func (s *Sender) reversible(r *row) bool {
	by, ok := connector.Reversals[r.Kind]
	if !ok || r.Style == connector.Level || r.Booked == nil {
		return false
	}
	_, takes := s.Connector.Kinds()[by]
	return takes
}

// compensate works out, for a posting that had its effect, whether a reversal is to be told or is no longer to be told. It saves what it changes
// but r, which is the caller's.
func (s *Sender) compensate(ctx context.Context, tx *db.Tx, r *row, now int64) error {
	if r.State != Diverged && r.State != Correcting && r.State != Confirmed || isChain(r) {
		return nil
	}
	if !s.reversible(r) {
		return s.cannotCompensate(ctx, tx, r)
	}
	reversal, err := hold(ctx, tx, r.Tenant, r.reversalRef())
	if err != nil || r.State == Confirmed && reversal == nil {
		return err
	}
	why, err := whyReverse(ctx, tx, r)
	if err != nil {
		return err
	}
	switch {
	case r.State == Diverged && why != "" && (reversal == nil || reversal.State == Superseded):
		return s.reverse(ctx, tx, r, reversal, why, now)
	case r.State != Diverged && reversal != nil && (reversal.State == Planned || reversal.State == Ready || reversal.State == Rejected) &&
		(why == "" || r.State == Confirmed && !r.Wanted): // the latter is what a person waived
		return s.keepAfterAll(ctx, tx, r, reversal, now)
	}
	return nil
}

// reversalRef names the reversal of the present document.
func (r *row) reversalRef() Ref {
	return Ref{Target: r.Target, Kind: connector.Reversals[r.Kind], Key: r.reference()}
}

// whyReverse is the reason to take a document back, "" for none: it is not wanted, its books are not as they are, or what it needs is being taken
// back. Where only the carrier's side of a goods issue is another (a tracking number that was mistyped), nothing is booked anew for it: a person
// enters that in the target.
func whyReverse(ctx context.Context, tx *db.Tx, r *row) (string, error) {
	switch {
	case r.confirmedHash == "":
		return "", nil // what the target has is not what we sent: a person looks at it
	case !r.Wanted:
		return "no_longer_wanted", nil
	case r.hash != r.confirmedHash && booksDiffer(r.Booked, r.Document):
		return "document_changed", nil
	}
	if wanted, err := asked(ctx, tx, r); err != nil || wanted {
		return "asked_for", err
	}
	var n int64
	err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM posting_dependency d JOIN posting n ON n.tenant = d.tenant AND n.target = d.needs_target AND n.kind = d.needs_kind
		AND n.natural_key = d.needs_key WHERE d.natural_key = ? AND d.kind = ? AND d.target = ? AND d.tenant = ? AND n.state IN ('diverged', 'correcting')`,
		r.Key, r.Kind, r.Target, r.Tenant).Scan(&n)
	if err != nil || n == 0 {
		return "", err
	}
	return "needed_document_reversed", nil
}

// booksDiffer says whether two documents book something else: quantities, items, places, the order.
func booksDiffer(a, b *docklinev1.Document) bool {
	booked := func(d *docklinev1.Document) *docklinev1.Document {
		g := d.GetGoodsIssue()
		if back := cmp.Or(d.GetReturnReceipt(), d.GetCreditRequest()); back != nil {
			return &docklinev1.Document{Document: &docklinev1.Document_ReturnReceipt{ReturnReceipt: &docklinev1.GoodsReturned{
				Number: back.GetNumber(), Order: back.GetOrder(), Site: back.GetSite(), Lines: back.GetLines()}}}
		}
		if g == nil {
			return d
		}
		return &docklinev1.Document{Document: &docklinev1.Document_GoodsIssue{GoodsIssue: &docklinev1.GoodsIssue{
			Order: g.GetOrder(), Shipment: g.GetShipment(), Site: g.GetSite(), Lines: g.GetLines()}}}
	}
	return !proto.Equal(booked(a), booked(b))
}

// reverse plans the reversal of r, after those of the documents that need r. While one of them is under way, or cannot be taken back, it waits.
func (s *Sender) reverse(ctx context.Context, tx *db.Tx, r, reversal *row, why string, now int64) error {
	needing, err := needing(ctx, tx, r)
	if err != nil {
		return err
	}
	for _, d := range needing {
		switch {
		case d.State == Sending || d.State == Unknown || d.State == Blocked:
			return nil
		case (d.State == Confirmed || d.State == Diverged) && !s.reversible(d):
			return nil
		}
	}
	if err := r.move(Correcting); err != nil {
		return err
	}
	r.say(Fault{})
	if err := r.save(ctx, tx, now); err != nil { // those that need it look at it
		return err
	}
	var needs []Ref
	for _, d := range needing {
		switch d.State {
		case Confirmed:
			if err := d.move(Diverged); err != nil {
				return err
			}
			fallthrough
		case Diverged:
			before := *d
			if err := s.compensate(ctx, tx, d, now); err != nil {
				return err
			}
			if d.State == before.State { // it could not begin: its own case says why
				d.caseDue = true
			}
			d.touch()
			if err := d.save(ctx, tx, now); err != nil {
				return err
			}
			needs = append(needs, d.reversalRef())
		case Correcting:
			needs = append(needs, d.reversalRef())
		}
	}
	return planReversal(ctx, tx, r, reversal, why, needs, now)
}

// planReversal makes the reversal's posting, or plans the one that there is again.
func planReversal(ctx context.Context, tx *db.Tx, r, v *row, why string, needs []Ref, now int64) error {
	d := reversalOf(r, why)
	body, err := marshal(d)
	if err != nil {
		return err
	}
	events, err := eventsOf(ctx, tx, r.Tenant, r.Ref)
	if err != nil {
		return err
	}
	if v != nil {
		v.body, v.hash, v.Document = body, hashOf(body), d
		v.SourceVersion++
		if err := v.plan(now); err != nil {
			return err
		}
		if err := v.save(ctx, tx, now); err != nil {
			return err
		}
	} else {
		v = &row{body: body, hash: hashOf(body), chainKey: r.Key, chainNumber: r.Generation + 1, Entry: Entry{Tenant: r.Tenant, Ref: r.reversalRef(), FoldKey: r.FoldKey,
			SerialKey: r.SerialKey, Site: r.Site, CorrelationID: r.CorrelationID, Style: connector.CreateOnce, Document: d, SourceVersion: 1, PolicyVersion: r.PolicyVersion,
			Timing: r.Timing, Priority: r.Priority}}
		v.within = r.within
		v.begin(now)
		if err := insertFollowUp(ctx, tx, v, events, now); err != nil {
			return err
		}
	}
	links := &links{table: "posting_dependency", columns: needColumns}
	have, err := needsOf(ctx, tx, v.Tenant, v.Ref)
	if err != nil {
		return err
	}
	links.setNeeds(v.place(), have, needs)
	if err := links.write(ctx, tx); err != nil {
		return err
	}
	return promote(ctx, tx, now, `t.id = ?`, v.id)
}

// reversalOf is the document that takes back what the target confirmed.
func reversalOf(r *row, why string) *docklinev1.Document {
	order, _ := orderOf(r.Booked)
	v := &docklinev1.Reversal{Reference: r.reference(), Order: order, Site: r.Site, Reason: why}
	if len(r.Documents) > 0 {
		v.Reverses = r.Documents[len(r.Documents)-1]
	}
	switch booked := r.Booked.GetDocument().(type) {
	case *docklinev1.Document_GoodsIssue:
		v.Shipment, v.Lines = booked.GoodsIssue.GetShipment(), booked.GoodsIssue.GetLines()
	case *docklinev1.Document_InvoiceTrigger:
		v.Shipment, v.Lines = booked.InvoiceTrigger.GetShipment(), booked.InvoiceTrigger.GetLines()
		return &docklinev1.Document{Document: &docklinev1.Document_InvoiceReversal{InvoiceReversal: v}}
	case *docklinev1.Document_ReturnReceipt:
		v.ReturnNumber, v.Lines = booked.ReturnReceipt.GetNumber(), booked.ReturnReceipt.GetLines()
		return &docklinev1.Document{Document: &docklinev1.Document_ReturnReceiptReversal{ReturnReceiptReversal: v}}
	case *docklinev1.Document_CreditRequest:
		v.ReturnNumber, v.Lines = booked.CreditRequest.GetNumber(), booked.CreditRequest.GetLines()
		return &docklinev1.Document{Document: &docklinev1.Document_CreditReversal{CreditReversal: v}}
	}
	return &docklinev1.Document{Document: &docklinev1.Document_GoodsIssueReversal{GoodsIssueReversal: v}}
}

// keepAfterAll drops a reversal that was not told yet: what stands in the target is wanted again.
func (s *Sender) keepAfterAll(ctx context.Context, tx *db.Tx, r, reversal *row, now int64) error {
	reversal.caseDue = reversal.caseDue || reversal.State == Rejected
	reversal.say(Fault{})
	if err := reversal.move(Superseded); err != nil {
		return err
	}
	if err := reversal.save(ctx, tx, now); err != nil {
		return err
	}
	if r.State == Correcting {
		if err := r.move(Confirmed); err != nil {
			return err
		}
	}
	if err := r.save(ctx, tx, now); err != nil {
		return err
	}
	return tellNeeding(ctx, tx, r)
}

// needing are, locked, the postings that need r.
func needing(ctx context.Context, tx *db.Tx, r *row) ([]*row, error) {
	return collect(tx.Hold(ctx, `SELECT `+columns+` FROM posting WHERE id IN (SELECT q.id FROM posting_dependency w JOIN posting q ON q.tenant = w.tenant
		AND q.target = w.target AND q.kind = w.kind AND q.natural_key = w.natural_key
		WHERE w.tenant = ? AND w.needs_target = ? AND w.needs_kind = ? AND w.needs_key = ?) ORDER BY id`, r.Tenant, r.Target, r.Kind, r.Key))
}

// tellNeeding has the sender look again at the reversals of what needs r.
func tellNeeding(ctx context.Context, tx *db.Tx, r *row) error {
	_, err := tx.Exec(ctx, `UPDATE posting SET case_due = 1 WHERE state = 'correcting' AND id IN (SELECT q.id FROM posting_dependency w JOIN posting q ON q.tenant = w.tenant
		AND q.target = w.target AND q.kind = w.kind AND q.natural_key = w.natural_key
		WHERE w.tenant = ? AND w.needs_target = ? AND w.needs_kind = ? AND w.needs_key = ?)`, r.Tenant, r.Target, r.Kind, r.Key)
	return err
}

// tellNeeded has the sender look again at what v needs and that waits for v before it can be taken back.
func tellNeeded(ctx context.Context, tx *db.Tx, v *row) error {
	_, err := tx.Exec(ctx, `UPDATE posting SET case_due = 1 WHERE state = 'diverged' AND id IN (SELECT n.id FROM posting_dependency d JOIN posting n ON n.tenant = d.tenant
		AND n.target = d.needs_target AND n.kind = d.needs_kind AND n.natural_key = d.needs_key
		WHERE d.natural_key = ? AND d.kind = ? AND d.target = ? AND d.tenant = ?)`, v.Key, v.Kind, v.Target, v.Tenant)
	return err
}

// concludeReversals does what follows for reversals when a posting was settled: its own, that which it is, and those that wait for it.
func (s *Sender) concludeReversals(ctx context.Context, tx *db.Tx, before, r *row, now int64) error {
	if r.State == before.State {
		return nil
	}
	if reverses(r.Kind) != "" {
		of, err := concludeReversal(ctx, tx, r, now)
		if err != nil || of == nil {
			return err
		}
		if of.State == Superseded {
			return nil
		}
		return promote(ctx, tx, now, `t.tenant = ? AND t.fold_key = ?`, of.Tenant, of.FoldKey)
	}
	if err := s.compensate(ctx, tx, r, now); err != nil {
		return err
	}
	if before.State == Sending || before.State == Unknown || before.State == Blocked {
		return tellNeeded(ctx, tx, r)
	}
	return nil
}

// concludeReversal brings the reversed posting in line with what became of its reversal, and returns it where it changed.
func concludeReversal(ctx context.Context, tx *db.Tx, v *row, now int64) (*row, error) {
	r, err := hold(ctx, tx, v.Tenant, Ref{Target: v.Target, Kind: reverses(v.Kind), Key: v.chainKey})
	if err != nil || r == nil || r.reference() != v.Key {
		return nil, err
	}
	switch {
	case v.State == Confirmed && (r.State == Correcting || r.State == Diverged || r.State == Confirmed): // confirmed: it was wanted again while this was under way
		if err := r.usedUp(now); err != nil {
			return nil, err
		}
	case v.State == Rejected && r.State == Correcting:
		// A person may take it back by hand: it is read back from now on.
		if err := diverge(r, now); err != nil {
			return nil, err
		}
		r.say(Fault{Class: v.Fault.Class, Code: r.Fault.Code, Text: r.Fault.Text + " Its reversal was refused: " + v.Fault.Text + ".",
			Remedy: "Put right what the refusal names and retry the reversal, or reverse " + documentNames(r.Documents) + " in " + r.Target + " by hand; what is right is then posted by itself."})
	case v.State == Diverged && r.State == Correcting:
		return nil, nil // its own case tells
	default:
		return nil, nil
	}
	r.caseDue = true
	return r, r.save(ctx, tx, now)
}

// usedUp is for a posting whose document was taken back: it begins anew under the next reference, or is no longer wanted.
func (r *row) usedUp(now int64) error {
	if r.State != Confirmed {
		if err := r.move(Confirmed); err != nil {
			return err
		}
	}
	r.Generation++
	r.confirmedHash, r.confirmedBody, r.Booked, r.ConfirmedVersion = "", nil, nil, 0
	r.sentHash, r.sentBody, r.Sent, r.sentVersion = "", nil, nil, 0
	r.documents, r.Documents, r.PostingDate = nil, nil, ""
	r.say(Fault{})
	if err := r.plan(now); err != nil || r.Wanted {
		return err
	}
	return r.move(Superseded)
}

// reversedFound tells whether one document was found, which was taken back.
func reversedFound(found []connector.Found) bool {
	return len(found) > 0 && !slices.ContainsFunc(found, func(f connector.Found) bool { return !f.Reversed })
}
