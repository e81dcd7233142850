package uplink_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/dockline/dockline/agent/journal"
	"github.com/dockline/dockline/agent/uplink"
)

// Behind a broker that stays up the collector's database is put back to an empty one: no link falls, and the first Ack that names the
// new one has the site say Hello again and send what it had kept.
func TestAnotherDatabaseBehindTheSameBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, err := journal.Open(t.TempDir(), journal.Options{Tenant: tenant, Site: site, KeepAcknowledged: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		c := newCentre(t)
		capture(t, j, 0, 300)
		u, l := start(t, uplink.Config{Journal: store{j}}, c)
		l.connect()
		pass(time.Second)
		if c.count() != 300 || j.Stats().Events != 0 {
			t.Fatalf("%d events arrived, %d are held", c.count(), j.Stats().Events)
		}
		c.set(func() {
			fresh := newCentre(t)
			c.incarnation, c.has, c.crc, c.events = "two", fresh.has, fresh.crc, fresh.events
		})
		capture(t, j, 300, 1)
		pass(time.Second)
		if c.count() != 301 || j.Stats().Events != 0 || len(c.greetings()) != 2 {
			t.Errorf("%d events arrived at the new database, %d are held, after %d hellos", c.count(), j.Stats().Events, len(c.greetings()))
		}
		if s := u.Stats(); !s.Greeted || s.Forks != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}
