package uplink

import "time"

// perPacket is about what a message costs on the line besides its payload: topic, MQTT, TLS and TCP/IP headers, and the broker's answer.
const perPacket = 200

// pace holds the line to a rate: a bucket of bytes that fills with time. What is live or urgent takes from it without waiting, also
// what is not yet there, and the backlog goes on when that is paid back.
type pace struct {
	rate   float64 // bytes a second, 0 for no limit
	tokens float64
	at     time.Time
}

// burst is how much of a second's bytes may go at once after a pause.
const burst = 0.25

func (p *pace) fill(now time.Time) {
	if !p.at.IsZero() {
		p.tokens += p.rate * max(0, now.Sub(p.at).Seconds())
	}
	p.tokens = min(p.tokens, p.rate*burst)
	p.at = now
}

// wait is how long what can wait has to.
func (p *pace) wait(now time.Time) time.Duration {
	if p.rate == 0 {
		return 0
	}
	if p.fill(now); p.tokens >= 0 {
		return 0
	}
	// At least a little: a wait that rounds to nothing would turn the loop into a spin.
	return max(time.Millisecond, time.Duration(-p.tokens/p.rate*float64(time.Second)))
}

// spend takes a message of so many bytes.
func (p *pace) spend(now time.Time, payload int) {
	if p.rate > 0 {
		p.fill(now)
		p.tokens -= float64(payload)*1.04 + perPacket
	}
}

// breadth is how many envelopes of the backlog may be unanswered at once. A thin line, or a slow collector, shows by answers that come
// late: what is already on its way then stands before what is live, so less of it is sent.
type breadth struct {
	now, most int
	fastest   time.Duration // the quickest answer of this session: the line without a queue
	narrowed  time.Time
}

const (
	firstBreadth = 4
	// queueing is how much later than the quickest an answer may come before the backlog is narrowed.
	queueing = time.Second
)

// answered takes note of an answer to a message that was sent once, at a time.
func (b *breadth) answered(sent, now time.Time) {
	took := now.Sub(sent)
	if b.fastest == 0 || took < b.fastest {
		b.fastest = max(took, time.Microsecond)
	}
	switch {
	case took <= b.fastest*3/2:
		b.now = min(b.now+2, b.most) // nothing queues yet
	case took <= b.fastest+queueing/2:
		b.now = min(b.now+1, b.most)
	case took > b.fastest+queueing && sent.After(b.narrowed):
		// What was sent before the last narrowing says nothing about it.
		b.now, b.narrowed = max(1, b.now*3/4), now
	}
}

// busy halves it: the collector does not take backlog at this moment.
func (b *breadth) busy(now time.Time) { b.now, b.narrowed = max(1, b.now/2), now }
