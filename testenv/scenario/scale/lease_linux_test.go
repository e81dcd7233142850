package scale_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/member"
	"github.com/dockline/dockline/testenv"
)

// terms are for how long leases are taken, by their names or what these begin with (docs/operations.md, "Several collectors", lists them).
var terms = []struct {
	name string
	term time.Duration
}{
	{"sequencer", 5 * time.Second}, {"downlink", 5 * time.Second}, {"posting/", 15 * time.Second}, {"siteconfig", 10 * time.Second},
	{"exceptions", 30 * time.Second}, {"notices", 2 * time.Minute}, {"rebuild/", 30 * time.Second}, {"replay/", 30 * time.Second},
	{"master/", 35 * time.Second}, {"master", 5 * time.Second}, {"sweep/", 2 * time.Minute}, {"archive/", time.Minute},
}

// roles are the leases that one collector has for all.
var roles = []string{"sequencer", "posting/erp", "downlink", "exceptions", "notices", "siteconfig"}

// lease is one row of the lease table, left how long it still holds by the database's clock.
type lease struct {
	holder string
	left   time.Duration
}

// leases are all by name, with the places of the collectors as member/NAME.
func (c *centre) leases() map[string]lease {
	c.t.Helper()
	found := map[string]lease{}
	read := func(tx *db.Tx) error {
		clear(found)
		now, err := tx.Now(c.t.Context())
		if err != nil {
			return err
		}
		rows, err := tx.Query(c.t.Context(), `SELECT name, holder, expires_at FROM lease WHERE holder <> '' UNION ALL SELECT 'member/' || name, name, until_at FROM member`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var name, holder string
			var until int64
			if err := rows.Scan(&name, &holder, &until); err != nil {
				return err
			}
			found[name] = lease{holder, time.UnixMicro(until).Sub(now)}
		}
		return rows.Err()
	}
	// The database ends a session that does nothing within a transaction, as this one where the test itself gets no processor for long.
	var err error
	testenv.Eventually(c.t, patience, "the leases can be read", func() bool { err = c.db.Read(c.t.Context(), read); return err == nil }, func() string { return fmt.Sprint(err) })
	return found
}

// holder is who has a role now, nil for nobody.
func (c *centre) holder(role string) *collector {
	l := c.leases()[role]
	for _, m := range c.collectors {
		if m.name == l.holder && l.left > 0 {
			return m
		}
	}
	return nil
}

// outlived fails the test where a lease of a collector that has just ended holds for longer than its term, and returns them.
func (c *centre) outlived(dead *collector) map[string]lease {
	c.t.Helper()
	held := map[string]lease{}
	for name, l := range c.leases() {
		if l.holder != dead.name {
			continue
		}
		held[name] = l
		if term := termOf(name); l.left > term {
			c.t.Errorf("%s of collector %s holds for %s after its end, its term is %s", name, dead.name, l.left, term)
		}
	}
	return held
}

func termOf(name string) time.Duration {
	if strings.HasPrefix(name, "member/") {
		return member.Term
	}
	for _, t := range terms {
		if strings.HasPrefix(name, t.name) {
			return t.term
		}
	}
	return 0
}
