package identity_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/enroltest"
	"github.com/dockline/dockline/testenv/world"
)

// TestRevokedAtMosquitto enrols a site at the collector's own port where a Mosquitto carries the line, with what the product writes for it.
// Revoked, and the files written anew, the site's certificate is not taken any more, while another site's is.
//
// Shows: S68
func TestRevokedAtMosquitto(t *testing.T) {
	testenv.NeedMosquitto(t)
	dir := t.TempDir()
	var ports [3]int
	for n := range ports {
		var err error
		if ports[n], err = testenv.FreePort(); err != nil {
			t.Fatal(err)
		}
	}
	broker := filepath.Join(dir, "broker")
	file := func(name string) string { return filepath.Join(broker, name) }
	c := &enroltest.Centre{T: t, Dir: dir, Config: filepath.Join(dir, "collector.yaml"), URL: fmt.Sprintf("http://127.0.0.1:%d/", ports[1])}
	text := fmt.Sprintf("data_dir: %q\nmqtt: {url: \"mqtts://127.0.0.1:%d\", hosts: [127.0.0.1], ca: %q, certificate: %q, key: %q}\nhttp: {listen: \"127.0.0.1:%d\"}\nidentity: {listen: \"127.0.0.1:%d\"}\n",
		filepath.Join(dir, "data"), ports[0], file("ca.crt"), file("collector.crt"), file("collector.key"), ports[1], ports[2])
	if err := os.WriteFile(c.Config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	east, west := c.Invite("dc-east"), c.Invite("dc-west")
	files := []string{"broker", "mosquitto", "--listen", fmt.Sprintf("127.0.0.1:%d", ports[0]), "--hosts", "127.0.0.1", "--out", broker}
	c.Must(files...)
	mosquitto, err := testenv.StartMosquitto(testenv.MosquittoConfig{File: file("mosquitto.conf"), Port: ports[0]})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(mosquitto.Remove)
	c.Collector = world.NewProcess("collector", dir, filepath.Join(enroltest.Bin(t), "dockline-collector"), "run", "--config", c.Config)
	t.Cleanup(c.Collector.Stop)
	c.Start()
	sites := map[string]*enroltest.Site{}
	for _, i := range []enroltest.Invitation{east, west} {
		if !strings.HasSuffix(i.Collector, fmt.Sprint(":", ports[2])) {
			t.Errorf("sites are to enrol at %s", i.Collector)
		}
		s := enroltest.NewSite(t, i.Site, "dockline-agent")
		if out, err := s.Enrol(i); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		s.Configure(i.Broker, 0, 10, "")
		s.Start()
		sites[i.Site] = s
	}
	for name := range sites {
		testenv.Eventually(t, patience, name+" works", func() bool { return c.Site(name).Logged > 0 })
	}
	c.Must("site", "revoke", "main/dc-east", "--reason", "the machine was sold")
	c.Must(files...)
	mosquitto.Stop()
	if err := mosquitto.Start(); err != nil {
		t.Fatal(err)
	}
	west1 := c.Site("dc-west").Logged
	testenv.Eventually(t, patience, "the other site works on", func() bool { return c.Site("dc-west").Logged > west1+10 })
	logged := c.Site("dc-east").Logged
	captured := sites["dc-east"].Captured()
	testenv.Eventually(t, patience, "the revoked one is refused", func() bool {
		line := sites["dc-east"].Condition("line_down")
		return line != nil && strings.Contains(line.GetText(), "revoked") || sites["dc-east"].Captured() > captured+150
	})
	if now := c.Site("dc-east").Logged; now != logged {
		t.Errorf("%d events of a revoked site were taken", now-logged)
	}
}
