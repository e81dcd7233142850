package epcis_test

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dockline/dockline/proto/event/epcis"
)

// specs is the folder of GS1's published material, which is not part of this repository; a test that needs it is skipped without.
func specs(t testing.TB) string {
	folder := os.Getenv("DOCKLINE_SPECS")
	if folder == "" {
		folder = filepath.Join("..", "..", "..", "..", "shared", "specs")
	}
	folder = filepath.Join(folder, "epcis")
	if _, err := os.Stat(folder); err != nil {
		t.Skipf("GS1's published material is not here (DOCKLINE_SPECS): %v", err)
	}
	return folder
}

func capture(t testing.TB, text []byte) []*epcis.Captured {
	t.Helper()
	var found []*epcis.Captured
	err := epcis.Read(bytes.NewReader(text), func(c *epcis.Captured) error {
		found = append(found, c)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func readLines(t testing.TB, path string) []string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var found []string
	for s := bufio.NewScanner(file); s.Scan(); {
		if line := strings.TrimSpace(s.Text()); line != "" {
			found = append(found, line)
		}
	}
	return found
}

// Every published vector of the event hash, byte for byte, its canonical string too.
//
// Shows: A13
func TestPublishedEventHashes(t *testing.T) {
	folder := filepath.Join(specs(t), "event-hash")
	files, err := filepath.Glob(filepath.Join(folder, "*.jsonld"))
	if err != nil || len(files) < 12 {
		t.Fatalf("%d vectors found, %v", len(files), err)
	}
	// One vector was made by a release that sorted destinationList before sourceList; the text of CBV has them the other way round.
	older := []string{"epcisDocWithShippingAndTransportingEvent.jsonld 0"}
	// The canonical string of this event is cut off in its file; its hash is that of the whole one.
	cut := []string{"epcisDocWithDefaultSchemaInContext.jsonld 1"}
	checked := 0
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		hashes := readLines(t, strings.TrimSuffix(path, ".jsonld")+".hashes")
		var strs []string
		if _, err := os.Stat(strings.TrimSuffix(path, ".jsonld") + ".prehashes"); err == nil {
			strs = readLines(t, strings.TrimSuffix(path, ".jsonld")+".prehashes")
		}
		events := capture(t, text)
		if len(events) != len(hashes) {
			t.Errorf("%s: %d events, %d hashes", filepath.Base(path), len(events), len(hashes))
			continue
		}
		for i, c := range events {
			name := filepath.Base(path) + " " + string(rune('0'+i))
			checked++
			got := epcis.PreHash(c.Event, c.Context, c.Ignore...)
			if !epcis.Matches(hashes[i], c.Event, c.Context, c.Ignore...) {
				t.Errorf("%s: the published hash is not recognised; canonical string\n%s", name, got)
			}
			if slices.Contains(older, name) {
				continue
			}
			if hash := epcis.EventHash(c.Event, c.Context, c.Ignore...); hash != hashes[i] {
				t.Errorf("%s: hash %s, published %s", name, hash, hashes[i])
			}
			if strs != nil && !slices.Contains(cut, name) && got != strs[i] {
				t.Errorf("%s: canonical string\n%s\npublished\n%s", name, got, strs[i])
			}
		}
	}
	if checked < 18 {
		t.Errorf("only %d events were held against their hashes", checked)
	}
}

// GS1's note on the algorithm gives two events that must have one hash.
func TestEqualEventsHaveOneHash(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(specs(t), "event-hash", "expected_equal_ReferenceEventHashAlgorithm.json"))
	if err != nil {
		t.Fatal(err)
	}
	hashes := map[string]bool{}
	for _, c := range capture(t, text) {
		hashes[epcis.EventHash(c.Event, c.Context)] = true
		const want = "{https://ns.example.com/epcis/}myField1{https://ns.example.com/epcis/}mySubField1=2{https://ns.example.com/epcis/}mySubField2=5" +
			"{https://ns.example.com/epcis/}myField2=0{https://ns.example.com/epcis/}myField3{https://ns.example.com/epcis/}mySubField3=1{https://ns.example.com/epcis/}mySubField3=3"
		if got := epcis.PreHash(c.Event, c.Context); !strings.HasSuffix(got, want) {
			t.Errorf("canonical string %s", got)
		}
	}
	if len(hashes) != 1 {
		t.Errorf("%d hashes", len(hashes))
	}
}
