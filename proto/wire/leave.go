package wire

import (
	"context"
	"fmt"

	"github.com/eclipse/paho.golang/paho"
)

// Leave gives the subscriptions of the present link back and returns when all that had come by them is handed to OnMessage: from a
// subscription that several share, a broker then gives the others everything that comes. The link stays. Without one there is nothing to do.
func (c *Conn) Leave(ctx context.Context) error {
	l := c.current()
	if l == nil || len(c.config.Subscribe) == 0 {
		return nil
	}
	if _, err := l.client.Unsubscribe(ctx, &paho.Unsubscribe{Topics: c.config.Subscribe}); err != nil {
		return fmt.Errorf("unsubscribe: %w", err)
	}
	passed := make(chan struct{})
	select {
	case l.queue <- arrival{passed: passed}:
	case <-l.ctx.Done():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-passed:
	case <-l.ctx.Done():
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
