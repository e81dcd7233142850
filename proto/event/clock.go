package event

import (
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// ClockTolerance is by how much the clock behind an event may be wrong before its time is marked as doubtful (EVENTS: five minutes).
const ClockTolerance = 5 * time.Minute

// ClockWrong is by how much the clock that gave an event its time was wrong, ahead where it is above zero, as far as is known and where that is more
// than ClockTolerance; else 0. It is what the site measured against the collector when it captured the event, or by how much the event's time lies
// after the moment at which it was captured. Nothing is dropped or put in another order because of it.
func ClockWrong(e *docklinev1.Event) time.Duration {
	if off := time.Duration(e.GetClockOffsetMs()) * time.Millisecond; off.Abs() > ClockTolerance {
		return off
	}
	if e.GetOccurredAt() == nil || e.GetCapturedAt() == nil {
		return 0
	}
	if ahead := e.GetOccurredAt().AsTime().Sub(e.GetCapturedAt().AsTime()); ahead > ClockTolerance {
		return ahead
	}
	return 0
}
