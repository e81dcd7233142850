package tryton

import (
	"context"
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// BookByBin reads one bin of a site's book as all are read where the movements are too many.
func (c *Connector) BookByBin(ctx context.Context, name, bin string) ([]*docklinev1.Line, error) {
	at, err := c.site(ctx, name)
	if err != nil {
		return nil, err
	}
	places, err := c.places(ctx, at.storage)
	if err != nil {
		return nil, err
	}
	places = slices.DeleteFunc(places, func(p place) bool { return p.code != bin })
	for i := range places {
		places[i].parent = 0 // whose own share nobody asks for
	}
	held, err := c.heldByBin(ctx, places)
	if err != nil {
		return nil, err
	}
	return c.bookLines(ctx, at, places, held)
}
