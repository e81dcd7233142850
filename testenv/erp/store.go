package erp

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/testenv/sandbox"
)

// entry is one line of the ledger: a call and all that it did. The first line holds the master data instead.
type entry struct {
	Master  *Master       `json:"master,omitempty"`
	Call    *sandbox.Call `json:"call,omitempty"`
	Changes []Change      `json:"changes,omitempty"`
	// Moves are deltas on the book.
	Moves []StockLine `json:"moves,omitempty"`
}

type stockKey struct{ site, bin, item, lot string }

func (l StockLine) key() stockKey { return stockKey{l.Site, l.Bin, l.Item, l.Lot} }

// store is all that the ERP holds, in memory; it is what the ledger's lines add up to.
type store struct {
	master      *Master
	items       map[string]Item
	customers   map[string]Customer
	bins        map[string]map[string]bool
	stock       map[stockKey]decimal.Decimal
	orders      documents[Order]
	issues      documents[GoodsIssue]
	invoices    documents[Invoice]
	adjustments documents[Adjustment]
	returns     documents[Return]
	credits     documents[CreditMemo]
	amendments  documents[Amendment]
	backorders  documents[Backorder]
	periods     documents[Period]
	receipts    documents[ReturnReceipt]

	issueReversals, invoiceReversals, receiptReversals, creditReversals documents[Reversal]

	changes []Change
	calls   []sandbox.Call
	// changed is when a document was last changed, by kind and number.
	changed map[string]time.Time
}

// documents of one kind, in the order in which they were made.
type documents[T any] struct {
	numbers  []string
	byNumber map[string]T
	// byReference are the numbers of those that carry an external reference, which never changes.
	byReference map[string][]string
}

// referring is a document that carries an external reference.
type referring interface{ reference() string }

func (d *documents[T]) put(number string, doc T) {
	if _, known := d.byNumber[number]; !known {
		d.numbers = append(d.numbers, number)
		if r, ok := any(doc).(referring); ok {
			if d.byReference == nil {
				d.byReference = map[string][]string{}
			}
			d.byReference[r.reference()] = append(d.byReference[r.reference()], number)
		}
	}
	d.byNumber[number] = doc
}

// asked lists those that a request asks for: by external reference, of which there is an index, and by what keep says.
func (d *documents[T]) asked(r *http.Request, keep func(T) bool) []T {
	query := r.URL.Query()
	if !query.Has("external_reference") {
		return d.list(keep)
	}
	found := []T{}
	for _, number := range d.byReference[query.Get("external_reference")] {
		if doc := d.byNumber[number]; keep(doc) {
			found = append(found, doc)
		}
	}
	return found
}

func (d *documents[T]) list(keep func(T) bool) []T {
	found := []T{}
	for _, number := range d.numbers {
		if doc := d.byNumber[number]; keep(doc) {
			found = append(found, doc)
		}
	}
	return found
}

func newStore() *store {
	return &store{changed: map[string]time.Time{}, items: map[string]Item{}, customers: map[string]Customer{}, bins: map[string]map[string]bool{},
		stock:  map[stockKey]decimal.Decimal{},
		orders: documents[Order]{byNumber: map[string]Order{}}, issues: documents[GoodsIssue]{byNumber: map[string]GoodsIssue{}},
		invoices:    documents[Invoice]{byNumber: map[string]Invoice{}},
		adjustments: documents[Adjustment]{byNumber: map[string]Adjustment{}},
		returns:     documents[Return]{byNumber: map[string]Return{}}, credits: documents[CreditMemo]{byNumber: map[string]CreditMemo{}},
		amendments: documents[Amendment]{byNumber: map[string]Amendment{}}, backorders: documents[Backorder]{byNumber: map[string]Backorder{}},
		periods: documents[Period]{byNumber: map[string]Period{}}, issueReversals: documents[Reversal]{byNumber: map[string]Reversal{}},
		invoiceReversals: documents[Reversal]{byNumber: map[string]Reversal{}}, receipts: documents[ReturnReceipt]{byNumber: map[string]ReturnReceipt{}},
		receiptReversals: documents[Reversal]{byNumber: map[string]Reversal{}}, creditReversals: documents[Reversal]{byNumber: map[string]Reversal{}}}
}

