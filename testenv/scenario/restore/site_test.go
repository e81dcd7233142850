package restore_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

// site is an agent whose warehouse system drops files of picks.
type site struct {
	c        *centre
	name     string
	agent    *world.Process
	line     *testenv.Line
	data     string
	outbound string
	dropped  int
}

// addSite makes a site known, with key and certificate, and configures its agent; nothing runs yet.
func (c *centre) addSite(name, uplink string) *site {
	c.t.Helper()
	dir := c.path(name)
	c.run("dockline-agent", "init", "--config", filepath.Join(dir, "agent.yaml"), "--data-dir", c.path(name, "data"), "--tenant", tenant, "--site", name)
	identity := filepath.Join(c.path(name, "data"), "identity")
	c.run("dockline-collector", "site", "add", "--config", c.config, "--tenant", tenant, "--site", name, "--csr", filepath.Join(identity, "site.csr"), "--out", identity)
	return c.configure(name, name, uplink)
}

// configure writes the configuration of an agent of a site in a folder of its own.
func (c *centre) configure(name, folder, uplink string) *site {
	c.t.Helper()
	line, err := testenv.OpenLine(c.broker)
	if err != nil {
		c.t.Fatal(err)
	}
	s := &site{c: c, name: name, line: line, data: c.path(folder, "data"), outbound: c.path(folder, "outbound")}
	mqtt := fmt.Sprintf("{url: %q}", "mqtts://"+line.Addr())
	if !c.tls {
		mqtt = fmt.Sprintf("{url: %q, ca: \"\"}", "mqtt://"+line.Addr())
	}
	config := filepath.Join(c.path(folder), "agent.yaml")
	c.write(config, fmt.Sprintf(`site: {tenant: %s, id: %s}
data_dir: %q
mqtt: %s
health: {listen: "127.0.0.1:0"}
uplink: {heartbeat: 1s%s}
`, tenant, name, s.data, mqtt, uplink)+world.PicksSection(world.Program(worldtest.Bin(c.t), "dockline-plugin-wms-file"), s.outbound))
	s.agent = world.NewProcess("agent-"+folder, c.path("logs"), world.Program(worldtest.Bin(c.t), "dockline-agent"), "run", "--config", config)
	c.sites = append(c.sites, s)
	return s
}

func (s *site) start() {
	s.c.t.Helper()
	if err := s.agent.Start(); err != nil {
		s.c.t.Fatal(err)
	}
}

// drop has the warehouse system write n picks, a thousand in a file.
func (s *site) drop(n int) {
	s.c.t.Helper()
	for n > 0 {
		rows := min(n, 1000)
		n -= rows
		var b strings.Builder
		b.WriteString("pick_id,order,line,sku,qty,uom,picked_at\n")
		for range rows {
			s.dropped++
			fmt.Fprintf(&b, "%s-%s-%d,SO%d,10,SKU-1,1,each,%s\n", s.name, filepath.Base(filepath.Dir(s.outbound)), s.dropped, s.dropped/10, time.Now().UTC().Format(time.RFC3339))
		}
		name := filepath.Join(s.outbound, fmt.Sprintf("picks-%07d.csv", s.dropped))
		s.c.write(name+".tmp", b.String())
		if err := os.Rename(name+".tmp", name); err != nil {
			s.c.t.Fatal(err)
		}
	}
}

// captured waits until every file has been taken: the agent has its events durable.
func (s *site) captured(limit time.Duration) {
	s.c.t.Helper()
	s.c.eventually("every file of "+s.name+" is taken", limit, func() bool {
		waiting, err := filepath.Glob(filepath.Join(s.outbound, "picks*.csv"))
		return err == nil && len(waiting) == 0
	})
}

// image copies the data folder as it is at one moment, as a snapshot of the disk would.
func (s *site) image(to string) {
	s.c.t.Helper()
	s.c.eventually("two equal images of the data folder", 30*time.Second, func() bool {
		first, second := to, to+".again"
		defer os.RemoveAll(second)
		if os.RemoveAll(first) != nil || copyFolder(s.data, first) != nil || copyFolder(s.data, second) != nil {
			return false
		}
		return sameFolder(first, second)
	})
}

// putBack replaces the data folder by an image.
func (s *site) putBack(from string) {
	s.c.t.Helper()
	if err := os.RemoveAll(s.data); err != nil {
		s.c.t.Fatal(err)
	}
	if err := copyFolder(from, s.data); err != nil {
		s.c.t.Fatal(err)
	}
}

// loseDisk leaves nothing of the data folder but the identity, which was enrolled again.
func (s *site) loseDisk() {
	s.c.t.Helper()
	entries, err := os.ReadDir(s.data)
	if err != nil {
		s.c.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() == "identity" {
			continue
		}
		if err := os.RemoveAll(filepath.Join(s.data, e.Name())); err != nil {
			s.c.t.Fatal(err)
		}
	}
}

func copyFolder(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		switch {
		case d.IsDir():
			return os.MkdirAll(target, 0o755)
		case !d.Type().IsRegular():
			return nil // a plugin's socket
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o600)
	})
}

func sameFolder(a, b string) bool {
	same := true
	err := filepath.WalkDir(a, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		relative, err := filepath.Rel(a, path)
		if err != nil {
			return err
		}
		one, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		other, err := os.ReadFile(filepath.Join(b, relative))
		same = same && err == nil && string(one) == string(other)
		return nil
	})
	return err == nil && same
}

// depth is how many events the journal held when the site last spoke, by what the centre was told.
func (s *site) depth() int {
	var depth = -1
	for _, p := range s.c.fleet() {
		if p.ID == s.name && p.Heartbeat != nil {
			depth = int(p.Heartbeat.GetJournalEvents())
		}
	}
	return depth
}
