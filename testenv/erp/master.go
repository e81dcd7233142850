// Package erp is a sandbox ERP: an HTTP server with a store of its own, seeded master data, sales orders, goods issues, invoices,
// stock by bin and lot, a change feed and a journal of everything that it was told. As most real ones it does not look whether
// an external reference was used before, so that a duplicate becomes visible.
package erp

import (
	"fmt"
	"math/rand/v2"

	"github.com/shopspring/decimal"
)

// Item is an article. Unit is "each" or "kg"; only kg takes fractions.
type Item struct {
	Code        string          `json:"code"`
	Description string          `json:"description"`
	GTIN        string          `json:"gtin"`
	Unit        string          `json:"unit"`
	LotTracked  bool            `json:"lot_tracked"`
	Price       decimal.Decimal `json:"price"`
}

// Customer orders.
type Customer struct {
	Code     string   `json:"code"`
	Name     string   `json:"name"`
	Currency string   `json:"currency"`
	ShipTo   []string `json:"ship_to"`
	// Blocked refuses to confirm an order.
	Blocked bool `json:"blocked"`
	// PriceList names the list that its prices are of, and PriceListVersion its version.
	PriceList        string `json:"price_list,omitempty"`
	PriceListVersion string `json:"price_list_version,omitempty"`
	// CreditLimit is up to how much may be open; nil is no limit.
	CreditLimit *decimal.Decimal `json:"credit_limit,omitempty"`
	// AccountTeam is a copy of whose customer it is: the CRM says.
	AccountTeam string `json:"account_team,omitempty"`
}

// Site is a warehouse with its bins.
type Site struct {
	Code  string   `json:"code"`
	Title string   `json:"title"`
	Bins  []string `json:"bins"`
}

// StockLine is what the book holds of one item, and lot, in one bin.
type StockLine struct {
	Site     string          `json:"site"`
	Bin      string          `json:"bin"`
	Item     string          `json:"item"`
	Lot      string          `json:"lot"`
	Quantity decimal.Decimal `json:"quantity"`
	Unit     string          `json:"unit"`
}

// Master is what the ERP knows on its first day.
type Master struct {
	Items     []Item      `json:"items"`
	Customers []Customer  `json:"customers"`
	Sites     []Site      `json:"sites"`
	Stock     []StockLine `json:"stock"`
}

// Units of items.
const (
	Each     = "each"
	Kilogram = "kg"
)

const (
	masterItems     = 240
	masterCustomers = 40
)

var (
	goods   = []string{"Bracket", "Hinge", "Valve", "Gasket", "Cable tie", "Coupling", "Filter", "Bearing", "Drill bit", "Lamp", "Hose", "Clamp"}
	finish  = []string{"steel", "brass", "nylon", "galvanised", "black", "stainless"}
	bulk    = []string{"Coffee beans", "Rice", "Washing soda", "Wood pellets", "Bird seed"}
	towns   = []string{"2000 Antwerpen", "20457 Hamburg", "3011 Rotterdam", "69001 Lyon", "20121 Milano", "8001 Zürich"}
	persons = []string{"Adler", "Berg", "Costa", "Dubois", "Eriksen", "Fischer", "García", "Horváth", "Ivanova", "Jansen"}
)

// NewMaster makes the master data of a small distributor: 240 items (one in twelve by the kilogram, one in twenty with lots),
// 40 customers and the sites dc-east and dc-west with 240 bins each ("A-01-01"). The same seed gives the same data.
func NewMaster(seed uint64) *Master {
	random := rand.New(rand.NewPCG(seed, 0xe49))
	m := &Master{}
	for i := range masterItems {
		m.Items = append(m.Items, newItem(random, i))
	}
	for i := range masterCustomers {
		m.Customers = append(m.Customers, Customer{
			Code: fmt.Sprintf("C-%04d", 1001+i), Currency: "EUR",
			Name: fmt.Sprintf("%s & %s GmbH", persons[i%len(persons)], persons[random.IntN(len(persons))]),
			ShipTo: []string{fmt.Sprintf("Goods-in, dock %d", 1+random.IntN(9)), fmt.Sprintf("Quay %d", 1+random.IntN(200)),
				towns[random.IntN(len(towns))]},
			PriceList: []string{"retail", "trade"}[i%2], PriceListVersion: "2026-1",
		})
	}
	for _, site := range []Site{{Code: "dc-east", Title: "Distribution centre east"}, {Code: "dc-west", Title: "Distribution centre west"}} {
		site.Bins = bins()
		m.Sites = append(m.Sites, site)
		for i, item := range m.Items {
			m.Stock = append(m.Stock, stockOf(random, site, i, item)...)
		}
	}
	return m
}

func newItem(random *rand.Rand, i int) Item {
	item := Item{Code: fmt.Sprintf("SKU-%04d", 1001+i), Unit: Each, LotTracked: i%20 == 7,
		Description: fmt.Sprintf("%s %d mm, %s", goods[random.IntN(len(goods))], 4+2*random.IntN(40), finish[random.IntN(len(finish))]),
		GTIN:        gtin(i), Price: decimal.New(100+random.Int64N(9900), -2)}
	if i%12 == 5 {
		item.Unit = Kilogram
		item.Description = bulk[random.IntN(len(bulk))] + ", loose"
	}
	return item
}

// gtin is a GTIN-13 below a made-up prefix with its check digit (GS1 General Specifications, section 7.9).
func gtin(i int) string {
	digits := fmt.Sprintf("2912345%05d", i+1)
	sum := 0
	for place, d := range digits {
		weight := 1
		if place%2 == 1 {
			weight = 3
		}
		sum += weight * int(d-'0')
	}
	return fmt.Sprintf("%s%d", digits, (10-sum%10)%10)
}

// bins are six aisles of ten bays with four levels.
func bins() []string {
	var codes []string
	for _, aisle := range "ABCDEF" {
		for bay := range 10 {
			for level := range 4 {
				codes = append(codes, fmt.Sprintf("%c-%02d-%02d", aisle, bay+1, level+1))
			}
		}
	}
	return codes
}

// stockOf puts an item into its home bin, one in three also into an overflow bin; an item with lots has one lot in each of two bins.
func stockOf(random *rand.Rand, site Site, i int, item Item) []StockLine {
	line := func(bin, lot string) StockLine {
		return StockLine{Site: site.Code, Bin: bin, Item: item.Code, Lot: lot, Unit: item.Unit,
			Quantity: decimal.NewFromInt(400 + random.Int64N(800))}
	}
	home, overflow := site.Bins[i%len(site.Bins)], site.Bins[(i+97)%len(site.Bins)]
	if item.LotTracked {
		return []StockLine{line(home, fmt.Sprintf("L%04d-A", 1001+i)), line(overflow, fmt.Sprintf("L%04d-B", 1001+i))}
	}
	lines := []StockLine{line(home, "")}
	if i%3 == 0 {
		lines = append(lines, line(overflow, ""))
	}
	return lines
}
