package wmsfile

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/work"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

func release(version uint64, number string, items ...string) *docklinev1.Command {
	o := &docklinev1.Order{Number: number, Customer: "K1", CustomerName: "Müller; Söhne", PromisedAt: timestamppb.New(time.Date(2026, 7, 5, 16, 0, 0, 0, time.UTC)), ShipTo: []string{"Hauptstr. 1", "Bonn"}}
	for i, item := range items {
		o.Lines = append(o.Lines, &docklinev1.Line{OrderLine: string(rune('1' + i)), Item: item, Quantity: &docklinev1.Quantity{Value: "12.5", Unit: "PCE"}})
	}
	return &docklinev1.Command{Key: "release/" + number, Version: version, Work: &docklinev1.Command_ReleaseOrder{ReleaseOrder: &docklinev1.ReleaseOrder{Order: o}}}
}

// writer opens the sink of a sample on folders of its own.
func writer(t *testing.T, sample string) (p *Plugin, inbound, data string) {
	t.Helper()
	root := t.TempDir()
	inbound, data = filepath.Join(root, "in"), filepath.Join(root, "data")
	for _, dir := range []string{inbound, data} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	config := strings.NewReplacer("/var/lib/wms/inbound", inbound, "/srv/lvs/eingang", inbound).Replace(string(sampleConfig(t, sample)))
	p = &Plugin{Now: time.Now}
	if err := p.Open(context.Background(), plugins.Start{Config: []byte(config), DataDir: data, ID: "wms"}); err != nil {
		t.Fatal(err)
	}
	return p, inbound, data
}

func deliver(t *testing.T, p *Plugin, cmd *docklinev1.Command, want docklinev1.CommandOutcome) *docklinev1.CommandResult {
	t.Helper()
	r, err := p.Deliver(context.Background(), cmd)
	if err != nil || r.GetOutcome() != want || r.GetKey() != cmd.GetKey() || r.GetVersion() != cmd.GetVersion() {
		t.Fatalf("%s version %d: %v, %v; want %s", cmd.GetKey(), cmd.GetVersion(), r, err, want)
	}
	return r
}

func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range entries {
		raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(raw)
	}
	return out
}

const (
	applied1    = docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED
	refused1    = docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED
	superseded1 = docklinev1.CommandOutcome_COMMAND_OUTCOME_SUPERSEDED
)

func TestCommandsBecomeFiles(t *testing.T) {
	p, inbound, _ := writer(t, "sample.yaml")
	deliver(t, p, release(1, "SO/17", "SKU-1", "SKU-2"), applied1)
	deliver(t, p, &docklinev1.Command{Key: "cancel/SO17", Version: 2, Work: &docklinev1.Command_CancelOrder{CancelOrder: &docklinev1.CancelOrder{Number: "SO17", Reason: "customer\nasked"}}}, applied1)
	deliver(t, p, &docklinev1.Command{Key: "count/C1", Version: 1, Work: &docklinev1.Command_RequestCount{RequestCount: &docklinev1.RequestCount{Number: "C1", Reason: "drift",
		Lines: []*docklinev1.Line{{Bin: "A-1", Item: "SKU-1", Lot: "L"}}}}}, applied1)
	want := map[string]string{
		"release-SO%2F17-1.csv": "command;version;action;order;line;sku;qty;uom;lot;customer;customer_name;promised_at;ship_to\r\n" +
			"release/SO/17;1;release;SO/17;1;SKU-1;12.5;PCE;;K1;\"Müller; Söhne\";2026-07-05T16:00:00Z;Hauptstr. 1 | Bonn\r\n" +
			"release/SO/17;1;release;SO/17;2;SKU-2;12.5;PCE;;K1;\"Müller; Söhne\";2026-07-05T16:00:00Z;Hauptstr. 1 | Bonn\r\n",
		"cancel-SO17-2.csv": "command;version;action;order;line;sku;qty;reason\r\ncancel/SO17;2;cancel;SO17;;;;customer asked\r\n",
		"count-C1-1.csv":    "command;version;action;order;line;sku;qty;bin;lot;reason\r\ncount/C1;1;count;C1;;SKU-1;;A-1;L;drift\r\n",
	}
	got := files(t, inbound)
	for name, content := range want {
		if got[name] != content {
			t.Errorf("%s: got %q, want %q", name, got[name], content)
		}
	}
	if len(got) != len(want) {
		t.Errorf("files %v", got)
	}
}

func TestGermanRelease(t *testing.T) {
	p, inbound, _ := writer(t, "sample-german.yaml")
	deliver(t, p, release(3, "4500012", "100-4711"), applied1)
	want := "Satzart;Auftragsnr;Pos;Artikelnr;Menge;ME;Kunde;Liefertermin\r\nA;4500012;1;100-4711;12,5;PCE;\"M\xfcller; S\xf6hne\";05.07.2026 18:00:00\r\n"
	if got := files(t, inbound)["AUFTRAG_4500012_3.csv"]; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	bad := release(1, "4500013", "100-4711")
	bad.GetReleaseOrder().Order.CustomerName = "漢字"
	r := deliver(t, p, bad, refused1)
	if !strings.Contains(r.GetText(), "windows-1252") || r.GetClass() != docklinev1.FaultClass_FAULT_CLASS_DATA {
		t.Errorf("refused with %v", r)
	}
}

