package wmsfile

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"bytes"
	"encoding/json"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

var update = flag.Bool("update", false, "write the golden files anew")

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "testdata", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func trier() *Plugin {
	return &Plugin{Now: func() time.Time { return time.Date(2026, 7, 4, 18, 0, 0, 0, time.UTC) }}
}

// Every sample file, read with its sample configuration, gives the events in the golden files.
func TestGolden(t *testing.T) {
	for file, config := range map[string]string{
		"sample/journal-0001.csv": "sample-journal.yaml",
		"x12/945-0001.edi":        "sample-x12.yaml", "x12/944-0001.edi": "sample-x12.yaml", "x12/947-0001.edi": "sample-x12.yaml", "x12/846-0001.edi": "sample-x12.yaml",
		"x12/856-0001.edi": "sample-x12.yaml", "x12/943-0001.edi": "sample-x12.yaml", "x12/940-0001.edi": "sample-x12.yaml",
		"sample/picks-0001.csv": "sample.yaml", "sample/packs-0001.csv": "sample.yaml", "sample/ships-0001.csv": "sample.yaml", "sample/counts-0001.csv": "sample.yaml",
		"german/KOMM_20260704.csv": "sample-german.yaml", "german/VERS_20260704.csv": "sample-german.yaml", "german/INV_0815.txt": "sample-german.yaml",
		"structured/shipments-0001.json": "sample-records.yaml", "structured/picks-0001.jsonl": "sample-records.yaml", "structured/counts-0001.xml": "sample-records.yaml",
	} {
		out, err := trier().Try(&docklinev1.TryRequest{Config: sampleConfig(t, config), FileName: filepath.Base(file), Sample: testdata(t, file)})
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		raw, err := protojson.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if err := json.Indent(&got, raw, "", "  "); err != nil {
			t.Fatal(err)
		}
		got.WriteByte('\n')
		path := filepath.Join("..", "testdata", filepath.FromSlash(file)+".golden.json")
		if *update {
			if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		var want, have any
		if json.Unmarshal(testdata(t, file+".golden.json"), &want) != nil || json.Unmarshal(got.Bytes(), &have) != nil {
			t.Fatalf("%s: the golden file is no JSON", file)
		}
		w, _ := json.Marshal(want)
		h, _ := json.Marshal(have)
		if !bytes.Equal(w, h) {
			t.Errorf("%s: got\n%s\nwant\n%s", file, h, w)
		}
		if len(out.GetFaults()) > 0 || len(out.GetEvents()) == 0 || out.GetProposal() != "" {
			t.Errorf("%s: %d events, faults %v", file, len(out.GetEvents()), out.GetFaults())
		}
	}
}

func TestProposal(t *testing.T) {
	for name, c := range map[string]struct {
		file, sample string
		events       int
		says         []string
	}{
		"english picks": {"picks-0001.csv", string(testdata(t, "sample/picks-0001.csv")), 3, []string{"pick_id: task", "sku: item", "from_bin: bin", "short_qty: short", "ordered_qty: ordered", "delimiter: ;", "key: pick_id", "encoding: utf-8", "pick.short"}},
		"packs":         {"packs-0001.csv", string(testdata(t, "sample/packs-0001.csv")), 2, []string{"kind: pack.confirmed", "group: true", "key: pack_id", "weight_kg: weight_kg"}},
		"ships":         {"ships-0001.csv", string(testdata(t, "sample/ships-0001.csv")), 2, []string{"kind: shipment.departed", "group: true", "key: shipment", "tracking: tracking"}},
		"counts":        {"counts-0001.csv", string(testdata(t, "sample/counts-0001.csv")), 2, []string{"kind: count.observed", "- bin", "movement: movement"}},
		"german": {"KOMM_1.csv", "Buchungsnr;Auftragsnr;Pos;Artikelnr;Menge;ME;Lagerplatz;Datum;Uhrzeit\r\n1;A1;10;100;1.250,5;St;H1;31.12.2026;08:15:00\r\n2;A1;20;101;2,0;St;H\xe4;31.12.2026;08:16:00\r\n", 2,
			[]string{"encoding: windows-1252", "decimal: \",\"", "date: dd.MM.yyyy HH:mm:ss", "join", "Uhrzeit", "Auftragsnr: order", "Artikelnr: item", "Lagerplatz: bin", "key: Buchungsnr"}},
		"french": {"preparation.csv", "N° mouvement,N° commande,Ligne,Réf.,Quantité,Emplacement,Date heure\n1,C1,1,A,\"2,5\",E1,25/12/2026 08:15\n", 1,
			[]string{"N° commande: order", "Quantité: quantity", "Emplacement: bin", "dd/MM/yyyy HH:mm", "N° mouvement: movement"}},
		"dutch":         {"telling.txt", "telling\tlocatie\tartikelcode\thoeveelheid\ttijdstip\nT1\tA1\tX\t5\t2026-07-04 08:00\n", 1, []string{"delimiter: tab", "kind: count.observed", "artikelcode: item", "hoeveelheid: quantity"}},
		"no key":        {"export.csv", "order;sku;qty;date\nA;X;1;2026-07-04 08:00\n", 1, []string{"row+occurrence", "order: order"}},
		"JSON lines":    {"picks-1.jsonl", `{"id":"1","task":"T1","order":"A","sku":"X","qty":1.5,"date":"2026-07-04T08:00:00","who":{"user":"mia"}}` + "\n" + `{"id":"2","task":"T2","order":"A","sku":"Y","qty":1,"date":"2026-07-04T08:01:00"}` + "\n", 2, []string{"form: jsonl", "sku: item", "who.user: actor", "key: task", "# column \"id\" is not mapped"}},
		"JSON":          {"picks-1.json", `[{"task":"T1","order":"A","sku":"X","qty":1,"date":"2026-07-04T08:00:00","tags":["a"]}]`, 1, []string{"form: json", "# tags is a list"}},
		"a likely key":  {"export.csv", "Vorgang;order;sku;qty;date\n71;A;X;1;2026-07-04 08:00\n72;A;X;1;2026-07-04 08:00\n", 2, []string{"row+occurrence", "if it names a record for good, write key: Vorgang"}},
		"missing field": {"export.csv", "order;sku;colour\nA;X;red\n", 0, []string{"# columns: pick.confirmed needs", "# column \"colour\" is not mapped"}},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := trier().Try(&docklinev1.TryRequest{FileName: c.file, Sample: []byte(c.sample)})
			if err != nil {
				t.Fatal(err)
			}
			if len(out.GetEvents()) != c.events || len(out.GetFaults()) != 0 {
				t.Errorf("%d events, want %d; faults %v", len(out.GetEvents()), c.events, out.GetFaults())
			}
			for _, s := range c.says {
				if !strings.Contains(out.GetProposal(), s) {
					t.Errorf("the proposal lacks %q:\n%s", s, out.GetProposal())
				}
			}
			if c.events == 0 {
				return
			}
			// What is proposed must be a configuration as it stands.
			if _, faults := load([]byte("outbound: /srv/out\n" + out.GetProposal())); len(faults) > 0 {
				t.Errorf("the proposal has faults: %v\n%s", faults, out.GetProposal())
			}
		})
	}
}

