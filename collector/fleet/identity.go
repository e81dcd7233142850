package fleet

import (
	"context"
	"fmt"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// Refused is something that was refused in a site's name; collector/enrol says what the codes are, and opens an exception for each.
type Refused struct {
	Code, Address, Detail string
	Count                 int64
	First, Last           time.Time
}

// Revoked says who shut a site out, when and why.
type Revoked struct {
	At         time.Time
	By, Reason string
}

// readIdentity adds what was refused in the sites' names, and which of them are shut out.
func readIdentity(ctx context.Context, tx *db.Tx, byKey map[siteKey]*Site) error {
	rows, err := tx.Query(ctx, `SELECT tenant, site, code, address, detail, count, first_at, last_at FROM site_attempt WHERE closed_at = 0 ORDER BY tenant, site, code`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var key siteKey
		var r Refused
		var first, last int64
		if err := rows.Scan(&key.tenant, &key.id, &r.Code, &r.Address, &r.Detail, &r.Count, &first, &last); err != nil {
			return err
		}
		r.First, r.Last = fromMicros(first), fromMicros(last)
		if s := byKey[key]; s != nil {
			s.Refused = append(s.Refused, r)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	rows.Close()
	shut, err := tx.Query(ctx, `SELECT tenant, site, revoked_at, revoked_by, reason FROM site_identity WHERE revoked = 1`)
	if err != nil {
		return err
	}
	defer shut.Close()
	for shut.Next() {
		var key siteKey
		var r Revoked
		var at int64
		if err := shut.Scan(&key.tenant, &key.id, &at, &r.By, &r.Reason); err != nil {
			return err
		}
		r.At = fromMicros(at)
		if s := byKey[key]; s != nil {
			s.Revoked = &r
		}
	}
	return shut.Err()
}

// judgeIdentity says who is shut out, and what was tried in the site's name.
func (s *Site) judgeIdentity() {
	if r := s.Revoked; r != nil {
		s.add("revoked", warning, r.At, "Shut out", "%s has shut this site out: %s. Nothing is taken from its agent, which keeps what it captures. To let it in again: dockline-collector site add %s/%s.",
			r.By, r.Reason, s.Tenant, s.ID)
	}
	for _, r := range s.Refused {
		times := "once"
		if r.Count > 1 {
			times = fmt.Sprintf("%d times since %s", r.Count, r.First.Format("2006-01-02 15:04 MST"))
		}
		severity, title := failing, "Somebody else tried to be this site"
		switch r.Code {
		case "too_long_offline":
			severity, title = warning, "Waits to be let in again"
		case "certificate_revoked":
			severity, title = warning, "A revoked certificate is still in use"
		case "foreign_topic", "foreign_client_id":
			title = "Reached for what is another site's"
		}
		s.add(r.Code, severity, r.First, title, "%s Refused %s, last at %s. The exception says what to do.", r.Detail, times, r.Last.Format("2006-01-02 15:04:05 MST"))
	}
}