// apply adds one line of the ledger.
func (s *store) apply(e entry) error {
	if e.Master != nil {
		s.open(e.Master)
	}
	for _, m := range e.Moves {
		s.stock[m.key()] = s.stock[m.key()].Add(m.Quantity)
	}
	for _, c := range e.Changes {
		if err := s.change(c); err != nil {
			return err
		}
		s.changes = append(s.changes, c)
		s.changed[c.Kind+"/"+c.ID] = c.At
	}
	if e.Call != nil {
		s.calls = append(s.calls, *e.Call)
	}
	return nil
}

func (s *store) open(m *Master) {
	s.master = m
	for _, item := range m.Items {
		s.items[item.Code] = item
	}
	for _, c := range m.Customers {
		s.customers[c.Code] = c
	}
	for _, site := range m.Sites {
		s.bins[site.Code] = map[string]bool{}
		for _, bin := range site.Bins {
			s.bins[site.Code][bin] = true
		}
	}
	for _, line := range m.Stock {
		s.stock[line.key()] = s.stock[line.key()].Add(line.Quantity)
	}
}

func (s *store) change(c Change) error {
	switch c.Kind {
	case KindOrder:
		return decodeInto(&s.orders, c)
	case KindIssue:
		return decodeInto(&s.issues, c)
	case KindInvoice:
		return decodeInto(&s.invoices, c)
	case KindAdjustment:
		return decodeInto(&s.adjustments, c)
	case KindReturn:
		return decodeInto(&s.returns, c)
	case KindCreditMemo:
		return decodeInto(&s.credits, c)
	case KindAmendment:
		return decodeInto(&s.amendments, c)
	case KindBackorder:
		return decodeInto(&s.backorders, c)
	case KindIssueReversal:
		return decodeInto(&s.issueReversals, c)
	case KindInvoiceReversal:
		return decodeInto(&s.invoiceReversals, c)
	case KindReturnReceipt:
		return decodeInto(&s.receipts, c)
	case KindReceiptReversal:
		return decodeInto(&s.receiptReversals, c)
	case KindCreditReversal:
		return decodeInto(&s.creditReversals, c)
	case KindPeriod:
		return decodeInto(&s.periods, c)
	}
	return fmt.Errorf("change %d: unknown kind %q", c.Seq, c.Kind)
}

func decodeInto[T any](d *documents[T], c Change) error {
	var doc T
	if err := json.Unmarshal(c.Record, &doc); err != nil {
		return fmt.Errorf("change %d: %w", c.Seq, err)
	}
	d.put(c.ID, doc)
	return nil
}

// stockLines lists the book for a scope, an empty part being no limit, sorted; empty places are left out.
func (s *store) stockLines(site, bin, item, lot string) []StockLine {
	lines := []StockLine{}
	for k, quantity := range s.stock {
		if site != "" && k.site != site || bin != "" && k.bin != bin || item != "" && k.item != item || lot != "" && k.lot != lot || quantity.IsZero() {
			continue
		}
		lines = append(lines, StockLine{Site: k.site, Bin: k.bin, Item: k.item, Lot: k.lot, Quantity: quantity, Unit: s.items[k.item].Unit})
	}
	slices.SortFunc(lines, func(a, b StockLine) int {
		return slices.Compare([]string{a.Site, a.Bin, a.Item, a.Lot}, []string{b.Site, b.Bin, b.Item, b.Lot})
	})
	return lines
}

// work is one call while it is done: what it will change, decided under the server's lock.
type work struct {
	*store
	at      time.Time
	body    []byte
	request *http.Request
	refuse  bool // stock may not go below zero
	changes []Change
	moves   []StockLine
	made    string
}

// put notes a document's new state and makes it the call's document.
func (w *work) put(kind, number, action string, revision int64, doc any) error {
	record, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	w.changes = append(w.changes, Change{Seq: int64(len(w.store.changes) + len(w.changes) + 1), At: w.at, Kind: kind, ID: number,
		Revision: revision, Action: action, Record: record})
	w.made = number
	return nil
}

func (w *work) read(into any) error {
	if err := json.Unmarshal(w.body, into); err != nil {
		return sandbox.Refuse(http.StatusBadRequest, "bad_request", "the body is not what is expected: %v", err)
	}
	return nil
}
