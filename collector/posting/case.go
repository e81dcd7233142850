package posting

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Case is what a posting wants a person to know. The parent adds team, due time and impact by its policy.
type Case struct {
	Class    docklinev1.FaultClass
	Severity docklinev1.Severity
	// Code is stable: "item_unknown" as the connector names it, or one of this package: duplicate_document, document_changed,
	// document_differs, no_longer_wanted, target_unavailable.
	Code string
	// Subject is the posting's natural key, or the target.
	Subject, Site, Order, Customer string
	Title, Text                    string
	// EventIDs are the events that feed the posting.
	EventIDs []string
}

// Cases makes cases the whole of what this origin says; none closes what it said before. It writes in the caller's transaction
// and returns the events whose receipts may read otherwise now.
type Cases func(ctx context.Context, tx *db.Tx, tenant, origin string, cases []Case) ([]string, error)

// Receipts works out the receipts of these events anew, in the caller's transaction.
type Receipts func(ctx context.Context, tx *db.Tx, tenant string, eventIDs []string, now time.Time) error

var kindNames = map[connector.Kind]string{
	connector.GoodsIssue:      "Goods issue",
	connector.InvoiceTrigger:  "Invoice",
	connector.StockAdjustment: "Stock adjustment",
	connector.OrderStatus:     "Order status",
	connector.ServiceCase:     "Service case",
	connector.OrderAmendment:  "Order amendment",
	connector.OrderCreate:     "New order",

	connector.GoodsIssueReversal: "Reversal of goods issue",
	connector.InvoiceReversal:    "Reversal of invoice",
	connector.ReturnReceipt:      "Return receipt",
	connector.CreditRequest:      "Credit request",

	connector.ReturnReceiptReversal: "Reversal of return receipt",
	connector.CreditReversal:        "Reversal of credit",
}

func kindName(k connector.Kind) string {
	if name, ok := kindNames[k]; ok {
		return name
	}
	return string(k)
}

// joined puts a remedy behind what is wrong. What a system says often ends without a stop.
func joined(text, remedy string) string {
	if text == "" || strings.HasSuffix(text, ".") || strings.HasSuffix(text, "!") || strings.HasSuffix(text, "?") {
		return strings.TrimSpace(text + " " + remedy)
	}
	if first, _ := utf8.DecodeRuneInString(remedy); unicode.IsUpper(first) {
		return text + ". " + remedy
	}
	return text + "; " + remedy
}

// caseOf is the case that a posting as it stands makes, or none.
func caseOf(r *row, events []string) []Case {
	var title string
	switch r.State {
	case Rejected:
		title = fmt.Sprintf("%s %s was refused by %s", kindName(r.Kind), r.Key, r.Target)
	case Blocked:
		title = fmt.Sprintf("%s %s is in %s more than once", kindName(r.Kind), r.Key, r.Target)
	case Diverged:
		title = fmt.Sprintf("%s %s in %s is not what is wanted", kindName(r.Kind), r.Key, r.Target)
	case Unknown:
		if r.Fault.Class == docklinev1.FaultClass_FAULT_CLASS_TECHNICAL || r.Fault.Class == 0 {
			return nil
		}
		title = fmt.Sprintf("%s %s cannot be looked for in %s", kindName(r.Kind), r.Key, r.Target)
	default:
		return nil
	}
	c := Case{Class: r.Fault.Class, Severity: docklinev1.Severity_SEVERITY_ERROR, Code: r.Fault.Code, Subject: r.Key, Site: r.Site,
		Title: title, Text: r.Fault.Text, EventIDs: events}
	if r.Fault.Remedy != "" {
		c.Text = joined(c.Text, r.Fault.Remedy)
	}
	if c.Code == "" {
		c.Code = string(r.State)
	}
	if c.Class == 0 {
		c.Class = docklinev1.FaultClass_FAULT_CLASS_PROCESS
	}
	c.Order, c.Customer = orderOf(r.Document)
	return []Case{c}
}

