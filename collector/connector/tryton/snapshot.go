package tryton

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Snapshot returns what each site's storage zone holds by bin, item and lot. Goods in the input and output zones are on their way
// and in no bin.
func (c *Connector) Snapshot(ctx context.Context, scope connector.Scope) ([]*docklinev1.Event, error) {
	if c.settings.Opportunities {
		return nil, nil // a CRM has no book
	}
	all, err := c.sites(ctx)
	if err != nil {
		return nil, err
	}
	if scope.Site != "" {
		one, err := c.site(ctx, scope.Site)
		if err != nil {
			return nil, err
		}
		all = []site{one}
	}
	var out []*docklinev1.Event
	for _, at := range all {
		now := time.Now().UTC()
		lines, err := c.book(ctx, at)
		if err != nil {
			return nil, err
		}
		out = append(out, &docklinev1.Event{Kind: docklinev1.EventKind_EVENT_KIND_STOCK_SNAPSHOT, Subject: at.name, SourceKey: "stock/" + at.name,
			SourceRevision: now.Format(stampFormat), OccurredAt: timestamppb.New(now),
			Payload: &docklinev1.Event_StockSnapshot{StockSnapshot: &docklinev1.StockSnapshot{Site: at.name, Lines: lines}}})
	}
	return out, nil
}

// unit is the code that events carry for a unit's symbol.
func (c *Connector) unit(symbol string) string {
	if code, mapped := c.settings.Units[symbol]; mapped {
		return code
	}
	return symbol
}
