package epcis

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// ontology is what GS1 publishes of CBV: names by list, "BizStep", "Disp", ...
func ontology(t *testing.T) map[string][]string {
	t.Helper()
	folder := os.Getenv("DOCKLINE_SPECS")
	if folder == "" {
		folder = filepath.Join("..", "..", "..", "..", "shared", "specs")
	}
	text, err := os.ReadFile(filepath.Join(folder, "epcis", "ontology", "CBV.jsonld"))
	if err != nil {
		t.Skipf("GS1's published material is not here (DOCKLINE_SPECS): %v", err)
	}
	var graph struct {
		Graph []struct {
			ID string `json:"@id"`
		} `json:"@graph"`
	}
	if err := json.Unmarshal(text, &graph); err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for _, node := range graph.Graph {
		if list, name, ok := strings.Cut(strings.TrimPrefix(node.ID, "cbv:"), "-"); ok && strings.HasPrefix(node.ID, "cbv:") {
			found[list] = append(found[list], name)
		}
	}
	return found
}

// The lists are those of CBV 2.0, whole and with nothing of our own in them. Shows: S39
func TestNamesAreThoseOfCBV(t *testing.T) {
	published := ontology(t)
	for list, ours := range map[string]*vocabulary{"BizStep": bizSteps, "Disp": dispositions, "BTT": transactionTypes, "SDT": partyTypes, "ER": errorReasons, "Comp": components} {
		want := slices.Sorted(slices.Values(published[list]))
		if got := slices.Sorted(maps.Keys(ours.words)); !slices.Equal(got, want) || len(want) == 0 {
			t.Errorf("%s: %v, GS1 has %v", list, got, want)
		}
	}
}

// Every form uses names of CBV, or says by its URI that the name is ours.
func TestFormsUseCBVsNames(t *testing.T) {
	all := slices.Concat(slices.Collect(maps.Values(forms)), slices.Collect(maps.Values(disposals)))
	for _, f := range all {
		for _, step := range []string{f.step, f.fine} {
			if step != "" && !bizSteps.words[step] && !strings.HasPrefix(step, Namespace) {
				t.Errorf("%q is no step of CBV", step)
			}
		}
		for _, disposition := range []string{f.disposition, f.set} {
			if disposition != "" && !dispositions.words[disposition] {
				t.Errorf("%q is no disposition of CBV", disposition)
			}
		}
	}
	// shipping and receiving are told as a whole or step by step, never both (CBV 2.0, section 7.1.3).
	for kind, f := range forms {
		excluded := []string{"staging_outbound", "loading", "departing"}
		if slices.Contains(excluded, f.step) && !f.fineOnly || f.step == "departing" {
			t.Errorf("%s is told as %s beside shipping", event.KindName(kind), f.step)
		}
	}
}

var updateTable = flag.Bool("update-table", false, "write the table of docs/epcis.md anew")

// The table that people read is the one that the program has.
func TestTheDocumentedTableIsTheProgrammed(t *testing.T) {
	var b strings.Builder
	b.WriteString("| event | EPCIS event | action | business step | disposition | persistent disposition |\n|---|---|---|---|---|---|\n")
	for _, kind := range slices.Sorted(maps.Keys(forms)) {
		fmt.Fprintln(&b, row(kind, forms[kind]))
	}
	var without []string
	for _, kind := range event.Kinds() {
		if !HasForm(kind) {
			without = append(without, "`"+event.KindName(kind)+"`")
		}
	}
	fmt.Fprintf(&b, "\nNo form, because they tell of no goods that were seen: %s.\n", strings.Join(without, ", "))
	path := filepath.Join("..", "..", "..", "docs", "epcis.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- kinds -->\n", "<!-- /kinds -->\n"
	before, rest, ok := bytes.Cut(text, []byte(begin))
	_, after, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", path)
	}
	want := slices.Concat(before, []byte(begin), []byte(b.String()), []byte(end), after)
	if *updateTable {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	} else if !bytes.Equal(text, want) {
		t.Errorf("docs/epcis.md has another table; run this test with -update-table")
	}
}

func row(kind docklinev1.EventKind, f form) string {
	step := strings.TrimPrefix(f.step, Namespace+"BizStep-")
	if step != f.step {
		step = "own: " + step
	}
	switch {
	case f.fineOnly:
		step += " (only where steps are told)"
	case f.fine != "":
		step += " (" + f.fine + " where steps are told)"
	}
	cells := []string{"`" + event.KindName(kind) + "`", strings.TrimSuffix(f.eventType, "Event"), f.action, step, f.disposition, f.set}
	if varies[kind] != "" {
		cells[4] += "; " + varies[kind]
	}
	for i, c := range cells {
		cells[i] = firstOf(strings.TrimPrefix(c, "; "), "-")
	}
	return "| " + strings.Join(cells, " | ") + " |"
}

