// Package identity_test holds enrolment, renewal, revocation and clones to what is promised of them: real agents, a real collector with its
// own broker, cut lines and wrong clocks.
package identity_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/enroltest"
)

func TestMain(m *testing.M) { enroltest.Main(m) }

const patience = enroltest.Patience

// TestEdge18 enrols one site five times, the answer to the first lost on its way: it is one site with one certificate, and the same one each
// time. Then its data folder is copied to a second machine while it works. The copy is flagged with its first word, the machines are named,
// they do not fight for the connection, and no epoch of the journal has events of both.
//
// Shows: E18
func TestEdge18(t *testing.T) {
	c := enroltest.Open(t, "", "")
	first := enroltest.NewSite(t, "dc-east", "dockline-agent")
	i := c.Invite("dc-east")
	loseAnswer(t, c, first, i)
	var certificate string
	for n := range 5 {
		if out, err := first.Enrol(i); err != nil {
			t.Fatalf("attempt %d: %v: %s", n+2, err, out)
		}
		text, err := os.ReadFile(filepath.Join(first.Identity, "site.crt"))
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 && string(text) != certificate {
			t.Errorf("attempt %d brought another certificate", n+2)
		}
		certificate = string(text)
	}
	if sites, certificates := c.Count(`SELECT count(*) FROM site`), c.Count(`SELECT count(*) FROM site_certificate`); sites != 1 || certificates != 1 {
		t.Fatalf("%d sites, %d certificates, want one of each", sites, certificates)
	}
	first.Configure(i.Broker, 0, 20, "")
	first.Start()
	logged := func(n int64) func() bool { return func() bool { return c.Site("dc-east").Logged >= n } }
	testenv.Eventually(t, patience, "events of the first machine", logged(50))

	second := enroltest.NewSite(t, "dc-east", "dockline-agent")
	first.Agent.Kill() // the copy is of a machine at work
	copyFolder(t, first.Data, second.Data)
	second.Configure(i.Broker, 0, 20, "")
	first.Start()
	before := c.Site("dc-east").Logged
	testenv.Eventually(t, patience, "the first machine is back", logged(before+20))
	took := time.Now()
	second.Start()
	testenv.Eventually(t, patience, "the copy is connected", func() bool { return strings.Contains(second.Agent.Log(), "linked to the broker") })
	linked := time.Now()
	testenv.Eventually(t, patience, "the copy is flagged", func() bool {
		v := c.Site("dc-east")
		return v.Has("forked_journal") != nil || v.Has("two_hosts") != nil
	})
	flaggedAfter := time.Since(linked).Round(time.Millisecond)
	t.Logf("flagged %s after the copy's connection, %s after its start", flaggedAfter, time.Since(took).Round(time.Millisecond))
	flagged := c.Site("dc-east").Has("forked_journal")
	if flagged == nil {
		flagged = c.Site("dc-east").Has("two_hosts")
	}
	host, _ := os.Hostname()
	for _, want := range []string{host, first.Data, second.Data} {
		if !strings.Contains(flagged.Text, want) {
			t.Errorf("the flag does not name %s: %s", want, flagged.Text)
		}
	}
	testenv.Eventually(t, patience, "the first machine is away and says why", func() bool { return first.Condition("session_taken_over") != nil })
	testenv.Eventually(t, 2*patience, "both have spoken, and that is certain", func() bool { return c.Site("dc-east").Has("two_hosts") != nil })
	taken := strings.Count(first.Agent.Log()+second.Agent.Log(), "has taken this client id")
	if taken > 6 {
		t.Errorf("the connection was taken %d times: the two fight for it", taken)
	}
	first.Agent.Stop()
	second.Agent.Stop()
	// Ids of rows are those of their source: what both told is one event, and an epoch belongs to one machine.
	if twice := c.Count(`SELECT count(*) FROM (SELECT epoch, seq FROM event WHERE seq > 0 GROUP BY epoch, seq HAVING count(DISTINCT id) > 1) AS m`); twice != 0 {
		t.Errorf("%d places of the journal hold two events: the machines are mixed", twice)
	}
	if machines := c.Count(`SELECT count(*) FROM site_machine`); machines != 2 {
		t.Errorf("%d machines are known, want two", machines)
	}
	testenv.Figure(t, "enrolments", 6, "sites", 1, "flagged after the copy's connection", flaggedAfter, "takeovers", taken)
}

// loseAnswer enrols once in a way that the centre gives the certificate out and the site does not get it: the centre's database is kept busy
// until the request has passed, then what comes back is held, and lost when the line is cut.
func loseAnswer(t *testing.T, c *enroltest.Centre, s *enroltest.Site, i enroltest.Invitation) {
	t.Helper()
	ended, busy, passed := make(chan string, 1), make(chan struct{}), make(chan struct{})
	written := make(chan error, 1)
	go func() {
		written <- c.DB.Write(t.Context(), func(tx *db.Tx) error {
			if _, err := tx.Exec(t.Context(), `UPDATE site SET title = 'busy'`); err != nil {
				return err
			}
			close(busy)
			<-passed
			return nil
		})
	}()
	<-busy
	forth := c.Line.BytesForth()
	go func() {
		out, err := s.Enrol(i, "--patience", "1ms")
		ended <- fmt.Sprint(err, " ", out)
	}()
	last, same := forth, 0
	testenv.Eventually(t, patience, "the request has passed", func() bool {
		now := c.Line.BytesForth()
		if same++; now != last || now == forth {
			last, same = now, 0
		}
		return same > 25
	})
	c.Line.HoldBack(true)
	close(passed)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, patience, "the certificate is given out", func() bool { return c.Count(`SELECT count(*) FROM site_certificate`) == 1 })
	c.Line.Cut(true)
	said := <-ended
	c.Line.HoldBack(false)
	c.Line.Cut(false)
	if _, err := os.Stat(filepath.Join(s.Identity, "site.crt")); err == nil {
		t.Fatalf("the answer was not lost: %s", said)
	}
}

func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
