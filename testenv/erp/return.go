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
	OrderLine string          `json:"order_line"`
	Item      string          `json:"item"`
	Quantity  decimal.Decimal `json:"quantity"`
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

// CreditMemo credits what came back.
type CreditMemo struct {
	Number   string          `json:"number"`
	Return   string          `json:"return"`
	Order    string          `json:"order"`
	Currency string          `json:"currency"`
	Total    decimal.Decimal `json:"total"`
	PostedAt time.Time       `json:"posted_at"`
	Lines    []ReturnLine    `json:"lines"`
	Revision int64           `json:"revision"`
}

// NewReturn is what POST /api/returns takes. Receipt is that of goods which came without an RMA.
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
	for _, line := range in.Lines {
		at := slices.IndexFunc(order.Lines, func(l OrderLine) bool { return l.Line == line.OrderLine })
		if at < 0 || order.Lines[at].Item != line.Item || line.Quantity.GreaterThan(order.Lines[at].Issued) {
			return nil, sandbox.Refuse(http.StatusUnprocessableEntity, "not_issued", "order %s has not issued %s of item %s on line %q", order.Number, line.Quantity, line.Item, line.OrderLine)
		}
	}
	if len(in.Lines) == 0 {
		return nil, sandbox.Refuse(http.StatusUnprocessableEntity, "no_lines", "the return has no lines")
	}
	r := Return{Number: fmt.Sprintf("RM%d", 500001+len(w.returns.numbers)), Order: order.Number, Customer: order.Customer, Site: order.Site, Reason: in.Reason, Receipt: in.Receipt,
		PostedAt: w.at, Lines: in.Lines, Revision: 1}
	return r, w.put(KindReturn, r.Number, "authorised", r.Revision, r)
}

// NewCredit is what POST /api/credit-memos takes.
type NewCredit struct {
	Return string       `json:"return"`
	Lines  []ReturnLine `json:"lines"`
}

func createCredit(w *work) (any, error) {
	var in NewCredit
	if err := w.read(&in); err != nil {
		return nil, err
	}
	r, known := w.returns.byNumber[in.Return]
	if !known {
		return nil, sandbox.Refuse(http.StatusNotFound, "unknown_return", "there is no return %q", in.Return)
	}
	order := w.orders.byNumber[r.Order]
	memo := CreditMemo{Number: fmt.Sprintf("CM%d", 600001+len(w.credits.numbers)), Return: r.Number, Order: r.Order, Currency: order.Currency, PostedAt: w.at, Lines: in.Lines, Revision: 1}
	for _, line := range in.Lines {
		for _, l := range order.Lines {
			if l.Line == line.OrderLine {
				memo.Total = memo.Total.Add(line.Quantity.Mul(l.UnitPrice).Round(2))
			}
		}
	}
	return memo, w.put(KindCreditMemo, memo.Number, "posted", memo.Revision, memo)
}

// AuthoriseReturn makes an RMA.
func (c *Client) AuthoriseReturn(ctx context.Context, in NewReturn) (r Return, err error) {
	err = c.Do(ctx, http.MethodPost, "/api/returns", in, &r)
	return r, err
}

// CreditReturn credits so much of a return.
func (c *Client) CreditReturn(ctx context.Context, in NewCredit) (m CreditMemo, err error) {
	err = c.Do(ctx, http.MethodPost, "/api/credit-memos", in, &m)
	return m, err
}

// Credits lists all credit memos, oldest first.
func (c *Client) Credits(ctx context.Context) ([]CreditMemo, error) {
	return sandbox.All[CreditMemo](ctx, &c.Client, "/api/credit-memos")
}
