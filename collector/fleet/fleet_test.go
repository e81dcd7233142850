package fleet_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/fleet"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func newFleet(d *db.DB) *fleet.Fleet {
	return &fleet.Fleet{DB: d, Now: func() time.Time { return now }}
}

func exec(t *testing.T, d *db.DB, query string, args ...any) {
	t.Helper()
	if err := d.Write(t.Context(), func(tx *db.Tx) error { _, err := tx.Exec(t.Context(), query, args...); return err }); err != nil {
		t.Fatal(err)
	}
}

// beat writes what the site last said.
func beat(t *testing.T, d *db.DB, site string, online int, seen time.Time, h *docklinev1.Heartbeat) {
	t.Helper()
	raw, err := proto.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	exec(t, d, `INSERT INTO presence (tenant, site, session, online, connected_at, seen_at, heartbeat) VALUES ('acme', ?, 's', ?, ?, ?, ?)
		ON CONFLICT (tenant, site) DO UPDATE SET online = excluded.online, seen_at = excluded.seen_at, heartbeat = excluded.heartbeat`,
		site, online, now.Add(-time.Hour).UnixMicro(), seen.UnixMicro(), raw)
}

func codes(s *fleet.Site) []string {
	var list []string
	for _, c := range s.Conditions {
		list = append(list, c.GetCode())
	}
	return list
}

func TestAddSite(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		f := newFleet(d)
		for i, r := range []fleet.Registration{{Tenant: "acme", ID: "dc-east", Title: "East"}, {Tenant: "acme", ID: "dc-east", Region: "EU", CertificateSerial: "42", CertificateNotAfter: now.Add(time.Hour)}} {
			if added, err := f.AddSite(t.Context(), r); err != nil || added != (i == 0) {
				t.Errorf("AddSite %d = %v, %v", i, added, err)
			}
		}
		s, err := f.Site(t.Context(), "acme", "dc-east")
		if err != nil || s.Title != "East" || s.Region != "EU" || s.CertificateSerial != "42" || !s.CertificateNotAfter.Equal(now.Add(time.Hour)) {
			t.Errorf("Site = %+v, %v", s, err)
		}
		if _, err := f.AddSite(t.Context(), fleet.Registration{Tenant: "acme", ID: "dc.east"}); !errors.Is(err, fleet.ErrSite) {
			t.Errorf("a dot in the id: %v", err)
		}
		if _, err := f.Site(t.Context(), "other", "dc-east"); !errors.Is(err, fleet.ErrNoSite) {
			t.Errorf("the site of another tenant: %v", err)
		}
		if _, err := f.AddSite(t.Context(), fleet.Registration{Tenant: "other", ID: "x"}); err != nil {
			t.Fatal(err)
		}
		if all, err := f.Sites(t.Context(), ""); err != nil || len(all) != 2 {
			t.Errorf("all tenants: %d sites, %v", len(all), err)
		}
		if one, err := f.Sites(t.Context(), "acme"); err != nil || len(one) != 1 {
			t.Errorf("one tenant: %d sites, %v", len(one), err)
		}
	})
}

