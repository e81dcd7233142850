package remote_test

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector/remote"
)

// A program that stands still is ended when it gives no sign of life, and another one goes on.
//
// Shows: S1
func TestAProgramThatStandsStill(t *testing.T) {
	w := open(t, "[]", "")
	if err := syscall.Kill(w.Stats().Pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := w.Apply(ctx, invoice("SO1"))
	if f := faultOf(t, err); !f.Unknown || f.Code != remote.CodeTimeout {
		t.Errorf("%+v: %v", f, f)
	}
	w.answers()
	if s := w.Stats(); s.Starts != 2 || !strings.Contains(s.Failure, "it hung") {
		t.Errorf("%+v", s)
	}
}
