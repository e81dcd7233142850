package connectortest

import (
	"context"
	"slices"
	"strconv"
	"sync"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Keeper is a Memory that also keeps records of customers and lists them, two at a time, in the order in which they were made.
type Keeper struct {
	*Memory

	records   sync.Mutex
	customers []connector.Listed
}

// Keep adds a record of a customer.
func (k *Keeper) Keep(d connector.Listed) {
	k.records.Lock()
	defer k.records.Unlock()
	k.customers = append(k.customers, d)
}

// Records are customers.
func (k *Keeper) Records() []connector.Kind { return []connector.Kind{connector.CustomerRecord} }

// ListRecords returns one page.
func (k *Keeper) ListRecords(_ context.Context, l connector.Listing) (connector.ListedPage, error) {
	if !slices.Contains(k.Records(), l.Kind) {
		return connector.ListedPage{}, &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: "kind_not_described", Text: "there are no records of " + string(l.Kind)}
	}
	from := 0
	if l.Page != "" {
		var err error
		if from, err = strconv.Atoi(l.Page); err != nil {
			return connector.ListedPage{}, &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_DATA, Code: "page", Text: err.Error()}
		}
	}
	k.records.Lock()
	defer k.records.Unlock()
	from = min(from, len(k.customers))
	to := min(from+2, len(k.customers))
	return connector.ListedPage{Documents: slices.Clone(k.customers[from:to]), Next: strconv.Itoa(to), More: to < len(k.customers)}, nil
}
