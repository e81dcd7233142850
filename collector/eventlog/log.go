// Package eventlog keeps every business event once, whatever arrives, and numbers what it keeps. DESIGN.md says how.
package eventlog

import (
	"cmp"
	"context"
	"time"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// Touch is one key that an event touches, with the part of the event that concerns it; Event itself where all of it does.
type Touch struct {
	Key   string
	Event *docklinev1.Event
}

// Link says that what is told of Key concerns PartOf.
type Link struct {
	Key, PartOf string
}

// Recorded is an event with its place in the site's journal; a fact of the centre has none.
type Recorded struct {
	Event *docklinev1.Event
	// Epoch is the hex id of the journal's epoch, EpochOrdinal its number, Seq the event's number in it.
	Epoch        string
	EpochOrdinal uint64
	Seq          uint64

	// captured is when the site's host recorded it, in Unix microseconds, and letter whether it came as a dead letter; both only where it
	// came by the site's journal.
	captured int64
	letter   bool
	// hash is that of the body, nil where it is yet to be worked out. Of an event that was made here it is of what could not be read.
	hash []byte
	// refuse makes the dead letter of an event that breaks a rule; nil where nobody has to look. It keeps the id.
	refuse func(*event.Fault) *docklinev1.Event
}

// SiteKey names a site.
type SiteKey struct {
	Tenant, Site string
}

func compareSites(a, b SiteKey) int {
	return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Site, b.Site))
}

// AppendResult says what became of the events of one Append.
type AppendResult struct {
	// Logged were new, Duplicates were there with the same body, Conflicts were there with another one and are kept beside it.
	Logged     int
	Duplicates int
	Conflicts  int
}

// Exception is a case for a person that the event log opens; whose it is the policy says.
type Exception struct {
	Code     string
	Subject  string
	Class    docklinev1.FaultClass
	Severity docklinev1.Severity
	Site     string
	Title    string
	Text     string
	EventIDs []string
}

// Report makes the open exceptions of one origin be exactly found; none closes those that were open.
type Report func(ctx context.Context, tx *db.Tx, tenant, origin string, found []Exception) error

// Log is the event log. Its methods are safe for concurrent use, also by several collectors on one database.
type Log struct {
	DB *db.DB
	// Keys derives what an event touches; it is pure. Nil: nothing.
	Keys func(*docklinev1.Event) []Touch
	// KeysAt derives what an event touched that stands at a place of the log: the mapping may have been another when it was told. Nil: Keys.
	KeysAt func(e *docklinev1.Event, logID int64) []Touch
	// Links derives what an event says belongs together; it is pure. Nil: nothing.
	Links func(*docklinev1.Event) []Link
	// Report opens and closes exceptions. Nil: nobody is told.
	Report Report
	// Now is the clock of recorded_at; nil is time.Now.
	Now func() time.Time
}

func (l *Log) now() time.Time {
	if l.Now == nil {
		return time.Now()
	}
	return l.Now()
}

func (l *Log) touches(e *docklinev1.Event) []Touch {
	if l.Keys == nil {
		return nil
	}
	return l.Keys(e)
}

// touchesAt are those of an event that is in the log already.
func (l *Log) touchesAt(e *docklinev1.Event, logID int64) []Touch {
	if l.KeysAt == nil {
		return l.touches(e)
	}
	return l.KeysAt(e, logID)
}

// report tells of the exceptions of one origin, one transaction at a time.
func (l *Log) report(ctx context.Context, tx *db.Tx, tenant, origin string, found []Exception) error {
	if l.Report == nil {
		return nil
	}
	if err := tx.Lock(ctx, "exception/"+tenant+"/"+origin); err != nil {
		return err
	}
	return l.Report(ctx, tx, tenant, origin, found)
}
