package remote_test

import (
	"context"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/remote"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// ledger is an ERP of which nobody knows but its connector. It is a whole one; what it does not do it does not declare.
type ledger struct{ address, password string }

func (l ledger) Probe(context.Context) (connector.Metadata, error) {
	return connector.Metadata{System: "ledger", Version: "7"}, nil // asks l.address
}

func (ledger) Kinds() map[connector.Kind]connector.Style {
	return map[connector.Kind]connector.Style{connector.InvoiceTrigger: connector.CreateOnce}
}

func (ledger) SettleTime() time.Duration { return 30 * time.Second }

func (ledger) Find(ctx context.Context, p *connector.Posting) ([]connector.Found, error) {
	if err := connector.Pace(ctx); err != nil { // before each request
		return nil, err
	}
	return []connector.Found{}, nil // what carries p.Key as its reference
}

func (ledger) Apply(ctx context.Context, p *connector.Posting) (connector.Result, error) {
	return connector.Result{}, &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_DATA, Code: "item_unknown", Text: "the ledger has no such item",
		Remedy: "Add the item, then try again."} // or the documents, read back
}

func (ledger) Changes(_ context.Context, since connector.Cursor) (connector.Changes, error) {
	return connector.Changes{Cursor: since}, nil
}

func (ledger) Snapshot(context.Context, connector.Scope) ([]*docklinev1.Event, error) {
	return nil, nil
}

func openLedger(_ context.Context, c remote.Config) (connector.Connector, error) {
	var config struct{ Address string }
	if err := c.Decode(&config); err != nil {
		return nil, err
	}
	return ledger{config.Address, c.Secrets["password"]}, nil
}

func main() {
	remote.Serve(remote.Program{Name: "ledger", Version: "1.0.0", Open: openLedger,
		Schema: `{"type": "object", "required": ["address"], "properties": {"address": {"type": "string"}}}`})
}

// A connector is a type with seven methods and a main of one line.
func Example() { _ = main }
