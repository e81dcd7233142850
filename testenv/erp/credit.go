package erp

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/testenv/sandbox"
)

// Posted and Deleted are what becomes of a credit memo's draft.
const (
	Posted  = "posted"
	Deleted = "deleted"
)

// CreditMemo credits what came back. It is a draft first, without effect and without a total, and can be deleted as long as it is one.
type CreditMemo struct {
	Number            string `json:"number"`
	ExternalReference string `json:"external_reference,omitempty"`
	Status            string `json:"status"`
	Return            string `json:"return"`
	Order             string `json:"order"`
	// Receipts are the return receipts that it credits, and Invoices what it gives back of.
	Receipts    []string        `json:"receipts,omitempty"`
	Invoices    []string        `json:"invoices,omitempty"`
	Reason      string          `json:"reason,omitempty"`
	Approval    string          `json:"approval,omitempty"`
	Currency    string          `json:"currency"`
	Total       decimal.Decimal `json:"total"`
	PostedAt    time.Time       `json:"posted_at"`
	PostingDate string          `json:"posting_date,omitempty"`
	Lines       []ReturnLine    `json:"lines"`
	ReversedBy  string          `json:"reversed_by,omitempty"`
	Revision    int64           `json:"revision"`
}

// NewCredit is what POST /api/credit-memos takes. One with receipts is posted only as far as those cover it.
type NewCredit struct {
	ExternalReference string       `json:"external_reference,omitempty"`
	Return            string       `json:"return"`
	Order             string       `json:"order,omitempty"`
	Receipts          []string     `json:"receipts,omitempty"`
	Invoices          []string     `json:"invoices,omitempty"`
	Reason            string       `json:"reason,omitempty"`
	Approval          string       `json:"approval,omitempty"`
	PostingDate       string       `json:"posting_date,omitempty"`
	Lines             []ReturnLine `json:"lines"`
}

func createCredit(w *work) (any, error) {
	var in NewCredit
	if err := w.read(&in); err != nil {
		return nil, err
	}
	number := in.Order
	if in.Return != "" {
		r, known := w.returns.byNumber[in.Return]
		if !known {
			return nil, sandbox.Refuse(http.StatusNotFound, "unknown_return", "there is no return %q", in.Return)
		}
		number = r.Order
	}
	order, err := w.order(number)
	if err != nil {
		return nil, err
	}
	if len(in.Lines) == 0 {
		return nil, sandbox.Refuse(http.StatusUnprocessableEntity, "no_lines", "the credit has no lines")
	}
	day, err := w.day(in.PostingDate)
	if err != nil {
		return nil, err
	}
	memo := CreditMemo{Number: fmt.Sprintf("CM%d", 600001+len(w.credits.numbers)), ExternalReference: in.ExternalReference, Status: Draft, Return: in.Return, Order: order.Number,
		Receipts: in.Receipts, Invoices: in.Invoices, Reason: in.Reason, Approval: in.Approval, Currency: order.Currency, PostedAt: w.at, PostingDate: day, Lines: in.Lines, Revision: 1}
	return memo, w.put(KindCreditMemo, memo.Number, "drafted", memo.Revision, memo)
}

// draft is the memo of the path, while it is one.
func (w *work) draft() (CreditMemo, error) {
	number := w.request.PathValue("number")
	memo, known := w.credits.byNumber[number]
	switch {
	case !known || memo.Status == Deleted:
		return memo, sandbox.Refuse(http.StatusNotFound, "unknown_credit", "there is no credit memo %q", number)
	case memo.Status != Draft:
		return memo, sandbox.Refuse(http.StatusConflict, "already_posted", "credit memo %s is posted", number)
	}
	return memo, nil
}

// postCredit gives a draft its effect: the ERP works out what it is worth.
func postCredit(w *work) (any, error) {
	memo, err := w.draft()
	if err != nil {
		return nil, err
	}
	order, err := w.order(memo.Order)
	if err != nil {
		return nil, err
	}
	if r, known := w.returns.byNumber[memo.Return]; known {
		if err := w.covered(r, memo.Lines, w.credited(memo.Return), "over_credit", "credited"); err != nil {
			return nil, err
		}
	}
	if err := w.creditable(memo); err != nil {
		return nil, err
	}
	memo.Total = decimal.Zero
	for _, line := range memo.Lines {
		for _, l := range order.Lines {
			if l.Line == line.OrderLine {
				memo.Total = memo.Total.Add(line.Quantity.Mul(l.UnitPrice).Round(2))
			}
		}
	}
	memo.Status, memo.PostedAt = Posted, w.at
	memo.Revision++
	return memo, w.put(KindCreditMemo, memo.Number, Posted, memo.Revision, memo)
}

