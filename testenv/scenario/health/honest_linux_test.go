package health_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dockline/dockline/agent/health"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

// part is one part that is taken away, and what people read meanwhile.
type part struct {
	name, site string
	away, back func()
	// code is that of the condition at the site, or several of which each will do, or how it begins; words are in its text.
	code, words string
	// centre is that of the site's condition at the centre.
	centre string
}

// promised is how soon health says it; a machine that is shared by many gets more time in a commit's run.
func promised() time.Duration {
	if testenv.Full() {
		return 30 * time.Second
	}
	return 90 * time.Second
}

// here is what the agent of a site says, by code.
func here(t *testing.T, w *world.World, site string) map[string]*docklinev1.Condition {
	h, err := health.Ask(t.Context(), w.Sites[site].DataDir)
	if err != nil {
		return map[string]*docklinev1.Condition{"the agent does not answer": {Text: err.Error()}}
	}
	found := map[string]*docklinev1.Condition{}
	for _, c := range h.GetConditions() {
		found[c.GetCode()] = c
	}
	return found
}

// fetch gets a page of an agent, as a person or Prometheus does.
func fetch(t *testing.T, dataDir, path string) string {
	t.Helper()
	address, _, _ := strings.Cut(string(read(t, filepath.Join(dataDir, "control"))), " ")
	resp, err := http.Get("http://" + address + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// centre is what the centre says of a site, by code.
func centre(t *testing.T, w *world.World, site string) map[string]string {
	out, said, code := run(t, w, "dockline-collector", "site", "show", site, "--tenant", "main", "--json", "--config", filepath.Join(w.Config.Dir, "collector.yaml"))
	var shown struct {
		Conditions []struct{ Code, Title, Text string }
	}
	if code != 0 || json.Unmarshal([]byte(out), &shown) != nil {
		return map[string]string{"the centre does not say": said}
	}
	found := map[string]string{}
	for _, c := range shown.Conditions {
		found[c.Code] = c.Title + ". " + c.Text
	}
	return found
}

// killProgram kills the process that runs a program, as a crash does. The program is the test's own copy, so nobody else's is met.
func killProgram(t *testing.T, program string) {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/exe")
	must(t, err)
	for _, name := range names {
		if target, err := os.Readlink(name); err != nil || strings.TrimSuffix(target, " (deleted)") != program {
			continue
		}
		pid, err := strconv.Atoi(strings.Split(name, "/")[2])
		must(t, err)
		must(t, syscall.Kill(pid, syscall.SIGKILL))
		return
	}
	t.Fatalf("nobody runs %s", program)
}

// Every part of the road is taken away in turn and given back: a scanner, the WMS with its database, the folder of a WMS, a plugin, the
// broker, the collector, the ERP. Each time the local page and the centre name that part, in words that say what to do, and each time they
// stop doing so when it is back. The dock works on all the while.
//
// Shows: E17
func TestEdge17(t *testing.T) {
	t.Parallel()
	const files = world.FileSite
	returns := t.TempDir() // a folder that nobody else works in
	w := worldtest.Open(t, world.Config{Seed: 17, Broker: "mosquitto", MovementsPerSecond: 2, Plugins: map[string][]world.Plugin{
		files: {{ID: "returns", Program: "wms-file", Config: fmt.Sprintf(returnsConfig, returns)}}}})
	p := openOwnPlugin(t, w)
	west := w.Sites[site]
	_, err := w.Orders(t.Context(), 240)
	must(t, err)
	off := filepath.Join(west.DataDir, "plugins", "wms", "off")
	scanner := ""
	until(t, w, "both sites work, and a scanner is seen", patience, func() bool {
		h, err := health.Ask(t.Context(), west.DataDir)
		if err != nil || len(h.GetPlugins()) == 0 || !h.GetOnline() {
			return false
		}
		for _, d := range h.GetPlugins()[0].GetDevices() {
			if d.GetKind() == "scanner" && d.GetLastSeenAt() != nil && d.BatteryPercent != nil {
				scanner = d.GetId()
			}
		}
		return scanner != "" && len(errorsOf(here(t, w, files))) == 0 && len(errorsOf(here(t, w, site))) == 0
	})
	parts := []part{
		{"scanner", site, func() { write(t, off, []byte(scanner+"\n"), 0o640) }, func() { must(t, os.Remove(off)) }, "scanner_unreachable", scanner[1:], "scanner_unreachable"},
		{"WMS database", site, func() { write(t, off, []byte("wms\n"), 0o640) }, func() { must(t, os.Remove(off)) }, "wms_unreachable", "The WMS of plugin wms", "wms_unreachable"},
		{"WMS folder", files, func() { must(t, os.RemoveAll(returns)) }, func() { must(t, os.MkdirAll(returns, 0o755)) }, "wms_unreachable", returns, "wms_unreachable"},
		{"plugin", site, func() { must(t, os.Rename(p, p+".away")); killProgram(t, p+".away") }, func() {
			must(t, os.Rename(p+".away", p))
			_, said, code := run(t, w, "dockline-agent", "plugin", "release", "wms", "--config", configOf(w, site))
			if code != 0 && !strings.Contains(said, "quarantine") { // it may just be starting by itself
				t.Log(said)
			}
		}, "plugin_", "plugin wms", "plugin_"},
		{"broker", site, func() { w.Mosquitto.Stop() }, func() { must(t, w.Mosquitto.Start()) }, "line_down", "broker", "not_listening"},
		{"collector", site, func() { w.Collector.Stop() }, func() { must(t, w.Collector.Start()) }, "not_acknowledged collector_silent", "collector", "not_listening"},
		{"ERP", site, func() { w.ERP.Stop() }, func() { must(t, w.ERP.Start()) }, "erp_waits", "erp", "erp_waits"},
	}
	for _, one := range parts {
		t.Run(one.name, func(t *testing.T) { takeAway(t, w, one) })
	}
}

func takeAway(t *testing.T, w *world.World, p part) {
	shown := func(found map[string]*docklinev1.Condition) *docklinev1.Condition {
		for code, c := range found {
			if is(code, p.code) {
				return c
			}
		}
		return nil
	}
	atCentre := func() string {
		for code, text := range centre(t, w, p.site) {
			if is(code, p.centre) {
				return text
			}
		}
		return ""
	}
	if shown(here(t, w, p.site)) != nil || atCentre() != "" {
		t.Fatalf("it is named before it is away: %v", here(t, w, p.site))
	}
	began := time.Now()
	p.away()
	var said *docklinev1.Condition
	local := until(t, w, "the site names it", promised(), func() bool { said = shown(here(t, w, p.site)); return said != nil })
	if !contains(said.GetTitle()+" "+said.GetText(), p.words) || len(said.GetText()) < 40 {
		t.Errorf("it does not say which and what to do: %v", said)
	}
	if page := fetch(t, w.Sites[p.site].DataDir, "/"); !contains(page, p.words) {
		t.Errorf("the page does not say %q", p.words)
	}
	until(t, w, "the centre names it", promised(), func() bool { return atCentre() != "" })
	named := time.Since(began)
	if text := atCentre(); text != "" && len(text) < 40 {
		t.Errorf("the centre does not say what to do: %q", text)
	}
	back := time.Now()
	p.back()
	until(t, w, "the site no longer names it", promised(), func() bool {
		found := here(t, w, p.site)
		return shown(found) == nil && found["the agent does not answer"] == nil
	})
	until(t, w, "the centre no longer names it", promised(), func() bool { return atCentre() == "" })
	testenv.Figure(t, p.name+" named at the site after", local.Round(100*time.Millisecond), "and at the centre after", named.Round(100*time.Millisecond), "both well again after", time.Since(back).Round(100*time.Millisecond))
}

// is says whether a code is one of those wanted, or begins like one that ends with _.
func is(code, wanted string) bool {
	for one := range strings.FieldsSeq(wanted) {
		if code == one || strings.HasSuffix(one, "_") && strings.HasPrefix(code, one) {
			return true
		}
	}
	return false
}

// contains does not care how a word begins.
func contains(text, words string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(words))
}

func errorsOf(found map[string]*docklinev1.Condition) (codes []string) {
	for code, c := range found {
		if c.GetSeverity() == docklinev1.Severity_SEVERITY_ERROR || c.GetSeverity() == 0 {
			codes = append(codes, code)
		}
	}
	return codes
}

// returnsConfig reads files of counts that never come.
const returnsConfig = `outbound: %q
defaults: {zone: UTC}
files:
  - name: counts
    pattern: counts*.csv
    kind: count.observed
    key: [count, bin, sku]
    columns: {count: count, bin: bin, sku: item, qty: quantity, counted_at: occurred_at}
`

// openOwnPlugin gives the simulated site a copy of its plugin that only it runs, and returns its path.
func openOwnPlugin(t *testing.T, w *world.World) string {
	t.Helper()
	s := w.Sites[site]
	s.Agent.Stop()
	own := filepath.Join(w.Config.Dir, "plugin-sim-"+site)
	shared := world.Program(w.Config.Bin, "dockline-plugin-sim")
	write(t, own, read(t, shared), 0o755)
	text := strings.Replace(string(read(t, configOf(w, site))), fmt.Sprintf("path: %q", shared), fmt.Sprintf("path: %q", own), 1)
	write(t, configOf(w, site), []byte(text), 0o644)
	must(t, s.Agent.Start())
	return own
}
