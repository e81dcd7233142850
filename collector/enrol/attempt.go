package enrol

import (
	"context"
	"fmt"
	"time"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// Codes of what is refused in a site's name; each is an exception and a condition of the site.
const (
	// CodeTokenStolen: a token that one key has used came with another key.
	CodeTokenStolen = "token_stolen"
	// CodeEnrolmentReplayed: a request came from somebody who has not got its key.
	CodeEnrolmentReplayed = "enrolment_replayed"
	// CodeCertificateRevoked: a certificate that counts no more.
	CodeCertificateRevoked = "certificate_revoked"
	// CodeTooLongOffline: a certificate that ended longer ago than the grace period.
	CodeTooLongOffline = "too_long_offline"
	// CodeForeignClient: a connection under the client id of another site.
	CodeForeignClient = "foreign_client_id"
	// CodeForeignTopic: a message to, or a subscription of, what is another site's.
	CodeForeignTopic = "foreign_topic"
)

// quiet is after how long without another attempt a case closes by itself.
const quiet = 24 * time.Hour

// changeover is how long after a revoked site got a new certificate a refusal of an old one tells nobody: its agent may have been about to
// connect with the old one, or Keeper.Check not have heard of the new one. Somebody else who has the old one goes on trying.
const changeover = time.Minute

// Exception is what the centre opens; who reports gives it an owner.
type Exception struct {
	Code, Subject, Site, Title, Text string
	Severity                         docklinev1.Severity
}

// Attempt is one kind of thing that was refused in a site's name, with the last one's address and detail.
type Attempt struct {
	Tenant, Site, Code string
	Address, Detail    string
	Count              int64
	First, Last        time.Time
}

// Note counts an attempt; a case that was closed is open again.
func (s *Store) Note(ctx context.Context, tx *db.Tx, a Attempt) error {
	now := s.now().UnixMicro()
	_, err := tx.Exec(ctx, `INSERT INTO site_attempt (tenant, site, code, address, detail, count, first_at, last_at) VALUES (?, ?, ?, ?, ?, 1, ?, ?)
		ON CONFLICT (tenant, site, code) DO UPDATE SET address = excluded.address, detail = excluded.detail,
		count = CASE WHEN site_attempt.closed_at = 0 THEN site_attempt.count + 1 ELSE 1 END,
		first_at = CASE WHEN site_attempt.closed_at = 0 THEN site_attempt.first_at ELSE excluded.first_at END,
		last_at = excluded.last_at, closed_at = 0`, a.Tenant, a.Site, a.Code, a.Address, a.Detail, now, now)
	return err
}

// Attempts are the open ones of a site.
func Attempts(ctx context.Context, tx *db.Tx, tenant, site string) ([]Attempt, error) {
	rows, err := tx.Query(ctx, `SELECT tenant, site, code, address, detail, count, first_at, last_at FROM site_attempt
		WHERE tenant = ? AND site = ? AND closed_at = 0 ORDER BY code`, tenant, site)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []Attempt
	for rows.Next() {
		var a Attempt
		var first, last int64
		if err := rows.Scan(&a.Tenant, &a.Site, &a.Code, &a.Address, &a.Detail, &a.Count, &first, &last); err != nil {
			return nil, err
		}
		a.First, a.Last = fromMicros(first), fromMicros(last)
		found = append(found, a)
	}
	return found, rows.Err()
}

// titles say what was refused; the remedies what a person is to do.
var titles = map[string]string{
	CodeTokenStolen:        "A used token of site %s was tried again with another key",
	CodeEnrolmentReplayed:  "An enrolment of site %s was repeated by somebody who has not got its key",
	CodeCertificateRevoked: "A revoked certificate of site %s is still in use",
	CodeTooLongOffline:     "Site %s was offline for too long to renew its certificate by itself",
	CodeForeignClient:      "The certificate of site %s came under another name",
	CodeForeignTopic:       "Site %s reaches for what is another site's",
}

var remedies = map[string]string{
	CodeTokenStolen: "If that was the site's own new machine, give it a token of its own: dockline-collector site add %[1]s/%[2]s. If it was nobody of yours, the token was seen on its way; it is worth nothing now, " +
		"but find out how, and shut the first machine out if it is not the site's: dockline-collector site revoke %[1]s/%[2]s.",
	CodeEnrolmentReplayed:  "Nothing was given out. Somebody has recorded a request: look at what lies between that address and the collector, and make a new token for the site: dockline-collector site add %[1]s/%[2]s.",
	CodeCertificateRevoked: "Nothing is taken from it. If the machine is to work again, give it a token: dockline-collector site add %[1]s/%[2]s, and run what that prints there. Else switch its agent off.",
	CodeTooLongOffline: "Its agent captures and keeps everything meanwhile. If the machine at that address is the site's, let it in: dockline-collector site allow %[1]s/%[2]s. If it is not, or nobody knows, " +
		"revoke it: dockline-collector site revoke %[1]s/%[2]s.",
	CodeForeignClient: "It was not let in. Compare tenant and id in that machine's agent.yaml with its certificate; if they are right, somebody else uses the certificate: dockline-collector site revoke %[1]s/%[2]s.",
	CodeForeignTopic:  "It was not let through. No agent of ours does so: somebody else uses the certificate. Shut it out: dockline-collector site revoke %[1]s/%[2]s, then give the site a new token.",
}

// Title says in a few words what was refused.
func (a Attempt) Title() string { return fmt.Sprintf(titles[a.Code], a.Site) }

// Text says what happened and what to do.
func (a Attempt) Text() string {
	times := "once"
	if a.Count > 1 {
		times = fmt.Sprintf("%d times since %s", a.Count, a.First.Format("2006-01-02 15:04 MST"))
	}
	return fmt.Sprintf("%s Refused %s, last at %s. ", a.Detail, times, a.Last.Format("2006-01-02 15:04:05 MST")) + fmt.Sprintf(remedies[a.Code], a.Tenant, a.Site)
}

// Severity of an attempt.
func (a Attempt) Severity() docklinev1.Severity {
	if a.Code == CodeTooLongOffline {
		return docklinev1.Severity_SEVERITY_WARNING
	}
	return docklinev1.Severity_SEVERITY_ERROR
}

// Report brings an origin's exceptions up to date.
type Report func(ctx context.Context, tx *db.Tx, tenant, origin string, found []Exception) error

// tell brings the exceptions of one site up to date.
func (r Report) tell(ctx context.Context, tx *db.Tx, tenant, site string) error {
	open, err := Attempts(ctx, tx, tenant, site)
	if err != nil || r == nil {
		return err
	}
	found := make([]Exception, len(open))
	for i, a := range open {
		found[i] = Exception{Code: a.Code, Subject: tenant + "/" + site, Site: site, Title: a.Title(), Text: a.Text(), Severity: a.Severity()}
	}
	return r(ctx, tx, tenant, "enrol/"+site, found)
}

// refused keeps an attempt and tells of it.
func (s *Store) refused(ctx context.Context, tx *db.Tx, report Report, who wire.Identity, code, address, detail string) error {
	if code == CodeCertificateRevoked {
		var fresh int64
		err := tx.QueryRow(ctx, `SELECT count(*) FROM site_certificate WHERE tenant = ? AND site = ? AND revoked_at = 0 AND issued_at > ?`,
			who.Tenant, who.Site, s.now().Add(-changeover).UnixMicro()).Scan(&fresh)
		if err != nil || fresh > 0 {
			return err
		}
	}
	if err := s.Note(ctx, tx, Attempt{Tenant: who.Tenant, Site: who.Site, Code: code, Address: address, Detail: detail}); err != nil {
		return err
	}
	return report.tell(ctx, tx, who.Tenant, who.Site)
}