// What a person reads of a site: its state, how far behind it is, and what to do.
func TestHealthInWords(t *testing.T) {
	running := []*docklinev1.PluginHealth{{Id: "wms", State: "running"}}
	for _, c := range []struct {
		name     string
		set      func(t *testing.T, d *db.DB)
		health   string
		severity docklinev1.Severity
		codes    []string
	}{
		{"never seen", func(*testing.T, *db.DB) {}, "Never connected", docklinev1.Severity_SEVERITY_WARNING, []string{"never_seen"}},
		{"well", func(t *testing.T, d *db.DB) {
			beat(t, d, "dc-east", 1, now, &docklinev1.Heartbeat{Plugins: running})
		}, "Online, everything sent", docklinev1.Severity_SEVERITY_INFO, nil},
		{"sending", func(t *testing.T, d *db.DB) {
			beat(t, d, "dc-east", 1, now, &docklinev1.Heartbeat{JournalEvents: 1, OldestEventAt: timestamppb.New(now.Add(-time.Second))})
		}, "Online, sending 1 event", docklinev1.Severity_SEVERITY_INFO, nil},
		{"behind", func(t *testing.T, d *db.DB) {
			beat(t, d, "dc-east", 1, now, &docklinev1.Heartbeat{JournalEvents: 900, OldestEventAt: timestamppb.New(now.Add(-5 * time.Minute))})
		}, "Online; 5 minutes behind", docklinev1.Severity_SEVERITY_WARNING, []string{"backlog"}},
		{"silent", func(t *testing.T, d *db.DB) {
			beat(t, d, "dc-east", 1, now.Add(-21*time.Second), &docklinev1.Heartbeat{Plugins: running})
		}, "Offline for 21 seconds, since 2026-11-24 11:59 UTC", docklinev1.Severity_SEVERITY_ERROR, []string{"offline"}},
		{"gone with events", func(t *testing.T, d *db.DB) {
			beat(t, d, "dc-east", 0, now.Add(-time.Second), &docklinev1.Heartbeat{JournalEvents: 12, OldestEventAt: timestamppb.New(now.Add(-time.Minute))})
		}, "Offline for 1 second, since 2026-11-24 11:59 UTC; 12 events held at the site", docklinev1.Severity_SEVERITY_ERROR, []string{"offline", "backlog"}},
		{"plugin and disk", func(t *testing.T, d *db.DB) {
			beat(t, d, "dc-east", 1, now, &docklinev1.Heartbeat{Plugins: []*docklinev1.PluginHealth{{Id: "wms", State: "quarantined", Text: "exit status 3"}},
				Conditions: []*docklinev1.Condition{{Code: "disk_low", Title: "Disk is nearly full", Severity: docklinev1.Severity_SEVERITY_WARNING, Text: "Free some space."}}})
		}, "Online; plugin wms is quarantined", docklinev1.Severity_SEVERITY_ERROR, []string{"plugin_quarantined", "disk_low"}},
		{"gap", func(t *testing.T, d *db.DB) {
			beat(t, d, "dc-east", 1, now, &docklinev1.Heartbeat{})
			exec(t, d, `INSERT INTO gap (tenant, site, epoch, lo, hi, cause, opened_at, closed_at) VALUES ('acme', 'dc-east', 'e', 5, 9, 'lost', 1, 0), ('acme', 'dc-east', 'e', 20, 21, 'lost', 1, 7)`)
		}, "Online; 5 events missing", docklinev1.Severity_SEVERITY_ERROR, []string{"gap"}},
		{"gap of which some has arrived since", func(t *testing.T, d *db.DB) {
			beat(t, d, "dc-east", 1, now, &docklinev1.Heartbeat{})
			exec(t, d, `INSERT INTO gap (tenant, site, epoch, lo, hi, cause, opened_at, closed_at) VALUES ('acme', 'dc-east', 'e', 5, 9, 'lost', 1, 0)`)
			exec(t, d, `INSERT INTO received (tenant, site, epoch, lo, hi, crc) VALUES ('acme', 'dc-east', 'e', 1, 6, 0), ('acme', 'dc-east', 'e', 9, 12, 0), ('acme', 'dc-east', 'f', 7, 7, 0)`)
		}, "Online; 2 events missing", docklinev1.Severity_SEVERITY_ERROR, []string{"gap"}},
		{"copied journal", func(t *testing.T, d *db.DB) {
			beat(t, d, "dc-east", 1, now, &docklinev1.Heartbeat{})
			exec(t, d, `INSERT INTO site_fork (tenant, site, epoch, other, certain, opened_at, heard_at) VALUES ('acme', 'dc-east', 'aa', 'bb', 0, 1, 1)`)
		}, "Online; its journal was copied", docklinev1.Severity_SEVERITY_WARNING, []string{"forked_journal"}},
		{"two hosts", func(t *testing.T, d *db.DB) {
			beat(t, d, "dc-east", 1, now, &docklinev1.Heartbeat{})
			exec(t, d, `INSERT INTO site_fork (tenant, site, epoch, other, certain, opened_at, heard_at) VALUES ('acme', 'dc-east', 'aa', 'bb', 1, 1, 1)`)
		}, "Online; two machines work as this site", docklinev1.Severity_SEVERITY_ERROR, []string{"two_hosts"}},
		{"certificate", func(t *testing.T, d *db.DB) {
			beat(t, d, "dc-east", 1, now, &docklinev1.Heartbeat{})
			exec(t, d, `UPDATE site SET certificate_not_after = ?`, now.Add(3*24*time.Hour).UnixMicro())
		}, "Online; certificate ends in 3 days", docklinev1.Severity_SEVERITY_WARNING, []string{"certificate_ends"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
				f := newFleet(d)
				if _, err := f.AddSite(t.Context(), fleet.Registration{Tenant: "acme", ID: "dc-east"}); err != nil {
					t.Fatal(err)
				}
				c.set(t, d)
				s, err := f.Site(t.Context(), "acme", "dc-east")
				if err != nil {
					t.Fatal(err)
				}
				if s.Health != c.health || s.Severity != c.severity || !slices.Equal(codes(s), c.codes) {
					t.Errorf("%q %v %v, want %q %v %v", s.Health, s.Severity, codes(s), c.health, c.severity, c.codes)
				}
				for _, condition := range s.Conditions {
					if len(condition.GetText()) < 10 || !strings.HasSuffix(condition.GetText(), ".") && condition.GetCode() != "plugin_quarantined" {
						t.Errorf("%s says %q: say what to do", condition.GetCode(), condition.GetText())
					}
				}
			})
		})
	}
}

