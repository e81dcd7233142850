package eventlog

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// lowerPlaces moves events that are in force to the lower place at which they were now seen: after a journal was sent again
// under a new epoch, the place must not depend on which copy came first.
func (l *Log) lowerPlaces(ctx context.Context, tx *db.Tx, lower []*arrival) error {
	if len(lower) == 0 {
		return nil
	}
	slices.SortFunc(lower, func(a, b *arrival) int { return compareKeys(a.key(), b.key()) })
	var keys [][]any
	var events []*docklinev1.Event
	for _, a := range lower {
		keys = append(keys, []any{a.Event.GetTenant(), a.Event.GetId()})
		events = append(events, a.Event)
	}
	known, err := identities(ctx, tx, keys, true)
	if err != nil {
		return err
	}
	if err := holdRecordsOf(ctx, tx, events); err != nil {
		return err
	}
	for _, a := range lower {
		// Another collector may have been here since the identity was read without a lock.
		have := known[a.key()]
		if !bytes.Equal(have.hash, a.hash) {
			if _, err := l.settle(ctx, tx, a); err != nil {
				return err
			}
		} else if a.place().before(have.place) {
			if err := moveTo(ctx, tx, a, have.logID); err != nil {
				return err
			}
		}
	}
	return nil
}

// moveTo gives the body in force, row logID, the place of a, and has its keys folded again.
func moveTo(ctx context.Context, tx *db.Tx, a *arrival, logID int64) error {
	tenant, id := a.Event.GetTenant(), a.Event.GetId()
	if _, err := tx.Exec(ctx, `UPDATE event_identity SET epoch_ordinal = ?, seq = ? WHERE tenant = ? AND id = ?`, a.EpochOrdinal, a.Seq, tenant, id); err != nil {
		return err
	}
	if err := moveRow(ctx, tx, a, logID); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE fact SET epoch_ordinal = ?, seq = ? WHERE log_id = ?`, a.EpochOrdinal, a.Seq, logID); err != nil {
		return err
	}
	return markFactsOf(ctx, tx, logID)
}

func moveRow(ctx context.Context, tx *db.Tx, a *arrival, logID int64) error {
	_, err := tx.Exec(ctx, `UPDATE event SET epoch = ?, epoch_ordinal = ?, seq = ? WHERE log_id = ?`, a.Epoch, a.EpochOrdinal, a.Seq, logID)
	return err
}

// markFactsOf marks the keys that the body in row logID touches.
func markFactsOf(ctx context.Context, tx *db.Tx, logID int64) error {
	if _, err := tx.Exec(ctx, `INSERT INTO dirty (tenant, fold_key, first_fact, last_fact) SELECT tenant, fold_key, log_id, log_id FROM fact WHERE log_id = ? ORDER BY fold_key`, logID); err != nil {
		return err
	}
	return markPartsOf(ctx, tx, logID)
}

// body is one of several bodies under one id.
type body struct {
	arrival
	variant int64
}

// settle takes in a body whose id is known with another one. Both are kept; the facts are those of the lower place. It
// returns false where the very body had been kept before.
func (l *Log) settle(ctx context.Context, tx *db.Tx, a *arrival) (isNew bool, err error) {
	a.check()
	tenant, id := a.Event.GetTenant(), a.Event.GetId()
	known, err := identities(ctx, tx, [][]any{{tenant, id}}, true)
	if err != nil {
		return false, err
	}
	bodies, err := readBodies(ctx, tx, a.key(), known[a.key()].logID)
	if err != nil {
		return false, err
	}
	if !slices.ContainsFunc(bodies, func(b *body) bool { return b.variant == 0 }) {
		return l.besideArchived(ctx, tx, a, bodies)
	}
	events := []*docklinev1.Event{a.Event}
	for _, b := range bodies {
		events = append(events, b.Event)
	}
	if err := holdRecordsOf(ctx, tx, events); err != nil {
		return false, err
	}
	same := slices.IndexFunc(bodies, func(b *body) bool { return bytes.Equal(b.hash, a.hash) })
	if same < 0 {
		if err := l.addVariant(ctx, tx, a); err != nil {
			return false, err
		}
		bodies = append(bodies, &body{arrival: *a, variant: 1})
	} else if b := bodies[same]; a.place().before(b.place()) {
		if err := moveRow(ctx, tx, a, b.logID); err != nil {
			return false, err
		}
		b.Epoch, b.EpochOrdinal, b.Seq = a.Epoch, a.EpochOrdinal, a.Seq
	}
	// What a person has accepted as an event of its own counts under its own id.
	undecided := slices.DeleteFunc(slices.Clone(bodies), func(b *body) bool { return b.variant == AcceptedVariant })
	lowest := slices.MinFunc(undecided, func(a, b *body) int {
		return cmp.Or(comparePlaces(a.place(), b.place()), bytes.Compare(a.hash, b.hash))
	})
	if lowest.variant != 0 {
		if err := l.putInForce(ctx, tx, lowest, bodies[slices.IndexFunc(bodies, func(b *body) bool { return b.variant == 0 })]); err != nil {
			return false, err
		}
	} else if same >= 0 && bodies[same] == lowest {
		if err := moveTo(ctx, tx, &lowest.arrival, lowest.logID); err != nil {
			return false, err
		}
	}
	if same >= 0 {
		if bodies[same].variant == AcceptedVariant {
			return false, l.lowerAccepted(ctx, tx, bodies[same])
		}
		return false, nil
	}
	if onlyLater(undecided) {
		return true, nil
	}
	return true, l.report(ctx, tx, tenant, bodiesOrigin(id), openBodies(lowest.Event, len(undecided)-1))
}

// besideArchived keeps another body of an id whose body in force is in an archive. Which of them the site's journal wrote first counts for
// nothing there: what is archived stays in force, and a person is told.
func (l *Log) besideArchived(ctx context.Context, tx *db.Tx, a *arrival, bodies []*body) (isNew bool, err error) {
	if slices.ContainsFunc(bodies, func(b *body) bool { return bytes.Equal(b.hash, a.hash) }) {
		return false, nil
	}
	if err := l.addVariant(ctx, tx, a); err != nil {
		return false, err
	}
	return true, l.report(ctx, tx, a.Event.GetTenant(), bodiesOrigin(a.Event.GetId()), openBodies(a.Event, len(bodies)+1))
}

// onlyLater says that all bodies are one word of an agent of its own, said at several times: it answers once more for a command after its disk
// was lost, or declares the same loss again. There is nothing for a person to find out.
func onlyLater(bodies []*body) bool {
	result, gap := bodies[0].Event.GetCommandResult(), bodies[0].Event.GetStreamGap()
	return (result != nil || gap != nil) && !slices.ContainsFunc(bodies, func(b *body) bool {
		return !proto.Equal(result, b.Event.GetCommandResult()) || !proto.Equal(gap, b.Event.GetStreamGap())
	})
}

// readBodies reads the body in force, row inForce, and those beside it.
func readBodies(ctx context.Context, tx *db.Tx, key identityKey, inForce int64) ([]*body, error) {
	rows, err := tx.Query(ctx, `SELECT log_id, variant, epoch, epoch_ordinal, seq, body FROM event WHERE log_id = ?
		UNION ALL SELECT log_id, variant, epoch, epoch_ordinal, seq, body FROM event WHERE tenant = ? AND id = ? AND variant <> 0`, inForce, key.tenant, key.id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var bodies []*body
	for rows.Next() {
		b := &body{}
		var raw []byte
		if err := rows.Scan(&b.logID, &b.variant, &b.Epoch, &b.EpochOrdinal, &b.Seq, &raw); err != nil {
			return nil, err
		}
		b.Event = &docklinev1.Event{}
		if err := proto.Unmarshal(raw, b.Event); err != nil {
			return nil, err
		}
		b.hash = event.BodyHash(b.Event)
		bodies = append(bodies, b)
	}
	return bodies, rows.Err()
}

// addVariant keeps a body beside the one in force: a row, no facts.
func (l *Log) addVariant(ctx context.Context, tx *db.Tx, a *arrival) error {
	ids, err := tx.NextIDs(ctx, "event", "log_id", 1)
	if err != nil {
		return err
	}
	a.logID = ids[0]
	r := l.newRows()
	if err := r.add(a, 1); err != nil {
		return err
	}
	return r.write(ctx, tx)
}

// putInForce replaces the facts of an id, until now those of another body, by those of b, and has the keys of both folded again.
func (l *Log) putInForce(ctx context.Context, tx *db.Tx, b, replaced *body) error {
	tenant, id, former := b.Event.GetTenant(), b.Event.GetId(), replaced.logID
	if err := markFactsOf(ctx, tx, former); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM fact WHERE log_id = ?`, former); err != nil {
		return err
	}
	if err := l.dropLinks(ctx, tx, replaced.Event); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE event SET variant = 1 WHERE log_id = ?`, former); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE event SET variant = 0 WHERE log_id = ?`, b.logID); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE event_identity SET body_hash = ?, log_id = ?, epoch_ordinal = ?, seq = ? WHERE tenant = ? AND id = ?`,
		b.hash, b.logID, b.EpochOrdinal, b.Seq, tenant, id); err != nil {
		return err
	}
	raw, err := proto.Marshal(b.Event)
	if err != nil {
		return err
	}
	r := l.newRows()
	r.addLinks(b.Event)
	if err := r.addFacts(&b.arrival, l.touchesAt(b.Event, b.logID), raw); err != nil {
		return err
	}
	if err := r.write(ctx, tx); err != nil {
		return err
	}
	if err := l.moveDeclaration(ctx, tx, replaced, b); err != nil {
		return err
	}
	if err := l.replaceVersion(ctx, tx, replaced.Event, former, b.Event, b.logID); err != nil {
		return err
	}
	ids, err := versionsOf(ctx, tx, replaced.Event, b.Event)
	if err != nil {
		return err
	}
	return l.retellDeclared(ctx, tx, append(ids, identityKey{tenant, id}))
}

// versionsOf is the events of the records of some.
func versionsOf(ctx context.Context, tx *db.Tx, events ...*docklinev1.Event) ([]identityKey, error) {
	var records []int64
	for _, e := range events {
		if record, ok := event.RecordNumber(e); ok && !slices.Contains(records, record) {
			records = append(records, record)
		}
	}
	if len(records) == 0 {
		return nil, nil
	}
	versions, err := readVersions(ctx, tx, records)
	return eventsOf(versions), err
}

// moveDeclaration has the body that is in force now declare what it declares, and the one that it replaced nothing any more.
func (l *Log) moveDeclaration(ctx context.Context, tx *db.Tx, replaced, b *body) error {
	if d := replaced.Event.GetErrorDeclaration(); d != nil {
		if _, err := tx.Exec(ctx, `DELETE FROM declared WHERE tenant = ? AND event_id = ? AND log_id = ?`, replaced.Event.GetTenant(), d.GetEventId(), replaced.logID); err != nil {
			return err
		}
		if err := dropTold(ctx, tx, replaced.Event.GetTenant(), d.GetEventId()); err != nil {
			return err
		}
	}
	if b.Event.GetErrorDeclaration() == nil {
		return nil
	}
	return l.declarations(ctx, tx, []*arrival{&b.arrival})
}

// dropTold takes back what the key of declarations about an event was told of the event, where nobody declares anything about it any more.
func dropTold(ctx context.Context, tx *db.Tx, tenant, id string) error {
	_, err := tx.Exec(ctx, `DELETE FROM fact WHERE tenant = ? AND fold_key = ? AND event_id = ? AND NOT EXISTS (SELECT 1 FROM declared d WHERE d.tenant = ? AND d.event_id = ?)`,
		tenant, declarationKey(id), id, tenant, id)
	return err
}

func twoBodies(e *docklinev1.Event, n int) Exception {
	return Exception{Code: "changed_event", Subject: e.GetId(), Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL,
		Severity: docklinev1.Severity_SEVERITY_ERROR, Site: e.GetSite(), EventIDs: []string{e.GetId()},
		Title: "One event id with different contents",
		Text: fmt.Sprintf("%s %s (source %s, record %q) arrived with %d different contents under one id. The one that the site's journal wrote first counts. "+
			"Find out whether the source uses a key again or an agent's disk is damaged: dockline-collector event show %s --tenant %s prints them all. "+
			"Where the source used a key again and both happened, dockline-collector event accept with the same arguments makes the other one an event of its own.",
			event.KindName(e.GetKind()), e.GetSubject(), e.GetSource(), e.GetSourceKey(), n, e.GetId(), e.GetTenant())}
}
