// Package day is a dock that works from a seed: orders released to it become picks, short picks, cartons, full and partial shipments,
// and between them some bins are counted. The sim plugin and the file WMS of the test world run on it alike.
package day

import (
	"encoding/json"
	"time"

	"github.com/dockline/dockline/proto/event"
)

// Kind of a movement.
type Kind string

const (
	Pick  Kind = "pick"
	Pack  Kind = "pack"
	Ship  Kind = "ship"
	Count Kind = "count"
)

// Micro is a quantity in millionths of the item's base unit. In JSON it is a decimal string.
type Micro int64

// Units makes whole units.
func Units(n int64) Micro { return Micro(n * 1_000_000) }

func (m Micro) String() string { return event.FormatQuantity(int64(m)) }

// MarshalJSON writes the decimal.
func (m Micro) MarshalJSON() ([]byte, error) { return json.Marshal(m.String()) }

// UnmarshalJSON reads a decimal string.
func (m *Micro) UnmarshalJSON(text []byte) error {
	var value string
	if err := json.Unmarshal(text, &value); err != nil {
		return err
	}
	parsed, err := event.ParseQuantity(value)
	*m = Micro(parsed)
	return err
}

// Order is what was released to the site.
type Order struct {
	Number string      `json:"number"`
	Lines  []OrderLine `json:"lines"`
}

// OrderLine asks for a quantity of an item.
type OrderLine struct {
	Line     string `json:"line"`
	Item     string `json:"item"`
	Unit     string `json:"unit,omitempty"`
	Quantity Micro  `json:"quantity"`
}

// Movement is one thing that happened on the dock. Numbers grow by one within the site.
type Movement struct {
	Number uint64    `json:"number"`
	Kind   Kind      `json:"kind"`
	ID     string    `json:"id"`
	At     time.Time `json:"at"`
	// Order of a pick, pack or shipment.
	Order    string `json:"order,omitempty"`
	Carrier  string `json:"carrier,omitempty"`
	Tracking string `json:"tracking,omitempty"`
	Operator string `json:"operator,omitempty"`
	WeightKg string `json:"weight_kg,omitempty"`
	Lines    []Line `json:"lines"`
}

// Line of a movement.
type Line struct {
	OrderLine    string `json:"order_line,omitempty"`
	Item         string `json:"item"`
	Unit         string `json:"unit,omitempty"`
	Quantity     Micro  `json:"quantity"`
	Ordered      Micro  `json:"ordered,omitempty"`
	Lot          string `json:"lot,omitempty"`
	Bin          string `json:"bin,omitempty"`
	HandlingUnit string `json:"handling_unit,omitempty"`
	Reason       string `json:"reason,omitempty"`
	// Variance of a count: what was seen less what the dock's book held. Ledgers keep it for comparison; no event carries it.
	Variance Micro `json:"variance,omitempty"`
}

// Short says whether a pick brought less than was asked for.
func (l Line) Short() bool { return l.Quantity < l.Ordered }

// StockRow is what lies in one bin.
type StockRow struct {
	Bin      string `json:"bin"`
	Item     string `json:"item"`
	Unit     string `json:"unit,omitempty"`
	Lot      string `json:"lot,omitempty"`
	Quantity Micro  `json:"quantity"`
}

// Config says how the dock works.
type Config struct {
	Site string
	Seed uint64
	// ShortPercent of the lines are first picked short; half of these are found later.
	ShortPercent int
	// PartialPercent of the orders leave in two shipments.
	PartialPercent int
	// CountPercent of the picks are followed by a count of their bin; a third of these finds a difference.
	CountPercent int
	Stock        []StockRow
}

// DefaultConfig is a dock on an ordinary day.
func DefaultConfig() Config { return Config{ShortPercent: 6, PartialPercent: 15, CountPercent: 8} }
