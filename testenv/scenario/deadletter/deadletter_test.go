// Package deadletter_test takes a record that a site refuses through the whole company: from the bad line of a file to the ERP's document, by the
// commands that people give.
package deadletter_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/plugins/sim/day"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

func TestMain(m *testing.M) { worldtest.Main(m) }

const patience = 90 * time.Second

// office is where people give commands.
type office struct {
	t *testing.T
	w *world.World
}

func (o *office) try(args ...string) (string, error) {
	args = append([]string{world.Program(o.w.Config.Bin, "dockline-collector")}, args...)
	return world.RunProgram(o.t.Context(), append(args, "--tenant", o.w.Config.Tenant, "--config", filepath.Join(o.w.Config.Dir, "collector.yaml"))...)
}

func (o *office) run(args ...string) string {
	o.t.Helper()
	said, err := o.try(args...)
	if err != nil {
		o.t.Fatal(err)
	}
	return said
}

func (o *office) says(words string, args ...string) {
	o.t.Helper()
	if said := o.run(args...); !strings.Contains(said, words) {
		o.t.Errorf("%s: %s\nhas no %q", strings.Join(args, " "), said, words)
	}
}

func (o *office) refused(words string, args ...string) {
	o.t.Helper()
	if said, err := o.try(args...); err == nil || !strings.Contains(said, words) {
		o.t.Errorf("%s: %v %s, want %q", strings.Join(args, " "), err, said, words)
	}
}

type letter struct {
	ID, Plugin, Code, State, Order, Raw string
	Corrected                           string `json:"corrected_by"`
}

func (o *office) letters(state string) []letter {
	o.t.Helper()
	var found struct {
		Letters []letter `json:"dead_letters"`
	}
	if err := json.Unmarshal([]byte(o.run("deadletter", "list", "--state", state, "--json")), &found); err != nil {
		o.t.Fatal(err)
	}
	return found.Letters
}

// shipped is how many goods issues of an order the ERP has.
func (o *office) shipped(number string) int {
	o.t.Helper()
	truth, err := o.w.Read(o.t.Context())
	if err != nil {
		o.t.Fatal(err)
	}
	n := 0
	for _, s := range truth.Issues {
		if s.Order == number {
			n++
		}
	}
	return n
}

// TestABadLineBecomesTheERPsDocument: a shipment's line has a quantity that does not read. The site refuses it and tells the rest; a person at the
// centre puts the one field right and enters it, and the ERP has the shipment. Then the WMS exports the line again, right this time, and the whole
// file once more: the ERP has it once, and nobody is asked about it.
//
// Shows: S37
func TestABadLineBecomesTheERPsDocument(t *testing.T) {
	w := worldtest.Open(t, world.Config{Seed: 37, Sites: []string{world.FileSite}})
	o := &office{t, w}
	floor := worldtest.TakeOver(t, w)
	order := floor.Order(4)
	floor.Await(floor.Tell(floor.Pick(order, 0, 4)))
	rows := floor.Rows(floor.Ship(order))
	good := rows[0][4]
	rows[0][4] = "four"
	floor.TellRows(day.Ship, rows)

	var bad letter
	worldtest.Until(t, "the line is a dead letter", patience, func() (bool, error) {
		found := o.letters("open")
		if len(found) > 0 {
			bad = found[0]
		}
		return len(found) == 1, nil
	})
	if bad.Code != "number_format" || bad.Order != order.Number || bad.Plugin == "" {
		t.Errorf("listed as %+v", bad)
	}
	for _, words := range []string{`"four" cannot be read as quantity`, "ships-hand-", "line 2", order.Number + ";"} {
		o.says(words, "deadletter", "show", bad.ID[:12])
	}
	o.refused("cannot be taken yet", "deadletter", "requeue", bad.ID[:12], "--reason", "as it is", "--by", "mara")
	o.refused(`lines[0].quantity: "four" is not a decimal number`, "deadletter", "edit", bad.ID[:12], "--set", "shipment.lines[0].quantity.value=four", "--reason", "the sheet says four", "--by", "mara")
	o.says("shipment.lines[0].quantity.value: (nothing) -> 4", "deadletter", "edit", bad.ID[:12], "--set", "shipment.lines[0].quantity.value=4", "--reason", "the sheet says four", "--by", "mara")
	if n := o.shipped(order.Number); n != 0 {
		t.Errorf("the ERP has %d shipments before it was entered", n)
	}
	o.says("entered as event", "deadletter", "requeue", bad.ID[:12], "--reason", "the sheet says four", "--by", "mara")
	worldtest.Until(t, "the ERP has the shipment", patience, func() (bool, error) { return o.shipped(order.Number) == 1, nil })
	worldtest.Until(t, "nothing is open", patience, func() (bool, error) {
		return len(o.letters("open")) == 0 && len(o.letters("requeued")) == 1 && o.letters("requeued")[0].Corrected != "", nil
	})

	rows[0][4] = good
	floor.Await(floor.TellRows(day.Ship, rows)) // right this time
	rows[0][4] = "four"
	floor.TellRows(day.Ship, rows) // and the old file from somebody's folder
	other := floor.Order(2)
	floor.Await(floor.Tell(floor.Pick(other, 0, 2)))
	floor.Await(floor.Tell(floor.Ship(other))) // what comes behind all that
	worldtest.Until(t, "the ERP has what came behind it", patience, func() (bool, error) { return o.shipped(other.Number) == 1, nil })
	if n := o.shipped(order.Number); n != 1 {
		t.Errorf("the ERP has %d shipments of the order, want 1", n)
	}
	if open := o.letters("open"); len(open) != 0 {
		t.Errorf("open again: %+v", open)
	}
	o.says("nothing differs", "rebuild")
	o.says("0 would be otherwise", "replay", "--order", order.Number)
}
