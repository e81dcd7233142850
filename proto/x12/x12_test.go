package x12_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/dockline/dockline/proto/x12"
)

const small = "ISA*00*          *00*          *ZZ*NORDLAGER      *ZZ*DOCKLINE       *261126*0815*U*00401*000000001*0*P*>~\n" +
	"GS*SW*NORDLAGER*DOCKLINE*20261126*0815*7*X*004010~\nST*945*0001~\nW06*F*SO-1*20261126*SHP-1~\nSE*3*0001~\nST*945*0002~\nW06*F*SO-2*20261126*SHP-2~\nSE*3*0002~\nGE*2*7~\nIEA*1*000000001~\n"

// read gives what became of a text: a line for each set and each interchange that cannot be taken.
func read(t testing.TB, text string) string {
	t.Helper()
	o, err := x12.Check(iotest.OneByteReader(strings.NewReader(text)))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, i := range o.Interchanges {
		if i.Fault != nil {
			lines = append(lines, "interchange: "+i.Fault.Error())
		}
	}
	for s, err := range x12.Sets(strings.NewReader(text), o) {
		switch {
		case err != nil:
			t.Fatal(err)
		case s.Fault != nil:
			lines = append(lines, s.ID()+" "+s.ST.Element(2)+": "+s.Fault.Error())
		default:
			lines = append(lines, fmt.Sprintf("%s %s: %d segments in group %s", s.ID(), s.ST.Element(2), len(s.Body), s.GS.Element(6)))
		}
	}
	return strings.Join(lines, "\n")
}

// Whatever is wrong with an envelope is told with its segment, and what may be missing a part is not taken.
//
// Shows: S38
func TestEnvelopes(t *testing.T) {
	swap := func(from, to string) string {
		if !strings.Contains(small, from) {
			t.Fatalf("%q is not in the sample", from)
		}
		return strings.Replace(small, from, to, 1)
	}
	both := "945 0001: 1 segments in group 7\n945 0002: 1 segments in group 7"
	for name, c := range map[string]struct{ text, want string }{
		"good":                   {small, both},
		"no line ends":           {strings.ReplaceAll(small, "\n", ""), both},
		"line ends as the end":   {strings.ReplaceAll(small, "~\n", "\r\n"), both},
		"other separators":       {strings.NewReplacer("*", "|", "~", "\x1d", ">", ":").Replace(small), both},
		"a byte-order mark":      {"\xef\xbb\xbf" + small, both},
		"indented":               {strings.ReplaceAll(small, "\nST", "\n   ST"), both},
		"not padded":             {strings.Replace(strings.ReplaceAll(small, "  ", ""), "NORDLAGER ", "NORDLAGER", 1), both},
		"no ISA16":               {swap("*P*>~", "*P*~"), both},
		"two interchanges":       {small + strings.ReplaceAll(small, "000000001", "000000002"), both + "\n" + both},
		"rubbish":                {"Tk9OIEVESSBGSUxFISA", "interchange: segment 1, ISA: an X12 interchange begins with ISA; this does not"},
		"empty":                  {"", "interchange: segment 1, ISA: an X12 interchange begins with ISA; this does not"},
		"cut":                    {small[:len(small)-40], "interchange: segment 7, W06: is the last segment: the interchange's end (IEA) is missing, so it was cut off"},
		"rubbish behind":         {small + "and more", "interchange: segment 11, ISA: an X12 interchange begins with ISA; this does not\n" + both},
		"cut before another":     {small[:strings.Index(small, "GE*")] + small, "interchange: segment 9, ISA: begins before the interchange has ended: IEA is missing\n" + both},
		"rubbish before another": {"x\n" + small, "interchange: segment 1, ISA: an X12 interchange begins with ISA; this does not\n" + both},
		"segments missing":       {swap("SE*3*0001", "SE*4*0001"), "945 0001: segment 5, SE01: says that the set has 4 segments, and it has 3: some may be missing\n945 0002: 1 segments in group 7"},
		"another number":         {swap("SE*3*0001", "SE*3*0009"), "945 0001: segment 5, SE02: is \"0009\", and the set began as \"0001\"\n945 0002: 1 segments in group 7"},
		"a number twice": {strings.NewReplacer("ST*945*0002", "ST*945*0001", "SE*3*0002", "SE*3*0001").Replace(small),
			"945 0001: 1 segments in group 7\n945 0001: segment 6, ST02: is \"0001\", as that of another set of this group: which of the two is meant cannot be told"},
		"sets missing": {swap("GE*2*7", "GE*3*7"), "945 0001: segment 9, GE01: says that the group has 3 sets, and it has 2: some may be missing\n" +
			"945 0002: segment 9, GE01: says that the group has 3 sets, and it has 2: some may be missing"},
		"groups missing":     {swap("IEA*1", "IEA*2"), "interchange: segment 10, IEA01: says that the interchange has 2 groups, and it has 1: some may be missing"},
		"no SE":              {swap("SE*3*0001~\n", ""), "interchange: segment 5, ST: begins before the set 0001 has ended: SE is missing"},
		"no ST":              {swap("ST*945*0001~\n", ""), "interchange: segment 3, W06: stands outside of a set"},
		"no GE":              {swap("GE*2*7~\n", ""), "interchange: segment 9, IEA: ends the interchange before the group 7 has ended: GE is missing"},
		"no GS":              {swap("GS*SW*NORDLAGER*DOCKLINE*20261126*0815*7*X*004010~\n", ""), "interchange: segment 2, ST: stands outside of a group: GS is missing"},
		"an ISA too short":   {swap("*P*>~", "~"), "interchange: segment 1, ISA14: is missing: ISA has sixteen elements"},
		"a letter as an end": {swap("*P*>~\n", "*P*>"), "interchange: segment 1, ISA16: names \"G\" as a separator, which stands in texts too: the ISA has lost or gained a character"},
	} {
		if got := read(t, c.text); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, c.want)
		}
	}
}

