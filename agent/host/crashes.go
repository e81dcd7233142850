package host

import "time"

// crashes decides when a plugin that ended unasked is started again. It is told of times and asks no clock.
type crashes struct {
	limits Limits
	// jitter gives a number from 0 to 1, so that plugins that fell together do not come back together.
	jitter func() float64

	recent      []time.Time
	offences    []time.Time
	streak      int
	quarantined bool
}

// failed notes the end of a plugin that ran for a while, and says how long to wait and whether that is quarantine. A permanent
// fault, which a restart cannot cure, is quarantined at once.
func (c *crashes) failed(now time.Time, ran time.Duration, permanent bool) (delay time.Duration, quarantined bool) {
	if ran >= c.limits.CrashWindow {
		c.streak, c.quarantined = 0, false
	}
	kept := c.recent[:0]
	for _, t := range c.recent {
		if now.Sub(t) < c.limits.CrashWindow && !t.After(now) {
			kept = append(kept, t)
		}
	}
	c.recent = append(kept, now)
	c.streak++
	// Out of quarantine it must run for a while before it is trusted with quick restarts again.
	c.quarantined = c.quarantined || permanent || len(c.recent) >= c.limits.Crashes
	if c.quarantined {
		return c.spread(c.limits.Quarantine), true
	}
	return c.spread(backoff(c.limits, c.streak)), false
}

// offended notes an offence, and says whether there were too many of them lately. They count apart from crashes, since a plugin that
// hangs, leaks or sends garbage may live for a while in between.
func (c *crashes) offended(now time.Time) (tooOften bool) {
	kept := c.offences[:0]
	for _, t := range c.offences {
		if now.Sub(t) < c.limits.OffenceWindow && !t.After(now) {
			kept = append(kept, t)
		}
	}
	c.offences = append(kept, now)
	return len(c.offences) >= c.limits.Offences
}

// forgive forgets all that was, for a person has looked at it.
func (c *crashes) forgive() { c.recent, c.offences, c.streak, c.quarantined = nil, nil, 0, false }

// spread takes up to half of a time away.
func (c *crashes) spread(d time.Duration) time.Duration {
	return d - time.Duration(c.jitter()*float64(d)/2)
}

// backoff doubles with every attempt, from 1.
func backoff(l Limits, attempt int) time.Duration {
	d := l.BackoffMin
	for ; attempt > 1 && d < l.BackoffMax; attempt-- {
		d *= 2
	}
	return min(d, l.BackoffMax)
}
