package bench

import (
	"context"
	"time"
)

// wan measures a backlog over a line of 40 ms round trip and 20 Mbit/s.
func (s *Suite) wan(ctx context.Context) error {
	b := backlog{events: 20_000, kbits: 20_000, delay: 20 * time.Millisecond}
	v, last, err := s.drainRounds(ctx, b)
	if err != nil {
		return err
	}
	s.beside("20,000 over 40 ms and 20 Mbit/s, line back to the last in the inbox", v[1], "s", s.peerDrains(ctx, otelcolPeer, b, s.Rounds).reference(1), atMost(2/4.9))
	s.absolute("20,000, wire an event upward (TLS included)", last.wire, "B", atMost(55))
	s.beside("20,000, first to last", v[2], "events/s", reference{name: "what the line carries at this size of an event", value: float64(b.kbits) * 1000 / 8 / last.wire}, atLeast(0.3))
	return nil
}