// One group twice under one number cannot be acknowledged apart.
func TestAGroupsNumberTwice(t *testing.T) {
	group := small[strings.Index(small, "GS*"):strings.Index(small, "IEA*")]
	got := read(t, strings.Replace(small, "IEA*1", group+"IEA*2", 1))
	if !strings.Contains(got, "945 0001: segment 10, GS06: is \"7\", as that of another group") {
		t.Errorf("got\n%s", got)
	}
}

// A segment that never ends is told, and read in the memory of one.
func TestASegmentWithoutEnd(t *testing.T) {
	head := small[:strings.Index(small, "ST*")] + "ST*945*0001~\nN9*XX*"
	o, err := x12.Check(strings.NewReader(head + strings.Repeat("x", 1<<20)))
	if err != nil || o.Bad() == nil || !strings.Contains(o.Bad().Text, "more than 64 KiB") {
		t.Errorf("%v, %v", o.Bad(), err)
	}
}

var head = x12.Head{Sender: x12.Party{Qualifier: "ZZ", ID: "DOCKLINE"}, Receiver: x12.Party{Qualifier: "ZZ", ID: "NORDLAGER", Group: "NL1"}, Control: 42, Group: 17,
	Functional: "OW", Version: "004010", At: time.Date(2026, 11, 26, 8, 15, 0, 0, time.UTC)}

// What is written is read again as it was.
func TestWhatIsWrittenIsRead(t *testing.T) {
	raw, err := x12.Write(head, x12.Part{ID: "940", Body: [][]string{{"W05", "N", "SO-1", "", ""}, {"LX", "1"}}})
	if err != nil {
		t.Fatal(err)
	}
	want := "ISA*00*          *00*          *ZZ*DOCKLINE       *ZZ*NORDLAGER      *261126*0815*U*00401*000000042*0*P*>~\nGS*OW*DOCKLINE*NL1*20261126*0815*17*X*004010~\n" +
		"ST*940*0001~\nW05*N*SO-1~\nLX*1~\nSE*4*0001~\nGE*1*17~\nIEA*1*000000042~\n"
	if string(raw) != want {
		t.Errorf("got\n%s\nwant\n%s", raw, want)
	}
	if got := read(t, string(raw)); got != "940 0001: 2 segments in group 17" {
		t.Errorf("read again: %s", got)
	}
	if len(strings.Split(want, "\n")[0]) != 106 {
		t.Errorf("ISA has %d bytes, not 106", len(strings.Split(want, "\n")[0]))
	}
	if _, err := x12.Write(head, x12.Part{ID: "940", Body: [][]string{{"W05", "N", "SO*1"}}}); err == nil || !strings.Contains(err.Error(), "W0502") {
		t.Errorf("a number with a separator in it: %v", err)
	}
	late := head
	late.Control = x12.MaxControl + 1
	if _, err := x12.Write(late); err == nil {
		t.Error("a control number of ten digits was written")
	}
	late = head
	late.Version = "005010"
	if raw, err := x12.Write(late); err != nil || !strings.Contains(string(raw), "*^*00501*") {
		t.Errorf("%s, %v", raw, err)
	}
}

