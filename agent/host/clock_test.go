package host

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// An event carries by how much the site's clock was known to be wrong when it was captured, whatever a plugin says of it, in both ways in which an
// event is kept.
func TestAnEventCarriesTheClocksOffset(t *testing.T) {
	for ahead, want := range map[time.Duration]int64{0: 0, 700 * time.Millisecond: 0, 6*time.Minute + 400*time.Millisecond: 360_000, -2 * time.Hour: -7_200_000} {
		s := &stamper{tenant: "acme", site: "dc-east", source: "wms", now: time.Now, ahead: func() time.Duration { return ahead }}
		e := &docklinev1.Event{ClockOffsetMs: 5}
		if s.fill(e, time.Now()); e.ClockOffsetMs != want {
			t.Errorf("%s ahead: %d ms, want %d", ahead, e.ClockOffsetMs, want)
		}
		text, err := s.head(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		head := &docklinev1.Event{}
		if err := proto.Unmarshal(text, head); err != nil || head.ClockOffsetMs != want {
			t.Errorf("%s ahead: %d ms as it is encoded, want %d (%v)", ahead, head.ClockOffsetMs, want, err)
		}
		if doubtful := event.ClockWrong(head) != 0; doubtful != (ahead.Abs() > event.ClockTolerance) {
			t.Errorf("%s ahead: doubtful is %t", ahead, doubtful)
		}
	}
}
