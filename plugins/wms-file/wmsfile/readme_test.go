package wmsfile

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/dockline/dockline/plugins/mapping"
	"github.com/dockline/dockline/proto/event"
)

// everyEvent are fields that a record of any kind can fill.
var everyEvent = []string{"occurred_at", "movement", "actor", "device", "urgent"}

// kindTables is the part of the README that says which kinds there are and what fills them, made of the code.
func kindTables() string {
	var b strings.Builder
	b.WriteString("| kind | must have | may have besides |\n|---|---|---|\n")
	for _, kind := range mapping.Kinds() {
		needs := mapping.Needs(kind)
		names, lines := mapping.KindFields(kind)
		names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(needs, name) })
		if lines {
			names = append(names, "*line*")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", event.KindName(kind), strings.ReplaceAll(strings.Join(needs, ", "), "|", " or "), strings.Join(names, ", "))
	}
	b.WriteString("\n| field | what it is |\n|---|---|\n")
	names, about := mapping.FieldNames()
	for _, name := range names {
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, strings.ReplaceAll(about[name], "|", "\\|"))
	}
	return b.String()
}

const (
	tablesBegin = "<!-- kinds and fields: made by go test ./plugins/wms-file/wmsfile -run README -update -->\n"
	tablesEnd   = "<!-- end of kinds and fields -->\n"
)

// The README's tables are those of the code.
func TestREADMENamesEveryKindAndField(t *testing.T) {
	const path = "../README.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), tablesBegin)
	tables, after, ended := strings.Cut(rest, tablesEnd)
	if !found || !ended {
		t.Fatal("the README has lost the marks around its tables")
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+tablesBegin+kindTables()+tablesEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if tables != kindTables() {
		t.Error("the README's tables differ from the code; write them anew with -update")
	}
	for _, field := range everyEvent {
		if !strings.Contains(before, field) {
			t.Errorf("the README does not say that %s is there for every event", field)
		}
	}
}
