package wmsfile

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dockline/dockline/proto/event"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Whatever is wrong with a file ends where a person finds it, with class, place and words, and the good lines are taken.
func TestBadInput(t *testing.T) {
	good, bad := pickRows(1, 1)[0], "P9;SO1;SKU;4;;2026-07-04T08:00:00;B;1"
	for name, c := range map[string]struct {
		data   string
		events int
		// want is "code line column" of each dead letter.
		want string
	}{
		"truncated in a line":       {pickHeader + good + "\nP9;SO1;SK", 1, "truncated 3 "},
		"truncated in a header":     {"id;order;sk", 0, "unknown_column 0 at"},
		"empty":                     {"", 0, "file_empty 0 "},
		"blank lines only":          {"\n\n", 0, "file_empty 0 "},
		"wrong encoding":            {pickHeader + good + "\n" + strings.Replace(bad, "SKU", "M\xfcller", 1) + "\n", 1, "encoding 3 sku"},
		"wrong encoding everywhere": {"id;order;sku;qty;short;at;bin;mov;gr\xfc\xdfe\n" + good + ";\n", 0, "encoding 0 "},
		"unknown columns":           {"id;auftrag;artikel;qty;short;at;bin;mov\n" + good + "\n", 0, "unknown_column 0 order"},
		"wrong delimiter":           {strings.ReplaceAll(pickHeader+good, ";", ","), 0, "unknown_column 0 at"},
		"negative quantity":         {pickHeader + strings.Replace(bad, ";4;", ";-4;", 1) + "\n" + good + "\n", 1, "quantity_negative 2 qty"},
		"bad number":                {pickHeader + strings.Replace(bad, ";4;", ";4,5;", 1) + "\n" + good + "\n", 1, "number_format 2 qty"},
		"bad date":                  {pickHeader + strings.Replace(bad, "2026-07-04", "2026-02-30", 1) + "\n" + good + "\n", 1, "date_format 2 at"},
		"no key":                    {pickHeader + strings.Replace(bad, "P9", "", 1) + "\n" + good + "\n", 1, "key_missing 2 id"},
		"no item":                   {pickHeader + strings.Replace(bad, "SKU", "", 1) + "\n" + good + "\n", 1, "field_missing 2 sku"},
		"too few cells":             {pickHeader + "P9;SO1\n" + good + "\n", 1, "columns_missing 2 "},
		"too many cells":            {pickHeader + bad + ";x\n" + good + "\n", 1, "columns_extra 2 "},
		"a delimiter at the end":    {pickHeader + bad + ";\n" + good + "\n", 2, ""},
		"open quote":                {pickHeader + strings.Replace(bad, "SKU", `"SKU`, 1) + "\n" + good + "\n", 1, "quote 2 sku"},
		"too much of a quantity":    {pickHeader + strings.Replace(bad, ";4;", ";4006381333931;", 1) + "\n" + good + "\n", 1, "number_format 2 qty"},
		"zero bytes":                {pickHeader + strings.Replace(bad, "SKU", "S\x00U", 1) + "\n" + good + "\n", 1, "encoding 2 sku"},
		"two bad lines that are equal": {pickHeader + strings.Replace(bad, ";4;", ";x;", 1) + "\n" + strings.Replace(bad, ";4;", ";x;", 1) + "\n" + good + "\n", 1,
			"number_format 2 qty, number_format 3 qty"},
		"several faults in a line": {pickHeader + "P9;;SKU;x;;nie;B;1\n" + good + "\n", 1, "date_format 2 at"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, testConfig)
			s.drop("picks.csv", c.data)
			s.mustStep()
			if c.data == "" {
				s.clock = s.clock.Add(emptyFor) // on a share it could be on its way
				s.mustStep()
			}
			var got []string
			for _, l := range s.host.letters() {
				got = append(got, fmt.Sprintf("%s %d %s", l.GetCode(), l.GetLine(), l.GetColumn()))
				if l.GetClass() == docklinev1.FaultClass_FAULT_CLASS_UNSPECIFIED || !strings.Contains(l.GetText(), "picks.csv") || l.GetFile() != "picks.csv" || (len(l.GetRaw()) == 0) != (c.data == "") {
					t.Errorf("dead letter %v", l)
				}
			}
			if g := strings.Join(got, ", "); g != c.want || len(s.host.ids(false)) != c.events {
				t.Fatalf("got %d events and %q, want %d and %q", len(s.host.ids(false)), g, c.events, c.want)
			}
			if len(s.host.ids(true)) != len(got) {
				t.Errorf("%d ids for %d dead letters", len(s.host.ids(true)), len(got))
			}
			for _, e := range s.host.events {
				if f := event.Validate(e); f != nil {
					t.Errorf("event %v: %v", e, f)
				}
			}
			checkFolders(t, s, c.want != "")
		})
	}
}

