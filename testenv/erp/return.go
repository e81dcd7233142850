package erp

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/testenv/sandbox"
)

// ReturnLine is so much of an order's line.
type ReturnLine struct {
	OrderLine   string          `json:"order_line"`
	Item        string          `json:"item"`
	Quantity    decimal.Decimal `json:"quantity"`
	Condition   string          `json:"condition,omitempty"`
	Disposition string          `json:"disposition,omitempty"`
}

// Return is an RMA: what a customer may send back.
type Return struct {
	Number   string       `json:"number"`
	Order    string       `json:"order"`
	Customer string       `json:"customer"`
	Site     string       `json:"site"`
	Reason   string       `json:"reason"`
	Receipt  string       `json:"receipt"`
	PostedAt time.Time    `json:"posted_at"`
	Lines    []ReturnLine `json:"lines"`
	Revision int64        `json:"revision"`
}

// NewReturn is what POST /api/returns takes. Receipt is that of goods which came without an RMA. Without lines it lets come back what the order has issued.
type NewReturn struct {
	Order   string       `json:"order"`
	Reason  string       `json:"reason"`
	Receipt string       `json:"receipt"`
	Lines   []ReturnLine `json:"lines"`
}

func createReturn(w *work) (any, error) {
	var in NewReturn
	if err := w.read(&in); err != nil {
		return nil, err
	}
	order, err := w.order(in.Order)
	if err != nil {
		return nil, err
	}
	if len(in.Lines) > 0 {
		if err := issued(order, in.Lines); err != nil {
			return nil, err
		}
	}
	r := Return{Number: fmt.Sprintf("RM%d", 500001+len(w.returns.numbers)), Order: order.Number, Customer: order.Customer, Site: order.Site, Reason: in.Reason, Receipt: in.Receipt,
		PostedAt: w.at, Lines: append([]ReturnLine{}, in.Lines...), Revision: 1}
	return r, w.put(KindReturn, r.Number, "authorised", r.Revision, r)
}

// issued refuses lines of which an order has not issued so much.
func issued(order Order, lines []ReturnLine) error {
	if len(lines) == 0 {
		return sandbox.Refuse(http.StatusUnprocessableEntity, "no_lines", "the return has no lines")
	}
	for _, line := range lines {
		at := slices.IndexFunc(order.Lines, func(l OrderLine) bool { return l.Line == line.OrderLine })
		if at < 0 || order.Lines[at].Item != line.Item || line.Quantity.GreaterThan(order.Lines[at].Issued) {
			return sandbox.Refuse(http.StatusUnprocessableEntity, "not_issued", "order %s has not issued %s of item %s on line %q", order.Number, line.Quantity, line.Item, line.OrderLine)
		}
	}
	return nil
}

// NewReceipt is what POST /api/return-receipts takes. Return is empty for goods that were taken without an RMA.
type NewReceipt struct {
	ExternalReference string       `json:"external_reference"`
	Return            string       `json:"return"`
	Order             string       `json:"order"`
	Site              string       `json:"site"`
	Receipt           string       `json:"receipt"`
	GoodsIssues       []string     `json:"goods_issues"`
	ReceivedAt        *time.Time   `json:"received_at"`
	PostingDate       string       `json:"posting_date,omitempty"`
	Lines             []ReturnLine `json:"lines"`
}

// ReturnReceipt says that goods came back. They are kept apart from the stock that can be sold.
type ReturnReceipt struct {
	Number            string     `json:"number"`
	ExternalReference string     `json:"external_reference"`
	Return            string     `json:"return"`
	Order             string     `json:"order"`
	Site              string     `json:"site"`
	Receipt           string     `json:"receipt"`
	ReceivedAt        *time.Time `json:"received_at,omitempty"`
	// GoodsIssues are those by which the goods had left.
	GoodsIssues []string     `json:"goods_issues"`
	Lines       []ReturnLine `json:"lines"`
	PostedAt    time.Time    `json:"posted_at"`
	PostingDate string       `json:"posting_date,omitempty"`
	ReversedBy  string       `json:"reversed_by,omitempty"`
	Revision    int64        `json:"revision"`
}

