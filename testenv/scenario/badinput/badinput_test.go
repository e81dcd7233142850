// Package badinput_test shows that whatever is wrong with what comes in ends where a person finds it, and that nothing else stops for it.
package badinput_test

import (
	"encoding/json"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/testenv/erp"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

func TestMain(m *testing.M) { worldtest.Main(m) }

const patience = 90 * time.Second

// wrong is one thing that is wrong, and where a person finds it.
type wrong struct {
	// happen makes it so.
	happen func(t *testing.T, w *world.World)
	// code and class of its exception; says are words of its text, the remedy among them.
	code, class string
	// lines that are refused, each an exception of its own, of any code; 0 is one.
	lines int
	says  []string
	// file is what lies in the error folder afterwards, "" where it is not about a file.
	file string
}

// TestBadInput spoils the input of two sites in the middle of a day. Each fault ends as an exception of the API and on the console's page,
// with class, owner and a text that says what to do; a bad file also lies in the error folder with that text beside it. The day
// goes on and settles: of all that is wrong only the two events that are whole, but about nothing that anybody knows, are in the log.
func TestBadInput(t *testing.T) {
	w := worldtest.Open(t, world.Config{Seed: 6, MovementsPerSecond: 4, Policy: map[string]string{"mapping.yaml": strictMapping(), "timing.yaml": shortTiming}})
	worldtest.Orders(t, w, 16)
	for name, c := range all {
		t.Run(name, func(t *testing.T) {
			c.happen(t, w)
			found(t, w, c)
		})
	}
	worldtest.Orders(t, w, 4)
	settles(t, w)
}

var all = map[string]wrong{
	"a truncated file": {file: "picks-cut.csv", code: "truncated", class: "data", says: []string{"picks-cut.csv", "line 2", "export it again"},
		happen: drop("picks-cut.csv", pickHeader+"CUT-1;SO100001;10;SKU-10")},
	"bad lines of a file": {file: "picks-bad.csv", lines: 4, class: "data", says: []string{"picks-bad.csv", "correct"}, happen: drop("picks-bad.csv", pickHeader+
		"BAD-1;SO100001;10;SKU-1001;many;each;;A-01-01;;24.11.2026 10:00:00.000000;;op-01;;;\r\n"+
		"BAD-2;SO100001;10;SKU-1001;4;each;;A-01-01;;yesterday;;op-01;;;\r\n"+
		"BAD-3;SO100001;10;SKU-1001;;each;;A-01-01;;24.11.2026 10:00:00.000000;;op-01;;;\r\n"+
		"BAD-4;SO100001;10\r\n")},
	"wrong encoding": {file: "picks-utf8.csv", code: "encoding", class: "data", says: []string{"picks-utf8.csv", "line 2", "UTF-8", "correct"},
		happen: drop("picks-utf8.csv", pickHeader+"UTF-1;SO100001;10;SKU-1001;4;each;;A-01-01;;24.11.2026 10:00:00.000000;;Müller;;;\r\n")},
	"negative quantity": {file: "picks-negative.csv", code: "quantity_negative", class: "data", says: []string{"picks-negative.csv", "line 2", "qty", "correct"},
		happen: drop("picks-negative.csv", pickHeader+"NEG-1;SO100001;10;SKU-1001;-4;each;;A-01-01;;24.11.2026 10:00:00.000000;;op-01;;;\r\n")},
	"unknown SKU": {code: "unknown_item", class: "data", says: []string{"SKU-9999", "Add it to mapping.yaml"},
		happen: drop("counts-unknown.csv", "count;bin;sku;lot;qty;uom;counted_at;movement;operator\r\nCC-9999;A-01-01;SKU-9999;;7;each;24.11.2026 10:00:00.000000;;op-01\r\n")},
	"an event for an unknown order": {code: "unknown_order", class: "data", says: []string{"SO999999", "Enter the order"},
		happen: drop("picks-unknown.csv", pickHeader+"UNK-1;SO999999;10;SKU-1001;4;each;;A-01-01;;24.11.2026 10:00:00.000000;;op-01;;;\r\n")},
	"random bytes on the topic":                       {code: "unreadable_message", class: "technical", says: []string{"up/events", "certificate", "which version"}, happen: randomBytes},
	"an envelope that claims another site's identity": {code: "foreign_identity", class: "technical", says: []string{"dc-west", "dc-east", "replace it"}, happen: foreignEnvelope},
}

const pickHeader = "pick_id;order;line;sku;qty;uom;lot;from_bin;lpn;picked_at;movement;operator;short_qty;ordered_qty;reason\r\n"

const shortTiming = "orphan_wait: 2s\ncount_wait: 4h\npick_wait: 10m\nclock_uncertainty: 2s\n"

// strictMapping knows the ERP's articles and no others.
func strictMapping() string {
	text := "strict: true\nunits: {each: \"1\", kg: \"1\"}\nitems:\n"
	for _, item := range erp.NewMaster(6).Items {
		text += fmt.Sprintf("  - item: %s\n", item.Code)
	}
	return text
}

// drop puts a file into the folder of the site of files, in one go.
func drop(name, text string) func(*testing.T, *world.World) {
	return func(t *testing.T, w *world.World) {
		t.Helper()
		path := filepath.Join(w.Sites[world.FileSite].Outbound, name)
		if err := os.WriteFile(path+".tmp", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".tmp", path); err != nil {
			t.Fatal(err)
		}
	}
}

// found waits for the exception and looks for it in all places.
func found(t *testing.T, w *world.World, c wrong) {
	t.Helper()
	var open []world.Exception
	worldtest.Until(t, "an exception "+c.code, patience, func() (bool, error) {
		all, err := w.Exceptions(t.Context())
		open = slices.DeleteFunc(all, func(e world.Exception) bool { return c.code != "" && e.Code != c.code || !says(e.Text, c.says) })
		return len(open) >= max(1, c.lines), err
	})
	page, err := w.Page(t.Context(), "exceptions")
	if err != nil {
		t.Fatal(err)
	}
	page = html.UnescapeString(page)
	for _, e := range open {
		if e.Class != c.class || e.Team == "" || e.Title == "" {
			t.Errorf("want an exception of class %s with a team: %+v", c.class, e)
		}
		if !strings.Contains(page, e.Title) || !strings.Contains(page, e.Text) {
			t.Errorf("the console's page of exceptions does not show %q: %q", e.Title, e.Text)
		}
	}
	if len(open) != max(1, c.lines) {
		t.Errorf("%d exceptions: %+v", len(open), open)
	}
	if c.file != "" {
		inErrorFolder(t, w, c)
	}
}

func says(text string, words []string) bool {
	return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(text, word) })
}

