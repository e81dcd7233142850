package ingest

import (
	"cmp"
	"slices"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// span is a closed range of Seq that is durable here; crc is that of the pack that ends at hi.
type span struct {
	lo, hi uint64
	crc    uint32
}

// spans are disjoint, not adjacent, and sorted.
type spans []span

// covers says whether lo to hi is wholly there.
func (s spans) covers(lo, hi uint64) bool {
	for _, r := range s {
		if r.lo <= lo && hi <= r.hi {
			return true
		}
	}
	return false
}

// add merges a range in. Where it ends behind what it meets, its crc is that of the end. s stays as it is.
func (s spans) add(n span) spans {
	// Those from first to last meet it.
	first, _ := slices.BinarySearchFunc(s, n.lo, func(r span, lo uint64) int { return cmp.Compare(r.hi+1, lo) })
	last := first
	for ; last < len(s) && s[last].lo <= n.hi+1; last++ {
		n.lo = min(n.lo, s[last].lo)
		if s[last].hi >= n.hi {
			n.hi, n.crc = s[last].hi, s[last].crc
		}
	}
	out := make(spans, 0, len(s)+1)
	return append(append(append(out, s[:first]...), n), s[last:]...)
}

// merge makes spans of ranges in any order: many at once cost little more than to sort them.
func merge(ranges ...span) spans {
	slices.SortFunc(ranges, func(a, b span) int { return cmp.Or(cmp.Compare(a.lo, b.lo), cmp.Compare(a.hi, b.hi)) })
	var out spans
	for _, n := range ranges {
		if len(out) == 0 || out[len(out)-1].hi+1 < n.lo {
			out = append(out, n)
			continue
		}
		if last := &out[len(out)-1]; n.hi >= last.hi {
			last.hi, last.crc = n.hi, n.crc
		}
	}
	return out
}

// beside names the ranges that were not there as they are, and of those that were there the ones whose beginning is no longer one.
func (s spans) beside(was spans) (changed, gone spans) {
	before := make(map[uint64]span, len(was))
	for _, r := range was {
		before[r.lo] = r
	}
	for _, r := range s {
		if old, there := before[r.lo]; !there || old != r {
			changed = append(changed, r)
		}
		delete(before, r.lo)
	}
	for _, r := range was {
		if _, left := before[r.lo]; left {
			gone = append(gone, r)
		}
	}
	return changed, gone
}

// holes are the parts of lo to hi that are not covered.
func (s spans) holes(lo, hi uint64) []span {
	var out []span
	for _, r := range s {
		if r.hi < lo {
			continue
		}
		if r.lo > hi {
			break
		}
		if r.lo > lo {
			out = append(out, span{lo: lo, hi: r.lo - 1})
		}
		lo = r.hi + 1
	}
	if lo <= hi {
		out = append(out, span{lo: lo, hi: hi})
	}
	return out
}

// ack reads the answer: the watermark is the end of a received range up to which everything was received, or is lost for good so
// that nobody can wait for it.
func (s spans) ack(incarnation, epoch string, lost spans) *docklinev1.Ack {
	ack := &docklinev1.Ack{Incarnation: incarnation, Epoch: epoch}
	all := merge(slices.Concat(lost, s)...)
	through := uint64(0)
	if len(all) > 0 && all[0].lo == 1 {
		through = all[0].hi
	}
	for _, r := range s {
		if r.hi <= through {
			ack.Watermark, ack.Crc = r.hi, r.crc
		} else {
			ack.Beyond = append(ack.Beyond, &docklinev1.SeqRange{First: r.lo, Last: r.hi})
		}
	}
	return ack
}

func (s spans) ranges() []*docklinev1.SeqRange {
	var out []*docklinev1.SeqRange
	for _, r := range s {
		out = append(out, &docklinev1.SeqRange{First: r.lo, Last: r.hi})
	}
	return out
}
