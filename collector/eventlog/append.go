package eventlog

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/proto/event"
)

// Append takes events into the log within the caller's transaction: those whose id is new get their row, their facts, their
// dirty marks and, when they are of a site, their receipt; the others are counted. An event needs tenant and id; it is given
// its correlation id and must not be changed afterwards. What the tables hold in the end does not depend on the order in which
// events arrive.
func (l *Log) Append(ctx context.Context, tx *db.Tx, recorded []Recorded) (AppendResult, error) {
	bySite, _, err := l.append(ctx, tx, recorded)
	if err != nil {
		return AppendResult{}, err
	}
	return sum(bySite), nil
}

func sum(bySite map[SiteKey]AppendResult) AppendResult {
	var total AppendResult
	for _, r := range bySite {
		total.Logged += r.Logged
		total.Duplicates += r.Duplicates
		total.Conflicts += r.Conflicts
	}
	return total
}

func (l *Log) append(ctx context.Context, tx *db.Tx, recorded []Recorded) (map[SiteKey]AppendResult, dayTallies, error) {
	cases := gather(recorded)
	if err := identify(ctx, tx, cases); err != nil {
		return nil, nil, fmt.Errorf("append: %w", err)
	}
	bySite, days := make(map[SiteKey]AppendResult), make(dayTallies)
	count := func(a *arrival, logged, duplicates, conflicts int) {
		if logged|duplicates|conflicts != 0 {
			r := bySite[a.site()]
			bySite[a.site()] = AppendResult{r.Logged + logged, r.Duplicates + duplicates, r.Conflicts + conflicts}
		}
	}
	var fresh, lower, differ []*arrival
	for _, c := range cases {
		bodies := c.bodies
		count(bodies[0], 0, c.repeats, 0)
		for _, a := range c.again {
			days.repeat(a, c.known.captured)
		}
		if c.fresh {
			count(bodies[0], 1, 0, 0)
			days.first(bodies[0])
			fresh = append(fresh, bodies[0])
			bodies = bodies[1:]
		}
		for _, a := range bodies {
			if !bytes.Equal(a.hash, c.known.hash) {
				differ = append(differ, a)
				continue
			}
			count(a, 0, 1, 0)
			days.repeat(a, c.known.captured)
			if a.place().before(c.known.place) {
				lower = append(lower, a)
			}
		}
	}
	if err := l.insert(ctx, tx, fresh); err != nil {
		return nil, nil, fmt.Errorf("append: %w", err)
	}
	if err := l.lowerPlaces(ctx, tx, lower); err != nil {
		return nil, nil, fmt.Errorf("append: %w", err)
	}
	for _, a := range differ {
		isNew, err := l.settle(ctx, tx, a)
		if err != nil {
			return nil, nil, fmt.Errorf("append event %s: %w", a.Event.GetId(), err)
		}
		if isNew {
			count(a, 0, 0, 1)
			days.of(a).again++
		} else {
			count(a, 0, 1, 0)
		}
	}
	return bySite, days, nil
}

// place is where a site's journal has an event: of two bodies under one id the lower place counts.
type place struct {
	ordinal, seq int64
}

func (p place) before(q place) bool { return comparePlaces(p, q) < 0 }

func comparePlaces(p, q place) int {
	return cmp.Or(cmp.Compare(p.ordinal, q.ordinal), cmp.Compare(p.seq, q.seq))
}

// arrival is one body on its way into the tables.
type arrival struct {
	Recorded
	hash  []byte
	logID int64
	// turn is its number within the Append, for log ids that grow in the order of arrival.
	turn int
	// receipt is the body of its receipt, of an event of a site that is new.
	receipt []byte
	// record is the number of the source's record that it is a version of, where it can be one.
	record    int64
	versioned bool
}

// check holds a new event against the rules of its kind. It is done late, since most of what comes again was found good before; the hash
// stays that of the event as it came, so that it is known again.
func (a *arrival) check() {
	if a.refuse == nil {
		return
	}
	if fault := event.Validate(a.Event); fault != nil {
		a.Event = a.refuse(fault)
	}
	a.refuse = nil
}

func (a *arrival) place() place { return place{int64(a.EpochOrdinal), int64(a.Seq)} }

func (a *arrival) site() SiteKey { return SiteKey{a.Event.GetTenant(), a.Event.GetSite()} }

func (a *arrival) key() identityKey { return identityKey{a.Event.GetTenant(), a.Event.GetId()} }

type identityKey struct {
	tenant, id string
}

func compareKeys(a, b identityKey) int {
	return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.id, b.id))
}

// identity is what event_identity says of an id: the body in force.
type identity struct {
	hash  []byte
	logID int64
	place place
	// captured is when the host recorded it, as Recorded has it.
	captured int64
}

// arrivalCase is all that one Append brings of one id.
type arrivalCase struct {
	identityKey
	// bodies are distinct, the lowest place first; most often there is one. repeats is how many more came.
	bodies  []*arrival
	repeats int
	// again are those of the repeats that were recorded at another moment than the body that is kept.
	again []*arrival
	// fresh: the id was not known, and bodies[0] is now in force.
	fresh bool
	known identity
}