func inErrorFolder(t *testing.T, w *world.World, c wrong) {
	t.Helper()
	folder := filepath.Join(w.Sites[world.FileSite].Outbound, "error")
	worldtest.Until(t, c.file+" in "+folder, patience, func() (bool, error) {
		text, err := os.ReadFile(filepath.Join(folder, c.file+".txt"))
		if err == nil && !says(string(text), []string{c.file, "What to do", fmt.Sprintf("line %d", 1+max(1, c.lines))}) {
			err = fmt.Errorf("the text beside the file does not name file, last line and remedy: %s", text)
		}
		_, there := os.Stat(filepath.Join(folder, c.file))
		return err == nil && there == nil, err
	})
}

// settles waits until everything agrees but the pick and the count that no dock did.
func settles(t *testing.T, w *world.World) {
	t.Helper()
	var r *world.Report
	var mine []string
	defer func() {
		if t.Failed() {
			t.Logf("%q, %+v", mine, r)
		}
	}()
	worldtest.Until(t, "the day", patience, func() (bool, error) {
		var err error
		if r, err = w.Check(t.Context()); err != nil {
			return false, err
		}
		mine = slices.DeleteFunc(slices.Clone(r.Mismatches), func(m string) bool {
			return strings.HasPrefix(m, "event log: ") && (strings.HasSuffix(m, "(dc-east pick)") || strings.HasSuffix(m, "(dc-east count)"))
		})
		return len(mine) == 0 && r.EventsLogged == r.EventsProduced+2, nil
	})
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", text)
}
