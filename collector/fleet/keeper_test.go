package fleet_test

import (
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

// A site is silent only while somebody listens: a collector that was away finds the sites as they were, gives them the time that every site
// has, and the history says from when on a silent one was.
func TestSilenceNeedsAListener(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		at, up := now, true
		clock := func() time.Time { return at }
		f := &fleet.Fleet{DB: d, Now: clock}
		k := &fleet.Keeper{DB: d, Holder: "1", Listening: func() bool { return up }, Now: clock}
		step := func(pass time.Duration) {
			t.Helper()
			at = at.Add(pass)
			if err := k.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		is := func(when string, state fleet.State, words string) {
			t.Helper()
			s, err := f.Site(t.Context(), "acme", "dc-east")
			if err != nil {
				t.Fatal(err)
			}
			if s.State != state || !strings.Contains(s.Health, words) {
				t.Errorf("%s: %s, %q; want %s with %q", when, s.State, s.Health, state, words)
			}
		}
		if _, err := f.AddSite(t.Context(), fleet.Registration{Tenant: "acme", ID: "dc-east"}); err != nil {
			t.Fatal(err)
		}
		step(0)
		beat(t, d, "dc-east", 1, at, &docklinev1.Heartbeat{})
		step(10 * time.Second)
		is("it has spoken", fleet.Online, "everything sent")
		at = at.Add(time.Hour) // the collector is stopped
		is("nobody listens", fleet.Online, "nobody has listened to it since")
		up = false
		step(0)
		is("a collector without a line", fleet.Online, "nobody has listened to it since")
		up = true
		step(time.Second)
		is("a collector that has just begun", fleet.Online, "everything sent")
		step(10 * time.Second)
		step(9 * time.Second)
		is("for nineteen seconds", fleet.Online, "everything sent")
		began := at.Add(-19 * time.Second)
		step(2 * time.Second)
		is("for more than twenty", fleet.Offline, "Offline")
		step(2 * time.Second)
		points, err := f.History(t.Context(), "acme", "dc-east", now)
		if err != nil || len(points) != 1 || points[0].Online || points[0].Mark != "silent" || points[0].At.Before(began) || points[0].At.After(began.Add(time.Second)) {
			t.Errorf("history %+v, %v; want one point at %v", points, err, began)
		}
	})
}

// History and days end; the newest point stays, however old.
func TestHistoryEnds(t *testing.T) {
	d := testenv.SQLite(t)
	f := newFleet(d)
	if _, err := f.AddSite(t.Context(), fleet.Registration{Tenant: "acme", ID: "dc-east"}); err != nil {
		t.Fatal(err)
	}
	beat(t, d, "dc-east", 1, now, &docklinev1.Heartbeat{})
	for _, days := range []int{50, 40, 20} {
		at := now.AddDate(0, 0, -days).UnixMicro()
		exec(t, d, `INSERT INTO site_point (tenant, site, at, online, backlog, oldest_at, severity, mark) VALUES ('acme', 'dc-east', ?, 1, 0, 0, 1, '')`, at)
		exec(t, d, `UPDATE presence SET point_at = ?`, at)
	}
	exec(t, d, `INSERT INTO site_day_log (tenant, site, day, logged, refused, again) VALUES ('acme', 'dc-east', '2026-11-20', 1, 0, 0), ('acme', 'dc-east', '2026-08-01', 1, 0, 0)`)
	k := &fleet.Keeper{DB: d, Holder: "1", Listening: func() bool { return false }, Now: func() time.Time { return now }}
	if err := k.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	points, err := f.History(t.Context(), "acme", "dc-east", now.AddDate(-1, 0, 0))
	if err != nil || len(points) != 1 {
		t.Errorf("%d points are left, %v", len(points), err)
	}
	if days, err := f.Days(t.Context(), "acme", "dc-east", ""); err != nil || len(days) != 1 || days[0].State != fleet.DayOpen {
		t.Errorf("days %+v, %v", days, err)
	}
}

