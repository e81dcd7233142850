// Package capture takes documents of others into the event log: EPCIS 2.0 documents that a person brings.
package capture

import (
	"context"
	"fmt"
	"io"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event/epcis"
)

// Bring takes events into the event log within the caller's transaction: those whose id is new. known were there already; differing are
// there with another content, which stays.
type Bring func(ctx context.Context, tx *db.Tx, events []*docklinev1.Event) (taken, known int, differing []*docklinev1.Event, err error)

// Capture takes documents in. Taking one again, whole or after an interruption, changes nothing.
type Capture struct {
	DB    *db.DB
	Bring Bring
	// Batch is how many EPCIS events go in in one transaction; 0 is 200.
	Batch int
}

// Result says what became of a document.
type Result struct {
	// Read EPCIS events gave Taken events that are new, and Known ones that were there.
	Read  int `json:"read"`
	Taken int `json:"taken"`
	Known int `json:"known"`
	// Refused are events that could not be taken as what they are; each is kept whole under an exception. Reasons says where and why, of the
	// first hundred.
	Refused int      `json:"refused"`
	Reasons []string `json:"reasons,omitempty"`
}

// maxReasons bounds what is held of a document that is bad from end to end.
const maxReasons = 100

// EPCIS takes one document in, a batch at a time: what an error ends was taken up to the last batch.
func (c *Capture) EPCIS(ctx context.Context, from io.Reader, im *epcis.Importer) (Result, error) {
	var r Result
	var batch []*docklinev1.Event
	size := c.Batch
	if size <= 0 {
		size = 200
	}
	err := epcis.Read(from, func(captured *epcis.Captured) error {
		r.Read++
		if batch = append(batch, im.Take(captured)...); len(batch) < size {
			return nil
		}
		err := c.take(ctx, im, batch, &r)
		batch = batch[:0]
		return err
	})
	if err == nil {
		batch = append(batch, im.Close()...)
	}
	// What stood before the text stops being readable holds.
	if taken := c.take(ctx, im, batch, &r); err == nil {
		err = taken
	}
	return r, err
}

// Statuses makes events of what a carrier has sent in a file, and letters of what cannot be taken of it.
type Statuses interface {
	File(text, file string) (events, letters []*docklinev1.Event)
}

// maxFile bounds a carrier's file, which is read whole.
const maxFile = 64 << 20

// X12 takes a carrier's interchange in, in one transaction: what is wrong in it is kept whole under exceptions.
func (c *Capture) X12(ctx context.Context, from io.Reader, file string, reader Statuses) (Result, error) {
	text, err := io.ReadAll(io.LimitReader(from, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("it has more than %d MiB; divide it by interchanges", maxFile>>20)
	}
	if err != nil {
		return Result{}, err
	}
	events, letters := reader.File(string(text), file)
	r := Result{Read: len(events) + len(letters)}
	err = c.DB.Write(ctx, func(tx *db.Tx) error {
		taken, known, differing, err := c.Bring(ctx, tx, append(letters, events...))
		r.Taken, r.Known = taken, known+len(differing) // only when it was said differs: in a later envelope, or read again
		return err
	})
	for _, l := range letters {
		if r.Refused++; len(r.Reasons) < maxReasons {
			r.Reasons = append(r.Reasons, l.GetDeadLetter().GetText())
		}
	}
	return r, err
}

func (c *Capture) take(ctx context.Context, im *epcis.Importer, batch []*docklinev1.Event, r *Result) error {
	if len(batch) == 0 {
		return nil
	}
	done := *r
	err := c.DB.Write(ctx, func(tx *db.Tx) error {
		done = *r
		taken, known, differing, err := c.Bring(ctx, tx, batch)
		if err != nil {
			return err
		}
		done.Taken, done.Known = done.Taken+taken, done.Known+known
		var letters []*docklinev1.Event
		for _, e := range differing {
			letters = append(letters, im.Differs(e))
		}
		if len(letters) > 0 {
			more, again, _, err := c.Bring(ctx, tx, letters)
			if err != nil {
				return err
			}
			done.Taken, done.Known = done.Taken+more, done.Known+again
		}
		for _, e := range append(letters, batch...) {
			if letter := e.GetDeadLetter(); letter != nil {
				if done.Refused++; len(done.Reasons) < maxReasons {
					done.Reasons = append(done.Reasons, letter.GetText())
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("take events in: %w", err)
	}
	*r = done
	return nil
}
