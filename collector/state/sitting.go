package state

import (
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// A count is told in parts: a bin with three pallets may be three rows. So what is told of one bucket under one number is added up. But numbers
// are used again, every day by some systems, and then what was counted in May must not be added to what was counted in March. Whether it is a
// part or another use follows from the facts alone, whatever the order in which they come: parts of what lies in one bin are counted in one go,
// and who counts it again under the same number says so by a recount number. What is told of a bucket a pause after the last that was told of it,
// without a higher recount number, is a count of its own.
const (
	// pause is longer than a shift, and shorter than the time from one day's count to the next.
	pause = 12 * time.Hour
	// longPause ends the use of a number where no bucket tells that it is used again: no count lasts so long without anybody counting.
	longPause = 7 * 24 * time.Hour
)

// sittings are the uses of one count number for one bucket, ascending.
type sittings struct {
	list []*sitting
	by   map[string]*sitting // by event id
}

// sitting is one of them.
type sitting struct {
	began, last time.Time
	// recount is the highest.
	recount uint32
	// number is its place, from 0.
	number int
}

// add notes an event of a count, after those that happened before it, and tells whether the number is used again by it.
func (s *sittings) add(e *docklinev1.Event) (again bool) {
	at, recount := occurred(e), e.GetCount().GetRecount()
	if s.by == nil {
		s.by = make(map[string]*sitting)
	}
	n := len(s.list)
	if n == 0 || s.by[e.GetId()] == nil && at.Sub(s.list[n-1].last) > pause && recount <= s.list[n-1].recount {
		s.list = append(s.list, &sitting{began: at, recount: recount, number: n})
		again = n > 0
	}
	current := s.list[len(s.list)-1]
	current.last, current.recount = at, max(current.recount, recount)
	s.by[e.GetId()] = current
	return again
}

func (s *sittings) of(e *docklinev1.Event) *sitting { return s.by[e.GetId()] }

// again is when the number was used again, nil for its first use.
func (s *sitting) again() *timestamppb.Timestamp {
	if s.number == 0 {
		return nil
	}
	return timestamppb.New(s.began)
}

// Use names one use of a count number for a bucket.
type Use struct {
	Number string
	// Again is in Unix microseconds, 0 for the first use.
	Again int64
}

// UseOf is that use; again is nil for the first.
func UseOf(number string, again *timestamppb.Timestamp) Use {
	if again == nil {
		return Use{Number: number}
	}
	return Use{number, again.AsTime().UnixMicro()}
}

// Name is by what people and systems of record know it: the number, with the time where it was used again.
func (u Use) Name() string {
	if u.Again == 0 {
		return u.Number
	}
	return u.Number + " " + time.UnixMicro(u.Again).UTC().Format("2006-01-02T15:04:05Z")
}

// useAt is the place, among uses of one number by when they began, of what is told of it at a moment: the last that had begun by then, else the first.
func useAt(began []time.Time, at time.Time) int {
	return max(0, slices.IndexFunc(append(slices.Clone(began), at.Add(1)), func(t time.Time) bool { return t.After(at) })-1)
}
