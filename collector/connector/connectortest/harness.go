// Package connectortest is the conformance suite that every connector passes, and a target in memory to try the suite and
// the senders on.
package connectortest

import (
	"testing"
	"time"

	"github.com/dockline/dockline/collector/connector"
)

// Injection is how the target, or the way to it, goes wrong.
type Injection int

const (
	// LoseAnswer: the nth writing request has its effect, and the connection is cut before its answer arrives.
	LoseAnswer Injection = iota
	// ServerError: the nth writing request is answered with the server's own error (500) and has no effect.
	ServerError
	// Hang: the nth writing request is not answered before the caller gives up, and has no effect.
	Hang
	// Unreachable: nothing listens, from now on.
	Unreachable
	// Throttle: the nth writing request is answered with "too many requests" and a time to come back, without effect.
	Throttle
)

var injectionNames = map[Injection]string{LoseAnswer: "lost answer", ServerError: "server error", Hang: "no answer",
	Unreachable: "unreachable", Throttle: "throttled"}

// String is the name of the injection's test.
func (i Injection) String() string { return injectionNames[i] }

// Harness is a connector and its target. The functions go through the target's own door, never through the connector. One that
// is nil, or returns nil where it may, stands for something that this target cannot show; its tests are skipped by name.
type Harness struct {
	Connector connector.Connector
	// Posting makes in the target what a posting of this kind needs (an order, stock) and returns one that has never been
	// applied, with a key of its own and SourceVersion 10. Every document carries the time and numbers that it needs.
	Posting func(t *testing.T, kind connector.Kind) *connector.Posting
	// Restate returns the posting with other content and this source version; for the kinds with style Level.
	Restate func(t *testing.T, p *connector.Posting, version int64) *connector.Posting
	// Effects counts what the posting has brought about: documents with its key that are in force. A posting that is only
	// half done has had none.
	Effects func(t *testing.T, p *connector.Posting) int
	// UnknownItem returns a posting of this kind that must be refused as wrong data, Closed one that must be refused for a
	// business reason (credit, a closed period, a closed order); nil where the kind has no such thing.
	UnknownItem, Closed func(t *testing.T, kind connector.Kind) *connector.Posting
	// Duplicate enters a second document with the posting's key, as a person would; false where the kind cannot have two.
	Duplicate func(t *testing.T, p *connector.Posting) bool
	// Drafts leaves n drafts with the posting's key and content, as lost answers and other creators do; false where the kind has none.
	Drafts func(t *testing.T, p *connector.Posting, n int) bool
	// Inject makes the nth writing request from now, counted from 1, go wrong. What it returns takes the injection away and
	// says whether it struck. Nil: this target cannot be made to do that.
	Inject func(t *testing.T, what Injection, nth int) (clear func() bool)
	// Forbid takes the account's right to do anything away, until what it returns gives it back.
	Forbid func(t *testing.T) (restore func())
	// Reshape has the target answer reads in another shape, as after an upgrade that renamed fields, until what it returns is called.
	Reshape func(t *testing.T) (restore func())
	// Meddle changes the content of the posting's document, as a person would; false where the kind's documents cannot be changed.
	Meddle func(t *testing.T, p *connector.Posting) bool
	// Second is another connector to the same target, as another process has.
	Second connector.Connector
	// Careless: the target takes a second document of such a posting as it took the first, and nothing that a connector can do beforehand prevents it when two
	// write at once; that they do not is up to who sends, and the connector shows what came of it.
	Careless func(kind connector.Kind) bool
	// Between has something done once, after the connector has looked and when its next writing request arrives, before that has its effect. What it
	// returns takes it back and says whether it was done.
	Between func(t *testing.T, do func()) (clear func() bool)
	// Record makes a record of a kind that the connector lists (RecordLister), as a person does, and says how it must be listed: its Number, and what is known of
	// its fields and lines.
	Record func(t *testing.T, kind connector.Kind) connector.Listed
	// Skew puts the target's clock ahead, until what it returns puts it right.
	Skew func(t *testing.T, ahead time.Duration) (restore func())
	// Happen makes n orders be accepted in the target, one after the other, and returns their numbers: the subjects of what
	// Changes must report.
	Happen func(t *testing.T, n int) []string
	// Book makes the target's books hold this much of an item at a site, all of it known to a snapshot.
	Book func(t *testing.T) (site, item, quantity string)
	// CallTimeout bounds a call; default 30 s. HangTimeout bounds one that is to hang; default 2 s.
	CallTimeout, HangTimeout time.Duration
	// MaxWrites is the most writing requests that one Apply makes, so that each is tried; default 8.
	MaxWrites int
}
