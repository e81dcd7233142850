package edge_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/world"
)

// collector is a real collector process at a broker of its own.
type collector struct {
	*world.Process
	t   *testing.T
	url string
}

// newCollector makes the site known and starts it.
func newCollector(t *testing.T, broker string) *collector {
	t.Helper()
	dir, err := os.MkdirTemp("", "dockline-edge-collector-")
	if err != nil {
		t.Fatal(err)
	}
	port, err := testenv.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "collector.yaml")
	text := sprintf("data_dir: %q\nmqtt: {url: %q}\nhttp: {listen: \"127.0.0.1:%d\"}\n", filepath.Join(dir, "data"), broker, port)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(bin(t), "dockline-collector")
	if out, err := exec.Command(program, "site", "add", "--config", config, "--tenant", tenant, "--site", site).CombinedOutput(); err != nil {
		t.Fatalf("site add: %v: %s", err, out)
	}
	c := &collector{t: t, url: sprintf("http://127.0.0.1:%d/", port), Process: world.NewProcess("collector", dir, program, "run", "--config", config)}
	t.Cleanup(func() {
		c.Stop()
		if t.Failed() {
			t.Logf("collector: %s", c.LogTail())
		}
		_ = os.RemoveAll(dir)
	})
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, patience, "the collector answers", func() bool { return c.get("healthz", nil) })
	return c
}

// get asks the collector; false where it does not answer as it should.
func (c *collector) get(path string, into any) bool {
	response, err := http.Get(c.url + path)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return err == nil && response.StatusCode == http.StatusOK && (into == nil || json.Unmarshal(body, into) == nil)
}

// logged is one event of the collector's log.
type logged struct {
	ID, Kind, Epoch string
	Seq             uint64
	Event           struct {
		Source     string
		SourceKey  string `json:"source_key"`
		Subject    string
		Movement   string
		CapturedAt string `json:"captured_at"`
	}
}

// log reads the whole event log, as far as sites have told of it: that a policy came into force is a fact of the centre.
func (c *collector) log() (events []logged) {
	c.t.Helper()
	for after := uint64(0); ; {
		var page struct {
			Events []logged
			Next   uint64
		}
		if !c.get(sprintf("api/v1/events?after=%d&limit=500", after), &page) {
			c.t.Fatal("the collector does not give its log")
		}
		if len(page.Events) == 0 {
			return events
		}
		for _, e := range page.Events {
			if e.Epoch != "" {
				events = append(events, e)
			}
		}
		after = page.Next
	}
}

// logHas waits until the log shows so many events: it does a moment after it has taken them.
func (c *collector) logHas(n int) (events []logged) {
	c.t.Helper()
	eventually(c.t, patience, sprintf("the log shows %d events", n), func() bool { events = c.log(); return len(events) >= n })
	return events
}

// siteView is the site as the collector shows it.
type siteView struct {
	Logged, Duplicates int64
	Conditions         []struct{ Code, Title string }
}

func (c *collector) site() siteView {
	var page struct{ Sites []siteView }
	if !c.get("api/v1/sites", &page) || len(page.Sites) != 1 {
		return siteView{}
	}
	return page.Sites[0]
}
