package enrol

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/proto/wire"
)

// renew gives a site a new certificate for the one that it has shown, also for one that ended a while ago.
func (s *Server) renew(ctx context.Context, from caller, q wire.EnrolRequest) (*wire.EnrolAnswer, error) {
	if err := s.Signer.Verify(from.peer); err != nil {
		return nil, problem(http.StatusUnauthorized, "certificate_unknown", "The certificate is not of this collector's authority. Enrol with a token: dockline-collector site add.")
	}
	who, err := wire.CertificateIdentity(from.peer)
	if err != nil || who.Site == "" {
		return nil, problem(http.StatusUnauthorized, "certificate_unknown", "The certificate is not that of a site.")
	}
	var given *Certificate
	var refusal *wire.Problem
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		given, refusal = nil, nil
		if err := lock(ctx, tx, who.Tenant, who.Site); err != nil {
			return err
		}
		var code, detail string
		refusal, code, detail, err = s.mayRenew(ctx, tx, who, from)
		switch {
		case err != nil:
			return err
		case refusal != nil && code != "":
			return s.refused(ctx, tx, s.Report, who, code, from.address, detail)
		case refusal != nil:
			return nil
		}
		last, err := certificate(ctx, tx, who, "key_hash", from.key)
		if err != nil {
			return err
		}
		// It does not have its newest one: the answer was lost on the way.
		if last != nil && last.Serial != from.peer.SerialNumber.Text(16) && last.RevokedAt.IsZero() && last.Issuer == s.Signer.Signer() && s.now().Sub(last.IssuedAt) < repeatWithin && s.now().Before(last.NotAfter) {
			given = last
			return nil
		}
		if refusal, err = s.often(ctx, tx, who); err != nil || refusal != nil {
			return err
		}
		via := ViaRenewal
		if s.now().After(from.peer.NotAfter) {
			via = ViaGrace
		}
		if given, refusal, err = s.sign(ctx, tx, who, from, q.CSR, via); err != nil || refusal != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE site_attempt SET closed_at = ? WHERE tenant = ? AND site = ? AND code = ? AND closed_at = 0`,
			s.now().UnixMicro(), who.Tenant, who.Site, CodeTooLongOffline); err != nil {
			return err
		}
		return s.Report.tell(ctx, tx, who.Tenant, who.Site)
	})
	switch {
	case err != nil:
		return nil, err
	case refusal != nil:
		return nil, refusal
	}
	s.Log.Info("a site has a new certificate", "site", who.Site, "tenant", who.Tenant, "via", given.Via, "remote", from.String(), "certificate", given.Serial, "until", given.NotAfter.Format(time.DateOnly))
	return s.reply(given), nil
}

// renewalsPerHour is how many certificates a site may get by itself in an hour: one a month is usual, a rotation or a person brings a few more.
const renewalsPerHour = 20

// often refuses a site that renews without end, as with a fault of its agent or by somebody who has its certificate: each is a row for ever.
func (s *Server) often(ctx context.Context, tx *db.Tx, who wire.Identity) (*wire.Problem, error) {
	var n int64
	err := tx.QueryRow(ctx, `SELECT count(*) FROM site_certificate WHERE tenant = ? AND site = ? AND issued_at > ?`, who.Tenant, who.Site, s.now().Add(-time.Hour).UnixMicro()).Scan(&n)
	if err != nil || n < renewalsPerHour {
		return nil, err
	}
	return problem(http.StatusTooManyRequests, "too_many", "Site %s got %d certificates within an hour: the one that it has counts. It can ask again in an hour.", who.Site, n), nil
}

// mayRenew says why not, and under which code people are told of it.
func (s *Server) mayRenew(ctx context.Context, tx *db.Tx, who wire.Identity, from caller) (refusal *wire.Problem, code, detail string, err error) {
	var known int64
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM site WHERE tenant = ? AND id = ?`, who.Tenant, who.Site).Scan(&known); err != nil {
		return nil, "", "", err
	}
	if known == 0 {
		return problem(http.StatusNotFound, "unknown_site", "There is no site %s of tenant %s here. Add it: dockline-collector site add %s/%s.", who.Site, who.Tenant, who.Tenant, who.Site), "", "", nil
	}
	said, err := standingOf(ctx, tx, who)
	if err != nil {
		return nil, "", "", err
	}
	serial := from.peer.SerialNumber.Text(16)
	shown, err := certificate(ctx, tx, who, "serial", serial)
	if err != nil {
		return nil, "", "", err
	}
	ended, now := from.peer.NotAfter, s.now()
	switch {
	case said.revokedAt > 0 && (said.revoked > 0 || shown == nil || !shown.RevokedAt.IsZero()):
		return problem(http.StatusForbidden, CodeCertificateRevoked, "This certificate was revoked at %s. The machine needs a new token: dockline-collector site add %s/%s.",
				fromMicros(said.revokedAt).Format("2006-01-02 15:04 MST"), who.Tenant, who.Site), CodeCertificateRevoked,
			fmt.Sprintf("%s asked for a new certificate with the revoked one %s of site %s.", from, serial, who.Site), nil
	case now.After(ended.Add(s.Grace)) && said.allowedUntil <= now.UnixMicro():
		return problem(http.StatusForbidden, CodeTooLongOffline, "This certificate ended on %s, longer ago than the %d days of grace. A person at the centre must let the site in: dockline-collector site allow %s/%s. Nothing is lost meanwhile.",
				ended.Format(time.DateOnly), int(s.Grace.Hours()/24), who.Tenant, who.Site), CodeTooLongOffline,
			fmt.Sprintf("The certificate of site %s ended on %s, longer ago than the %d days of grace. %s asks for a new one.", who.Site, ended.Format(time.DateOnly), int(s.Grace.Hours()/24), from), nil
	}
	return nil, "", "", nil
}
