// Package enrol lets sites in: by a one-time token the first time, by their own certificate from then on, and by a person's word where
// neither counts any more. It keeps who got what, and what was refused in whose name.
package enrol

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/dockline/dockline/collector/audit"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/proto/wire"
)

// ErrNoSite: there is no such site.
var ErrNoSite = errors.New("no such site")

// ErrShutOut: the site was revoked, so no certificate of it can be renewed.
var ErrShutOut = errors.New("is shut out, and its certificates with it: `dockline-collector site add` makes a token with which it may come back")

// Store is the tables of tokens, certificates and refusals.
type Store struct {
	DB *db.DB
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

func (s *Store) now() time.Time {
	if s.Now == nil {
		return time.Now()
	}
	return s.Now()
}

// The ways by which a site got a certificate.
const (
	// ViaToken: it enrolled.
	ViaToken = "enrol"
	// ViaRenewal: by a certificate that was good.
	ViaRenewal = "renew"
	// ViaGrace: by one that had ended.
	ViaGrace = "grace"
	// ViaRequest: a person signed its request.
	ViaRequest = "csr"
)

// tokenBytes of randomness are in a token.
const tokenBytes = 32

// NewToken makes a one-time token for a site, good for that long. Earlier tokens of the site count no more, a revocation ends, and what was
// refused before is settled: a person has acted.
func (s *Store) NewToken(ctx context.Context, tenant, site, by string, life time.Duration) (token string, err error) {
	random := make([]byte, tokenBytes)
	if _, err := rand.Read(random); err != nil {
		return "", err
	}
	secret := base64.RawURLEncoding.EncodeToString(random)
	now := s.now()
	err = s.person(ctx, tenant, site, func(tx *db.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE site_token SET void_at = ? WHERE tenant = ? AND site = ? AND void_at = 0`, now.UnixMicro(), tenant, site); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE site_identity SET revoked = 0 WHERE tenant = ? AND site = ?`, tenant, site); err != nil {
			return err
		}
		if err := tx.InsertAll(ctx, db.Insert{Table: "site_token", Columns: []string{"tenant", "site", "token_hash", "created_at", "created_by", "expires_at"},
			Rows: [][]any{{tenant, site, hashOf([]byte(secret)), now.UnixMicro(), by, now.Add(life).UnixMicro()}}}); err != nil {
			return err
		}
		return people.Act(ctx, tx, people.SiteAct, audit.Act{Tenant: tenant, By: by, Action: "site.token", Object: "site/" + site, Detail: map[string]any{"until": now.Add(life).UTC()}}, now)
	})
	if err != nil {
		return "", fmt.Errorf("new token: %w", err)
	}
	return wire.JoinToken(tenant, site, secret), nil
}

// Revoke shuts a site out: no certificate that it has counts any more, and no token.
func (s *Store) Revoke(ctx context.Context, tenant, site, by, reason string) error {
	now := s.now().UnixMicro()
	err := s.person(ctx, tenant, site, func(tx *db.Tx) error {
		for _, statement := range []string{
			`UPDATE site_token SET void_at = ? WHERE tenant = ? AND site = ? AND void_at = 0`,
			`UPDATE site_certificate SET revoked_at = ? WHERE tenant = ? AND site = ? AND revoked_at = 0`,
		} {
			if _, err := tx.Exec(ctx, statement, now, tenant, site); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, `UPDATE site_identity SET revoked = 1, revoked_at = ?, revoked_by = ?, reason = ?, allowed_until = 0 WHERE tenant = ? AND site = ?`, now, by, reason, tenant, site); err != nil {
			return err
		}
		return people.Act(ctx, tx, people.SiteAct, audit.Act{Tenant: tenant, By: by, Action: "site.revoke", Object: "site/" + site, Reason: reason}, s.now())
	})
	if err != nil {
		return fmt.Errorf("revoke: %w", err)
	}
	return nil
}

// Allow lets a site that was offline for longer than the grace period renew its certificate until then, however old it is.
func (s *Store) Allow(ctx context.Context, tenant, site, by string, until time.Time) error {
	err := s.person(ctx, tenant, site, func(tx *db.Tx) error {
		var revoked int64
		if err := tx.QueryRow(ctx, `SELECT revoked FROM site_identity WHERE tenant = ? AND site = ?`, tenant, site).Scan(&revoked); err != nil {
			return err
		}
		if revoked != 0 {
			return fmt.Errorf("site %s of tenant %s %w", site, tenant, ErrShutOut)
		}
		if _, err := tx.Exec(ctx, `UPDATE site_identity SET allowed_until = ?, allowed_by = ? WHERE tenant = ? AND site = ?`, until.UnixMicro(), by, tenant, site); err != nil {
			return err
		}
		return people.Act(ctx, tx, people.SiteAct, audit.Act{Tenant: tenant, By: by, Action: "site.allow", Object: "site/" + site, Detail: map[string]any{"until": until.UTC()}}, s.now())
	})
	if err != nil {
		return fmt.Errorf("allow: %w", err)
	}
	return nil
}

