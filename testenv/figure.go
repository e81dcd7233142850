package testenv

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// FiguresDir in the environment is where tests write what they measured, one JSON object a line: docs/edge-guarantees.md is made from it.
const FiguresDir = "DOCKLINE_FIGURES"

// Measured is one line of a test's figures.
type Measured struct {
	Test string    `json:"test"`
	Full bool      `json:"full"`
	At   time.Time `json:"at"`
	Name string    `json:"name"`
	// Value is a number or a short text with its unit.
	Value string `json:"value"`
}

// Figure logs what a test measured, name and value in turn, and writes it down where FiguresDir says so.
func Figure(t testing.TB, pairs ...any) {
	t.Helper()
	var lines strings.Builder
	for i := 0; i+1 < len(pairs); i += 2 {
		m := Measured{Test: t.Name(), Full: Full(), At: time.Now().UTC().Truncate(time.Second), Name: fmt.Sprint(pairs[i]), Value: fmt.Sprint(pairs[i+1])}
		t.Logf("%s: %s", m.Name, m.Value)
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		lines.Write(append(text, '\n'))
	}
	dir := os.Getenv(FiguresDir)
	if dir == "" {
		return
	}
	file := filepath.Join(dir, strings.NewReplacer("/", "-", " ", "-").Replace(t.Name())+".jsonl")
	if err := os.WriteFile(file, []byte(lines.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
