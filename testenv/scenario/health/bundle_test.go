package health_test

import (
	"archive/zip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

// planted are secrets by the place where each is put; none may be in a bundle.
var planted = map[string]string{
	"password under a plugin's key":        "Zr4-plugin-password-01",
	"token under a plugin's key":           "tk_live_51H8x-plugin-02",
	"password in a plugin's address":       "p4ssw0rdInDsn03",
	"header in a list of a plugin":         "abcDEF123-header-04",
	"phrase under an innocent key":         "correct horse battery 05",
	"second line of a text of a plugin":    "second-line-secret-06",
	"password in the proxy's address":      "proxyUrlPass07",
	"file of the proxy's credentials":      "proxyFilePass08",
	"file that a plugin refers to":         "fileContentSecret09",
	"variable that a plugin refers to":     "envReferenceSecret10",
	"variable of a telling name":           "envTellingNameSecret11",
	"comment in agent.yaml":                "commentedOutPassword12",
	"configuration from the centre":        "centreConfigSecret13",
	"configuration that was refused":       "refusedConfigSecret14",
	"plugin's own folder":                  "pluginDataSecret15",
	"log: password=":                       "logKeyValueSecret16",
	"log: Authorization header":            "bG9nQmVhcmVyU2VjcmV0MTc",
	"log: address with user and password":  "logAddressSecret18",
	"log: key in PEM":                      "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49secret19",
	"log: JSON":                            "jsonLogSecret20",
	"log: a known secret in plain words":   "Zr4-plugin-password-01",
	"condition of a plugin that is broken": "p4ssw0rdInDsn03",
}

// plant puts them where they would be found by whoever looks too well.
func plant(t *testing.T, p *place) (log string, environment []string) {
	t.Helper()
	dir := filepath.Dir(p.config)
	secretFile, log := filepath.Join(dir, "wms-password"), filepath.Join(dir, "agent.log")
	write(t, secretFile, []byte(planted["file that a plugin refers to"]+"\n"), 0o600)
	write(t, filepath.Join(p.dataDir, "proxy.secret"), []byte("operator:"+planted["file of the proxy's credentials"]+"\n"), 0o600)
	p.set(t, "mqtt: {", fmt.Sprintf("# old: password: %s\nmqtt: {proxy: \"http://operator:%s@127.0.0.1:%d\", proxy_credentials: proxy.secret, ", planted["comment in agent.yaml"],
		planted["password in the proxy's address"], freePort(t)))
	text := string(read(t, p.config)) + fmt.Sprintf(`  - id: erp-extract
    path: /usr/lib/dockline/dockline-plugin-sql
    config:
      dsn: "postgres://wms:%s@db.internal/wms?sslmode=verify-full"
      password: %s
      api: {token: %s, headers: ["X-Api-Key: %s"]}
      greeting: "%s"
      script: |
        login alice
        %s
      password_file: %s
      from_environment: "${WMS_PASSPHRASE}"
`, planted["password in a plugin's address"], planted["password under a plugin's key"], planted["token under a plugin's key"], planted["header in a list of a plugin"],
		planted["phrase under an innocent key"], planted["second line of a text of a plugin"], secretFile)
	write(t, p.config, []byte(text), 0o640)
	must(t, os.MkdirAll(filepath.Join(p.dataDir, "config"), 0o700))
	for name, secret := range map[string]string{"accepted.json": planted["configuration from the centre"], "refused.json": planted["configuration that was refused"]} {
		write(t, filepath.Join(p.dataDir, "config", name), []byte(fmt.Sprintf(`{"key":"config/x","version":3,"yaml":"plugins:\n  - id: wms\n    config: {secret: %s}\n","reason":"password %s is wrong"}`, secret, secret)), 0o600)
	}
	write(t, filepath.Join(p.dataDir, "plugins", "wms", "cookies.txt"), []byte(planted["plugin's own folder"]), 0o600)
	var b strings.Builder
	for i := range 400_000 { // a log far larger than a bundle may be
		fmt.Fprintf(&b, "time=2026-11-25T10:00:00Z level=INFO msg=\"file taken\" file=picks-%d.csv\n", i)
	}
	fmt.Fprintf(&b, "level=ERROR msg=\"login refused\" password=%s\n", planted["log: password="])
	fmt.Fprintf(&b, "> GET / HTTP/1.1 Authorization: Bearer %s\n", planted["log: Authorization header"])
	fmt.Fprintf(&b, "err=\"dial amqp://guest:%s@mq.internal:5672/: refused\"\n", planted["log: address with user and password"])
	fmt.Fprintf(&b, "-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----\n", planted["log: key in PEM"])
	fmt.Fprintf(&b, "{\"user\":\"x\",\"client_secret\": \"%s\"}\n", planted["log: JSON"])
	fmt.Fprintf(&b, "sent %s to the wrong host\n", planted["log: a known secret in plain words"])
	fmt.Fprintf(&b, "plugin failed: cannot open postgres://wms:%s@db.internal/wms\n", planted["condition of a plugin that is broken"])
	fmt.Fprintf(&b, "the last line of the log\n")
	write(t, log, []byte(b.String()), 0o640)
	return log, []string{"WMS_PASSPHRASE=" + planted["variable that a plugin refers to"], "DOCKLINE_API_TOKEN=" + planted["variable of a telling name"]}
}

// unpacked are the files of a bundle.
func unpacked(t *testing.T, path string) map[string]string {
	t.Helper()
	archive, err := zip.OpenReader(path)
	must(t, err)
	defer archive.Close()
	files := map[string]string{}
	for _, f := range archive.File {
		in, err := f.Open()
		must(t, err)
		text, err := io.ReadAll(in)
		must(t, err)
		must(t, in.Close())
		files[f.Name] = string(text)
	}
	return files
}

// A bundle is made beside the running agent and with the agent stopped, from a log and a journal far larger than it may be: it stays under
// 10 MB, takes less than 30 s, holds none of the secrets that were planted, nor the site's key, nor business content; and it says what is
// in it and what was left out.
//
// Shows: E23
func TestEdge23Bundle(t *testing.T) {
	w := worldtest.Open(t, world.Config{Seed: 25, Sites: []string{site}, MovementsPerSecond: 20})
	orders, err := w.Orders(t.Context(), 2)
	must(t, err)
	until(t, w, "the site has worked", patience, func() bool { records, err := w.Sites[site].Ledger(); return err == nil && len(records) > 4 })
	p := openPlace(t, w)
	log, environment := plant(t, p)
	for _, entry := range environment {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
	key := strings.Split(string(read(t, p.id("site.key"))), "\n")[1]
	control := strings.Fields(string(read(t, filepath.Join(p.dataDir, "control"))))[1]
	found := 0
	for _, state := range []string{"running", "stopped"} {
		if state == "stopped" {
			w.Sites[site].Agent.Stop()
		}
		path := filepath.Join(t.TempDir(), "bundle.zip")
		began := time.Now()
		out, said, code := run(t, w, "dockline-agent", "bundle", "--config", p.config, "--out", path, "--log", log)
		took := time.Since(began)
		if code != 0 {
			t.Fatalf("%s: %d %s%s", state, code, out, said)
		}
		files := unpacked(t, path)
		bytes := size(t, path)
		whole := 0
		for name, text := range files {
			whole += len(text)
			for where, secret := range planted {
				if strings.Contains(text, secret) {
					found++
					t.Errorf("%s: %s holds the secret of %s", state, name, where)
				}
			}
			for what, secret := range map[string]string{"the site's key": key, "the agent's token": control, "an order's number": orders[0].Number} {
				if strings.Contains(text, secret) {
					t.Errorf("%s: %s holds %s", state, name, what)
				}
			}
		}
		for name, words := range map[string]string{"agent.yaml": "movements_per_second", "doctor.json": `"code": "plugins"`, "manifest.json": "left_out", "system.txt": "processors",
			"files.txt": "inbox.db", "log/1-agent.log": "the last line of the log", "identity/site.crt.txt": "dockline://main/site/" + site} {
			if !strings.Contains(files[name], words) {
				t.Errorf("%s: %s does not say %q: %.300s", state, name, words, files[name])
			}
		}
		if _, there := files["status.json"]; there != (state == "running") {
			t.Errorf("%s: status.json is there: %v", state, there)
		}
		if bytes > 10<<20 || whole > 10<<20 {
			t.Errorf("%s: %d bytes, %d unpacked", state, bytes, whole)
		}
		if !strings.Contains(files["manifest.json"], "site.key") || !strings.Contains(out, "left out  identity/site.key") {
			t.Errorf("%s: it does not say that the key is left out:\n%s", state, out)
		}
		testenv.Figure(t, "bundle of the "+state+" agent", fmt.Sprintf("%.1f MB", float64(bytes)/(1<<20)), "made within", took.Round(100*time.Millisecond))
	}
	testenv.Figure(t, "secrets planted", len(planted), "secrets in the bundle", found)
}