func checkFolders(t *testing.T, s *site, bad bool) {
	t.Helper()
	if len(s.list("out")) != 0 {
		t.Errorf("left %v", s.list("out"))
	}
	if !bad {
		if got := s.list("out/archive"); len(got) != 2 {
			t.Errorf("archive %v", got)
		}
		return
	}
	if got := s.list("out/archive"); len(got) != 0 {
		t.Errorf("archive %v", got)
	}
	words := s.read("out/error/picks.csv.txt")
	for _, l := range s.host.letters() {
		if l.GetLine() > 0 && !strings.Contains(words, fmt.Sprintf("line %d", l.GetLine())) || !strings.Contains(words, "What to do") || !strings.Contains(words, l.GetColumn()) {
			t.Errorf("the text does not speak of line %d, column %s:\n%s", l.GetLine(), l.GetColumn(), words)
		}
	}
	if len(s.host.conditions) != 1 || s.host.conditions[0].GetCode() != "files_refused" {
		t.Errorf("conditions %v", s.host.conditions)
	}
}

// The file of refused lines, corrected, gives what was missing, and nothing twice.
func TestRefusedLinesCanBeGivenAgain(t *testing.T) {
	s := newSite(t, testConfig)
	s.drop("picks.csv", "\xef\xbb\xbf"+pickFile(pickRows(1, 1)[0], "P2;SO1;SKU;1O;;2026-07-04T08:00:00;B;1", pickRows(3, 1)[0], "P4;SO1;SKU;1;;heute;B;1"))
	s.mustStep()
	if len(s.host.ids(false)) != 2 {
		t.Fatalf("%d events", len(s.host.ids(false)))
	}
	refused := s.read("out/error/picks.rejected.csv")
	corrected := strings.NewReplacer("1O", "10", "heute", "2026-07-04T08:00:00").Replace(refused)
	if strings.Count(refused, "\r\n") != 3 || corrected == refused {
		t.Fatalf("refused lines: %q", refused)
	}
	s.drop("picks.rejected.csv", corrected)
	s.mustStep()
	if got := s.host.ids(false); len(got) != 4 || len(s.list("out/archive")) != 2 {
		t.Errorf("%d events, archive %v", len(got), s.list("out/archive"))
	}
}

// A shipment that lacks a line must not be posted: its good lines wait with the bad one, other shipments do not.
func TestBadLineHoldsBackItsGroup(t *testing.T) {
	head := "ship;order;sku;qty;at\n"
	for name, c := range map[string]struct {
		rows   []string
		events int
		codes  string
	}{
		"bad quantity": {[]string{"S1;SO1;A;1;2026-07-04T09:00:00", "S2;SO1;A;x;2026-07-04T09:00:00", "S2;SO1;B;1;2026-07-04T09:00:00", "S3;SO1;A;1;2026-07-04T09:00:00"}, 2,
			"number_format group_incomplete"},
		"line that tells no key": {[]string{"S1;SO1;A;1;2026-07-04T09:00:00", "S2;SO1;A;1;2026-07-04T09:00:00", "\"S2;SO1;B;1;2026-07-04T09:00:00", "S3;SO1;A;1;2026-07-04T09:00:00", "S4;SO1;A;1;2026-07-04T09:00:00"}, 2,
			"quote group_incomplete group_incomplete"},
		"contradiction": {[]string{"S1;SO1;A;1;2026-07-04T09:00:00", "S2;;A;1;2026-07-04T09:00:00"}, 1, "field_missing"},
		"cut off":       {[]string{"S1;SO1;A;1;2026-07-04T09:00:00", "S2;SO1;A;1;2026-07-04T09:00:00", "S2;SO"}, 1, "truncated group_incomplete"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, testConfig)
			s.drop("ships.csv", head+strings.Join(c.rows, "\n"))
			s.mustStep()
			var codes []string
			for _, l := range s.host.letters() {
				codes = append(codes, l.GetCode())
			}
			slices.SortFunc(codes, func(a, b string) int { return strings.Compare(order(a), order(b)) })
			if got := strings.Join(codes, " "); got != c.codes || len(s.host.ids(false)) != c.events {
				t.Errorf("%d events and %s, want %d and %s", len(s.host.ids(false)), got, c.events, c.codes)
			}
		})
	}
}

// order puts the cause before those held back with it.
func order(code string) string {
	if code == "group_incomplete" {
		return "z"
	}
	return code
}

func TestTrailerShowsThatAFileIsWhole(t *testing.T) {
	config := strings.Replace(testConfig, "    pattern: picks*.csv\n", "    pattern: picks*.csv\n    trailer: END\n", 1)
	s := newSite(t, config)
	s.drop("picks1.csv", pickFile(pickRows(1, 2)...)+"END;2\n")
	s.mustStep()
	if len(s.host.events) != 2 || len(s.list("out/archive")) != 2 {
		t.Fatalf("%d events, archive %v", len(s.host.events), s.list("out/archive"))
	}
	s.drop("picks2.csv", pickFile(pickRows(3, 2)...))
	s.mustStep()
	if l := s.host.letters(); len(s.host.ids(false)) != 4 || len(l) != 1 || l[0].GetCode() != "truncated" || len(s.list("out/error")) == 0 {
		t.Errorf("%d events, letters %v", len(s.host.ids(false)), l)
	}
}

func TestFileBeyondTheLimit(t *testing.T) {
	s := newSite(t, "max_mb: 1\n"+testConfig)
	s.drop("picks.csv", pickHeader+strings.Repeat("x", 2<<20))
	s.mustStep()
	if l := s.host.letters(); len(l) != 1 || l[0].GetCode() != "file_too_big" || len(s.list("out")) != 0 || len(s.list("out/error")) != 3 {
		t.Errorf("letters %v, left %v, errors %v", l, s.list("out"), s.list("out/error"))
	}
}
