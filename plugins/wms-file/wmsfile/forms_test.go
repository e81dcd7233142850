package wmsfile

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"

	"github.com/dockline/dockline/proto/event"
)

const formsConfig = `outbound: ROOT/out
complete: {by: rename}
max_mb: 8192
defaults: {zone: UTC, delimiter: ";"}
files:
  - {name: picks, pattern: "*.csv*", kind: pick.confirmed, key: [id], columns: {order: order, sku: item, qty: quantity, at: occurred_at}}
  - {name: lines, pattern: "*.jsonl*", form: jsonl, kind: pick.confirmed, key: [id], columns: {order: order, sku: item, qty: quantity, at: occurred_at}}
  - {name: ships, pattern: "*.json*", form: json, record: ships, lines: lines, kind: shipment.departed, key: [no], group: true, columns: {no: shipment, at: occurred_at, lines.order: order, lines.sku: item, lines.qty: quantity}}
  - {name: xml, pattern: "*.xml*", form: xml, record: Ships/Ship, lines: Line, kind: shipment.departed, key: ["@no"], group: true, columns: {"@no": shipment, At: occurred_at, Line/Order: order, Line/Sku: item, Line/Qty: quantity}}
`

func gz(data string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, data)
	_ = w.Close()
	return b.String()
}

func zipped(members ...string) string {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(members); i += 2 {
		m, _ := w.Create(members[i])
		_, _ = io.WriteString(m, members[i+1])
	}
	_ = w.Close()
	return b.String()
}

const (
	onePick  = `{"id":"P1","order":"SO1","sku":"A","qty":1,"at":"2026-07-04T08:00:00Z"}`
	oneShip  = `{"no":"S1","at":"2026-07-04T08:00:00Z","lines":[{"order":"SO1","sku":"A","qty":1},{"order":"SO1","sku":"B","qty":2}]}`
	shipXML  = `<Ship no="S1"><At>2026-07-04T08:00:00Z</At><Line><Order>SO1</Order><Sku>A</Sku><Qty>1</Qty></Line><Line><Order>SO1</Order><Sku>B</Sku><Qty>2</Qty></Line></Ship>`
	twoPicks = "id;order;sku;qty;at\nP1;SO1;A;1;2026-07-04T08:00:00Z\nP2;SO1;B;2;2026-07-04T08:00:00Z\n"
)

