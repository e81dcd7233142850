package health_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

const site = "dc-west"

// damage is one thing that is broken at a site, and what doctor must say of it.
type damage struct {
	name string
	// code is the examination that finds it, and words name it.
	code  string
	words []string
	do    func(t *testing.T, p *place)
}

// place is a site with its files as they were; every damage is undone by restoring them.
type place struct {
	w                        *world.World
	config, dataDir, plugin  string
	identity, journal, inbox string
	args                     []string
}

func openPlace(t *testing.T, w *world.World) *place {
	t.Helper()
	s := w.Sites[site]
	p := &place{w: w, config: configOf(w, site), dataDir: s.DataDir, identity: s.IdentityDir, inbox: filepath.Join(s.DataDir, "inbox.db")}
	// The plugin becomes this site's own copy, pinned, so that damaging it harms nobody else.
	p.plugin = filepath.Join(w.Config.Dir, "plugin-sim")
	program := read(t, world.Program(w.Config.Bin, "dockline-plugin-sim"))
	write(t, p.plugin, program, 0o755)
	text := string(read(t, p.config))
	text = strings.Replace(text, fmt.Sprintf("path: %q", world.Program(w.Config.Bin, "dockline-plugin-sim")), fmt.Sprintf("path: %q\n    sha256: %s", p.plugin, hash(program)), 1)
	write(t, p.config, []byte(text), 0o640)
	files, err := filepath.Glob(filepath.Join(s.DataDir, "journal", "epoch-*.db"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no journal: %v", err)
	}
	for _, f := range files { // the largest holds events
		if info, err := os.Stat(f); err == nil && (p.journal == "" || info.Size() > size(t, p.journal)) {
			p.journal = f
		}
	}
	return p
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// keep puts all files that a damage may touch back when its subtest ends.
func (p *place) keep(t *testing.T) {
	t.Helper()
	type kept struct {
		text []byte
		mode os.FileMode
	}
	files := map[string]kept{}
	err := filepath.WalkDir(p.dataDir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			info, err := d.Info()
			if err != nil {
				return err
			}
			files[path] = kept{read(t, path), info.Mode().Perm()}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	files[p.config], files[p.plugin] = kept{read(t, p.config), 0o640}, kept{read(t, p.plugin), 0o755}
	t.Cleanup(func() {
		if info, err := os.Stat(p.dataDir); err == nil && !info.IsDir() {
			_ = os.Remove(p.dataDir)
		}
		_ = filepath.WalkDir(p.dataDir, func(path string, d os.DirEntry, err error) error {
			if _, was := files[path]; err == nil && d.Type().IsRegular() && !was {
				return os.Remove(path)
			}
			return nil
		})
		for path, f := range files {
			if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
				t.Fatal(err)
			}
			write(t, path, f.text, f.mode)
		}
		if err := os.Chmod(p.dataDir, 0o750); err != nil {
			t.Fatal(err)
		}
	})
}

// set replaces text in the configuration.
func (p *place) set(t *testing.T, old, with string) {
	t.Helper()
	text := string(read(t, p.config))
	if !strings.Contains(text, old) {
		t.Fatalf("the configuration has no %q:\n%s", old, text)
	}
	write(t, p.config, []byte(strings.Replace(text, old, with, 1)), 0o640)
}

// url replaces the broker's address.
func (p *place) url(t *testing.T, address string) {
	t.Helper()
	p.set(t, "mqtts://"+p.w.Sites[site].Line.Addr(), address)
}

// signed makes a certificate from an authority of its own, and returns it, its key and the authority.
func signed(t *testing.T, tenant, name string, until time.Time) (certificate, key, authority []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "another authority"}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	u, err := url.Parse(fmt.Sprintf("dockline://%s/site/%s", tenant, name))
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: tenant + "." + name}, NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: until, URIs: []*url.URL{u}}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, root, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	return encode("CERTIFICATE", leafDER), encode("PRIVATE KEY", keyDER), encode("CERTIFICATE", rootDER)
}

func (p *place) id(name string) string { return filepath.Join(p.identity, name) }

