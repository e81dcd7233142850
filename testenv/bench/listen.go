package bench

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/dockline/dockline/testenv/world"
)

// listening waits until a process listens.
func listening(ctx context.Context, p *world.Process, addr string) error {
	return waitFor(ctx, p.Name+" listening", 30*time.Second, 2*time.Millisecond, func() (bool, error) {
		if !p.Running() {
			return false, fmt.Errorf("%s has ended: %s", p.Name, p.LogTail())
		}
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return false, nil
		}
		return true, conn.Close()
	})
}
