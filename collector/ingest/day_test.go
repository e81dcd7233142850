package ingest_test

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/fleet"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

// What a site says of days that cannot be, or of more events than anybody captures, is not kept: neither its numbers nor how often it changes
// them break the sums that are made for the whole fleet, and it cannot fill a table with days.
func TestALyingSiteDoesNotBreakTheDaysOfOthers(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		number := uint64(0)
		say := func(site string, days ...*docklinev1.DayCount) {
			w.now = w.now.Add(time.Second)
			number++
			w.send(message(t, site, wire.Status, &docklinev1.Heartbeat{Tenant: tenant, Site: site, Session: site, Online: true, Epoch: "e1", LastSeq: 9, Number: number,
				SentAt: timestamppb.New(w.now), Days: days}))
		}
		all := func() ([]*fleet.Day, error) {
			return (&fleet.Fleet{DB: d, Now: func() time.Time { return w.now }}).Days(t.Context(), tenant, "", "")
		}
		today := w.now.Format(time.DateOnly)
		say("dc-west", &docklinev1.DayCount{Date: today, Accepted: 12, Refused: 1})
		for range 5 {
			say("dc-east", &docklinev1.DayCount{Date: today, Accepted: 1 << 62, Refused: 1 << 62})
			say("dc-east", &docklinev1.DayCount{Date: today})
			say("dc-east", &docklinev1.DayCount{Date: today, Accepted: 1 << 62})
			if _, err := all(); err != nil {
				t.Fatal(err)
			}
		}
		for n := range 40 {
			high := uint64(1 << 40)
			if n%2 == 0 {
				high = 0
			}
			say("dc-east", &docklinev1.DayCount{Date: today, Accepted: high})
		}
		for year := 1; year < 9999; year += 100 {
			say("dc-east", &docklinev1.DayCount{Date: fmt.Sprintf("%04d-01-01", year), Accepted: 7}, &docklinev1.DayCount{Date: fmt.Sprintf("%04d-02-30", year), Accepted: 7},
				&docklinev1.DayCount{Date: "0000-00-00\x00", Accepted: 7})
		}
		days, err := all()
		if err != nil {
			t.Fatal(err)
		}
		for _, day := range days {
			if day.Date != today || day.Site == "dc-west" && (day.Captured != 12 || day.Refused != 1) || day.Captured < 0 {
				t.Errorf("%s on %s captured %d", day.Site, day.Date, day.Captured)
			}
		}
		if len(days) != 2 {
			t.Errorf("%d days are kept", len(days))
		}
	})
}