// An acknowledgement is read as it was written, with what is wrong and where.
//
// Shows: A18
func TestAcknowledgements(t *testing.T) {
	a := &x12.Acknowledgement{Functional: "SW", Control: "7", Version: "004010", Verdict: x12.Partly, Said: 2, Received: 2, Taken: 1, Sets: []x12.SetVerdict{
		{ID: "945", Control: "0001", Verdict: x12.Accepted},
		{ID: "945", Control: "0002", Verdict: x12.Rejected, Codes: []int{5}, Notes: []x12.Note{{Segment: "W12", Position: 4, SegmentCode: 8, Element: 3, ElementCode: 6, Value: "m*ny"}}}}}
	h := head
	h.Functional = "FA"
	raw, err := x12.Write(h, a.Part(x12.Separators{Element: '*', Component: '>', Segment: '~'}))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"AK1*SW*7~", "AK2*945*0001~\nAK5*A~", "AK3*W12*4**8~\nAK4*3**6*m ny~\nAK5*R*5~", "AK9*P*2*2*1~", "SE*10*0001~"} {
		if !strings.Contains(string(raw), line) {
			t.Errorf("%q is not in\n%s", line, raw)
		}
	}
	o, _ := x12.Check(strings.NewReader(string(raw)))
	for s := range x12.Sets(strings.NewReader(string(raw)), o) {
		back, f := x12.ReadAcknowledgement(s)
		if f != nil {
			t.Fatal(f)
		}
		a.Sets[1].Notes[0].Value = "m ny"
		a.Version = ""
		if fmt.Sprint(*back) != fmt.Sprint(*a) {
			t.Errorf("got %+v\nwant %+v", back, a)
		}
		if words := back.Sets[1].Words(); !strings.Contains(words, `W1203: error 6 with "m ny"`) {
			t.Errorf("words: %s", words)
		}
	}
}

// The published acknowledgements are read, and those that are wrong refused with the place.
//
// Shows: A18
func TestPublishedAcknowledgements(t *testing.T) {
	specs := os.Getenv("DOCKLINE_SPECS")
	if specs == "" {
		specs = "../../../shared/specs"
	}
	for file, want := range map[string]string{
		"997-999/staedi-simple997.edi":  "HC 000001 R 1",
		"997-999/staedi-simple999.edi":  "HC 17456 P 3",
		"997-999/staedi-invalid997.edi": "segment 4, AK101: ",
		"997-999/staedi-invalid999.edi": "segment 20, SE01: ",
		"997-999/staedi-empty997.edi":   "segment 3, ST: ",
		"envelope/gtlogistics-997.edi":  "SM 1 A 0",
	} {
		text, err := os.ReadFile(filepath.Join(specs, "x12", filepath.FromSlash(file)))
		if err != nil {
			t.Skipf("there are no samples below %s (DOCKLINE_SPECS)", specs)
		}
		o, err := x12.Check(strings.NewReader(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		for s := range x12.Sets(strings.NewReader(string(text)), o) {
			got := ""
			if s.Fault != nil {
				got = s.Fault.Error()
			} else if a, f := x12.ReadAcknowledgement(s); f != nil {
				got = f.Error()
			} else {
				got = fmt.Sprintf("%s %s %c %d", a.Functional, a.Control, a.Verdict, len(a.Sets))
			}
			if !strings.HasPrefix(got, want) {
				t.Errorf("%s: got %s, want %s", file, got, want)
			}
		}
	}
}

// Whatever comes, it is told what it is or what is wrong with it, and both passes agree.
func FuzzSets(f *testing.F) {
	f.Add(small)
	f.Add(small + small)
	f.Add(small[:200] + small)
	f.Add(strings.NewReplacer("*", "|", "~\n", "\n").Replace(small))
	f.Add("ISA*00**00**ZZ*A*ZZ*B*261126*0815*U*00401*1*0*P*~\nGS*FA*A*B*20261126*0815*1*X*004010~\nST*997*1~\nAK1*SW*1~\nAK9*R*1*1*0~\nSE*4*1~\nGE*1*1~\nIEA*1*1~\n")
	f.Fuzz(func(t *testing.T, text string) {
		o, err := x12.Check(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if len(o.Interchanges) == 0 {
			t.Fatal("neither taken nor refused")
		}
		sets, bad := 0, false
		for _, i := range o.Interchanges {
			bad = bad || i.Fault != nil
		}
		for s, err := range x12.Sets(strings.NewReader(text), o) {
			if err != nil {
				t.Fatal(err)
			}
			sets++
			if s.Fault == nil {
				_, _ = x12.ReadAcknowledgement(s)
			}
			if s.Group < 0 || s.Group >= len(o.Groups) {
				t.Fatalf("set %s is of group %d of %d", s.ST.Text(), s.Group, len(o.Groups))
			}
		}
		if !bad && sets != o.Sets() {
			t.Fatalf("%d sets were checked and %d given", o.Sets(), sets)
		}
	})
}