func TestSpells(t *testing.T) {
	at := func(minutes int) time.Time { return now.Add(time.Duration(minutes) * time.Minute) }
	up := func(m int) fleet.Point {
		return fleet.Point{At: at(m), Online: true, Severity: docklinev1.Severity_SEVERITY_INFO}
	}
	points := []fleet.Point{up(-3), up(2), {At: at(4), Mark: "gone"}, up(10), {At: at(12), Online: true, Mark: "disk_low", Severity: docklinev1.Severity_SEVERITY_WARNING}, up(14), up(60)}
	var got []string
	spells := fleet.Spells(points, at(0), at(64))
	for _, s := range spells {
		got = append(got, string(s.State)+" "+s.From.Sub(at(0)).String()+"-"+s.To.Sub(at(0)).String()+" "+strings.Join(s.Marks, ","))
	}
	want := []string{"up 0s-4m0s ", "down 4m0s-10m0s ", "up 10m0s-12m0s ", "troubled 12m0s-14m0s disk_low", "up 14m0s-26m0s ", "unknown 26m0s-1h0m0s ", "up 1h0m0s-1h4m0s "}
	if strings.Join(got, "; ") != strings.Join(want, "; ") {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if share, known := fleet.Uptime(spells); !known || share < 0.79 || share > 0.81 {
		t.Errorf("uptime %v, %v; want 24 of 30 minutes", share, known)
	}
	if spells := fleet.Spells(nil, at(0), at(9)); len(spells) != 1 || spells[0].State != fleet.SpellUnknown {
		t.Errorf("without points: %+v", spells)
	}
}

// What waits for a site that is away: its orders, what is open of them, and what was promised.
func TestImpact(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		f := newFleet(d)
		for _, id := range []string{"dc-east", "dc-west"} {
			if _, err := f.AddSite(t.Context(), fleet.Registration{Tenant: "acme", ID: id}); err != nil {
				t.Fatal(err)
			}
		}
		beat(t, d, "dc-east", 0, now.Add(-time.Minute), &docklinev1.Heartbeat{})
		order := func(number, status, site, released string, promised time.Time, lines ...*docklinev1.OrderLineState) {
			body, err := proto.Marshal(&docklinev1.OrderState{Number: number, Status: status, Site: site, ReleasedTo: released, Currency: "EUR", PromisedAt: timestamppb.New(promised), Lines: lines})
			if err != nil {
				t.Fatal(err)
			}
			exec(t, d, `INSERT INTO state (tenant, fold_key, body, hash, status, site, fact_count, policy_version, first_at, changed_at) VALUES ('acme', ?, ?, '', ?, ?, 1, '', 1, 1)`, "order/"+number, body, status, site)
		}
		line := func(ordered, cancelled, shipped int64, price string) *docklinev1.OrderLineState {
			return &docklinev1.OrderLineState{Ordered: ordered * 1e6, Cancelled: cancelled * 1e6, Shipped: shipped * 1e6, UnitPrice: price}
		}
		order("1", "released", "dc-east", "", now.Add(2*time.Hour), line(10, 1, 4, "100.25"), line(1, 0, 0, ""))
		order("2", "partially_shipped", "dc-west", "dc-east", now.Add(-time.Hour), line(1000, 0, 0, "1.50"))
		order("3", "shipped", "dc-east", "", now.Add(time.Hour), line(7, 0, 0, "9"))
		sites, err := f.Sites(t.Context(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		if err := f.AddImpact(t.Context(), sites); err != nil {
			t.Fatal(err)
		}
		i := sites[0].Impact
		if i.Orders != 2 || i.Overdue != 1 || i.DueSoon != 1 || len(i.Values) != 1 || i.Values[0] != (fleet.Value{Amount: "2001.25", Currency: "EUR"}) {
			t.Errorf("%+v", i)
		}
		want := "2 orders worth 2\u202f001.25 EUR wait for this site; 1 past the time that was promised; 1 promised within four hours, the first at 14:00 UTC"
		if i.Text() != want || !strings.HasSuffix(sites[0].Conditions[0].GetText(), want+".") || strings.Contains(sites[0].Remedy(), "orders") {
			t.Errorf("it says %q; the condition %q", i.Text(), sites[0].Conditions[0].GetText())
		}
		if sites[1].Impact.Orders != 0 || sites[1].Impact.Text() != "" {
			t.Errorf("the other site: %+v", sites[1].Impact)
		}
	})
}
