package service

import (
	"errors"
	"fmt"
)

// Aspect is one thing that Windows keeps of a service, named as sc.exe names it where sc.exe knows it. Its value is a text, written the way
// that the system's own tools write it, so that a person can compare.
type Aspect string

// What a service that must come back by itself, and whose data is nobody else's, needs.
const (
	// Description is what the list of services shows.
	Description Aspect = "description"
	// StartType is auto, delayed-auto, demand or disabled.
	StartType Aspect = "start"
	// RecoveryActions are what happens after the first, the second and every further failure: reset=SECONDS action/MILLISECONDS/...
	RecoveryActions Aspect = "failure"
	// FailureFlag is 1 where an end with an error counts as a failure too, not a crash alone.
	FailureFlag Aspect = "failureflag"
	// Preshutdown is how many milliseconds the machine waits at its shutdown for the service to stop.
	Preshutdown Aspect = "preshutdown"
	// SIDType is unrestricted where the service has an identity of its own, to which rights can be given.
	SIDType Aspect = "sidtype"
	// EventSource is where Windows finds the texts of what the service writes into the event log.
	EventSource Aspect = "eventlog"
	// FolderRights are owner and access of the folder with configuration and data, as SDDL.
	FolderRights Aspect = "rights"
)

// ErrUnknown is what a registration returns of an aspect that this system has no words for.
var ErrUnknown = errors.New("this system does not know it")

// Registration is what a service manager, and the system around it, keep of the service.
type Registration interface {
	// Get reads an aspect; what was never set reads as "".
	Get(Aspect) (string, error)
	// Set writes it. The service need not be stopped.
	Set(Aspect, string) error
}

// Wanted is an aspect with its value.
type Wanted struct {
	Aspect Aspect
	Value  string
	// Optional is what the service does without, on a system that does not know it.
	Optional bool
	// Missing says what does not work without it.
	Missing string
}

const description = "Captures what happens at the dock and carries it to the collector."

// All is what the registration of the agent should hold. The agent comes back two seconds after every failure, as under systemd (RestartSec=):
// nobody at a dock starts it again.
func All() []Wanted {
	return []Wanted{
		{Aspect: Description, Value: description, Optional: true, Missing: "the list of services does not say what it is"},
		{Aspect: RecoveryActions, Value: "reset=86400 restart/2000/restart/2000/restart/2000", Missing: "it is not started again after a crash"},
		{Aspect: FailureFlag, Value: "1", Missing: "it is not started again after it ended with an error"},
		{Aspect: StartType, Value: "delayed-auto", Optional: true, Missing: "it starts before the machine is ready for it, and tries again"},
		{Aspect: Preshutdown, Value: "30000", Optional: true, Missing: "the machine may go down before plugins have stopped"},
		{Aspect: SIDType, Value: "unrestricted", Optional: true, Missing: "its folder cannot be given to it alone"},
		{Aspect: EventSource, Value: `types=7 %SystemRoot%\System32\EventCreate.exe`, Missing: "the event log shows its errors without a text"},
		{Aspect: FolderRights, Value: folderRights, Missing: "others on this machine can read its key, or change what it runs"},
	}
}

// folderRights are for the system, administrators and the service, and for nobody else; what the folder above gives does not reach in.
var folderRights = "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;" + SID(Name) + ")"

// Outcome is what became of one aspect.
type Outcome struct {
	Wanted
	// Before is what was there, where that could be read.
	Before string
	// Changed is set where it was written.
	Changed bool
	// Err is why it is not as wanted, or cannot be known to be.
	Err error
}

// Configure brings a registration to what is wanted, reads back what it wrote, and writes nothing that is right already. An aspect that fails
// does not keep it from the others.
func Configure(r Registration, wanted []Wanted) []Outcome {
	outcomes := make([]Outcome, 0, len(wanted))
	for _, w := range wanted {
		o := Outcome{Wanted: w}
		before, unread := r.Get(w.Aspect)
		o.Before = before
		switch {
		case unread == nil && before == w.Value:
		case w.Aspect == StartType && (before == "demand" || before == "disabled"):
			o.Err = fmt.Errorf("somebody has set it to %s, and so it stays: sc.exe config %s start= delayed-auto", before, Name)
		default:
			o.Changed, o.Err = write(r, w)
		}
		outcomes = append(outcomes, o)
	}
	return outcomes
}

func write(r Registration, w Wanted) (changed bool, err error) {
	if err := r.Set(w.Aspect, w.Value); err != nil {
		return false, err
	}
	after, err := r.Get(w.Aspect)
	if err != nil {
		return true, fmt.Errorf("was set, and cannot be read back: %w", err)
	}
	if after != w.Value {
		return true, fmt.Errorf("was set, and reads %q", after)
	}
	return true, nil
}

// Confirmed says whether all that matters is as wanted.
func Confirmed(outcomes []Outcome) bool {
	for _, o := range outcomes {
		if o.Err != nil && !o.Optional {
			return false
		}
	}
	return true
}

// faults are what of the registration is not as it must be, in words; what cannot be read is no fault.
func faults(r Registration, wanted []Wanted) (texts []string) {
	for _, w := range wanted {
		is, err := r.Get(w.Aspect)
		if err == nil && is != w.Value && !w.Optional {
			texts = append(texts, fmt.Sprintf("Its setting %s is %q: %s. `dockline-agent service configure`, as administrator, sets it.", w.Aspect, is, w.Missing))
		}
	}
	return texts
}