// orderOf is the order that a document belongs to, and its customer where it says so.
func orderOf(d *docklinev1.Document) (order, customer string) {
	switch v := d.GetDocument().(type) {
	case *docklinev1.Document_GoodsIssue:
		return v.GoodsIssue.GetOrder(), ""
	case *docklinev1.Document_InvoiceTrigger:
		return v.InvoiceTrigger.GetOrder(), ""
	case *docklinev1.Document_OrderStatus:
		return v.OrderStatus.GetOrder(), v.OrderStatus.GetCustomer()
	case *docklinev1.Document_ServiceCase:
		return v.ServiceCase.GetOrder(), v.ServiceCase.GetCustomer()
	case *docklinev1.Document_OrderAmendment:
		return v.OrderAmendment.GetOrder(), ""
	case *docklinev1.Document_OrderCreate:
		return "", v.OrderCreate.GetCustomer() // the system of record has not numbered it yet
	case *docklinev1.Document_GoodsIssueReversal:
		return v.GoodsIssueReversal.GetOrder(), ""
	case *docklinev1.Document_InvoiceReversal:
		return v.InvoiceReversal.GetOrder(), ""
	case *docklinev1.Document_ReturnReceiptReversal:
		return v.ReturnReceiptReversal.GetOrder(), ""
	case *docklinev1.Document_CreditReversal:
		return v.CreditReversal.GetOrder(), ""
	case *docklinev1.Document_ReturnReceipt:
		return v.ReturnReceipt.GetOrder(), v.ReturnReceipt.GetCustomer()
	case *docklinev1.Document_CreditRequest:
		return v.CreditRequest.GetOrder(), v.CreditRequest.GetCustomer()
	}
	return "", ""
}

// tell brings exceptions and receipts in line with the posting.
func (s *Sender) tell(ctx context.Context, tx *db.Tx, r *row, now time.Time) error {
	events, err := eventsOf(ctx, tx, r.Tenant, r.Ref)
	if err != nil {
		return err
	}
	if s.Cases != nil {
		more, err := s.Cases(ctx, tx, r.Tenant, origin(r.Ref), caseOf(r, events))
		if err != nil {
			return fmt.Errorf("posting %s: exception: %w", r.Ref, err)
		}
		events = append(events, more...)
		slices.Sort(events)
		events = slices.Compact(events)
	}
	if s.Receipts != nil && len(events) > 0 {
		if err := s.Receipts(ctx, tx, r.Tenant, events, now); err != nil {
			return fmt.Errorf("posting %s: receipts: %w", r.Ref, err)
		}
	}
	if r.caseDue {
		r.caseDue = false
		r.touch()
	}
	return nil
}

// tellDue does for some postings what Put left to the sender.
func (s *Sender) tellDue(ctx context.Context, now time.Time) (int, error) {
	told := 0
	err := s.DB.Write(ctx, func(tx *db.Tx) error {
		due, err := names(tx.Hold(ctx, `SELECT id, tenant, target, kind, natural_key, ready_at FROM posting WHERE target = ? AND case_due = 1 ORDER BY id LIMIT 50`, s.Target))
		if err != nil {
			return err
		}
		told = len(due)
		for _, named := range due {
			// One that stands here for the sake of another may have changed with that.
			r, err := hold(ctx, tx, named.Tenant, named.Ref)
			if err != nil {
				return err
			}
			if err := s.compensate(ctx, tx, r, now.UnixMicro()); err != nil {
				return err
			}
			if err := s.tell(ctx, tx, r, now); err != nil {
				return err
			}
			if err := r.save(ctx, tx, now.UnixMicro()); err != nil {
				return err
			}
		}
		return nil
	})
	return told, err
}

// alarm opens or closes the case that the whole target does not answer, for the tenants that have postings to it.
func (s *Sender) alarm(ctx context.Context, tenants []string, cases []Case) error {
	if s.Cases == nil || len(tenants) == 0 {
		return nil
	}
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		for _, tenant := range tenants {
			if _, err := s.Cases(ctx, tx, tenant, "target/"+s.Target, cases); err != nil {
				return fmt.Errorf("target %s: exception: %w", s.Target, err)
			}
		}
		return nil
	})
}
