package erp

import (
	"encoding/json"
	"time"

	"github.com/shopspring/decimal"
)

// The states of a sales order. It is closed when every line is issued or cancelled.
const (
	Draft     = "draft"
	Confirmed = "confirmed"
	Closed    = "closed"
	Cancelled = "cancelled"
)

// Order is a sales order.
type Order struct {
	Number            string      `json:"number"`
	ExternalReference string      `json:"external_reference,omitempty"`
	Status            string      `json:"status"`
	Customer          string      `json:"customer"`
	CustomerName      string      `json:"customer_name"`
	CustomerReference string      `json:"customer_reference"`
	Currency          string      `json:"currency"`
	Site              string      `json:"site"`
	ShipTo            []string    `json:"ship_to"`
	OrderedAt         time.Time   `json:"ordered_at"`
	PromisedAt        *time.Time  `json:"promised_at,omitempty"`
	Lines             []OrderLine `json:"lines"`
	Reason            string      `json:"reason,omitempty"`
	Revision          int64       `json:"revision"`
	PriceList         string      `json:"price_list,omitempty"`
	PriceListVersion  string      `json:"price_list_version,omitempty"`
	// Verdicts are what was found when it was confirmed.
	Verdicts []Verdict `json:"verdicts,omitempty"`
}

// Verdict is what one check of an order came to: "pass" or "hold".
type Verdict struct {
	Check   string `json:"check"`
	Outcome string `json:"outcome"`
	Reason  string `json:"reason"`
}

// OrderLine has its number, "10", "20" and so on. Open is what may still be issued.
type OrderLine struct {
	Line        string          `json:"line"`
	Item        string          `json:"item"`
	Description string          `json:"description"`
	Unit        string          `json:"unit"`
	UnitPrice   decimal.Decimal `json:"unit_price"`
	Quantity    decimal.Decimal `json:"quantity"`
	Issued      decimal.Decimal `json:"issued"`
	Cancelled   decimal.Decimal `json:"cancelled"`
	Open        decimal.Decimal `json:"open"`
	// Wanted is Quantity without what amendments took out of the line.
	Wanted decimal.Decimal `json:"wanted"`
	// A line that came by substitution names the line and the item that it stands for, and how much of it.
	StandsForLine     string          `json:"stands_for_line,omitempty"`
	StandsForItem     string          `json:"stands_for_item,omitempty"`
	StandsForQuantity decimal.Decimal `json:"stands_for_quantity"`
}

// GoodsIssue says that goods of an order left.
type GoodsIssue struct {
	Number            string      `json:"number"`
	ExternalReference string      `json:"external_reference"`
	Order             string      `json:"order"`
	Site              string      `json:"site"`
	Shipment          string      `json:"shipment"`
	PostedAt          time.Time   `json:"posted_at"`
	DepartedAt        *time.Time  `json:"departed_at,omitempty"`
	Carrier           string      `json:"carrier"`
	Tracking          string      `json:"tracking"`
	CorrelationID     string      `json:"correlation_id"`
	Lines             []IssueLine `json:"lines"`
	// Takes says from where the stock was taken.
	Takes []StockLine `json:"takes"`
	// ReversedBy is the number of the reversal that took it back.
	ReversedBy  string `json:"reversed_by,omitempty"`
	PostingDate string `json:"posting_date,omitempty"`
	Revision    int64  `json:"revision"`
}

// IssueLine is one line of a goods issue, as it was told.
type IssueLine struct {
	OrderLine string          `json:"order_line"`
	Item      string          `json:"item"`
	Quantity  decimal.Decimal `json:"quantity"`
	Unit      string          `json:"unit"`
	Lot       string          `json:"lot"`
	Bin       string          `json:"bin"`
	Serials   []string        `json:"serials,omitempty"`
}

// Invoice bills one goods issue.
type Invoice struct {
	Number            string          `json:"number"`
	ExternalReference string          `json:"external_reference"`
	Order             string          `json:"order"`
	GoodsIssue        string          `json:"goods_issue"`
	Shipment          string          `json:"shipment"`
	PostedAt          time.Time       `json:"posted_at"`
	Currency          string          `json:"currency"`
	Total             decimal.Decimal `json:"total"`
	// Lines are what is billed where that is less than the goods issue has.
	Lines []InvoiceLine `json:"lines,omitempty"`
	// ReversedBy is the number of the reversal that took it back.
	ReversedBy  string `json:"reversed_by,omitempty"`
	PostingDate string `json:"posting_date,omitempty"`
	Revision    int64  `json:"revision"`
}

// InvoiceLine bills some of a goods issue.
type InvoiceLine struct {
	OrderLine string          `json:"order_line"`
	Item      string          `json:"item"`
	Quantity  decimal.Decimal `json:"quantity"`
}

// Adjustment is a delta on the book.
type Adjustment struct {
	Number            string          `json:"number"`
	ExternalReference string          `json:"external_reference"`
	Site              string          `json:"site"`
	Bin               string          `json:"bin"`
	Item              string          `json:"item"`
	Lot               string          `json:"lot"`
	Delta             decimal.Decimal `json:"delta"`
	Reason            string          `json:"reason"`
	AsOf              *time.Time      `json:"as_of,omitempty"`
	Count             string          `json:"count"`
	PostedAt          time.Time       `json:"posted_at"`
	PostingDate       string          `json:"posting_date,omitempty"`
	Revision          int64           `json:"revision"`
}

// The kinds of documents, as the change feed names them.
const (
	KindOrder      = "sales_order"
	KindIssue      = "goods_issue"
	KindInvoice    = "invoice"
	KindAdjustment = "stock_adjustment"
	KindReturn     = "return"
	KindCreditMemo = "credit_memo"
	KindAmendment  = "order_amendment"
	KindBackorder  = "backorder"

	KindIssueReversal   = "goods_issue_reversal"
	KindInvoiceReversal = "invoice_reversal"
	KindPeriod          = "period"

	KindReturnReceipt   = "return_receipt"
	KindReceiptReversal = "return_receipt_reversal"
	KindCreditReversal  = "credit_reversal"
)

// Change is one entry of the feed: the record as it stood after the action.
type Change struct {
	Seq      int64     `json:"seq"`
	At       time.Time `json:"at"`
	Kind     string    `json:"kind"`
	ID       string    `json:"id"`
	Revision int64     `json:"revision"`
	// Action is created, confirmed, amended, rejected, cancelled, issued, posted, reversed, drafted, deleted or released.
	Action string          `json:"action"`
	Record json.RawMessage `json:"record"`
}

func (o Order) reference() string      { return o.ExternalReference }
func (i GoodsIssue) reference() string { return i.ExternalReference }
func (i Invoice) reference() string    { return i.ExternalReference }
func (a Adjustment) reference() string { return a.ExternalReference }
func (a Amendment) reference() string  { return a.ExternalReference }
func (v Reversal) reference() string   { return v.ExternalReference }