// person runs what a person does about a site's identity, and settles what was refused before.
func (s *Store) person(ctx context.Context, tenant, site string, f func(tx *db.Tx) error) error {
	now := s.now().UnixMicro()
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		if err := lock(ctx, tx, tenant, site); err != nil {
			return err
		}
		var known int64
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM site WHERE tenant = ? AND id = ?`, tenant, site).Scan(&known); err != nil {
			return err
		}
		if known == 0 {
			return fmt.Errorf("%w: %s of tenant %s", ErrNoSite, site, tenant)
		}
		if err := tx.Upsert(ctx, db.Insert{Table: "site_identity", Columns: []string{"tenant", "site", "changed_at"}, Rows: [][]any{{tenant, site, now}},
			Conflict: []string{"tenant", "site"}, Update: []string{"changed_at"}}); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE site_attempt SET closed_at = ? WHERE tenant = ? AND site = ? AND closed_at = 0`, now, tenant, site); err != nil {
			return err
		}
		return f(tx)
	})
}

func lock(ctx context.Context, tx *db.Tx, tenant, site string) error {
	return tx.Lock(ctx, "identity/"+tenant+"/"+site)
}

// Certificate is one that a site got.
type Certificate struct {
	Tenant   string    `json:"tenant"`
	Site     string    `json:"site"`
	Serial   string    `json:"serial"`
	Issuer   string    `json:"issuer"`
	NotAfter time.Time `json:"not_after"`
	// Via is one of the ways above; Address and Host say from where it was asked.
	Via       string    `json:"via"`
	Address   string    `json:"address,omitempty"`
	Host      string    `json:"host,omitempty"`
	IssuedAt  time.Time `json:"issued_at"`
	RevokedAt time.Time `json:"revoked_at,omitzero"`

	keyHash, pem string
}

// Record keeps a certificate that was signed for a site, as its newest.
func (s *Store) Record(ctx context.Context, tx *db.Tx, who wire.Identity, certPEM []byte, via, address, host string) (*Certificate, error) {
	leaf, err := parseCertificate(certPEM)
	if err != nil {
		return nil, err
	}
	hash, err := keyHash(leaf.PublicKey)
	if err != nil {
		return nil, err
	}
	c := &Certificate{Tenant: who.Tenant, Site: who.Site, Serial: leaf.SerialNumber.Text(16), Issuer: issuerOf(leaf), NotAfter: leaf.NotAfter,
		Via: via, Address: address, Host: host, IssuedAt: s.now(), keyHash: hash, pem: string(certPEM)}
	if err := tx.InsertAll(ctx, db.Insert{Table: "site_certificate",
		Columns: []string{"tenant", "site", "serial", "issuer", "not_after", "key_hash", "via", "address", "host", "issued_at", "pem"},
		Rows:    [][]any{{c.Tenant, c.Site, c.Serial, c.Issuer, c.NotAfter.UnixMicro(), c.keyHash, via, address, host, c.IssuedAt.UnixMicro(), c.pem}}}); err != nil {
		return nil, err
	}
	_, err = tx.Exec(ctx, `UPDATE site SET certificate_serial = ?, certificate_not_after = ? WHERE tenant = ? AND id = ?`, c.Serial, c.NotAfter.UnixMicro(), c.Tenant, c.Site)
	return c, err
}

const certificateColumns = `tenant, site, serial, issuer, not_after, key_hash, via, address, host, issued_at, revoked_at, pem`

// Certificates lists what a site got, the newest first; an empty tenant or site is all.
func (s *Store) Certificates(ctx context.Context, tenant, site string) (found []*Certificate, err error) {
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		found = nil
		rows, err := tx.Query(ctx, `SELECT `+certificateColumns+` FROM site_certificate WHERE (? = '' OR tenant = ?) AND (? = '' OR site = ?)
			ORDER BY tenant, site, issued_at DESC, serial`, tenant, tenant, site, site)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			c, err := scanCertificate(rows.Scan)
			if err != nil {
				return err
			}
			found = append(found, c)
		}
		return rows.Err()
	})
	return found, err
}

func scanCertificate(scan func(...any) error) (*Certificate, error) {
	c := &Certificate{}
	var notAfter, issued, revoked int64
	if err := scan(&c.Tenant, &c.Site, &c.Serial, &c.Issuer, &notAfter, &c.keyHash, &c.Via, &c.Address, &c.Host, &issued, &revoked, &c.pem); err != nil {
		return nil, err
	}
	c.NotAfter, c.IssuedAt, c.RevokedAt = fromMicros(notAfter), fromMicros(issued), fromMicros(revoked)
	return c, nil
}

// certificate is the newest one of a site that fits, nil where there is none.
func certificate(ctx context.Context, tx *db.Tx, who wire.Identity, column, value string) (*Certificate, error) {
	c, err := scanCertificate(tx.QueryRow(ctx, `SELECT `+certificateColumns+` FROM site_certificate WHERE tenant = ? AND site = ? AND `+column+` = ?
		ORDER BY issued_at DESC LIMIT 1`, who.Tenant, who.Site, value).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return c, err
}

// standing is what a person has said of a site's identity.
type standing struct {
	revokedAt, allowedUntil int64
	revoked                 int64
	revokedBy, reason       string
}

func standingOf(ctx context.Context, tx *db.Tx, who wire.Identity) (s standing, err error) {
	err = tx.QueryRow(ctx, `SELECT revoked_at, revoked, revoked_by, reason, allowed_until FROM site_identity WHERE tenant = ? AND site = ?`, who.Tenant, who.Site).
		Scan(&s.revokedAt, &s.revoked, &s.revokedBy, &s.reason, &s.allowedUntil)
	if errors.Is(err, sql.ErrNoRows) {
		return standing{}, nil
	}
	return s, err
}

func keyHash(public any) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", err
	}
	return hashOf(der), nil
}

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