func TestTryShowsFaultsByLineAndColumn(t *testing.T) {
	sample := strings.Replace(string(testdata(t, "sample/picks-0001.csv")), ";3;PCE", ";three;PCE", 1)
	out, err := trier().Try(&docklinev1.TryRequest{Config: sampleConfig(t, "sample.yaml"), FileName: "picks-7.csv", Sample: []byte(sample)})
	if err != nil || len(out.GetEvents()) != 2 || len(out.GetFaults()) != 1 || out.GetFaults()[0].GetLine() != 3 || out.GetFaults()[0].GetColumn() != "qty" || strings.Contains(out.GetFaults()[0].GetText(), "error folder") {
		t.Errorf("got %v, %v", out, err)
	}
	// A file whose header does not fit: the fault, and what would.
	out, err = trier().Try(&docklinev1.TryRequest{Config: sampleConfig(t, "sample.yaml"), FileName: "picks-8.csv", Sample: []byte("Auftrag;Artikel;Menge;Datum\nA;X;1;04.07.2026 08:00\n")})
	if err != nil || len(out.GetFaults()) != 1 || out.GetFaults()[0].GetCode() != "unknown_column" || !strings.Contains(out.GetProposal(), "Auftrag: order") {
		t.Errorf("got %v, %v", out, err)
	}
	if _, err := trier().Try(&docklinev1.TryRequest{Config: []byte("files:\n  - name: x\n"), FileName: "x.csv", Sample: []byte("a;b\n")}); err == nil || !strings.Contains(err.Error(), "line ") {
		t.Errorf("a configuration with faults: %v", err)
	}
	// X12 is known by its beginning.
	out, err = trier().Try(&docklinev1.TryRequest{FileName: "x.edi", Sample: testdata(t, "x12/945-0001.edi")})
	if err != nil || len(out.GetEvents()) != 5 || !strings.Contains(out.GetProposal(), "form: x12") {
		t.Errorf("X12 without a configuration: %v, %v", out, err)
	}
	if _, err := trier().Try(&docklinev1.TryRequest{FileName: "x.xml", Sample: []byte("<Counts/>")}); err == nil || !strings.Contains(err.Error(), "sample-records.yaml") {
		t.Errorf("XML without a configuration: %v", err)
	}
	if _, err := trier().Try(&docklinev1.TryRequest{FileName: "x.csv"}); err == nil {
		t.Error("an empty sample was tried")
	}
}