func createReceipt(w *work) (any, error) {
	var in NewReceipt
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
		if err := w.covered(r, in.Lines, w.received(in.Return), "over_return", "received"); err != nil {
			return nil, err
		}
	}
	order, err := w.order(number)
	if err != nil {
		return nil, err
	}
	if err := issued(order, in.Lines); err != nil {
		return nil, err
	}
	for _, number := range in.GoodsIssues {
		issue, known := w.issues.byNumber[number]
		switch {
		case !known:
			return nil, sandbox.Refuse(http.StatusNotFound, "unknown_goods_issue", "there is no goods issue %q", number)
		case issue.ReversedBy != "":
			return nil, sandbox.Refuse(http.StatusConflict, "already_reversed", "goods issue %s was reversed by %s: nothing can come back of it", number, issue.ReversedBy)
		}
	}
	day, err := w.day(in.PostingDate)
	if err != nil {
		return nil, err
	}
	r := ReturnReceipt{Number: fmt.Sprintf("RR%d", 510001+len(w.receipts.numbers)), ExternalReference: in.ExternalReference, Return: in.Return, Order: order.Number, Site: in.Site,
		Receipt: in.Receipt, ReceivedAt: in.ReceivedAt, GoodsIssues: in.GoodsIssues, Lines: in.Lines, PostedAt: w.at, PostingDate: day, Revision: 1}
	return r, w.put(KindReturnReceipt, r.Number, "posted", r.Revision, r)
}

// covered refuses lines that go beyond what a return lets come back, with what there is already.
func (w *work) covered(r Return, lines []ReturnLine, have map[string]decimal.Decimal, code, done string) error {
	for _, line := range lines {
		if !line.Quantity.IsPositive() {
			return sandbox.Refuse(http.StatusUnprocessableEntity, "bad_quantity", "%s of item %s is no quantity", line.Quantity, line.Item)
		}
		key := line.OrderLine + "/" + line.Item
		have[key] = have[key].Add(line.Quantity)
		allowed := decimal.Zero
		for _, l := range r.Lines {
			if l.OrderLine+"/"+l.Item == key {
				allowed = allowed.Add(l.Quantity)
			}
		}
		if order := w.orders.byNumber[r.Order]; len(r.Lines) == 0 {
			for _, l := range order.Lines {
				if l.Line+"/"+l.Item == key {
					allowed = allowed.Add(l.Issued)
				}
			}
		}
		if have[key].GreaterThan(allowed) {
			return sandbox.Refuse(http.StatusUnprocessableEntity, code, "return %s is of %s of item %s on line %s: %s cannot be %s", r.Number, allowed, line.Item, line.OrderLine, have[key], done)
		}
	}
	return nil
}

// received is what is booked of a return, by line.
func (w *work) received(number string) map[string]decimal.Decimal {
	have := make(map[string]decimal.Decimal)
	for _, r := range w.receipts.byNumber {
		if r.Return != number || r.ReversedBy != "" {
			continue
		}
		for _, l := range r.Lines {
			have[l.OrderLine+"/"+l.Item] = have[l.OrderLine+"/"+l.Item].Add(l.Quantity)
		}
	}
	return have
}

func reverseReceipt(w *work) (any, error) {
	var in NewReversal
	if err := w.read(&in); err != nil {
		return nil, err
	}
	r, known := w.receipts.byNumber[in.Document]
	switch {
	case !known:
		return nil, sandbox.Refuse(http.StatusNotFound, "unknown_return_receipt", "there is no return receipt %q", in.Document)
	case r.ReversedBy != "":
		return nil, sandbox.Refuse(http.StatusConflict, "already_reversed", "return receipt %s was reversed by %s", r.Number, r.ReversedBy)
	}
	for _, number := range w.credits.numbers {
		if m := w.credits.byNumber[number]; m.Status == Posted && m.ReversedBy == "" && slices.Contains(m.Receipts, r.Number) {
			return nil, sandbox.Refuse(http.StatusConflict, "is_credited", "return receipt %s is credited by %s: reverse that first", r.Number, m.Number)
		}
	}
	day, err := w.day(in.PostingDate)
	if err != nil {
		return nil, err
	}
	v := Reversal{Number: fmt.Sprintf("RV%d", 710001+len(w.receiptReversals.numbers)), ExternalReference: in.ExternalReference, Document: r.Number, Order: r.Order, Reason: in.Reason,
		PostedAt: w.at, PostingDate: day, Revision: 1}
	r.ReversedBy = v.Number
	r.Revision++
	if err := w.put(KindReturnReceipt, r.Number, "reversed", r.Revision, r); err != nil {
		return nil, err
	}
	return v, w.put(KindReceiptReversal, v.Number, "posted", v.Revision, v)
}

// AuthoriseReturn makes an RMA.
func (c *Client) AuthoriseReturn(ctx context.Context, in NewReturn) (r Return, err error) {
	err = c.Do(ctx, http.MethodPost, "/api/returns", in, &r)
	return r, err
}

// ReturnReceipts lists all receipts of goods that came back, oldest first; ReceiptReversals what took them back.
func (c *Client) ReturnReceipts(ctx context.Context) ([]ReturnReceipt, error) {
	return sandbox.All[ReturnReceipt](ctx, &c.Client, "/api/return-receipts")
}

// ReceiptReversals lists what took return receipts back.
func (c *Client) ReceiptReversals(ctx context.Context) ([]Reversal, error) {
	return sandbox.All[Reversal](ctx, &c.Client, "/api/return-receipt-reversals")
}
