package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/dockline/dockline/plugins"
)

// offence is what a plugin does against its contract or its limits: it hangs, it sends what cannot be read, it takes more memory than it
// may. The process is ended and started again, as after a crash; a plugin that goes on so is quarantined, however long it lives in between.
type offence struct{ error }

func (o offence) Unwrap() error { return o.error }

func offencef(format string, args ...any) error { return offence{fmt.Errorf(format, args...)} }

// incurable is an offence that starting the plugin again would only repeat: quarantine at once.
type incurable struct{ error }

func (i incurable) Unwrap() error { return i.error }

// unanswered names a call that the plugin did not answer in time.
func unanswered(call string, err error, ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) || status.Code(err) == codes.DeadlineExceeded {
		return offencef("it did not answer the call %s in time", call)
	}
	return fmt.Errorf("%s: %w", call, err)
}

// streamFault tells what the plugin did where its stream broke because of it.
func streamFault(err error) error {
	s, ok := status.FromError(err)
	if !ok {
		return err
	}
	switch {
	case s.Code() == codes.ResourceExhausted && strings.Contains(s.Message(), "larger than max"):
		return offencef("it sent a message that is larger than the %d KiB that one may have; the plugin is to give fewer events at a time (%s)",
			(plugins.MaxBatchBytes+messageOverhead)>>10, s.Message())
	case s.Code() == codes.Internal && strings.Contains(s.Message(), "unmarshal"):
		return offencef("it sent bytes that are no message of the contract between agent and plugin (%s)", s.Message())
	}
	return err
}

// startFault tells apart why a plugin did not start.
func startFault(err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "incompatible API version"), strings.Contains(text, "incompatible core API version"):
		// The library's text names both versions.
		return incurable{fmt.Errorf("it speaks another version of the contract than this agent, which speaks version %d: install the plugin that belongs to this agent (%w)",
			plugins.ProtocolVersion, err)}
	case strings.Contains(text, "timeout while waiting for plugin to start"):
		return offence{err}
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no such program: install the plugin, or correct path in agent.yaml (%w)", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the agent's user may not run it: see that the program and its folders let him (chmod +x) (%w)", err)
	}
	return err
}