func TestCommandIsAppliedOnce(t *testing.T) {
	p, inbound, data := writer(t, "sample.yaml")
	first := deliver(t, p, release(2, "SO1", "SKU-1"), applied1)
	if err := os.Remove(filepath.Join(inbound, "release-SO1-2.csv")); err != nil { // the WMS has taken it
		t.Fatal(err)
	}
	for range 2 {
		if again := deliver(t, p, release(2, "SO1", "SKU-1"), applied1); !proto.Equal(first, again) {
			t.Errorf("another result: %v, then %v", first, again)
		}
		deliver(t, p, release(1, "SO1", "SKU-OLD"), superseded1)
		if got := files(t, inbound); len(got) != 0 {
			t.Errorf("written again: %v", got)
		}
		if found, version, err := p.Find(context.Background(), "release/SO1"); !found || version != 2 || err != nil {
			t.Errorf("find: %v, %d, %v", found, version, err)
		}
		var err error
		if p.sink, err = newSink(p.sink.setup, data, p.partner); err != nil { // a restart
			t.Fatal(err)
		}
	}
	deliver(t, p, release(3, "SO1", "SKU-1"), applied1)
	if got := files(t, inbound); len(got) != 1 {
		t.Errorf("a new version: %v", got)
	}
	if found, _, err := p.Find(context.Background(), "release/none"); found || err != nil {
		t.Errorf("a command that never came was found, %v", err)
	}
}

// Wherever the process ends, the WMS gets the file once.
func TestCrashWhileWriting(t *testing.T) {
	p, inbound, data := writer(t, "sample.yaml")
	cmd := release(1, "SO1", "SKU-1")
	sheet := p.sink.setup.sheets[work.ReleaseOrder]
	name, content, err := sheet.write(cmd)
	if err != nil {
		t.Fatal(err)
	}
	entry := applied{Key: cmd.Key, Version: 1, State: stateWriting, File: name}
	reopen := func() {
		t.Helper()
		if p.sink, err = newSink(p.sink.setup, data, p.partner); err != nil {
			t.Fatal(err)
		}
	}
	// Ended before the ledger: only the temporary file is there.
	if err := writeSynced(p.sink.temporary(entry), content[:10]); err != nil {
		t.Fatal(err)
	}
	reopen()
	deliver(t, p, cmd, applied1)
	if got := files(t, inbound); len(got) != 1 || got[name] != string(content) {
		t.Fatalf("files %v", got)
	}
	// Ended between the ledger and the rename.
	second := release(2, "SO1", "SKU-1")
	name2, content2, err := sheet.write(second)
	if err != nil {
		t.Fatal(err)
	}
	entry2 := applied{Key: cmd.Key, Version: 2, State: stateWriting, File: name2}
	if err := writeSynced(p.sink.temporary(entry2), content2); err != nil {
		t.Fatal(err)
	}
	if err := p.sink.done.put(entry2); err != nil {
		t.Fatal(err)
	}
	reopen()
	if found, version, _ := p.Find(context.Background(), cmd.Key); !found || version != 1 {
		t.Errorf("found %v, version %d, while version 2 is half written", found, version)
	}
	deliver(t, p, second, applied1)
	if got := files(t, inbound); got[name2] != string(content2) {
		t.Fatalf("files %v", got)
	}
	// Ended behind the rename, and the WMS was quick: it must not come again.
	third := applied{Key: "release/SO2", Version: 1, State: stateWriting, File: "release-SO2-1.csv"}
	if err := p.sink.done.put(third); err != nil {
		t.Fatal(err)
	}
	reopen()
	deliver(t, p, release(1, "SO2", "SKU-1"), applied1)
	if got := files(t, inbound); len(got) != 2 {
		t.Errorf("written twice: %v", got)
	}
}

func TestWhatCannotBeWrittenIsRefused(t *testing.T) {
	p, inbound, _ := writer(t, "sample.yaml")
	for name, c := range map[string]struct {
		cmd  *docklinev1.Command
		says string
	}{
		"no lines":  {release(1, "SO1"), "no lines"},
		"no number": {&docklinev1.Command{Key: "cancel/x", Version: 1, Work: &docklinev1.Command_CancelOrder{CancelOrder: &docklinev1.CancelOrder{}}}, "names no"},
		"no item":   {release(1, "SO3", ""), "sku"},
		"no work":   {&docklinev1.Command{Key: "else/x", Version: 1}, "no section"},
	} {
		first := deliver(t, p, c.cmd, refused1)
		if !strings.Contains(first.GetText(), c.says) {
			t.Errorf("%s: %s", name, first.GetText())
		}
		if again := deliver(t, p, c.cmd, refused1); !proto.Equal(first, again) {
			t.Errorf("%s: another result the second time: %v", name, again)
		}
		if found, _, _ := p.Find(context.Background(), c.cmd.Key); found {
			t.Errorf("%s: found as applied", name)
		}
	}
	if got := files(t, inbound); len(got) != 0 {
		t.Errorf("files %v", got)
	}
}

func TestMissingFolderIsTriedAgain(t *testing.T) {
	p, inbound, _ := writer(t, "sample.yaml")
	if err := os.Remove(inbound); err != nil {
		t.Fatal(err)
	}
	if r, err := p.Deliver(context.Background(), release(1, "SO1", "SKU-1")); err == nil {
		t.Fatalf("without a folder: %v", r)
	}
	if err := os.Mkdir(inbound, 0o755); err != nil {
		t.Fatal(err)
	}
	deliver(t, p, release(1, "SO1", "SKU-1"), applied1)
}
