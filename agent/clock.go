//go:build !clockstep

package agent

import "time"

// now is the agent's clock.
var now = time.Now
