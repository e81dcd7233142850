// Package fleet knows the sites and says in plain words how each of them is.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

var (
	// ErrSite is wrapped by the refusal of a site that cannot be one.
	ErrSite = errors.New("site")
	// ErrNoSite: there is no such site.
	ErrNoSite = errors.New("no such site")
	// ErrNoDifference: the day has no difference that a person could accept.
	ErrNoDifference = errors.New("there is no difference to accept")
)

// Fleet is the sites of a database.
type Fleet struct {
	DB *db.DB
	// OfflineAfter is how long after its last word a site counts as offline. 0 is 20 s.
	OfflineAfter time.Duration
	// Now is the clock by which presence was written; nil is time.Now.
	Now func() time.Time
}

func (f *Fleet) now() time.Time {
	if f.Now == nil {
		return time.Now()
	}
	return f.Now()
}

// Registration is what a person says of a site.
type Registration struct {
	// Tenant and ID never change: they are part of every event's id.
	Tenant, ID string
	// Title and Region are for people; empty ones do not overwrite.
	Title, Region string
	// CertificateSerial and CertificateNotAfter are those of the newest certificate signed for it; zero where none was.
	CertificateSerial   string
	CertificateNotAfter time.Time
}

// AddSite makes a site known, or brings what is known of it up to date; it says whether it is new.
func (f *Fleet) AddSite(ctx context.Context, r Registration) (added bool, err error) {
	err = f.DB.Write(ctx, func(tx *db.Tx) (err error) {
		added, err = f.AddSiteIn(ctx, tx, r)
		return err
	})
	return added, err
}

// AddSiteIn is AddSite in the caller's transaction.
func (f *Fleet) AddSiteIn(ctx context.Context, tx *db.Tx, r Registration) (added bool, err error) {
	if !wire.ValidName(r.Tenant) || !wire.ValidName(r.ID) {
		return false, fmt.Errorf("%w %q of tenant %q: use 1 to 64 letters, digits, - or _", ErrSite, r.ID, r.Tenant)
	}
	notAfter := int64(0)
	if !r.CertificateNotAfter.IsZero() {
		notAfter = r.CertificateNotAfter.UnixMicro()
	}
	err = func() error {
		rows, err := tx.InsertAbsent(ctx, db.Insert{Table: "site", Columns: []string{"tenant", "id", "created_at"},
			Rows: [][]any{{r.Tenant, r.ID, f.now().UnixMicro()}}, Conflict: []string{"tenant", "id"}, Returning: []string{"id"}})
		if err != nil {
			return err
		}
		added = len(rows) == 1
		for column, value := range map[string]string{"title": r.Title, "region": r.Region} {
			if value == "" {
				continue
			}
			if _, err := tx.Exec(ctx, `UPDATE site SET `+column+` = ? WHERE tenant = ? AND id = ?`, value, r.Tenant, r.ID); err != nil {
				return err
			}
		}
		if r.CertificateSerial == "" {
			return nil
		}
		_, err = tx.Exec(ctx, `UPDATE site SET certificate_serial = ?, certificate_not_after = ? WHERE tenant = ? AND id = ?`,
			r.CertificateSerial, notAfter, r.Tenant, r.ID)
		return err
	}()
	if err != nil {
		return false, fmt.Errorf("add site: %w", err)
	}
	return added, nil
}

// State is whether a site can be reached.
type State string

const (
	// NeverSeen: added, and its agent has not connected yet.
	NeverSeen State = "never seen"
	// Online: its agent spoke within OfflineAfter.
	Online State = "online"
	// Offline: its agent said goodbye, its link fell, or it has been silent for too long.
	Offline State = "offline"
)

// Gap is a run of events that the centre does not have.
type Gap struct {
	Epoch       string
	First, Last uint64
	// Missing is how many of them are not here: what was on its way when the gap was declared has arrived.
	Missing uint64
	// Cause is "lost" or "unreadable".
	Cause    string
	OpenedAt time.Time
}

// Fork is two journals of one site that begin at the same place, because its data folder was copied.
type Fork struct {
	// Epoch and Other are what each of them was writing.
	Epoch, Other string
	// Certain: both have spoken since, so two machines are at work.
	Certain  bool
	OpenedAt time.Time
	// Machines says which machines they are and when each last spoke, "" where they have not said.
	Machines string
}

// Site is one site with all that is known of it. Times are UTC, zero where there is none.
type Site struct {
	Tenant, ID, Title, Region string
	CreatedAt                 time.Time
	CertificateSerial         string
	CertificateNotAfter       time.Time

	State State
	// Since is when the site came online, or when it last spoke where it is offline.
	Since, SeenAt time.Time
	Session       string
	// Heartbeat is what the site last said of itself, nil where it never did. After it went offline it is as of then.
	Heartbeat *docklinev1.Heartbeat
	// Backlog is how many events the site's journal held for us when it last spoke, OldestEventAt when the oldest was captured.
	Backlog       uint64
	OldestEventAt time.Time
	// Waiting envelopes are here and not yet in the event log; Logged, Duplicates and Conflicts are what the log has taken.
	Waiting, Logged, Duplicates, Conflicts int64
	// Commands and Receipts are on their way: the site has not said that it holds them.
	Commands, Receipts int64
	Gaps               []Gap
	// Refused is what was refused in the site's name and nobody has settled.
	Refused []Refused
	// Revoked is who shut the site out and why, nil where it is not.
	Revoked *Revoked
	// Config is what the site is to run, nil where nobody has said.
	Config *Config
	// Fork is nil where all is well.
	Fork *Fork

	// Differences are days whose daily close does not agree, the oldest first.
	Differences []string
	// Impact is what waits for the site; it is filled by AddImpact.
	Impact Impact

	// Health is one sentence, Severity its weight. Conditions are all that is not as it should be, the worst first, each with
	// what to do.
	Health     string
	Severity   docklinev1.Severity
	Conditions []*docklinev1.Condition
}

// Sites returns all sites of a tenant by id; an empty tenant is all tenants.
func (f *Fleet) Sites(ctx context.Context, tenant string) ([]*Site, error) {
	sites, err := f.read(ctx, tenant, "")
	if err != nil {
		return nil, fmt.Errorf("sites: %w", err)
	}
	return sites, nil
}

// Site returns one site, or ErrNoSite.
func (f *Fleet) Site(ctx context.Context, tenant, id string) (*Site, error) {
	sites, err := f.read(ctx, tenant, id)
	if err != nil {
		return nil, fmt.Errorf("site %s: %w", id, err)
	}
	if len(sites) == 0 {
		return nil, fmt.Errorf("site %s: %w", id, ErrNoSite)
	}
	return sites[0], nil
}
