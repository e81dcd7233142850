package erp

import (
	"slices"

	"github.com/shopspring/decimal"
)

// HandDocument changes what the first document of a kind with an external reference says, as somebody does at the database, and nothing else; false where
// there is none of that kind.
func (s *Server) HandDocument(kind, reference string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := decimal.NewFromInt(1)
	switch kind {
	case KindIssue:
		return meddle(&s.store.issues, reference, func(d *GoodsIssue) {
			d.Lines = slices.Clone(d.Lines)
			d.Lines[0].Quantity = d.Lines[0].Quantity.Add(one)
		})
	case KindInvoice:
		return meddle(&s.store.invoices, reference, func(d *Invoice) { d.GoodsIssue += "X" })
	case KindAdjustment:
		return meddle(&s.store.adjustments, reference, func(d *Adjustment) { d.Delta = d.Delta.Add(one) })
	case KindOrder:
		return meddle(&s.store.orders, reference, func(d *Order) {
			d.Lines = slices.Clone(d.Lines)
			d.Lines[0].Quantity = d.Lines[0].Quantity.Add(one)
		})
	case KindAmendment:
		return meddle(&s.store.amendments, reference, func(d *Amendment) {
			d.Lines = slices.Clone(d.Lines)
			d.Lines[0].Quantity = d.Lines[0].Quantity.Add(one)
		})
	case KindReturnReceipt:
		return change(&s.store.receipts, s.store.receipts.named(func(d ReturnReceipt) bool { return d.ExternalReference == reference }), func(d *ReturnReceipt) {
			d.Lines = slices.Clone(d.Lines)
			d.Lines[0].Quantity = d.Lines[0].Quantity.Add(one)
		})
	case KindCreditMemo:
		return change(&s.store.credits, s.store.credits.named(func(d CreditMemo) bool { return d.ExternalReference == reference }), func(d *CreditMemo) {
			d.Lines = slices.Clone(d.Lines)
			d.Lines[0].Quantity = d.Lines[0].Quantity.Add(one)
		})
	}
	reversals := map[string]*documents[Reversal]{KindIssueReversal: &s.store.issueReversals, KindInvoiceReversal: &s.store.invoiceReversals,
		KindReceiptReversal: &s.store.receiptReversals, KindCreditReversal: &s.store.creditReversals}[kind]
	return reversals != nil && meddle(reversals, reference, func(d *Reversal) { d.Document += "X" })
}

func meddle[T referring](d *documents[T], reference string, how func(*T)) bool {
	return change(d, d.byReference[reference], how)
}

// named are the numbers of the documents that are meant.
func (d *documents[T]) named(meant func(T) bool) []string {
	return slices.DeleteFunc(slices.Clone(d.numbers), func(number string) bool { return !meant(d.byNumber[number]) })
}

// change changes the first of some documents.
func change[T any](d *documents[T], numbers []string, how func(*T)) bool {
	if len(numbers) == 0 {
		return false
	}
	doc := d.byNumber[numbers[0]]
	how(&doc)
	d.byNumber[numbers[0]] = doc
	return true
}

// HandCustomer adds a customer, as somebody does at its screen, kept as long as the process lives.
func (s *Server) HandCustomer(c Customer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	master := *s.store.master
	master.Customers = append(slices.Clone(master.Customers), c)
	s.store.master, s.store.customers[c.Code] = &master, c
}