// varies says for people what differs by line; that it is true is for the tests of each form to show.
var varies = map[docklinev1.EventKind]string{
	docklinev1.EventKind_EVENT_KIND_STOCK_STATUS_CHANGED: "damaged, expired or recalled by the status; back to available: storing, sellable_not_accessible",
	docklinev1.EventKind_EVENT_KIND_STOCK_ADJUSTED:       "less stock: DELETE, own: adjusting; pieces with serial numbers: commissioning, decommissioning",
	docklinev1.EventKind_EVENT_KIND_RECEIPT_RECEIVED:     "damaged goods: damaged",
	docklinev1.EventKind_EVENT_KIND_RECEIPT_DISCREPANCY:  "damaged goods: damaged; another item: persistent mismatch_class",
	docklinev1.EventKind_EVENT_KIND_TRANSPORT_MILESTONE:  "arrived at a stop: arriving",
	docklinev1.EventKind_EVENT_KIND_DELIVERY_PROVED:      "a part refused: persistent mismatch_quantity",
	docklinev1.EventKind_EVENT_KIND_RETURN_INSPECTED:     "good: conformant; damaged; expired",
	docklinev1.EventKind_EVENT_KIND_RETURN_DISPOSED:      "refurbish: repairing, unavailable; quarantine: holding, non_sellable_other; scrap: DELETE, destroying, destroyed; to vendor: shipping, returned",
}

// What differs by line is told as the table says.
func TestLinesVaryTheForm(t *testing.T) {
	for name, c := range map[string]struct {
		kind docklinev1.EventKind
		line *docklinev1.Line
		want string
	}{
		"status damaged":   {docklinev1.EventKind_EVENT_KIND_STOCK_STATUS_CHANGED, &docklinev1.Line{ToStatus: "damaged"}, "OBSERVE holding damaged "},
		"status hold":      {docklinev1.EventKind_EVENT_KIND_STOCK_STATUS_CHANGED, &docklinev1.Line{ToStatus: "hold_quality"}, "OBSERVE holding non_sellable_other "},
		"status available": {docklinev1.EventKind_EVENT_KIND_STOCK_STATUS_CHANGED, &docklinev1.Line{ToStatus: "available"}, "OBSERVE storing sellable_not_accessible "},
		"more":             {docklinev1.EventKind_EVENT_KIND_STOCK_ADJUSTED, &docklinev1.Line{Quantity: &docklinev1.Quantity{Value: "3"}}, "ADD creating_class_instance  "},
		"less":             {docklinev1.EventKind_EVENT_KIND_STOCK_ADJUSTED, &docklinev1.Line{Quantity: &docklinev1.Quantity{Value: "-3"}}, "DELETE " + stepAdjusting + "  "},
		"more pieces":      {docklinev1.EventKind_EVENT_KIND_STOCK_ADJUSTED, &docklinev1.Line{Quantity: &docklinev1.Quantity{Value: "1"}, Serials: []string{"S"}}, "ADD commissioning  "},
		"less pieces":      {docklinev1.EventKind_EVENT_KIND_STOCK_ADJUSTED, &docklinev1.Line{Quantity: &docklinev1.Quantity{Value: "-1"}, Serials: []string{"S"}}, "DELETE decommissioning  "},
		"received damaged": {docklinev1.EventKind_EVENT_KIND_RECEIPT_RECEIVED, &docklinev1.Line{Condition: "damaged"}, "OBSERVE receiving damaged "},
		"another item":     {docklinev1.EventKind_EVENT_KIND_RECEIPT_DISCREPANCY, &docklinev1.Line{Condition: "wrong_item"}, "OBSERVE receiving  mismatch_class"},
		"short receipt":    {docklinev1.EventKind_EVENT_KIND_RECEIPT_DISCREPANCY, &docklinev1.Line{}, "OBSERVE receiving  mismatch_quantity"},
		"refused":          {docklinev1.EventKind_EVENT_KIND_DELIVERY_PROVED, &docklinev1.Line{Refused: &docklinev1.Quantity{Value: "1"}}, "OBSERVE arriving  mismatch_quantity"},
		"delivered":        {docklinev1.EventKind_EVENT_KIND_DELIVERY_PROVED, &docklinev1.Line{Refused: &docklinev1.Quantity{Value: "0"}}, "OBSERVE arriving  "},
		"inspected good":   {docklinev1.EventKind_EVENT_KIND_RETURN_INSPECTED, &docklinev1.Line{Condition: "good"}, "OBSERVE inspecting conformant "},
		"inspected opened": {docklinev1.EventKind_EVENT_KIND_RETURN_INSPECTED, &docklinev1.Line{Condition: "opened"}, "OBSERVE inspecting non_conformant "},
		"refurbish":        {docklinev1.EventKind_EVENT_KIND_RETURN_DISPOSED, &docklinev1.Line{Disposition: "refurbish"}, "OBSERVE repairing unavailable "},
		"scrap":            {docklinev1.EventKind_EVENT_KIND_RETURN_DISPOSED, &docklinev1.Line{Disposition: "scrap"}, "DELETE destroying destroyed "},
		"to vendor":        {docklinev1.EventKind_EVENT_KIND_RETURN_DISPOSED, &docklinev1.Line{Disposition: "to_vendor"}, "OBSERVE shipping returned "},
	} {
		f := forms[c.kind].vary(c.kind, c.line)
		if got := strings.Join([]string{f.action, f.step, f.disposition, f.set}, " "); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
