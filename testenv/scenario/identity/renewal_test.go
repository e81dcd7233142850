package identity_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/identity"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/enroltest"
)

const day = 24 * time.Hour

// TestEdge19 takes a site off the line and moves its clock on day by day, to sixty days and beyond. From two thirds of its certificate's life
// it tries to renew it, at least five times before the end, and captures all the while. Then the site comes back with a certificate that
// ended ten days ago, which renews in the grace period; and with one that ended much longer ago, which waits for a person, is shown as
// waiting, and is let in.
//
// Shows: E19
func TestEdge19(t *testing.T) {
	c := enroltest.Open(t, "", "")
	s := enroltest.NewSite(t, "dc-east", "agent-clock")
	clock := filepath.Join(s.Dir, "clock")
	set := func(step time.Duration) {
		t.Helper()
		if err := os.WriteFile(clock+".new", []byte(step.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(clock+".new", clock); err != nil {
			t.Fatal(err)
		}
	}
	set(0)
	s.Agent.Env = append(s.Agent.Env, "DOCKLINE_CLOCK_FILE="+clock)
	i := c.Invite("dc-east")
	if out, err := s.Enrol(i); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.Configure(i.Broker, 0, 20, "")
	s.Start()
	logged := func(more int64) func() bool {
		want := c.Site("dc-east").Logged + more
		return func() bool { return c.Site("dc-east").Logged >= want }
	}
	testenv.Eventually(t, patience, "events are logged", logged(20))
	c.Line.Cut(true)
	captures := func() {
		t.Helper()
		before := s.Captured()
		testenv.Eventually(t, patience, "it captures", func() bool { return s.Captured() >= before+10 })
	}
	tries := func() int { return strings.Count(s.Agent.Log(), "certificate is not renewed yet") }
	set(55 * day)
	captures()
	if n := tries(); n != 0 {
		t.Errorf("it tried %d times before two thirds of the certificate's life", n)
	}
	last := 0
	for _, at := range []int{61, 62, 65, 70, 75, 80, 85, 89} {
		set(time.Duration(at) * day)
		testenv.Eventually(t, patience, "another attempt", func() bool { return tries() > last })
		last = tries()
		captures()
	}
	beforeEnd := tries()
	if beforeEnd < 5 {
		t.Errorf("%d attempts between two thirds of its life and its end, want 5", beforeEnd)
	}
	set(92 * day)
	testenv.Eventually(t, patience, "an attempt after the end", func() bool { return tries() > beforeEnd })
	captures()
	if state := s.Status().GetCertificate(); state.GetTries() < 6 || state.GetText() == "" {
		t.Errorf("it says of its attempts: %v", state)
	}
	if s.Condition("certificate_expired") == nil {
		t.Error("the site does not say that its certificate has ended")
	}
	set(0)
	s.Agent.Stop()
	c.Line.Cut(false)

	inGrace := comeBack(t, c, s, 100*day)
	testenv.Eventually(t, patience, "it is renewed by the grace path", func() bool { return c.Count(`SELECT count(*) FROM site_certificate WHERE via = 'grace'`) == 1 })
	testenv.Eventually(t, patience, "everything captured is logged", func() bool {
		captured, logged := s.Captured(), c.Site("dc-east").Logged
		return captured > inGrace && logged > int64(inGrace)
	})
	s.Agent.Stop()

	late := comeBack(t, c, s, 400*day)
	testenv.Eventually(t, patience, "it is shown as waiting", func() bool { return c.Site("dc-east").Has("too_long_offline") != nil })
	if title, text := c.Exception("dc-east", "too_long_offline"); !strings.Contains(text, "site allow main/dc-east") {
		t.Errorf("exception %q: %s", title, text)
	}
	testenv.Eventually(t, patience, "it captures while it waits", func() bool { return s.Captured() > late+20 })
	c.Must("site", "allow", "main/dc-east", "--by", "operations")
	s.Agent.Stop() // else the next attempt is a minute away
	s.Start()
	testenv.Eventually(t, patience, "it is let in", func() bool { return c.Count(`SELECT count(*) FROM site_certificate WHERE via = 'grace'`) == 2 })
	testenv.Eventually(t, patience, "it is online and nothing is open", func() bool {
		v := c.Site("dc-east")
		title, _ := c.Exception("dc-east", "too_long_offline")
		return v.State == "online" && v.Has("too_long_offline") == nil && title == "" && v.Logged > int64(late)
	})
	testenv.Figure(t, "attempts between two thirds of its life and its end", beforeEnd, "rows captured", s.Captured())
}

// comeBack starts a site with a certificate that was given so long ago, and returns how many rows it had captured.
func comeBack(t *testing.T, c *enroltest.Centre, s *enroltest.Site, ago time.Duration) (captured int) {
	t.Helper()
	authority, err := identity.Open(filepath.Join(c.Dir, "data", "identity"))
	if err != nil {
		t.Fatal(err)
	}
	authority.Now = func() time.Time { return time.Now().Add(-ago) }
	request, err := os.ReadFile(filepath.Join(s.Identity, "site.csr"))
	if err != nil {
		t.Fatal(err)
	}
	old, err := authority.SignSite(request, enroltest.Tenant, s.Name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.Identity, "site.crt"), old, 0o644); err != nil {
		t.Fatal(err)
	}
	// What it got in this test was given to it long ago too: a site that asks again within minutes gets the same.
	if err := c.DB.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE site_certificate SET issued_at = issued_at - ?`, day.Microseconds())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	captured = s.Captured()
	s.Start()
	return captured
}

// TestRotation replaces the authority under three sites of which one is offline: the two come for the next one's certificates at once and go
// on, the third is named as behind, and retiring is refused until it has come too. Then the former authority is retired by itself, agents
// know the broker by the new one without a restart, and a certificate of the former one is not taken any more.
//
// Shows: E19
func TestRotation(t *testing.T) {
	c := enroltest.Open(t, "", "")
	east, west, north := c.Join("dc-east", "dockline-agent", 0, 5, ""), c.Join("dc-west", "dockline-agent", 0, 5, ""), c.Join("dc-north", "dockline-agent", 0, 5, "")
	for _, s := range []*enroltest.Site{east, west, north} {
		testenv.Eventually(t, patience, s.Name+" is online", func() bool { return c.Site(s.Name).Logged > 0 })
	}
	north.Agent.Stop()
	before := c.Site("dc-east").Heartbeat.Certificate.Issuer
	c.Must("identity", "rotate")
	for _, name := range []string{"dc-east", "dc-west"} {
		testenv.Eventually(t, patience, name+" is on the next authority", func() bool {
			issuer := c.Site(name).Heartbeat.Certificate.Issuer
			return issuer != "" && issuer != before
		})
	}
	if out := c.Must("identity", "status"); !strings.Contains(out, "main/dc-north") || strings.Contains(out, "main/dc-east") {
		t.Errorf("status does not name who is behind: %s", out)
	}
	if out, err := c.Run("identity", "retire"); err == nil {
		t.Errorf("the authority of a site was retired: %s", out)
	}
	north.Start()
	testenv.Eventually(t, 2*patience, "the former authority is retired", func() bool { return strings.Contains(c.Collector.Log(), "the former one is retired") })
	// Every connection from here on is with a broker of the new authority.
	c.Line.Cut(true)
	c.Line.Cut(false)
	for _, s := range []*enroltest.Site{east, west, north} {
		want := c.Site(s.Name).Logged + 10
		testenv.Eventually(t, 2*patience, s.Name+" goes on", func() bool { return c.Site(s.Name).Logged >= want })
	}
	fresh := enroltest.NewSite(t, "dc-south", "dockline-agent")
	if out, err := fresh.Enrol(c.Invite("dc-south")); err != nil {
		t.Errorf("a new site after the rotation: %v: %s", err, out)
	}
}
