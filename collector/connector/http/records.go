package http

import (
	"context"
	"maps"
	"slices"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/connector"
)

var recordKinds = []connector.Kind{connector.CustomerRecord, connector.OrderRecord}

func (c *compiler) records(d *Definition, s *source) {
	d.records = map[connector.Kind]*listing{}
	for _, name := range slices.Sorted(maps.Keys(s.Records)) {
		if !slices.Contains(recordKinds, connector.Kind(name)) {
			c.fault("records."+name, "is no kind of record; there are %v", recordKinds)
			continue
		}
		of := s.Records[name]
		d.records[connector.Kind(name)] = c.list("records."+name, &of)
	}
}

// Records are the kinds of which the definition says how they are listed.
func (c *Connector) Records() []connector.Kind {
	return slices.Sorted(maps.Keys(c.definition.records))
}

// ListRecords reads one page.
func (c *Connector) ListRecords(ctx context.Context, l connector.Listing) (connector.ListedPage, error) {
	of := c.definition.records[l.Kind]
	if of == nil {
		return connector.ListedPage{}, technical("kind_not_described", c.definition.System+" lists no "+string(l.Kind), "add records."+string(l.Kind)+" to the definition", nil)
	}
	return c.listed(ctx, of, values{"site": l.Site, "since": timestamppb.New(l.Since), "page": l.Page})
}