func freePort(t *testing.T) int {
	t.Helper()
	port, err := testenv.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// occupy listens until the subtest ends.
func occupy(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// damages are what is broken, one at a time.
var damages = []damage{
	{"a key that is not known", "config", []string{"journal.limits"}, func(t *testing.T, p *place) { p.set(t, "uplink:", "journal: {limits: 1GiB}\nuplink:") }},
	{"a value that is none", "config", []string{"uplink.heartbeat"}, func(t *testing.T, p *place) { p.set(t, "heartbeat: 2s", "heartbeat: 1h") }},
	{"no configuration", "config", []string{"There is no", "agent.yaml"}, func(t *testing.T, p *place) { must(t, os.Remove(p.config)) }},
	{"others may change the configuration", "config_rights", []string{"agent.yaml", "0666"}, func(t *testing.T, p *place) { must(t, os.Chmod(p.config, 0o666)) }},
	{"a name that nobody knows", "dns", []string{"broker.invalid"}, func(t *testing.T, p *place) { p.url(t, "mqtts://broker.invalid:8883") }},
	{"a closed port", "port", []string{"cannot be reached"}, func(t *testing.T, p *place) { p.url(t, fmt.Sprintf("mqtts://127.0.0.1:%d", freePort(t))) }},
	{"no TLS at that port", "tls", []string{"do not agree"}, func(t *testing.T, p *place) { p.url(t, "mqtts://"+plain(t)) }},
	{"a proxy that is gone", "proxy", []string{"The proxy 127.0.0.1"}, func(t *testing.T, p *place) {
		p.set(t, "mqtt: {", fmt.Sprintf("mqtt: {proxy: \"http://127.0.0.1:%d\", ", freePort(t)))
	}},
	{"credentials of the proxy are gone", "proxy", []string{"proxy.secret"}, func(t *testing.T, p *place) {
		p.set(t, "mqtt: {", fmt.Sprintf("mqtt: {proxy: \"http://%s\", proxy_credentials: proxy.secret, ", occupy(t)))
	}},
	{"another authority", "tls", []string{"unknown authority"}, func(t *testing.T, p *place) {
		_, _, authority := signed(t, "main", site, time.Now().Add(time.Hour))
		write(t, p.id("ca.crt"), authority, 0o644)
	}},
	{"the authority is no certificate", "identity", []string{"ca.crt"}, func(t *testing.T, p *place) { write(t, p.id("ca.crt"), []byte("torn"), 0o644) }},
	{"the certificate has ended", "identity", []string{"has ended"}, func(t *testing.T, p *place) {
		certificate, key, authority := signed(t, "main", site, time.Now().Add(-time.Hour))
		write(t, p.id("site.crt"), certificate, 0o644)
		write(t, p.id("site.key"), key, 0o600)
		write(t, p.id("ca.crt"), authority, 0o644)
	}},
	{"a certificate of another site", "identity", []string{"dc-south", site}, func(t *testing.T, p *place) {
		certificate, key, _ := signed(t, "main", "dc-south", time.Now().Add(time.Hour))
		write(t, p.id("site.crt"), certificate, 0o644)
		write(t, p.id("site.key"), key, 0o600)
	}},
	{"a key of another request", "identity", []string{"do not belong together"}, func(t *testing.T, p *place) {
		_, key, _ := signed(t, "main", site, time.Now().Add(time.Hour))
		write(t, p.id("site.key"), key, 0o600)
	}},
	{"a key that others may read", "identity", []string{"site.key", "0644"}, func(t *testing.T, p *place) { must(t, os.Chmod(p.id("site.key"), 0o644)) }},
	{"a key that is gone", "identity", []string{"site.key"}, func(t *testing.T, p *place) { must(t, os.Remove(p.id("site.key"))) }},
	{"a data folder that is a file", "data_dir", []string{"is a file"}, func(t *testing.T, p *place) {
		must(t, os.RemoveAll(p.dataDir))
		write(t, p.dataDir, nil, 0o640)
	}},
	{"others may write into the data folder", "data_dir", []string{"0777"}, func(t *testing.T, p *place) { must(t, os.Chmod(p.dataDir, 0o777)) }},
	{"a journal that the disk cannot hold", "disk_space", []string{"journal.limit"}, func(t *testing.T, p *place) { p.set(t, "uplink:", "journal: {limit: 900000GiB}\nuplink:") }},
	{"a plugin that is gone", "plugins", []string{"plugin wms", "plugin-sim"}, func(t *testing.T, p *place) { must(t, os.Remove(p.plugin)) }},
	{"a plugin that may not be executed", "plugins", []string{"may not be executed"}, func(t *testing.T, p *place) { must(t, os.Chmod(p.plugin, 0o644)) }},
	{"a plugin with one changed byte", "plugins", []string{"not the pinned one"}, func(t *testing.T, p *place) {
		text := read(t, p.plugin)
		text[len(text)/2] ^= 1
		write(t, p.plugin, text, 0o755)
	}},
	{"a plugin that ends at once", "plugins", []string{"wms"}, func(t *testing.T, p *place) {
		write(t, p.plugin, []byte("#!/bin/sh\necho no licence >&2\nexit 3\n"), 0o755)
		text := string(read(t, p.config))
		at := strings.Index(text, "sha256: ")
		write(t, p.config, []byte(text[:at]+text[at+len("sha256: ")+64:]), 0o640)
	}},
	{"a section that the plugin does not take", "plugins", []string{"short_percent"}, func(t *testing.T, p *place) {
		p.set(t, "movements_per_second:", "short_percent: 900\n      movements_per_second:")
	}},
	{"a flipped byte in the journal", "journal", []string{"epoch-"}, func(t *testing.T, p *place) { flip(t, p.journal) }},
	{"a journal file cut short", "journal", []string{"epoch-"}, func(t *testing.T, p *place) { must(t, os.Truncate(p.journal, 5000)) }},
	{"a journal file that was set aside", "journal", []string{".damaged", "set aside"}, func(t *testing.T, p *place) {
		write(t, p.journal+".damaged", []byte("torn"), 0o600)
	}},
	{"an inbox that is torn", "inbox", []string{"inbox.db"}, func(t *testing.T, p *place) {
		text := read(t, p.inbox)
		copy(text, bytes.Repeat([]byte("torn"), 4096))
		write(t, p.inbox, text, 0o600)
	}},
	{"what the centre gave is torn", "centre_config", []string{"accepted.json"}, func(t *testing.T, p *place) {
		must(t, os.MkdirAll(filepath.Join(p.dataDir, "config"), 0o700))
		write(t, filepath.Join(p.dataDir, "config", "accepted.json"), []byte("{"), 0o600)
	}},
	{"the port of the local page is taken", "page_port", []string{"cannot be served"}, func(t *testing.T, p *place) {
		p.set(t, `listen: "127.0.0.1:0"`, fmt.Sprintf("listen: %q", occupy(t)))
	}},
	{"a clock that is wrong", "clock", []string{"ahead of", "10m"}, func(t *testing.T, p *place) { p.args = []string{"--collector", clockBehind(t)} }},
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// plain answers with words that are no TLS.
func plain(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("220 mail.example ESMTP\r\n"))
			_ = c.Close()
		}
	}()
	return l.Addr().String()
}

