package orderfile

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/shopspring/decimal"

	"github.com/dockline/dockline/testenv/erp"
)

// Master is the ERP's first day for the file: every article and customer that a readable line names (no services), and at each of the
// sites stock for all that the whole file asks for. One article in forty lies there short, so that not everything can be shipped.
func (f *File) Master(seed uint64, sites []string) *erp.Master {
	currency := f.Mapping.spec.Constants["currency"]
	if currency == "" {
		currency = "EUR"
	}
	m := &erp.Master{}
	items, wanted, customers := map[string]erp.Item{}, map[string]decimal.Decimal{}, map[string]bool{}
	for _, r := range f.Rows {
		if r.Item == "" || r.Quantity == nil || !r.Quantity.IsPositive() || slices.Contains(f.Mapping.Services, r.Item) {
			continue
		}
		if _, known := items[r.Item]; !known {
			items[r.Item] = erp.Item{Code: r.Item, Description: r.Description, Unit: erp.Each}
		}
		item := items[r.Item]
		if r.Price != nil && item.Price.IsZero() {
			item.Price = *r.Price
		}
		if !r.Quantity.IsInteger() {
			item.Unit = erp.Kilogram // the ERP's only unit that is divided
		}
		items[r.Item], wanted[r.Item] = item, wanted[r.Item].Add(*r.Quantity)
		if r.Customer != "" {
			customers[r.Customer] = true
		}
	}
	for _, code := range slices.Sorted(maps.Keys(items)) {
		m.Items = append(m.Items, items[code])
	}
	for _, code := range slices.Sorted(maps.Keys(customers)) {
		m.Customers = append(m.Customers, erp.Customer{Code: code, Name: "Customer " + code, Currency: currency, ShipTo: []string{"Goods-in"}})
	}
	random := rand.New(rand.NewPCG(seed, 0xf11e))
	for _, site := range sites {
		s := erp.Site{Code: site, Title: "Distribution centre " + site, Bins: bins(len(m.Items))}
		m.Sites = append(m.Sites, s)
		for i, item := range m.Items {
			have := wanted[item.Code].Add(decimal.NewFromInt(random.Int64N(50)))
			if random.IntN(40) == 0 {
				have = wanted[item.Code].Div(decimal.NewFromInt(4)).Floor()
			}
			m.Stock = append(m.Stock, erp.StockLine{Site: site, Bin: s.Bins[i], Item: item.Code, Quantity: have, Unit: item.Unit})
		}
	}
	return m
}

// bins are so many bins, ten to a bay and a hundred to an aisle.
func bins(n int) []string {
	codes := make([]string, n)
	for i := range codes {
		codes[i] = fmt.Sprintf("A%02d-%02d-%02d", i/100+1, i/10%10+1, i%10+1)
	}
	return codes
}
