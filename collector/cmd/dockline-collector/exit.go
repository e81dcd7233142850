package main

import (
	"errors"
	"fmt"

	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/deadletter"
	"github.com/dockline/dockline/collector/downlink"
	"github.com/dockline/dockline/collector/enrol"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/collector/giveback"
	"github.com/dockline/dockline/collector/master"
	"github.com/dockline/dockline/collector/milestone"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/collector/policy/version"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/collector/replay"
	"github.com/dockline/dockline/collector/retention"
	"github.com/dockline/dockline/collector/submission"
	"github.com/dockline/dockline/collector/sweep"
	"github.com/dockline/dockline/proto/configfile"
)

// The exit codes of every command. One rule: 2 where what was asked for cannot be done however often it is asked (a flag, a value, a file or a
// configuration with faults, a name that nothing has, a person who may not), and nothing was done; 1 where it was done and found something
// wrong, or could not be done as things stand. docs/operations.md says the same.
const (
	exitFine   = 0
	exitFailed = 1
	exitWrong  = 2
)

// wrongCall is an error in what was asked for.
type wrongCall struct{ error }

func (w wrongCall) Unwrap() error { return w.error }

// wrong says what is wrong with what was asked for, and what would be right.
func wrong(format string, a ...any) error { return wrongCall{fmt.Errorf(format, a...)} }

// foundWrong is what a command was asked to find, and found: faults in a folder that it was to check.
type foundWrong struct{ error }

func (f foundWrong) Unwrap() error { return f.error }

// refusals are the errors of other packages that say the same as wrong.
var refusals = []error{people.ErrNotAllowed, people.ErrAbsent, exception.ErrAbsent, exception.ErrNoAction, exception.ErrIncorrect, posting.ErrAbsent, version.ErrUnknown,
	eventlog.ErrNoEvent, view.ErrNoGoods, view.ErrNoOrder, milestone.ErrNoClock, enrol.ErrNoSite, downlink.ErrNoSite, fleet.ErrNoSite, fleet.ErrSite, replay.ErrAbsent, deadletter.ErrAbsent, deadletter.ErrIncorrect, retention.ErrAbsent,
	master.ErrAbsent, giveback.ErrAbsent, submission.ErrDiffers, giveback.ErrIncorrect, reconcile.ErrNoKey, sweep.ErrAbsent}

// exitCode is the code that a command ends with.
func exitCode(err error) int {
	if err == nil {
		return exitFine
	}
	if _, found := errors.AsType[foundWrong](err); found {
		return exitFailed
	}
	if _, called := errors.AsType[wrongCall](err); called {
		return exitWrong
	}
	if _, faults := errors.AsType[configfile.Faults](err); faults {
		return exitWrong
	}
	if _, faults := errors.AsType[submission.Faults](err); faults {
		return exitWrong
	}
	for _, refusal := range refusals {
		if errors.Is(err, refusal) {
			return exitWrong
		}
	}
	return exitFailed
}