// creditable holds a memo against the receipts and invoices that it names.
func (w *work) creditable(memo CreditMemo) error {
	for _, number := range memo.Receipts {
		if r, known := w.receipts.byNumber[number]; !known || r.ReversedBy != "" {
			return sandbox.Refuse(http.StatusUnprocessableEntity, "not_received", "there is no return receipt %q in force", number)
		}
	}
	for _, number := range memo.Invoices {
		if i, known := w.invoices.byNumber[number]; !known || i.ReversedBy != "" {
			return sandbox.Refuse(http.StatusUnprocessableEntity, "not_invoiced", "there is no invoice %q in force", number)
		}
	}
	if len(memo.Receipts) == 0 || memo.Return == "" {
		return nil
	}
	have, received := w.credited(memo.Return), w.received(memo.Return)
	for _, line := range memo.Lines {
		key := line.OrderLine + "/" + line.Item
		if have[key] = have[key].Add(line.Quantity); have[key].GreaterThan(received[key]) {
			return sandbox.Refuse(http.StatusUnprocessableEntity, "not_received", "of return %s %s of item %s came back on line %s: %s cannot be credited", memo.Return, received[key],
				line.Item, line.OrderLine, have[key])
		}
	}
	return nil
}

// credited is what is credited of a return, by line.
func (w *work) credited(number string) map[string]decimal.Decimal {
	have := make(map[string]decimal.Decimal)
	for _, m := range w.credits.byNumber {
		if m.Return != number || m.Status != Posted || m.ReversedBy != "" {
			continue
		}
		for _, l := range m.Lines {
			have[l.OrderLine+"/"+l.Item] = have[l.OrderLine+"/"+l.Item].Add(l.Quantity)
		}
	}
	return have
}

func deleteCredit(w *work) (any, error) {
	memo, err := w.draft()
	if err != nil {
		return nil, err
	}
	memo.Status = Deleted
	memo.Revision++
	return memo, w.put(KindCreditMemo, memo.Number, Deleted, memo.Revision, memo)
}

func reverseCredit(w *work) (any, error) {
	var in NewReversal
	if err := w.read(&in); err != nil {
		return nil, err
	}
	memo, known := w.credits.byNumber[in.Document]
	switch {
	case !known || memo.Status != Posted:
		return nil, sandbox.Refuse(http.StatusNotFound, "unknown_credit", "there is no credit memo %q", in.Document)
	case memo.ReversedBy != "":
		return nil, sandbox.Refuse(http.StatusConflict, "already_reversed", "credit memo %s was reversed by %s", memo.Number, memo.ReversedBy)
	}
	day, err := w.day(in.PostingDate)
	if err != nil {
		return nil, err
	}
	v := Reversal{Number: fmt.Sprintf("CV%d", 810001+len(w.creditReversals.numbers)), ExternalReference: in.ExternalReference, Document: memo.Number, Order: memo.Order, Reason: in.Reason,
		PostedAt: w.at, PostingDate: day, Revision: 1}
	memo.ReversedBy = v.Number
	memo.Revision++
	if err := w.put(KindCreditMemo, memo.Number, "reversed", memo.Revision, memo); err != nil {
		return nil, err
	}
	return v, w.put(KindCreditReversal, v.Number, "posted", v.Revision, v)
}

// CreditReturn credits so much of a return.
func (c *Client) CreditReturn(ctx context.Context, in NewCredit) (m CreditMemo, err error) {
	if err := c.Do(ctx, http.MethodPost, "/api/credit-memos", in, &m); err != nil {
		return m, err
	}
	err = c.Do(ctx, http.MethodPost, "/api/credit-memos/"+url.PathEscape(m.Number)+"/post", nil, &m)
	return m, err
}

// DraftCredit makes a draft that is not posted.
func (c *Client) DraftCredit(ctx context.Context, in NewCredit) (m CreditMemo, err error) {
	err = c.Do(ctx, http.MethodPost, "/api/credit-memos", in, &m)
	return m, err
}

// Credits lists all credit memos, drafts too, oldest first; deleted ones are gone.
func (c *Client) Credits(ctx context.Context) ([]CreditMemo, error) {
	return sandbox.All[CreditMemo](ctx, &c.Client, "/api/credit-memos")
}

// CreditReversals lists what took credit memos back.
func (c *Client) CreditReversals(ctx context.Context) ([]Reversal, error) {
	return sandbox.All[Reversal](ctx, &c.Client, "/api/credit-reversals")
}