// flip changes a bit in the middle of the largest run of bytes that are not zero: an event's pack.
func flip(t *testing.T, path string) {
	t.Helper()
	text := read(t, path)
	longest, at := 0, 0
	for i, run := 0, 0; i < len(text); i++ {
		if text[i] == 0 {
			run = 0
			continue
		}
		if run++; run > longest {
			longest, at = run, i-run/2
		}
	}
	text[at] ^= 1
	write(t, path, text, 0o600)
}

// Twenty damages and more are seeded one by one at a real site whose agent is stopped, and doctor finds each by itself: the right
// examination says so in words that name it, and says what to do. Without any, it finds nothing. Also beside the running agent, and on a
// machine that has no agent yet.
//
// Shows: E23
func TestEdge23(t *testing.T) {
	t.Parallel()
	w := worldtest.Open(t, world.Config{Seed: 23, Sites: []string{site}, MovementsPerSecond: 20})
	orders, err := w.Orders(t.Context(), 3)
	must(t, err)
	until(t, w, "the site has worked", patience, func() bool {
		records, err := w.Sites[site].Ledger()
		return err == nil && len(records) > 2*len(orders)
	})
	found, code := doctor(t, w, site, "--collector", w.ConsoleURL)
	if code != 0 {
		t.Errorf("beside the running agent it finds faults: %+v", faults(found))
	}
	w.Sites[site].Line.Cut(true) // so that something stays in the journal
	_, err = w.Orders(t.Context(), 1)
	must(t, err)
	w.Sites[site].Agent.Stop()
	w.Sites[site].Line.Cut(false)
	p := openPlace(t, w)
	if found, code := doctor(t, w, site, "--collector", w.ConsoleURL); code != 0 {
		t.Fatalf("without any damage it finds faults: %+v", faults(found))
	}
	named := 0
	for _, d := range damages {
		t.Run(d.name, func(t *testing.T) {
			p.args = []string{"--collector", w.ConsoleURL}
			p.keep(t)
			d.do(t, p)
			found, code := doctor(t, w, site, p.args...)
			if code != 1 {
				t.Errorf("exit code %d", code)
			}
			for _, f := range faults(found) {
				if f.Code == d.code && all(f.Text, d.words) && (f.Remedy != "" || len(f.Text) > 60) {
					named++
					return
				}
			}
			t.Errorf("nothing of %s names it with %q: %+v", d.code, d.words, faults(found))
		})
	}
	if found, code := doctor(t, w, site, "--collector", w.ConsoleURL); code != 0 {
		t.Errorf("after all was put back it finds faults: %+v", faults(found))
	}
	testenv.Figure(t, "damages seeded", len(damages), "found and named", named)
	beforeInstall(t, w)
}

