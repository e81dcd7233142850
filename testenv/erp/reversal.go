package erp

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/dockline/dockline/testenv/sandbox"
)

// NewReversal is what POST /api/goods-issue-reversals, /api/invoice-reversals, /api/return-receipt-reversals and /api/credit-reversals take. Document is the number of what is reversed.
type NewReversal struct {
	ExternalReference string `json:"external_reference"`
	Document          string `json:"document"`
	Reason            string `json:"reason"`
	PostingDate       string `json:"posting_date"`
}

// Reversal takes back a goods issue, an invoice, a return receipt or a credit memo, which stays as it was posted.
type Reversal struct {
	Number            string    `json:"number"`
	ExternalReference string    `json:"external_reference"`
	Document          string    `json:"document"`
	Order             string    `json:"order"`
	Reason            string    `json:"reason"`
	PostedAt          time.Time `json:"posted_at"`
	PostingDate       string    `json:"posting_date,omitempty"`
	Revision          int64     `json:"revision"`
}

func reverseIssue(w *work) (any, error) {
	var in NewReversal
	if err := w.read(&in); err != nil {
		return nil, err
	}
	issue, known := w.issues.byNumber[in.Document]
	switch {
	case !known:
		return nil, sandbox.Refuse(http.StatusNotFound, "unknown_goods_issue", "there is no goods issue %q", in.Document)
	case issue.ReversedBy != "":
		return nil, sandbox.Refuse(http.StatusConflict, "already_reversed", "goods issue %s was reversed by %s", issue.Number, issue.ReversedBy)
	}
	for _, number := range w.invoices.numbers {
		if i := w.invoices.byNumber[number]; i.GoodsIssue == issue.Number && i.ReversedBy == "" {
			return nil, sandbox.Refuse(http.StatusConflict, "is_invoiced", "goods issue %s is billed by invoice %s: reverse that first", issue.Number, i.Number)
		}
	}
	for _, number := range w.receipts.numbers {
		if r := w.receipts.byNumber[number]; r.ReversedBy == "" && slices.Contains(r.GoodsIssues, issue.Number) {
			return nil, sandbox.Refuse(http.StatusConflict, "is_returned", "goods of goods issue %s came back by return receipt %s: reverse that first", issue.Number, r.Number)
		}
	}
	day, err := w.day(in.PostingDate)
	if err != nil {
		return nil, err
	}
	order, err := w.order(issue.Order)
	if err != nil {
		return nil, err
	}
	r := Reversal{Number: fmt.Sprintf("GR%d", 700001+len(w.issueReversals.numbers)), ExternalReference: in.ExternalReference, Document: issue.Number, Order: issue.Order,
		Reason: in.Reason, PostedAt: w.at, PostingDate: day, Revision: 1}
	for _, l := range issue.Lines {
		at := slices.IndexFunc(order.Lines, func(o OrderLine) bool { return o.Line == l.OrderLine })
		line := &order.Lines[at]
		line.Issued = line.Issued.Sub(l.Quantity)
		if order.Status == Cancelled {
			line.Cancelled = line.Cancelled.Add(l.Quantity)
		} else {
			line.Open = line.Open.Add(l.Quantity)
		}
	}
	if order.Status == Closed {
		order.Status = Confirmed
	}
	w.moves = append(w.moves, issue.Takes...)
	issue.ReversedBy = r.Number
	issue.Revision++
	if err := w.put(KindOrder, order.Number, "issue_reversed", order.Revision, order); err != nil {
		return nil, err
	}
	if err := w.put(KindIssue, issue.Number, "reversed", issue.Revision, issue); err != nil {
		return nil, err
	}
	return r, w.put(KindIssueReversal, r.Number, "posted", r.Revision, r)
}

func reverseInvoice(w *work) (any, error) {
	var in NewReversal
	if err := w.read(&in); err != nil {
		return nil, err
	}
	invoice, known := w.invoices.byNumber[in.Document]
	switch {
	case !known:
		return nil, sandbox.Refuse(http.StatusNotFound, "unknown_invoice", "there is no invoice %q", in.Document)
	case invoice.ReversedBy != "":
		return nil, sandbox.Refuse(http.StatusConflict, "already_reversed", "invoice %s was reversed by %s", invoice.Number, invoice.ReversedBy)
	}
	for _, number := range w.credits.numbers {
		if m := w.credits.byNumber[number]; m.Status == Posted && m.ReversedBy == "" && slices.Contains(m.Invoices, invoice.Number) {
			return nil, sandbox.Refuse(http.StatusConflict, "is_credited", "invoice %s is credited by %s: reverse that first", invoice.Number, m.Number)
		}
	}
	day, err := w.day(in.PostingDate)
	if err != nil {
		return nil, err
	}
	r := Reversal{Number: fmt.Sprintf("IR%d", 800001+len(w.invoiceReversals.numbers)), ExternalReference: in.ExternalReference, Document: invoice.Number, Order: invoice.Order,
		Reason: in.Reason, PostedAt: w.at, PostingDate: day, Revision: 1}
	invoice.ReversedBy = r.Number
	invoice.Revision++
	if err := w.put(KindInvoice, invoice.Number, "reversed", invoice.Revision, invoice); err != nil {
		return nil, err
	}
	return r, w.put(KindInvoiceReversal, r.Number, "posted", r.Revision, r)
}

// Period says up to which day, YYYY-MM-DD, nothing can be posted any more; "" closes nothing.
type Period struct {
	ClosedThrough string `json:"closed_through"`
}

func closePeriod(w *work) (any, error) {
	var in Period
	if err := w.read(&in); err != nil {
		return nil, err
	}
	if _, err := time.Parse(time.DateOnly, in.ClosedThrough); in.ClosedThrough != "" && err != nil {
		return nil, sandbox.Refuse(http.StatusBadRequest, "bad_request", "closed_through %q is no day", in.ClosedThrough)
	}
	return in, w.put(KindPeriod, "period", "closed", 1, in)
}

// day is the posting date that a document asks for, or today; it is refused where its period is closed.
func (w *work) day(asked string) (string, error) {
	day := asked
	if day == "" {
		day = w.at.Format(time.DateOnly)
	}
	if _, err := time.Parse(time.DateOnly, day); err != nil {
		return "", sandbox.Refuse(http.StatusBadRequest, "bad_request", "posting_date %q is no day", day)
	}
	closed := w.periods.byNumber["period"].ClosedThrough
	if closed == "" || day > closed {
		return asked, nil
	}
	last, err := time.Parse(time.DateOnly, closed)
	if err != nil {
		return "", err
	}
	refusal := sandbox.Refuse(http.StatusUnprocessableEntity, "period_closed", "the period of %s is closed", day)
	refusal.Detail = map[string]string{"open_from": last.AddDate(0, 0, 1).Format(time.DateOnly)}
	return "", refusal
}
