package wms

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/dockline/dockline/plugins/sim/day"
	"github.com/dockline/dockline/proto/event"
)

// takeReleases reads every file in the inbound folder once. Columns by header: command, version, action (release, cancel, count),
// order or number, line, sku, qty, uom, bin, lot. Rows of one command stand together.
func (w *WMS) takeReleases() error {
	found, err := filepath.Glob(filepath.Join(w.config.Inbound, "*.csv"))
	if err != nil {
		return err
	}
	slices.Sort(found)
	for _, path := range found {
		commands, err := readCommands(path)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for _, c := range commands {
			if known, ok := w.dock.Answered(c.Key); ok && known.Version >= c.Version {
				continue
			}
			c.Refusal = w.dock.Refusal(c)
			if err := w.record(day.Record{Command: &c}); err != nil {
				return err
			}
		}
		if err := os.Rename(path, filepath.Join(w.config.Inbound, "done", filepath.Base(path))); err != nil {
			return err
		}
	}
	return nil
}

func readCommands(path string) ([]day.Command, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	reader := csv.NewReader(file)
	reader.Comma = ';'
	all, err := reader.ReadAll()
	if err != nil {
		return nil, err
	}
	if len(all) < 2 {
		return nil, fmt.Errorf("no rows")
	}
	column := map[string]int{}
	for i, name := range all[0] {
		column[strings.TrimPrefix(name, "\ufeff")] = i
	}
	for _, name := range []string{"command", "version", "action", "order", "line", "sku", "qty"} {
		if _, ok := column[name]; !ok {
			return nil, fmt.Errorf("no column %q", name)
		}
	}
	var commands []day.Command
	for n, row := range all[1:] {
		cell := func(name string) string {
			if i, ok := column[name]; ok {
				return row[i]
			}
			return ""
		}
		version, err := strconv.ParseUint(cell("version"), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("line %d: version %q", n+2, cell("version"))
		}
		if len(commands) == 0 || commands[len(commands)-1].Key != cell("command") {
			commands = append(commands, day.Command{Key: cell("command"), Version: version})
		}
		if err := fill(&commands[len(commands)-1], cell); err != nil {
			return nil, fmt.Errorf("line %d: %w", n+2, err)
		}
	}
	return commands, nil
}

func fill(c *day.Command, cell func(string) string) error {
	switch action := cell("action"); action {
	case "release":
		quantity, err := event.ParseQuantity(strings.ReplaceAll(cell("qty"), ",", "."))
		if err != nil {
			return err
		}
		if c.Release == nil {
			c.Release = &day.Order{Number: cell("order")}
		}
		c.Release.Lines = append(c.Release.Lines, day.OrderLine{Line: cell("line"), Item: cell("sku"), Unit: cell("uom"), Quantity: day.Micro(quantity)})
	case "cancel":
		c.Cancel = cell("order")
	case "count":
		if c.Count == nil {
			c.Count = &day.CountRequest{Number: cell("order")}
		}
		c.Count.Rows = append(c.Count.Rows, day.StockRow{Bin: cell("bin"), Item: cell("sku"), Lot: cell("lot")})
	default:
		return fmt.Errorf("action %q", action)
	}
	return nil
}