// gather groups by id, in the order of ids, so that two collectors that take the same events wait for each other and do not
// deadlock.
func gather(recorded []Recorded) []*arrivalCase {
	arrivals := make([]arrival, len(recorded))
	byID := make(map[identityKey]*arrivalCase, len(recorded))
	cases := make([]*arrivalCase, 0, len(recorded))
	for i, r := range recorded {
		a := &arrivals[i]
		*a = arrival{Recorded: r, hash: r.hash, turn: i}
		if a.hash == nil {
			a.hash = event.BodyHash(r.Event)
		}
		c := byID[a.key()]
		if c == nil {
			c = &arrivalCase{identityKey: a.key()}
			byID[c.identityKey] = c
			cases = append(cases, c)
		}
		c.add(a)
	}
	for _, c := range cases {
		slices.SortFunc(c.bodies, func(a, b *arrival) int {
			return cmp.Or(comparePlaces(a.place(), b.place()), bytes.Compare(a.hash, b.hash))
		})
	}
	slices.SortFunc(cases, func(a, b *arrivalCase) int { return compareKeys(a.identityKey, b.identityKey) })
	return cases
}

func (c *arrivalCase) add(a *arrival) {
	for i, have := range c.bodies {
		if bytes.Equal(have.hash, a.hash) {
			if a.place().before(have.place()) {
				c.bodies[i], a = a, have
			}
			if a.captured != c.bodies[i].captured {
				c.again = append(c.again, a)
			}
			c.repeats++
			return
		}
	}
	c.bodies = append(c.bodies, a)
}

// identify claims the ids that are new and reads what is known of the others.
func identify(ctx context.Context, tx *db.Tx, cases []*arrivalCase) error {
	ids, err := tx.NextIDs(ctx, "event", "log_id", len(cases))
	if err != nil {
		return err
	}
	byTurn := slices.Clone(cases)
	slices.SortFunc(byTurn, func(a, b *arrivalCase) int { return cmp.Compare(a.bodies[0].turn, b.bodies[0].turn) })
	for i, c := range byTurn {
		c.bodies[0].logID = ids[i]
	}
	// What is sent again comes in runs. The first few tell whether to ask before writing.
	few := min(len(cases), sample)
	known, err := recognise(ctx, tx, cases[:few])
	if err != nil {
		return err
	}
	if 2*known > few {
		if _, err = recognise(ctx, tx, cases[few:]); err != nil {
			return err
		}
	}
	return claimIDs(ctx, tx, slices.DeleteFunc(slices.Clone(cases), func(c *arrivalCase) bool { return c.known.logID != 0 }))
}

// sample is how many of the ids of an Append are looked up whatever comes of it. They are in the order of ids, which are hashes mostly, and so
// from everywhere in it.
const sample = 32

// recognise reads what is known of the ids of cases and says of how many something is.
func recognise(ctx context.Context, tx *db.Tx, cases []*arrivalCase) (int, error) {
	keys := make([][]any, len(cases))
	for i, c := range cases {
		keys[i] = []any{c.tenant, c.id}
	}
	known, err := identities(ctx, tx, keys, false)
	if err != nil {
		return 0, err
	}
	for _, c := range cases {
		c.known = known[c.identityKey]
	}
	return len(known), nil
}

// claimIDs puts in the ids that nobody has told of so far. Of those that turn out to be there it reads what is known.
func claimIDs(ctx context.Context, tx *db.Tx, cases []*arrivalCase) error {
	claim := db.Insert{Table: "event_identity", Columns: []string{"tenant", "id", "body_hash", "log_id", "epoch_ordinal", "seq", "captured_at"}, Conflict: []string{"tenant", "id"}}
	for _, c := range cases {
		a := c.bodies[0]
		claim.Rows = append(claim.Rows, []any{c.tenant, c.id, a.hash, a.logID, a.EpochOrdinal, a.Seq, a.captured})
		c.fresh, c.known = true, identity{a.hash, a.logID, a.place(), a.captured}
	}
	claimed, err := tx.CountAbsent(ctx, claim)
	if err != nil || claimed == int64(len(cases)) {
		return err
	}
	if _, err := recognise(ctx, tx, cases); err != nil {
		return err
	}
	for _, c := range cases {
		c.fresh = c.known.logID == c.bodies[0].logID
	}
	return nil
}

// identities reads what is known of ids, each a row of tenant and id.
func identities(ctx context.Context, tx *db.Tx, keys [][]any, hold bool) (map[identityKey]identity, error) {
	rows, err := tx.Lookup(ctx, db.Lookup{Table: "event_identity", Key: []string{"tenant", "id"}, Rows: keys, Hold: hold,
		Columns: []string{"tenant", "id", "body_hash", "log_id", "epoch_ordinal", "seq", "captured_at"}})
	if err != nil {
		return nil, err
	}
	known := make(map[identityKey]identity, len(rows))
	for _, row := range rows {
		known[identityKey{row[0].(string), row[1].(string)}] = identity{row[2].([]byte), row[3].(int64), place{row[4].(int64), row[5].(int64)}, row[6].(int64)}
	}
	return known, nil
}
