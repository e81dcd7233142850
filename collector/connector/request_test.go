package connector_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/connectortest"
)

// spender asks before its first request, and says afterwards how many more it made.
type spender struct{ *connectortest.Memory }

func (s spender) Probe(ctx context.Context) (connector.Metadata, error) {
	if err := connector.Pace(ctx); err != nil {
		return connector.Metadata{}, err
	}
	connector.Charge(ctx, 3)
	return connector.Metadata{}, nil
}

// Requests that were made without asking count all the same, for everybody who counts, and those that come next wait for them.
//
// Shows: S26
func TestRequestsThatWereMadeWithoutAsking(t *testing.T) {
	a := &connector.Account{Name: "erp", Limits: connector.Limits{Calls: 4, Per: time.Hour}}
	g := connector.Govern(spender{&connectortest.Memory{}}, a)
	var counted atomic.Int64
	if _, err := g.Probe(connector.CountRequests(t.Context(), &counted)); err != nil {
		t.Fatal(err)
	}
	if of := connector.Requests(g); a.Stats().Calls != 4 || counted.Load() != 4 || of[connector.ProbeCall] != 4 || of[connector.FindCall] != 0 {
		t.Errorf("the account counts %d, who asked %d, the metric %v", a.Stats().Calls, counted.Load(), of)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := g.Probe(ctx)
	if f := (*connector.Fault)(nil); !errors.As(err, &f) || !f.Unasked {
		t.Errorf("one more was let go: %v", err)
	}
}
