// Package plugins is what the author of a plugin imports: implement Source, Sink or both, and call Serve from main.
package plugins

import (
	"context"
	"errors"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Described says what a plugin is and looks at its configuration. Both calls may come at any time, before and while it captures.
type Described interface {
	// Describe names the plugin, its version, the kinds of event that it reports and the JSON Schema of its config. Serve fills
	// in source and sink.
	Describe() *docklinev1.DescribeResponse
	// Check returns every fault of a config section (YAML, see Decode) at once, and starts nothing. id is the id under which the
	// plugin is configured. A plugin with faults is not started: a person reads them.
	Check(config []byte, id string) []*docklinev1.ConfigFault
}

// Source reports what happened at a site.
type Source interface {
	Described
	// Capture reads from start.Cursor on and gives what it finds to out, until ctx ends: then it finishes the record in hand and
	// returns nil. It is called once in the life of the process. Any other return is a failure: the host starts the plugin again,
	// with the cursor of the last batch that became durable.
	Capture(ctx context.Context, start Start, out Stream) error
}

// ErrIdle says that with this configuration the plugin carries out no commands.
var ErrIdle = errors.New("no commands are configured")

// Sink carries out commands at a site. Calls may come side by side, for different keys.
type Sink interface {
	// Open comes once, before any other call of a Sink. start.Cursor is empty. A plugin that is configured only to report returns
	// ErrIdle: it is then no sink, and no other call comes.
	Open(ctx context.Context, start Start) error
	// Deliver applies a command. It comes at least once for a key and version, and the second time has no second effect and the
	// same result; a version lower than the one applied is answered as superseded. A refusal is a result and final. An error
	// means that nothing is known to have been done, and the command comes again.
	Deliver(ctx context.Context, command *docklinev1.Command) (*docklinev1.CommandResult, error)
	// Find says whether a command with this key has been applied, and the highest version that was.
	Find(ctx context.Context, key string) (found bool, version uint64, err error)
}

// Trier is an optional part of a Source: it reads a sample with a configuration and says what would be reported. It changes nothing.
type Trier interface {
	Try(request *docklinev1.TryRequest) (*docklinev1.TryResponse, error)
}

// Rewinder is an optional part of a Source that can read again: it says from which cursor Capture would tell again what was told
// since a time, and in words what that is. start has the cursor that is durable now. The call may come while Capture runs, and changes
// nothing. An ErrTooEarly says that what was told so long ago is no longer there.
type Rewinder interface {
	CursorAt(ctx context.Context, start Start, since time.Time) (cursor []byte, what string, err error)
}

// ErrTooEarly is wrapped by a Rewinder's refusal.
var ErrTooEarly = errors.New("too early")

// Start is what a plugin is started with.
type Start struct {
	// Config is the plugin's config section as YAML; Check has found no fault in it.
	Config []byte
	// Cursor is that of the last durable batch, as the source wrote it; empty for a new beginning. A source that is not rereadable may be
	// started without it after an unclean stop, so that it misses nothing while the journal is being checked.
	Cursor []byte
	// DataDir is a folder of this plugin's own, kept between starts. It may be lost with the disk while the cursor is given back.
	DataDir string
	// ID is the id under which the plugin is configured.
	ID string
	// Tenant and Site are whose events these are, for a source that names an event which it has told before (error.declared): event.ID makes
	// the id of them, ID and what the source itself fills in. Empty for Open and CursorAt, and where the host is older than this field.
	Tenant, Site string
}

// Stream takes what a Source has found. Its methods may be called from several goroutines; batches keep the order of the calls.
type Stream interface {
	// Emit gives a batch to the host and returns as soon as it is sent: it is durable when its ack comes. It waits while the
	// window of unanswered batches is full, until ctx ends. The batch's number is filled in; an empty cursor leaves the former one
	// in force. Of an event the source fills kind, subject, source_key, source_revision or content_hash, ordinal, occurred_at,
	// movement and payload.
	Emit(ctx context.Context, batch *docklinev1.CaptureBatch) error
	// OnAck sets what is called for the ack of every batch, one at a time and in their order; set it before the first Emit. A
	// refused event has been kept by the host as a dead letter and is not to be sent again. A warning is what a rule of the site finds odd in an
	// event that is kept (a second scan, an unknown code): show it to the person who made it.
	OnAck(func(ack *docklinev1.CaptureAck))
	// Flush waits until every batch given so far is durable.
	Flush(ctx context.Context) error
	// Report says what a person should know; it replaces what was reported before, and nothing at all means that all is well.
	Report(conditions ...*docklinev1.Condition) error
	// Devices says how everything is that the plugin talks to: scanners, folders, a database. It replaces what was said before. Who is at
	// the dock sees it, and is told when one cannot be reached; a condition beside it is not needed.
	Devices(devices ...*docklinev1.DeviceHealth) error
}

// Plugin is what one process serves. A value that is both goes into both fields.
type Plugin struct {
	Source Source
	Sink   Sink
	// Info describes a plugin that is a Sink only; a Source describes itself.
	Info Described
}

// described is who answers Describe and Check.
func (p Plugin) described() Described {
	if p.Source != nil {
		return p.Source
	}
	return p.Info
}
