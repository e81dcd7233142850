package world

import (
	"context"
	"fmt"
	"time"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/sandbox"
)

// What may be the ERP of a world.
const (
	Sandbox = "sandbox"
	Tryton  = "tryton"
)

// ERP is the system of record of a world.
type ERP interface {
	Books
	// Order makes a sales order as a person does at the ERP's own screen, and confirms it.
	Order(ctx context.Context, in erp.NewOrder) (erp.Order, error)
	// Master is what the ERP knows on its first day.
	Master() *erp.Master
	// Faults lets calls of the collector fail; people and the check meet none.
	Faults() *sandbox.Injector
	// Stop ends it as a crash would, Start starts it again with what it held.
	Start() error
	Stop()
	Running() bool
	Close() error
	// connector is what the collector's configuration says of it, from kind to settings.
	connector() string
}

// Books are what an ERP holds, read at its own interface.
type Books interface {
	Orders(ctx context.Context) ([]erp.Order, error)
	Issues(ctx context.Context) ([]erp.GoodsIssue, error)
	Invoices(ctx context.Context) ([]erp.Invoice, error)
	Adjustments(ctx context.Context) ([]erp.Adjustment, error)
	// Stock of a site, of all where it is "".
	Stock(ctx context.Context, site string) ([]erp.StockLine, error)
	// Unfinished names documents that were begun and not brought to their end.
	Unfinished(ctx context.Context) ([]string, error)
}

func (w *World) openERP(ctx context.Context) (ERP, error) {
	switch w.Config.ERP {
	case "", Sandbox:
		return openSandbox(w.dir("erp"), w.Config)
	case Tryton:
		return openTryton(ctx, w.dir("tryton"), w.Config.Seed)
	}
	return nil, fmt.Errorf("%q is none: %s or %s", w.Config.ERP, Sandbox, Tryton)
}

// sandboxERP is the sandbox with its address.
type sandboxERP struct {
	*erp.Client
	server *erp.Server
	*sandbox.Server
	timeout time.Duration
}

func openSandbox(dir string, c Config) (*sandboxERP, error) {
	server, err := erp.New(erp.Config{Dir: dir, Seed: c.Seed, Master: c.Master})
	if err != nil {
		return nil, err
	}
	s := &sandboxERP{server: server, timeout: c.CallTimeout, Server: sandbox.NewServer("127.0.0.1:0", server)}
	if err := s.Start(); err != nil {
		return nil, err
	}
	s.Client = erp.NewClient(s.Server.URL(), "")
	return s, nil
}

// Catalogue is the sandbox ERP's feed of items; another ERP has none.
func (w *World) Catalogue() *erp.Catalogue {
	if s, ok := w.ERP.(*sandboxERP); ok {
		return s.server.Catalogue()
	}
	return nil
}

func (s *sandboxERP) Order(ctx context.Context, in erp.NewOrder) (erp.Order, error) {
	order, err := s.CreateOrder(ctx, in)
	if err != nil {
		return order, err
	}
	return s.ConfirmOrder(ctx, order.Number)
}

// Unfinished: the sandbox takes a document whole or not at all.
func (s *sandboxERP) Unfinished(context.Context) ([]string, error) { return nil, nil }

func (s *sandboxERP) Master() *erp.Master { return s.server.Master() }

// Spoil changes a document behind everybody's back.
func (s *sandboxERP) Spoil(how string) (string, error) { return s.server.Spoil(how) }

// Hand changes one document as somebody does who goes past the ERP's own rules, and HandStock what its book says of a place.
func (s *sandboxERP) Hand(how, reference string) error { return s.server.Hand(how, reference) }

// HandOrder changes an order without a word in the feed.
func (s *sandboxERP) HandOrder(how, number string) error { return s.server.HandOrder(how, number) }

// HandStock changes the book.
func (s *sandboxERP) HandStock(place erp.StockLine, by decimal.Decimal) {
	s.server.HandStock(place, by)
}

func (s *sandboxERP) Faults() *sandbox.Injector { return s.server.Faults() }

func (s *sandboxERP) Close() error {
	s.Stop()
	return s.server.Close()
}

func (s *sandboxERP) connector() string {
	return fmt.Sprintf("    kind: http\n    poll: 500ms\n    timeout: %s\n    settings: {url: %q, definition: sandbox-erp}", s.timeout, s.Server.URL())
}
