package eventlog

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// AcceptedVariant marks, in the event table, a body that was accepted as an event of its own: it is kept under the id that it came with, and is
// no choice any more for what counts under that id.
const AcceptedVariant = 2

// Accepted is what became of a body that a person took for an event of its own.
type Accepted struct {
	// Event is the new event; its causation id is the id that the body came with.
	Event *docklinev1.Event
	// Body is the name that the body had before.
	Body string
	// Left is how many other bodies of the id nobody has decided about; Known: it had been accepted before.
	Left  int
	Known bool
}

// AcceptedID is the id under which a body is, or would be, an event of its own.
func AcceptedID(e *docklinev1.Event) string { return asNew(e).GetId() }

// BodyName is by what a person calls one of several bodies under an id: enough digits of its hash.
func BodyName(e *docklinev1.Event) string { return hex.EncodeToString(event.BodyHash(e))[:12] }

// AcceptAsNew makes a body that came under a known id, and is kept beside the one that counts, an event of its own: a source that uses a key
// again told of two deeds by one name. body is the beginning of its BodyName, "" where there is only one. It gets an id of its own, the same
// whoever accepts it and however often, and a record of its own, so that neither is taken for a correction of the other; its place in the
// site's journal stays. The case is closed with the last such body.
func (l *Log) AcceptAsNew(ctx context.Context, tx *db.Tx, tenant, id, body string) (Accepted, error) {
	key := identityKey{tenant, id}
	known, err := identities(ctx, tx, [][]any{{tenant, id}}, true)
	if err != nil {
		return Accepted{}, fmt.Errorf("accept event: %w", err)
	}
	if len(known) == 0 {
		return Accepted{}, fmt.Errorf("event %s of tenant %s: %w", id, tenant, ErrNoEvent)
	}
	bodies, err := readBodies(ctx, tx, key, known[key].logID)
	if err != nil {
		return Accepted{}, fmt.Errorf("accept event: %w", err)
	}
	chosen, err := chooseBody(bodies, id, body)
	if err != nil {
		return Accepted{}, err
	}
	a := Accepted{Event: asNew(chosen.Event), Body: BodyName(chosen.Event), Known: chosen.variant == AcceptedVariant}
	if _, err := tx.Exec(ctx, `UPDATE event SET variant = ? WHERE log_id = ?`, AcceptedVariant, chosen.logID); err != nil {
		return a, fmt.Errorf("accept event: %w", err)
	}
	if err := l.lowerAccepted(ctx, tx, chosen); err != nil {
		return a, err
	}
	for _, b := range bodies {
		if b.variant != 0 && b.variant != AcceptedVariant && b != chosen {
			a.Left++
		}
	}
	return a, l.report(ctx, tx, tenant, bodiesOrigin(id), openBodies(bodies[0].Event, a.Left))
}

// lowerAccepted enters a body as an event of its own, or gives the one that is there the lower place at which the body was now seen.
func (l *Log) lowerAccepted(ctx context.Context, tx *db.Tx, b *body) error {
	if _, err := l.Append(ctx, tx, []Recorded{{Event: asNew(b.Event), Epoch: b.Epoch, EpochOrdinal: b.EpochOrdinal, Seq: b.Seq}}); err != nil {
		return fmt.Errorf("accept event: %w", err)
	}
	return nil
}

// openBodies is the case of bodies that nobody has decided about, none where there are none.
func openBodies(inForce *docklinev1.Event, beside int) []Exception {
	if beside == 0 {
		return nil
	}
	return []Exception{twoBodies(inForce, beside+1)}
}

// bodiesOrigin names the case of an id with several bodies.
func bodiesOrigin(id string) string { return "event/" + id }

// chooseBody finds the body that a person means; a fault says which there are.
func chooseBody(bodies []*body, id, name string) (*body, error) {
	var beside []*body
	var names []string
	for _, b := range bodies {
		if b.variant != 0 {
			beside = append(beside, b)
			names = append(names, BodyName(b.Event))
		}
	}
	if len(beside) == 0 {
		return nil, fmt.Errorf("event %s has one content only, so there is no other to accept", id)
	}
	if name == "" {
		open := slices.DeleteFunc(slices.Clone(beside), func(b *body) bool { return b.variant == AcceptedVariant })
		switch {
		case len(open) == 1:
			beside = open
		case len(beside) > 1:
			return nil, fmt.Errorf("event %s has %d other contents: say which by the beginning of its name (%s)", id, len(beside), strings.Join(names, ", "))
		}
	} else {
		beside = slices.DeleteFunc(beside, func(b *body) bool { return !strings.HasPrefix(hex.EncodeToString(b.hash), strings.ToLower(name)) })
	}
	switch {
	case len(beside) != 1:
		return nil, fmt.Errorf("%q names %d other contents of event %s, which has %s", name, len(beside), id, strings.Join(names, ", "))
	case beside[0].Event.GetDeadLetter() != nil:
		return nil, fmt.Errorf("the other content of event %s was refused (%s), so it cannot be accepted: have it corrected at its source", id, beside[0].Event.GetDeadLetter().GetText())
	}
	return beside[0], nil
}

// asNew is a body as an event of its own.
func asNew(e *docklinev1.Event) *docklinev1.Event {
	e = proto.CloneOf(e)
	key := e.GetSourceKey()
	if key == "" {
		key = e.GetId()
	}
	e.CausationId, e.SourceKey, e.CorrelationId = e.GetId(), key+" again "+BodyName(e), ""
	e.Id = event.ID(event.Cause{Tenant: e.GetTenant(), Site: e.GetSite(), Source: e.GetSource(), SourceKey: e.GetSourceKey(), Revision: e.GetSourceRevision(),
		ContentHash: e.GetContentHash(), Kind: event.KindName(e.GetKind()), Ordinal: e.GetOrdinal()})
	return e
}
