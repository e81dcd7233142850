package world

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/testenv/erp"
)

// Orders makes n sales orders of 1 to 20 lines in the ERP, confirmed, for the world's sites in turn; the seed decides what is ordered.
func (w *World) Orders(ctx context.Context, n int) ([]erp.Order, error) {
	master := w.ERP.Master()
	r := rand.New(rand.NewPCG(w.Config.Seed, 0x0bde5))
	var made []erp.Order
	for i := range n {
		in := erp.NewOrder{Customer: master.Customers[r.IntN(len(master.Customers))].Code, Site: w.Config.Sites[(i+int(w.Config.Seed))%len(w.Config.Sites)], CustomerReference: fmt.Sprintf("PO-%d-%05d", w.Config.Seed, i+1)}
		// Most orders are short; a few are long.
		lines := 1 + min(r.IntN(6), r.IntN(6))
		if r.IntN(20) == 0 {
			lines = 8 + r.IntN(13)
		}
		for _, at := range r.Perm(len(master.Items))[:lines] {
			in.Lines = append(in.Lines, erp.NewOrderLine{Item: master.Items[at].Code, Quantity: decimal.NewFromInt(1 + r.Int64N(12))})
		}
		order, err := w.ERP.Order(ctx, in)
		if err != nil {
			return made, fmt.Errorf("order %d: %w", i+1, err)
		}
		made = append(made, order)
	}
	return made, nil
}

// Order makes one confirmed order for a site in the ERP.
func (w *World) Order(ctx context.Context, site string, lines ...erp.NewOrderLine) (erp.Order, error) {
	return w.ERP.Order(ctx, erp.NewOrder{Customer: w.ERP.Master().Customers[0].Code, Site: site, CustomerReference: "by hand", Lines: lines})
}