// Whatever is wrong with a file of any form is told with its place, and what is right is taken.
//
// Shows: S38
func TestBadInputOfEveryForm(t *testing.T) {
	big := strings.Repeat("x", 5<<20)
	for name, c := range map[string]struct{ file, data, want string }{
		"json":                       {"a.json", `{"ships":[` + oneShip + `]}`, "shipment.departed 1"},
		"json with a mark":           {"a.json", "\xef\xbb\xbf" + `{"before":[1,{"x":[]}],"ships":[` + oneShip + `],"behind":"x"}`, "shipment.departed 1"},
		"json with no records":       {"a.json", `{"ships":[]}`, ""},
		"json of another shape":      {"a.json", `{"sendungen":[` + oneShip + `]}`, "refused 0  records_missing"},
		"json with null":             {"a.json", `{"ships":[` + strings.Replace(oneShip, `"B"`, "null", 1) + `,` + strings.ReplaceAll(oneShip, "S1", "S2") + `]}`, "refused 1 lines.sku field_missing, shipment.departed 1"},
		"json with text as a number": {"a.json", `{"ships":[` + strings.Replace(oneShip, `"qty":2`, `"qty":"two"`, 1) + `]}`, "refused 1 lines.qty number_format"},
		"json without lines":         {"a.json", `{"ships":[{"no":"S1","at":"2026-07-04T08:00:00Z"}]}`, "refused 1 lines.sku field_missing"},
		"json cut off":               {"a.json", `{"ships":[` + oneShip + `,{"no":"S2"`, "refused 2  truncated, shipment.departed 1"},
		"json rubbish":               {"a.json", "\x00\xffnonsense", "refused 1  json_syntax"},
		"json rubbish behind":        {"a.json", `{"ships":[` + oneShip + `]} {}`, "refused 2  json_syntax, shipment.departed 1"},
		"json with a huge value":     {"a.json", `{"ships":[` + oneShip + `,{"no":"` + big + `"}]}`, "refused 2  record_too_long, shipment.departed 1"},
		"json deep":                  {"a.json", strings.Repeat(`[`, 5000), "refused 1  json_syntax"},
		"json empty":                 {"a.json", "", "refused 0  file_empty"},
		"jsonl":                      {"a.jsonl", onePick + "\n" + strings.Replace(onePick, "P1", "P2", 1), "pick.confirmed 2"},
		"jsonl with a bad line":      {"a.jsonl", onePick + "\n{oops\n\n" + strings.Replace(onePick, "P1", "P2", 1) + "\n", "pick.confirmed 2, refused 2  json_syntax"},
		"jsonl with a list":          {"a.jsonl", "[" + onePick + "]\n" + onePick + "\n", "pick.confirmed 1, refused 1  json_syntax"},
		"jsonl with a long line":     {"a.jsonl", onePick + "\n" + `{"id":"` + big + "\"}\n" + strings.Replace(onePick, "P1", "P2", 1) + "\n", "pick.confirmed 2, refused 2  record_too_long"},
		"jsonl cut off":              {"a.jsonl", onePick + "\n" + onePick[:30], "pick.confirmed 1, refused 2  json_syntax"},
		"xml":                        {"a.xml", `<?xml version="1.0"?><Ships>` + shipXML + `</Ships>`, "shipment.departed 1"},
		"xml with a namespace":       {"a.xml", `<x:Ships xmlns:x="urn:x">` + shipXML + `</x:Ships>`, "shipment.departed 1"},
		"xml in windows-1252":        {"a.xml", `<?xml version="1.0" encoding="windows-1252"?><Ships>` + strings.Replace(shipXML, ">B<", ">M\xfcller<", 1) + `</Ships>`, "shipment.departed 1"},
		"xml in an unknown encoding": {"a.xml", `<?xml version="1.0" encoding="klingon"?><Ships>` + shipXML + `</Ships>`, "refused 1  xml_syntax"},
		"xml of another shape":       {"a.xml", `<Sendungen>` + shipXML + `</Sendungen>`, "refused 0  records_missing"},
		"xml cut off":                {"a.xml", `<Ships>` + shipXML + `<Ship no="S2"><At>`, "refused 2  truncated, shipment.departed 1"},
		"xml not closed":             {"a.xml", `<Ships>` + shipXML + `<Ship no="S2"></Ships>`, "refused 2  xml_syntax, shipment.departed 1"},
		"xml with an entity":         {"a.xml", `<!DOCTYPE x [<!ENTITY lol "lol">]><Ships>` + strings.Replace(shipXML, ">B<", ">&lol;<", 1) + `</Ships>`, "refused 1  xml_syntax"},
		"xml with an empty quantity": {"a.xml", `<Ships>` + strings.Replace(shipXML, "<Qty>2</Qty>", "<Qty/>", 1) + `</Ships>`, "refused 1 Line/Qty field_missing"},
		"xml rubbish":                {"a.xml", "nonsense", "refused 1  truncated"},
		"xml with a huge value":      {"a.xml", `<Ships><Ship no="` + big + `"/></Ships>`, "refused 1  record_too_long"},
		"gzip":                       {"a.csv.gz", gz(twoPicks), "pick.confirmed 2"},
		"gzip of json":               {"a.json.gz", gz(`{"ships":[` + oneShip + `]}`), "shipment.departed 1"},
		"gzip cut off":               {"a.csv.gz", gz(twoPicks)[:40], "refused 0  archive_broken"},
		"gzip damaged":               {"a.csv.gz", strings.Replace(gz(twoPicks), gz(twoPicks)[30:34], "\x00\x01\x02\x03", 1), "refused 0  archive_broken"},
		"zip":                        {"a.csv.zip", zipped("p/one.csv", twoPicks, "two.csv", strings.NewReplacer("P1", "P3", "P2", "P4").Replace(twoPicks)), "pick.confirmed 4"},
		"zip with a bad line":        {"a.csv.zip", zipped("one.csv", strings.Replace(twoPicks, ";2;", ";x;", 1)), "pick.confirmed 1, refused 3 qty number_format"},
		"zip cut off":                {"a.csv.zip", zipped("one.csv", twoPicks)[:90], "refused 0  archive_broken"},
		"zip empty":                  {"a.csv.zip", zipped(), "refused 0  file_empty"},
		"csv with a long line":       {"a.csv", twoPicks + "P3;SO1;" + big + ";1;2026-07-04T08:00:00Z\nP4;SO1;A;1;2026-07-04T08:00:00Z\n", "pick.confirmed 3, refused 4  line_too_long"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, formsConfig)
			s.drop(c.file, c.data)
			s.mustStep()
			if c.data == "" {
				s.clock = s.clock.Add(emptyFor) // on a share it could be on its way
				s.mustStep()
			}
			if got := summary(s.host); got != c.want {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
			for _, e := range s.host.events {
				if f := event.Validate(e); f != nil {
					t.Errorf("%v: %v", e, f)
				}
			}
			where := "out/archive"
			if strings.Contains(c.want, "refused") {
				where = "out/error"
			}
			if left := s.list("out"); len(left) != 0 || len(s.list(where)) < 2 {
				t.Errorf("left %v, %s holds %v", left, where, s.list(where))
			}
		})
	}
}

// A small archive that would fill the disk is refused before anything of it is told.
func TestAnArchiveIsBounded(t *testing.T) {
	s := newSite(t, strings.Replace(formsConfig, "max_mb: 8192", "max_mb: 2", 1))
	s.drop("bomb.csv.gz", gz(twoPicks+strings.Repeat("\n", 64<<20)))
	s.drop("bomb.csv.zip", zipped("a.csv", twoPicks, "b.csv", strings.Repeat("\n", 3<<20)))
	s.mustStep()
	if got := summary(s.host); got != "refused 0  file_too_big, refused 0  file_too_big" {
		t.Errorf("got %s", got)
	}
}
