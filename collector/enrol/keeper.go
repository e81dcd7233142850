package enrol

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// Rotation is the authority's other side: how one takes over from another.
type Rotation interface {
	// Reload looks whether another process has begun or ended a rotation.
	Reload() error
	// Rotating says whether there are two.
	Rotating() bool
	// Retire ends the former one.
	Retire() error
	// Signer is the key id of the newest.
	Signer() string
}

// ErrRevoked is wrapped by the refusal of a revoked certificate.
var ErrRevoked = errors.New("this certificate was revoked")

// Keeper holds what people decide against what is connected, several times a minute.
type Keeper struct {
	Store
	// Rotation is nil where the broker has certificates of its own.
	Rotation Rotation
	// Review has the broker ask Check again for everybody who is connected; nil where it is not ours.
	Review func()
	Report Report
	Log    *slog.Logger

	mu      sync.Mutex
	revoked map[wire.Identity]map[string]bool // by site, the serials that count again
	refused chan Refusal
	told    map[string]time.Time
	seen    int64
}

// Refusal is what the broker has refused to somebody with the certificate of a site.
type Refusal struct {
	Who  wire.Identity
	Code string
	// Address is whose it was, Detail one sentence.
	Address, Detail string
}

const (
	// every is how often the tables are looked at.
	every = time.Second
	// waiting refusals are kept for the database; beyond it they are in the broker's log alone.
	waiting = 64
)

// Refused takes a refusal; it never blocks. Of one kind and site it takes one a second: who tries for ever must not keep the database busy.
func (k *Keeper) Refused(r Refusal) {
	kind, now := r.Who.URI().String()+" "+r.Code, k.now()
	k.mu.Lock()
	defer k.mu.Unlock()
	if now.Sub(k.told[kind]) < time.Second {
		return
	}
	if k.told == nil || len(k.told) > addresses {
		k.told = make(map[string]time.Time)
	}
	k.told[kind] = now
	select {
	case k.queue() <- r:
	default:
	}
}

// queue is made at its first use. mu is held.
func (k *Keeper) queue() chan Refusal {
	if k.refused == nil {
		k.refused = make(chan Refusal, waiting)
	}
	return k.refused
}

// Check says whether a certificate that is good as such has been revoked. It asks what was last loaded.
func (k *Keeper) Check(certificate *x509.Certificate, who wire.Identity) error {
	k.mu.Lock()
	good, revoked := k.revoked[who]
	k.mu.Unlock()
	if !revoked || good[certificate.SerialNumber.Text(16)] {
		return nil
	}
	return fmt.Errorf("%w: site %s of tenant %s needs a new token", ErrRevoked, who.Site, who.Tenant)
}

// Load reads which sites are revoked; the broker must not be open before it has been called once.
func (k *Keeper) Load(ctx context.Context) error {
	found := make(map[wire.Identity]map[string]bool)
	err := k.DB.Read(ctx, func(tx *db.Tx) error {
		clear(found)
		rows, err := tx.Query(ctx, `SELECT i.tenant, i.site, coalesce(c.serial, '') FROM site_identity i
			LEFT JOIN site_certificate c ON c.tenant = i.tenant AND c.site = i.site AND c.revoked_at = 0 AND i.revoked = 0 WHERE i.revoked_at > 0`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var who wire.Identity
			var serial string
			if err := rows.Scan(&who.Tenant, &who.Site, &serial); err != nil {
				return err
			}
			if found[who] == nil {
				found[who] = make(map[string]bool)
			}
			if serial != "" {
				found[who][serial] = true
			}
		}
		return rows.Err()
	})
	if err != nil {
		return fmt.Errorf("revoked sites: %w", err)
	}
	k.mu.Lock()
	k.revoked = found
	k.mu.Unlock()
	return nil
}

// Run keeps until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	k.mu.Lock()
	refused := k.queue()
	k.mu.Unlock()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case r := <-refused:
			err = k.note(ctx, r)
		case <-tick.C:
			err = k.step(ctx)
		}
		if err != nil && ctx.Err() == nil {
			k.Log.Error("keep identities", "err", err)
		}
	}
}

func (k *Keeper) note(ctx context.Context, r Refusal) error {
	if r.Who.Site == "" {
		return nil
	}
	return k.DB.Write(ctx, func(tx *db.Tx) error {
		if err := lock(ctx, tx, r.Who.Tenant, r.Who.Site); err != nil {
			return err
		}
		return k.Store.refused(ctx, tx, k.Report, r.Who, r.Code, r.Address, r.Detail)
	})
}

