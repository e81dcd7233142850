package wmssql

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// complete says for each stream up to when everything has been told: up to settle before the horizon at the beginning of the last thorough reading.
// A transaction that is open, and a stream that cannot be read, hold it where it is. It never goes back.
func (c *capture) complete(ctx context.Context) error {
	var out []*docklinev1.CompleteThrough
	now, worth := c.now(), false
	for _, st := range c.states {
		p := st.progress
		before := p.Through
		if at := p.Open.Add(-max(c.setup.Settle, c.setup.Overlap)); p.Begun && !p.Open.IsZero() && at.After(p.Through) {
			p.Through = earlier(at, now).UTC().Truncate(time.Microsecond)
		}
		if p.Through.IsZero() {
			continue
		}
		worth = worth || p.Through.After(before) && now.Sub(c.reports.told) >= c.tellEvery()
		if !worth {
			p.Through = before // told with a later step
		}
		out = append(out, &docklinev1.CompleteThrough{Stream: st.Name, Time: timestamppb.New(p.Through), Movement: p.Movement, MovesStock: st.movesStock})
	}
	if !worth {
		return nil
	}
	c.reports.told = now
	return c.out.flush(ctx, out)
}

// tellEvery keeps an idle database from filling the journal: a tenth of settle, from a second to a minute.
func (c *capture) tellEvery() time.Duration {
	return min(max(c.setup.Settle/10, time.Second), time.Minute)
}
