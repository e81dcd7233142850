package fleet

import (
	"slices"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// clockTolerance is how wrong a site's clock may be before a person should know. Nothing depends on it: order is by Seq, and nothing expires
// by the time of day; but the times that people read in documents come from there.
const clockTolerance = 10 * time.Second

// judgeClock compares the time that the site wrote into its heartbeat with the time at which it came.
func (s *Site) judgeClock() {
	if !s.Heartbeat.GetSentAt().IsValid() || s.SeenAt.IsZero() {
		return
	}
	// The site says so itself as of its last greeting; this is as of its last heartbeat.
	s.Conditions = slices.DeleteFunc(s.Conditions, func(c *docklinev1.Condition) bool { return c.GetCode() == "clock_wrong" })
	ahead := s.Heartbeat.GetSentAt().AsTime().Sub(s.SeenAt)
	way := "ahead of"
	if ahead < 0 {
		ahead, way = -ahead, "behind"
	}
	if ahead < clockTolerance {
		return
	}
	s.add("clock_wrong", warning, time.Time{}, "Clock "+ahead.Round(time.Second).String()+" "+way+" the centre's",
		"Events arrive in order and none is lost, but the times in them are wrong. Set the clock of the site's machine, and see why it is not kept right (NTP).")
}
