package connector

import (
	"context"
	"sync/atomic"
)

// Call is what requests to a system are made for.
type Call string

// The calls of the contract; listing records is listing.
const (
	ProbeCall    Call = "probe"
	FindCall     Call = "find"
	ApplyCall    Call = "apply"
	ChangesCall  Call = "changes"
	SnapshotCall Call = "snapshot"
	ListCall     Call = "list"
	MasterCall   Call = "master"
	TellCall     Call = "tell"
)

// Calls are all of them.
var Calls = []Call{ProbeCall, FindCall, ApplyCall, ChangesCall, SnapshotCall, ListCall, MasterCall, TellCall}

// requests counts those of one connector by what they are made for, since the start.
type requests struct{ counts [8]atomic.Int64 }

func (r *requests) of(call Call) *atomic.Int64 {
	for i, c := range Calls {
		if c == call {
			return &r.counts[i]
		}
	}
	panic("connector: no such call: " + string(call))
}

// Requests are how many requests a governed connector has made since the start, by what they were made for.
func Requests(c Connector) map[Call]int64 {
	out := make(map[Call]int64, len(Calls))
	if g, ok := c.(*governed); ok {
		for _, call := range Calls {
			out[call] = g.sent.of(call).Load()
		}
	}
	return out
}

// requestsKey is where a call carries who counts its requests.
type requestsKey struct{}

// counter is one of those who count the requests of a call.
type counter struct {
	n     *atomic.Int64
	above *counter
}

// CountRequests has the requests that a connector makes within the context added to n, beside those who count already.
func CountRequests(ctx context.Context, n *atomic.Int64) context.Context {
	above, _ := ctx.Value(requestsKey{}).(*counter)
	return context.WithValue(ctx, requestsKey{}, &counter{n, above})
}

func countRequest(ctx context.Context) {
	c, _ := ctx.Value(requestsKey{}).(*counter)
	for ; c != nil; c = c.above {
		c.n.Add(1)
	}
}
