// Package tryton is the connector to the ERP Tryton (6.0) by its JSON-RPC: it makes orders that were handed in, ships and invoices those that
// Tryton holds, takes returns back and credits them, books count variances, and reports orders, invoices, returns, credit notes and stock.
package tryton

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Models of Tryton.
const (
	modelSale      = "sale.sale"
	modelSaleLine  = "sale.line"
	modelShipment  = "stock.shipment.out"
	modelMove      = "stock.move"
	modelInvoice   = "account.invoice"
	modelInventory = "stock.inventory"
	modelLocation  = "stock.location"
	modelProduct   = "product.product"
	modelLot       = "stock.lot"
	modelReturn    = "stock.shipment.out.return"
	modelParty     = "party.party"
	modelBillLine  = "account.invoice.line"
)

// Kinds of documents in references.
const (
	documentShipment  = "shipment"
	documentInvoice   = "invoice"
	documentInventory = "inventory"
	documentSale      = "sale"
	documentReturn    = "return_receipt"
	documentCredit    = "credit_note"
)

// Connector is one Tryton database. It keeps nothing but its log-in.
type Connector struct {
	settings Settings
	client   *client
}

var _ connector.Connector = (*Connector)(nil)

// New checks the settings. It sends nothing.
func New(s Settings) (*Connector, error) {
	if faults := s.faults(); len(faults) > 0 {
		texts := make([]string, len(faults))
		for i, f := range faults {
			texts[i] = f.key + ": " + f.text
		}
		return nil, fmt.Errorf("tryton: %s", strings.Join(texts, "; "))
	}
	s = s.withDefaults()
	return &Connector{settings: s, client: newClient(s)}, nil
}

// Kinds: shipments and invoices are Tryton's own documents that are brought on; an inventory is made for each variance, an order for each that was handed
// in. A return and its credit note may be either. Of a CRM it is statuses and cases.
func (c *Connector) Kinds() map[connector.Kind]connector.Style {
	if c.settings.Opportunities {
		return map[connector.Kind]connector.Style{connector.OrderStatus: connector.Level, connector.ServiceCase: connector.Level}
	}
	return map[connector.Kind]connector.Style{connector.GoodsIssue: connector.Advance, connector.InvoiceTrigger: connector.Advance,
		connector.StockAdjustment: connector.CreateOnce, connector.OrderCreate: connector.CreateOnce, connector.ReturnReceipt: connector.CreateOnce,
		connector.CreditRequest: connector.CreateOnce, connector.OrderAmendment: connector.CreateOnce,
		connector.GoodsIssueReversal: connector.CreateOnce, connector.InvoiceReversal: connector.CreateOnce, connector.CreditReversal: connector.CreateOnce}
}

// SettleTime is how long a transaction of Tryton may go on after its client has gone.
func (c *Connector) SettleTime() time.Duration { return c.settings.SettleTime }

// Probe logs in, asks for the version, and looks whether every configured warehouse is there.
func (c *Connector) Probe(ctx context.Context) (connector.Metadata, error) {
	version, err := c.client.version(ctx)
	if err != nil {
		return connector.Metadata{}, err
	}
	if c.settings.Opportunities {
		if _, err := c.client.searchRead(ctx, modelOpportunity, nil, []any{}, 1, "number"); err != nil {
			return connector.Metadata{}, err
		}
	} else if _, err := c.sites(ctx); err != nil {
		return connector.Metadata{}, err
	}
	return connector.Metadata{System: c.settings.Name, Version: fmt.Sprint(version)}, nil
}

// Find looks for the posting's key where Tryton keeps it: in the reference of a shipment, invoice or return, in the number of an inventory, in the
// description of an order.
func (c *Connector) Find(ctx context.Context, p *connector.Posting) ([]connector.Found, error) {
	switch p.Kind {
	case connector.GoodsIssue:
		return c.findIssue(ctx, p)
	case connector.InvoiceTrigger:
		return c.findInvoice(ctx, p)
	case connector.StockAdjustment:
		return c.findAdjustment(ctx, p)
	case connector.OrderCreate:
		return c.findOrder(ctx, p)
	case connector.ReturnReceipt:
		return c.findReturn(ctx, p)
	case connector.CreditRequest:
		return c.findCredit(ctx, p)
	case connector.OrderAmendment:
		return c.findAmendment(ctx, p)
	case connector.GoodsIssueReversal:
		return c.findIssueReversal(ctx, p)
	case connector.InvoiceReversal, connector.CreditReversal:
		return c.findBillReversal(ctx, p)
	case connector.OrderStatus, connector.ServiceCase:
		return c.findRestated(ctx, p)
	}
	return nil, unknownKind(p)
}

// Apply brings Tryton's document to where the posting wants it, from wherever it stands.
func (c *Connector) Apply(ctx context.Context, p *connector.Posting) (connector.Result, error) {
	switch p.Kind {
	case connector.GoodsIssue:
		return c.applyIssue(ctx, p)
	case connector.InvoiceTrigger:
		return c.applyInvoice(ctx, p)
	case connector.StockAdjustment:
		return c.applyAdjustment(ctx, p)
	case connector.OrderCreate:
		return c.applyOrder(ctx, p)
	case connector.ReturnReceipt:
		return c.applyReturn(ctx, p)
	case connector.CreditRequest:
		return c.applyCredit(ctx, p)
	case connector.OrderAmendment:
		return c.applyAmendment(ctx, p)
	case connector.GoodsIssueReversal:
		return c.applyIssueReversal(ctx, p)
	case connector.InvoiceReversal, connector.CreditReversal:
		return c.applyBillReversal(ctx, p)
	case connector.OrderStatus, connector.ServiceCase:
		return c.applyRestated(ctx, p)
	}
	return connector.Result{}, unknownKind(p)
}

func unknownKind(p *connector.Posting) error {
	return dataFault("unknown_kind", "send this kind elsewhere in the policy", "Tryton takes no %s", p.Kind)
}

func duplicate(p *connector.Posting, what string) error {
	return processFault("duplicate", "see which is right in Tryton and take the reference from the others", "more than one %s has the reference %s", what, p.Key)
}

// numbered is a reference that has a number only, by which drafts are told apart.
func numbered(number string) *docklinev1.DocumentReference {
	return &docklinev1.DocumentReference{Number: number}
}

func (c *Connector) document(kind, number string) *docklinev1.DocumentReference {
	return &docklinev1.DocumentReference{System: c.settings.Name, Kind: kind, Number: number}
}

func (c *Connector) result(kind, number string) connector.Result {
	return connector.Result{Documents: []*docklinev1.DocumentReference{c.document(kind, number)}}
}

// like escapes what a pattern of Tryton's would take for a wildcard.
func like(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}
