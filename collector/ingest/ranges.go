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

// add merges a range in. Where it ends behind what it meets, its crc is that of the end.
func (s spans) add(n span) spans {
	out := make(spans, 0, len(s)+1)
	for _, r := range s {
		if r.hi+1 < n.lo || n.hi+1 < r.lo {
			out = append(out, r)
			continue
		}
		n.lo = min(n.lo, r.lo)
		if r.hi >= n.hi {
			n.hi, n.crc = r.hi, r.crc
		}
	}
	out = append(out, n)
	slices.SortFunc(out, func(a, b span) int { return cmp.Compare(a.lo, b.lo) })
	return out
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
	all := lost
	for _, r := range s {
		all = all.add(r)
	}
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
