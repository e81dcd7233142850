// Package connector says what the centre needs of a system of record, and holds the conformance suite that every
// connector passes. One folder an adapter: http (any system described in YAML with CEL), tryton.
package connector

import (
	"context"
	"fmt"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Kind names what a posting tells a system. The names stand in tables, policies and definitions.
type Kind string

const (
	GoodsIssue      Kind = "goods_issue"
	InvoiceTrigger  Kind = "invoice_trigger"
	StockAdjustment Kind = "stock_adjust"
	OrderStatus     Kind = "crm_status"
	ServiceCase     Kind = "crm_case"
	// OrderAmendment changes what is ordered: another item, less, or a remainder under a document of its own.
	OrderAmendment Kind = "order_amend"
	// OrderCreate makes an order that was handed in at the centre.
	OrderCreate Kind = "order_create"
	// GoodsIssueReversal and InvoiceReversal take back a document that had its effect, by a document of their own.
	GoodsIssueReversal Kind = "goods_issue_reversal"
	InvoiceReversal    Kind = "invoice_reversal"
	// ReturnReceipt takes goods that came back into the book; CreditRequest asks for their credit.
	ReturnReceipt Kind = "return_receipt"
	CreditRequest Kind = "credit_request"
	// ReturnReceiptReversal and CreditReversal take those back.
	ReturnReceiptReversal Kind = "return_receipt_reversal"
	CreditReversal        Kind = "credit_reversal"
)

// Reversals are the kinds that take back a document of another kind. A system that names one among its kinds is told so when the document
// is no longer what is wanted; of one that does not, a person is told.
var Reversals = map[Kind]Kind{GoodsIssue: GoodsIssueReversal, InvoiceTrigger: InvoiceReversal, ReturnReceipt: ReturnReceiptReversal,
	CreditRequest: CreditReversal}

// Style is how a kind is written to a target; DESIGN.md section 5 says what each promises.
type Style string

const (
	// Level restates a whole status with its source version; the newest wins.
	Level Style = "level"
	// CreateOnce makes a document with our key as its reference: find before create.
	CreateOnce Style = "create-once"
	// Advance binds our reference to a document that the system made and brings it step by step to the wanted state.
	Advance Style = "advance"
)

// Posting is one thing that a system must be told.
type Posting struct {
	Tenant string
	Kind   Kind
	// Key is unique within tenant, target and kind; it is the reference that the target keeps.
	Key string
	// SourceVersion grows with every restatement of the same key.
	SourceVersion int64
	Document      *docklinev1.Document
	// CorrelationID is that of the order, 32 hex digits; it is also the trace id.
	CorrelationID string
	// PostingDate is the day, YYYY-MM-DD, under which it is posted: that on which it happened, or the first one that is open.
	PostingDate string
	// References are the names by which the system knows what the document names otherwise: "order/SO1" is SO-2026-1 there. What is not in
	// it has the same name in both.
	References map[string]string
	// Names are what the customer and other systems call the order, by role and kind: "crm/quote", "customer/order". A connector hands on those
	// that its system needs, and no others.
	Names map[string]string
	// Needs are the documents of the confirmed postings that this one depends on.
	Needs []*docklinev1.DocumentReference
	// Absent: Find was answered a moment ago, under the same lease, and there is nothing: Apply need not look again before it begins.
	Absent bool
}

// Found is one document in the target that carries our reference.
type Found struct {
	Document *docklinev1.DocumentReference
	// Complete: it has reached the state that the posting wants, with the content that it wants. False with Advance means
	// that Apply may go on; false with CreateOnce or Level means that the content differs, unless Draft says otherwise.
	Complete bool
	// Draft: with CreateOnce, it is ours, was begun, and has had no effect yet: Apply may go on with it.
	Draft bool
	// Reversed: it was taken back in the target, whoever did it. It has no effect any longer, and its reference is used up.
	Reversed bool
	// SourceVersion is the version that the target holds, for Level; 0 where it keeps none.
	SourceVersion int64
	// Difference says in words what differs where Complete is false.
	Difference string
}

// Result is what Apply brought about, read back from the target.
type Result struct {
	Documents []*docklinev1.DocumentReference
	// Newer is the version by which the target holds other content than the posting's and keeps it, because it is as new or newer; 0 where
	// it took the posting. For Level.
	Newer int64
}

// Cursor is opaque to everyone but its connector.
type Cursor []byte

// Changes are facts that the system of record reports, in the order of its own revisions, and the cursor after them. The
// connector fills kind, subject, source_key, source_revision, occurred_at and payload; the caller fills tenant, source and id.
type Changes struct {
	Events []*docklinev1.Event
	Cursor Cursor
	// More: call again at once.
	More bool
}

// Scope limits a snapshot. An empty field is not a limit.
type Scope struct {
	Site string
}

// Metadata is what Probe saw.
type Metadata struct {
	System  string
	Version string
}

// Connector is one system of record. All calls end within ctx; none keeps state that a restart would miss.
type Connector interface {
	// Probe looks whether the system answers and is what the configuration takes it for.
	Probe(ctx context.Context) (Metadata, error)
	// Kinds says which postings the system takes and how each is written.
	Kinds() map[Kind]Style
	// SettleTime is how long after an unknown outcome an absent document may still appear.
	SettleTime() time.Duration
	// Find returns every document that carries the posting's reference, none being an empty slice.
	Find(ctx context.Context, p *Posting) ([]Found, error)
	// Apply makes it so and reads it back. It is called again after a crash or an unknown outcome that Find has settled, and
	// must then go on where it stands. An error is a *Fault.
	Apply(ctx context.Context, p *Posting) (Result, error)
	// Changes returns facts since the cursor; nil is from the beginning.
	Changes(ctx context.Context, since Cursor) (Changes, error)
	// Snapshot returns what the books hold now, one StockSnapshot event for each site in scope.
	Snapshot(ctx context.Context, scope Scope) ([]*docklinev1.Event, error)
}

// Fault is an error of a connector. Text says what happened, Remedy what a person does about it.
type Fault struct {
	Class  docklinev1.FaultClass
	Code   string
	Text   string
	Remedy string
	// Unknown: the effect may have happened; only Find can tell.
	Unknown bool
	// Unasked: nothing was sent, for a reason of our own, as that its time was over before it had a place. It says nothing about the target.
	Unasked bool
	// RetryAfter is what the target asked for, 0 for nothing.
	RetryAfter time.Duration
	// OpenFrom is the first day, YYYY-MM-DD, that is open for posting, where the period of the one that was told is closed; "" otherwise.
	OpenFrom string
	Err      error
}

func (f *Fault) Error() string {
	if f.Err != nil {
		return fmt.Sprintf("%s: %s: %v", f.Code, f.Text, f.Err)
	}
	return f.Code + ": " + f.Text
}

func (f *Fault) Unwrap() error { return f.Err }
