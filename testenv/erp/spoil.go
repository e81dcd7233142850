package erp

import (
	"errors"
	"fmt"
	"slices"

	"github.com/shopspring/decimal"
)

// Spoils are the ways in which Spoil changes what the ERP holds.
var Spoils = []string{"removed", "doubled", "changed"}

// Spoil removes the newest goods issue from the store, doubles it, or changes a quantity in it, so that a check can be checked. It returns
// the name by which the check must speak of it.
func (s *Server) Spoil(how string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	issues := &s.store.issues
	if len(issues.numbers) == 0 {
		return "", errors.New("there is no goods issue to spoil")
	}
	number := issues.numbers[len(issues.numbers)-1]
	issue := issues.byNumber[number]
	switch how {
	case "removed":
		issues.numbers = issues.numbers[:len(issues.numbers)-1]
		delete(issues.byNumber, number)
		return issue.ExternalReference, nil
	case "doubled":
		issue.Number += "-again"
		issues.put(issue.Number, issue)
		return issue.ExternalReference, nil
	case "changed":
		issue.Lines = slices.Clone(issue.Lines)
		issue.Lines[0].Quantity = issue.Lines[0].Quantity.Add(decimal.NewFromInt(1))
		issues.put(number, issue)
		return number, nil
	}
	return "", fmt.Errorf("%q is none of %q", how, Spoils)
}

// Hands are the ways in which Hand changes one document, as somebody does who goes past the ERP's own rules.
var Hands = []string{"issue removed", "issue doubled", "issue quantity", "issue lot", "issue by hand", "invoice removed"}

// Hand changes the goods issue of a reference, or its invoice, and nothing else: neither the order nor the stock follows, except where it removes an
// issue, which then is as if it had never been.
func (s *Server) Hand(how, reference string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	issues := s.store.issues.byReference[reference]
	bills := s.store.invoices.byReference[reference]
	if len(issues) == 0 || len(bills) == 0 {
		return fmt.Errorf("there is no goods issue, or no invoice, with the reference %q", reference)
	}
	issue := s.store.issues.byNumber[issues[0]]
	issue.Lines = slices.Clone(issue.Lines)
	switch how {
	case "issue removed":
		s.store.takeOut(issue)
		return nil
	case "invoice removed":
		s.store.invoices.remove(bills[0])
		return nil
	case "issue doubled":
		issue.Number += "-again"
	case "issue by hand":
		issue.Number, issue.ExternalReference = issue.Number+"-hand", ""
	case "issue quantity":
		issue.Lines[0].Quantity = issue.Lines[0].Quantity.Add(decimal.NewFromInt(1))
	case "issue lot":
		issue.Lines[0].Lot += "X"
	default:
		return fmt.Errorf("%q is none of %q", how, Hands)
	}
	s.store.issues.put(issue.Number, issue)
	return nil
}

// OrderHands are the ways in which HandOrder changes an order, without a word in the feed.
var OrderHands = []string{"order quantity", "order price", "order removed", "order by hand"}

// HandOrder changes the first line of an order, or takes the order out, as somebody does at the database: the feed does not tell of it.
func (s *Server) HandOrder(how, number string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	order, known := s.store.orders.byNumber[number]
	if !known {
		return fmt.Errorf("there is no order %q", number)
	}
	order.Lines = slices.Clone(order.Lines)
	line := &order.Lines[0]
	switch how {
	case "order quantity":
		line.Quantity, line.Wanted, line.Open = line.Quantity.Add(decimal.NewFromInt(2)), line.Wanted.Add(decimal.NewFromInt(2)), line.Open.Add(decimal.NewFromInt(2))
	case "order price":
		line.UnitPrice = line.UnitPrice.Add(decimal.NewFromInt(1))
	case "order removed":
		s.store.orders.remove(number)
		return nil
	case "order by hand":
		number += "-hand"
		order.Number, order.ExternalReference = number, ""
	default:
		return fmt.Errorf("%q is none of %q", how, OrderHands)
	}
	s.store.orders.put(number, order)
	return nil
}

// takeOut removes a goods issue: its order is open again, and its goods are in the book.
func (s *store) takeOut(issue GoodsIssue) {
	s.issues.remove(issue.Number)
	order := s.orders.byNumber[issue.Order]
	order.Status, order.Lines = Confirmed, slices.Clone(order.Lines)
	for _, l := range issue.Lines {
		at := slices.IndexFunc(order.Lines, func(o OrderLine) bool { return o.Line == l.OrderLine })
		order.Lines[at].Issued, order.Lines[at].Open = order.Lines[at].Issued.Sub(l.Quantity), order.Lines[at].Open.Add(l.Quantity)
	}
	s.orders.put(order.Number, order)
	for _, take := range issue.Takes {
		s.stock[take.key()] = s.stock[take.key()].Add(take.Quantity)
	}
}

// HandStock changes what the book says of a place, without a document.
func (s *Server) HandStock(place StockLine, by decimal.Decimal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store.stock[place.key()] = s.store.stock[place.key()].Add(by)
}

// remove takes a document away, as if it had never been.
func (d *documents[T]) remove(number string) {
	d.numbers = slices.DeleteFunc(d.numbers, func(n string) bool { return n == number })
	if r, ok := any(d.byNumber[number]).(referring); ok {
		d.byReference[r.reference()] = slices.DeleteFunc(d.byReference[r.reference()], func(n string) bool { return n == number })
	}
	delete(d.byNumber, number)
}