func (k *Keeper) step(ctx context.Context) error {
	if err := k.Load(ctx); err != nil {
		return err
	}
	if k.Review != nil {
		k.Review()
	}
	return errors.Join(k.settle(ctx), k.rotate(ctx))
}

// settle closes the cases of what nobody has tried for long, and those that a person has closed.
func (k *Keeper) settle(ctx context.Context) error {
	now := k.now().UnixMicro()
	var sites []wire.Identity
	err := k.DB.Read(ctx, func(tx *db.Tx) error {
		sites = nil
		rows, err := tx.Query(ctx, `SELECT DISTINCT tenant, site FROM site_attempt WHERE closed_at >= ? AND closed_at > 0 OR closed_at = 0 AND last_at < ?`, k.seen, now-quiet.Microseconds())
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var who wire.Identity
			if err := rows.Scan(&who.Tenant, &who.Site); err != nil {
				return err
			}
			sites = append(sites, who)
		}
		return rows.Err()
	})
	if err != nil {
		return err
	}
	for _, who := range sites {
		if err := k.DB.Write(ctx, func(tx *db.Tx) error {
			if _, err := tx.Exec(ctx, `UPDATE site_attempt SET closed_at = ? WHERE tenant = ? AND site = ? AND closed_at = 0 AND last_at < ?`, now, who.Tenant, who.Site, now-quiet.Microseconds()); err != nil {
				return err
			}
			return k.Report.tell(ctx, tx, who.Tenant, who.Site)
		}); err != nil {
			return err
		}
	}
	k.seen = now - (5 * time.Second).Microseconds() // who closed one may have committed later than his clock says
	return nil
}

// rotate follows a rotation that a person has begun, and ends it when every site is on the next authority.
func (k *Keeper) rotate(ctx context.Context) error {
	if k.Rotation == nil {
		return nil
	}
	if err := k.Rotation.Reload(); err != nil || !k.Rotation.Rotating() {
		return err
	}
	behind, err := k.Behind(ctx, k.Rotation.Signer())
	if err != nil || len(behind) > 0 {
		return err
	}
	if err := k.Rotation.Retire(); err != nil {
		return err
	}
	k.Log.Info("every site is on the next authority; the former one is retired", "authority", k.Rotation.Signer())
	return nil
}

// Behind is a site that is not on the newest authority, and why.
type Behind struct {
	Tenant string `json:"tenant"`
	Site   string `json:"site"`
	Text   string `json:"text"`
}

// Behind lists the sites that a rotation still waits for: those with a certificate that have not said that they use one of this signer.
// Revoked sites and those that never had a certificate are not waited for.
func (s *Store) Behind(ctx context.Context, signer string) (behind []Behind, err error) {
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		behind = nil
		rows, err := tx.Query(ctx, `SELECT s.tenant, s.id, s.certificate_not_after, p.heartbeat FROM site s
			LEFT JOIN presence p ON p.tenant = s.tenant AND p.site = s.id LEFT JOIN site_identity i ON i.tenant = s.tenant AND i.site = s.id
			WHERE s.certificate_serial <> '' AND coalesce(i.revoked, 0) = 0 ORDER BY s.tenant, s.id`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			b := Behind{}
			var ends int64
			var raw []byte
			if err := rows.Scan(&b.Tenant, &b.Site, &ends, &raw); err != nil {
				return err
			}
			h := &docklinev1.Heartbeat{}
			if err := proto.Unmarshal(raw, h); err != nil {
				return fmt.Errorf("heartbeat of %s: %w", b.Site, err)
			}
			c := h.GetCertificate()
			switch {
			case c.GetIssuer() == signer:
				continue
			case raw == nil:
				b.Text = "has a certificate and was never heard"
			case c == nil:
				b.Text = "its agent does not say which certificate it uses: it is of an older version"
			case c.GetText() != "":
				b.Text = "has not renewed yet: " + c.GetText()
			default:
				b.Text = "has not renewed yet; its certificate ends on " + fromMicros(ends).Format(time.DateOnly)
			}
			behind = append(behind, b)
		}
		return rows.Err()
	})
	return behind, err
}

// issuerOf is the key id of who signed a certificate, in hex.
func issuerOf(c *x509.Certificate) string { return hex.EncodeToString(c.AuthorityKeyId) }