// What is on its way to and from the site is counted.
func TestWhatIsOnItsWay(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		f := newFleet(d)
		if _, err := f.AddSite(t.Context(), fleet.Registration{Tenant: "acme", ID: "dc-east"}); err != nil {
			t.Fatal(err)
		}
		beat(t, d, "dc-east", 1, now, &docklinev1.Heartbeat{})
		exec(t, d, `UPDATE presence SET receipts_through = 1, commands_through = 1`)
		exec(t, d, `INSERT INTO receipt (tenant, site, event_id, version, position, level, body) VALUES ('acme', 'dc-east', 'a', 1, 1, 1, ?), ('acme', 'dc-east', 'b', 1, 2, 1, ?)`, []byte{1}, []byte{1})
		exec(t, d, `INSERT INTO command (tenant, site, command_key, version, position, body, body_hash, created_at, outcome) VALUES
			('acme', 'dc-east', 'a', 1, 2, ?, '', 1, 0), ('acme', 'dc-east', 'b', 1, 3, ?, '', 1, 1), ('acme', 'dc-east', 'c', 1, NULL, ?, '', 1, 0)`, []byte{1}, []byte{1}, []byte{1})
		exec(t, d, `INSERT INTO inbox (tenant, site, epoch, epoch_ordinal, first_seq, last_seq, live, urgent, envelope, received_at) VALUES ('acme', 'dc-east', 'e', 1, 1, 1, 1, 0, ?, 1)`, []byte{1})
		exec(t, d, `INSERT INTO site_total (tenant, site, logged, duplicates, conflicts) VALUES ('acme', 'dc-east', 10, 2, 1)`)
		s, err := f.Site(t.Context(), "acme", "dc-east")
		if err != nil || s.Receipts != 1 || s.Commands != 2 || s.Waiting != 1 || s.Logged != 10 || s.Duplicates != 2 || s.Conflicts != 1 {
			t.Errorf("Site = %+v, %v", s, err)
		}
	})
}
