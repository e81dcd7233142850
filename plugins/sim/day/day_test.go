package day_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dockline/dockline/plugins/sim/day"
)

func config() day.Config {
	c := day.DefaultConfig()
	c.Site, c.Seed = "dc-west", 7
	for i := range 20 {
		item := fmt.Sprintf("SKU-%02d", i)
		c.Stock = append(c.Stock, day.StockRow{Bin: "A-01-01", Item: item, Quantity: day.Units(15)}, day.StockRow{Bin: "B-02-01", Item: item, Quantity: day.Units(300)})
	}
	return c
}

func orders(n int) []day.Order {
	list := make([]day.Order, n)
	for i := range list {
		list[i].Number = fmt.Sprintf("SO%05d", i+1)
		for l := range 1 + i%5 {
			list[i].Lines = append(list[i].Lines, day.OrderLine{Line: fmt.Sprint(10 * (l + 1)), Item: fmt.Sprintf("SKU-%02d", (i+l)%20), Quantity: day.Units(int64(1 + (i+l)%9))})
		}
	}
	return list
}

// work runs a dock until it is idle and returns its ledger.
func work(t *testing.T, c day.Config, list []day.Order) ([]day.Record, *day.Dock) {
	t.Helper()
	d := day.NewDock(c)
	var ledger []day.Record
	apply := func(r day.Record) {
		ledger = append(ledger, r)
		if err := d.Apply(r); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range list {
		apply(day.Record{Command: &day.Command{Key: "release/" + o.Number, Version: 1, Release: &o}})
	}
	at := time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC)
	for {
		m, ok := d.Next(at)
		if !ok {
			return ledger, d
		}
		at = at.Add(time.Second)
		apply(day.Record{Movement: &m})
	}
}

func TestADayAddsUp(t *testing.T) {
	ledger, dock := work(t, config(), orders(300))
	ordered, shipped, picked := map[string]day.Micro{}, map[string]day.Micro{}, map[string]day.Micro{}
	kinds := map[day.Kind]int{}
	var shorts, partials, variance, out day.Micro
	shipments := map[string]int{}
	for _, r := range ledger {
		if r.Command != nil {
			for _, l := range r.Command.Release.Lines {
				ordered[r.Command.Release.Number+l.Line] += l.Quantity
			}
			continue
		}
		kinds[r.Movement.Kind]++
		if r.Movement.Kind == day.Ship {
			shipments[r.Movement.Order]++
		}
		for _, l := range r.Movement.Lines {
			switch r.Movement.Kind {
			case day.Pick:
				picked[r.Movement.Order+l.OrderLine] += l.Quantity
				out += l.Quantity
				if l.Short() {
					shorts++
				}
			case day.Ship:
				shipped[r.Movement.Order+l.OrderLine] += l.Quantity
			case day.Count:
				variance += l.Variance
			}
		}
	}
	for key, quantity := range shipped {
		if quantity > ordered[key] || quantity != picked[key] {
			t.Errorf("%s: ordered %s, picked %s, shipped %s", key, ordered[key], picked[key], quantity)
		}
	}
	for _, n := range shipments {
		if n > 1 {
			partials++
		}
	}
	if shorts == 0 || partials == 0 || kinds[day.Count] == 0 || kinds[day.Pack] == 0 {
		t.Errorf("a dull day: %d shorts, %d orders in two shipments, %v", shorts, partials, kinds)
	}
	var opening, closing day.Micro
	for _, row := range config().Stock {
		opening += row.Quantity
	}
	for _, row := range dock.Stock() {
		closing += row.Quantity
	}
	if closing != opening-out+variance {
		t.Errorf("stock %s, want %s - %s + %s", closing, opening, out, variance)
	}
}

func TestTheSameSeedGivesTheSameDay(t *testing.T) {
	first, _ := work(t, config(), orders(50))
	second, _ := work(t, config(), orders(50))
	if a, b := text(t, first), text(t, second); a != b {
		t.Error("two runs of one seed differ")
	}
	other := config()
	other.Seed++
	third, _ := work(t, other, orders(50))
	if text(t, first) == text(t, third) {
		t.Error("two seeds give the same day")
	}
}

func TestALedgerBuildsTheDockAgainAfterAnUnfinishedLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	whole, dock := work(t, config(), orders(20))
	ledger, _, err := day.OpenLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range whole {
		if err := ledger.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := ledger.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(`{"movement":{"numb`); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	again, records, err := day.OpenLedger(path)
	if err != nil || len(records) != len(whole) {
		t.Fatalf("%d of %d records, %v", len(records), len(whole), err)
	}
	defer again.Close()
	rebuilt := day.NewDock(config())
	for _, r := range records {
		if err := rebuilt.Apply(r); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := fmt.Sprint(rebuilt.Stock()), fmt.Sprint(dock.Stock()); a != b || rebuilt.Last() != dock.Last() {
		t.Error("the rebuilt dock differs")
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
