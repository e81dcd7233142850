// Package traffic is the business of a simulated site without a centre that sends it orders: from a seed it makes orders of a trade, spread over the
// day as that trade has them, tells what happens to them, and mixes in what goes wrong in warehouses at chosen rates. What it tells depends on
// nothing but its configuration and the moment at which it began.
package traffic

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
)

// Profile is what orders of a trade look like.
type Profile struct {
	// OrdersPerDay where the configuration says nothing.
	OrdersPerDay int
	// Items are the numbers of items that are ordered.
	Items int
	// LinesMost and PiecesMost bound an order's lines and a line's quantity; most orders are far smaller.
	LinesMost, PiecesMost int
	Unit                  string
	// Lots: goods have a lot and a date; Serials: pieces are told apart.
	Lots, Serials bool
	// UrgentPercent of the orders go ahead of others, ShortPercent of the lines are short, PartialPercent of the orders leave in two shipments.
	UrgentPercent, ShortPercent, PartialPercent int
	// ReturnPercent of the orders come back in part.
	ReturnPercent int
	// Curve weighs the hours of the day.
	Curve [24]float64
}

// Profiles by name: shops are filled before they open, workshops order in the afternoon, people order in the evening.
var Profiles = map[string]Profile{
	"grocery": {OrdersPerDay: 400, Items: 600, LinesMost: 40, PiecesMost: 24, Unit: "CS", Lots: true, UrgentPercent: 5, ShortPercent: 8, PartialPercent: 5, ReturnPercent: 2,
		Curve: [24]float64{2, 3, 5, 9, 12, 12, 10, 8, 6, 5, 4, 4, 3, 3, 2, 2, 1, 1, 1, 1, 2, 2, 1, 1}},
	"spare_parts": {OrdersPerDay: 900, Items: 6000, LinesMost: 6, PiecesMost: 3, Unit: "EA", Serials: true, UrgentPercent: 25, ShortPercent: 3, PartialPercent: 10, ReturnPercent: 6,
		Curve: [24]float64{0, 0, 0, 0, 0, 1, 3, 6, 8, 8, 7, 7, 5, 6, 8, 12, 14, 10, 4, 1, 0, 0, 0, 0}},
	"ecommerce": {OrdersPerDay: 3000, Items: 2500, LinesMost: 5, PiecesMost: 2, Unit: "EA", UrgentPercent: 10, ShortPercent: 2, PartialPercent: 4, ReturnPercent: 20,
		Curve: [24]float64{3, 2, 1, 1, 1, 1, 2, 3, 4, 5, 5, 5, 6, 5, 4, 4, 4, 5, 6, 8, 9, 9, 7, 4}},
}

// Names are those of the profiles.
func Names() []string { return slices.Sorted(maps.Keys(Profiles)) }

// ReadCurve makes the weights of the hours out of a table with columns hour and invoices (or orders), as loads are published: its rows are summed by hour.
func ReadCurve(from io.Reader) (curve [24]float64, err error) {
	rows := csv.NewReader(from)
	header, err := rows.Read()
	if err != nil {
		return curve, fmt.Errorf("the curve has no header: %w", err)
	}
	hourAt, loadAt := slices.Index(header, "hour"), slices.Index(header, "invoices")
	if loadAt < 0 {
		loadAt = slices.Index(header, "orders")
	}
	if hourAt < 0 || loadAt < 0 {
		return curve, fmt.Errorf("the curve needs columns hour and invoices (or orders), it has %v", header)
	}
	some := false
	for {
		row, err := rows.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return curve, err
		}
		hour, err := strconv.Atoi(row[hourAt])
		if err != nil || hour < 0 || hour > 23 {
			return curve, fmt.Errorf("hour %q is none from 0 to 23", row[hourAt])
		}
		load, err := strconv.ParseFloat(row[loadAt], 64)
		if err != nil || load < 0 {
			return curve, fmt.Errorf("%q orders in an hour cannot be", row[loadAt])
		}
		curve[hour] += load
		some = some || load > 0
	}
	if !some {
		return curve, fmt.Errorf("no hour of the curve has orders")
	}
	return curve, nil
}
