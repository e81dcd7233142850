package ingest

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Whatever ranges come in whatever order, spans are what a set of numbers would be, and the crc at an end is that of a range that
// ended there.
func TestSpansAreASetOfNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s, before spans
		var given []span
		set := make(map[uint64]bool)
		ends := make(map[uint64][]uint32)
		for n := range rapid.IntRange(0, 12).Draw(t, "ranges") {
			lo := rapid.Uint64Range(1, 30).Draw(t, "lo")
			r := span{lo, lo + rapid.Uint64Range(0, 6).Draw(t, "length"), uint32(n + 1)}
			all := true
			for i := r.lo; i <= r.hi; i++ {
				all = all && set[i]
				set[i] = true
			}
			if got := s.covers(r.lo, r.hi); got != all {
				t.Fatalf("%v covers %v: %v", s, r, got)
			}
			if !all {
				ends[r.hi] = append(ends[r.hi], r.crc)
			}
			if n == 5 {
				before = slices.Clone(s)
			}
			given = append(given, r)
			s = s.add(r)
		}
		at := merge(slices.Clone(given)...)
		if len(at) != len(s) || slices.ContainsFunc(at, func(r span) bool { return !s.covers(r.lo, r.hi) }) {
			t.Fatalf("merged at once they are %v, one by one %v", at, s)
		}
		changed, gone := s.beside(before)
		for _, r := range gone {
			before = slices.DeleteFunc(before, func(b span) bool { return b.lo == r.lo })
		}
		for _, r := range changed {
			before = slices.DeleteFunc(before, func(b span) bool { return b.lo == r.lo })
			before = before.add(r)
		}
		if !slices.Equal(before, s) {
			t.Fatalf("after its changes %v and what is gone %v it is %v, want %v", changed, gone, before, s)
		}
		var numbers []uint64
		for i, r := range s {
			if i > 0 && s[i-1].hi+1 >= r.lo {
				t.Fatalf("%v is not merged", s)
			}
			for n := r.lo; n <= r.hi; n++ {
				numbers = append(numbers, n)
			}
			if !slices.Contains(ends[r.hi], r.crc) {
				t.Fatalf("crc %d at the end of %v: no range that ended there had it", r.crc, r)
			}
		}
		if len(numbers) != len(set) {
			t.Fatalf("%v holds %d numbers, want %d", s, len(numbers), len(set))
		}
		held := uint64(0)
		for _, hole := range s.holes(1, 40) {
			held += hole.hi - hole.lo + 1
		}
		if held != uint64(40-len(set)) {
			t.Fatalf("holes of %v hold %d numbers, want %d", s, held, 40-len(set))
		}
	})
}

func TestAckOfSpans(t *testing.T) {
	for _, c := range []struct {
		received, lost spans
		want           string
	}{
		{nil, nil, "0 crc 0 beyond []"},
		{spans{{1, 5, 9}}, nil, "5 crc 9 beyond []"},
		{spans{{2, 5, 9}}, nil, "0 crc 0 beyond [2-5]"},
		{spans{{1, 2, 7}, {5, 6, 8}, {9, 9, 9}}, nil, "2 crc 7 beyond [5-6 9-9]"},
		{spans{{1, 2, 7}, {5, 6, 8}, {9, 9, 9}}, spans{{3, 4, 0}}, "6 crc 8 beyond [9-9]"},
		{spans{{1, 2, 7}}, spans{{3, 4, 0}}, "2 crc 7 beyond []"},
		{spans{{3, 4, 7}}, spans{{1, 2, 0}}, "4 crc 7 beyond []"},
	} {
		ack := c.received.ack("i", "e", c.lost)
		var beyond []string
		for _, r := range ack.GetBeyond() {
			beyond = append(beyond, fmt.Sprintf("%d-%d", r.GetFirst(), r.GetLast()))
		}
		if got := fmt.Sprintf("%d crc %d beyond %v", ack.GetWatermark(), ack.GetCrc(), beyond); got != c.want {
			t.Errorf("received %v, lost %v: %s, want %s", c.received, c.lost, got, c.want)
		}
	}
}