// beforeInstall looks at a machine without an agent.
func beforeInstall(t *testing.T, w *world.World) {
	broker, elsewhere := "mqtts://"+w.Sites[site].Line.Addr(), filepath.Join(t.TempDir(), "not", "there", "yet")
	found, code := examine(t, w, "doctor", "--before-install", "--json", "--data-dir", elsewhere, "--url", broker, "--collector", w.ConsoleURL)
	for _, f := range faults(found) {
		// The port of a page that another agent of this machine may have is no matter here.
		if f.Code != "page_port" {
			t.Errorf("before an installation: exit %d, %+v", code, f)
		}
	}
	for _, code := range []string{"dns", "proxy", "port", "tls", "clock", "disk_space", "disk_sync", "antivirus"} {
		if !has(found, code) {
			t.Errorf("before an installation nothing looks at %s", code)
		}
	}
	found, code = examine(t, w, "doctor", "--before-install", "--json", "--data-dir", elsewhere, "--url", fmt.Sprintf("mqtts://127.0.0.1:%d", freePort(t)))
	if code != 1 || !has(faults(found), "port") {
		t.Errorf("a closed port before an installation: exit %d, %+v", code, found)
	}
}

func faults(found []examined) (bad []examined) {
	for _, e := range found {
		if e.Outcome == "fault" {
			bad = append(bad, e)
		}
	}
	return bad
}

func has(found []examined, code string) bool {
	for _, e := range found {
		if e.Code == code {
			return true
		}
	}
	return false
}

func all(text string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// The journal can be listed, verified and exported beside the running agent and without it, with the same result.
func TestTheJournalIsReadByPeople(t *testing.T) {
	w := worldtest.Open(t, world.Config{Seed: 24, Sites: []string{site}, MovementsPerSecond: 50})
	_, err := w.Orders(t.Context(), 5)
	must(t, err)
	export := func() (lines int, text string) {
		out, said, code := run(t, w, "dockline-agent", "journal", "export", "--all", "--config", configOf(w, site))
		if code != 0 && !strings.Contains(said, "no such file") && !strings.Contains(said, "only just been started") { // the agent has only just begun
			t.Fatalf("export: %d %s", code, said)
		}
		return strings.Count(out, "\n"), out
	}
	until(t, w, "events of the day", patience, func() bool { n, _ := export(); return n >= 10 })
	if out, said, code := run(t, w, "dockline-agent", "journal", "verify", "--config", configOf(w, site)); code != 0 {
		t.Errorf("verify beside the running agent: %d %s%s", code, out, said)
	}
	w.Sites[site].Line.Cut(true)
	until(t, w, "a dock that rests", patience, func() bool { a, _ := export(); b, _ := export(); return a == b })
	running, _ := export()
	if out, _, code := run(t, w, "dockline-agent", "journal", "list", "--all", "--limit", "3", "--config", configOf(w, site)); code != 0 || !strings.Contains(out, "pick.") || !strings.Contains(out, "3 events") {
		t.Errorf("list: %d\n%s", code, out)
	}
	w.Sites[site].Agent.Stop()
	stopped, text := export()
	if stopped < running || !strings.Contains(text, `"subject":`) {
		t.Errorf("%d events beside the running agent, %d without it", running, stopped)
	}
	if out, said, code := run(t, w, "dockline-agent", "journal", "verify", "--json", "--config", configOf(w, site)); code != 0 {
		t.Errorf("verify without it: %d %s%s", code, out, said)
	}
}

// clockBehind is a server whose clock is ten minutes behind.
func clockBehind(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4096))
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", time.Now().Add(-10*time.Minute).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"))
			_ = c.Close()
		}
	}()
	return "http://" + l.Addr().String() + "/"
}

func hash(program []byte) string { return fmt.Sprintf("%x", sha256.Sum256(program)) }
