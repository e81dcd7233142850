package posting

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// lookedAt are the states of which a posting is read back at ready_at.
const lookedAt = "('unknown','blocked','diverged')"

// inFlight is true for a posting t while another of its serial key is under way or not settled.
const inFlight = `(t.serial_key <> '' AND EXISTS (SELECT 1 FROM posting f WHERE f.tenant = t.tenant AND f.target = t.target
	AND f.serial_key = t.serial_key AND f.id <> t.id AND f.state IN ('sending','unknown')))`

// job is one posting that this sender has claimed, and what the connector is given of it.
type job struct {
	row     *row
	posting *connector.Posting
	// turn is when it was to be looked at before it was claimed.
	turn int64
}

// recover makes unknown what a dead sender left, and ready what waits no longer.
func (s *Sender) recover(ctx context.Context, now time.Time) error {
	micros := now.UnixMicro()
	err := s.DB.Write(ctx, func(tx *db.Tx) error {
		lost, err := collect(tx.Claim(ctx, `SELECT `+columns+` FROM posting WHERE target = ? AND state = 'sending'
			AND lease_until <= ? ORDER BY id`, s.Target, micros))
		if err != nil {
			return err
		}
		for _, r := range lost {
			if err := r.move(Unknown); err != nil {
				return err
			}
			r.unknownSince, r.readyAt, r.leaseHolder, r.leaseUntil = micros, micros, "", 0
			if err := r.save(ctx, tx, micros); err != nil {
				return err
			}
			s.Log.Warn("posting was being sent when its sender ended; the target is asked what became of it", "posting", r.Ref.String())
		}
		return promote(ctx, tx, micros, `t.target = ?`, s.Target)
	})
	if err != nil {
		return fmt.Errorf("posting %s: recover: %w", s.Target, err)
	}
	return nil
}

// claim takes up to limit postings: what is ready is written as sending, and the rest, which is only looked for, is put off
// until the lease ends. Nothing is said to the target before this is committed.
func (s *Sender) claim(ctx context.Context, limit int, fromReady bool) ([]job, error) {
	var jobs []job
	err := s.DB.Write(ctx, func(tx *db.Tx) error {
		jobs = nil
		now := s.Now().UnixMicro()
		until := now + s.Lease.Microseconds()
		found, err := pick(ctx, tx, s.Target, now, limit, fromReady)
		if err != nil {
			return err
		}
		taken := map[string]bool{}
		var days cutoffs
		for _, r := range found {
			serial := r.Tenant + "\x00" + r.SerialKey
			if r.SerialKey != "" && taken[serial] {
				continue
			}
			taken[serial] = true
			if r.State == Ready {
				if err := r.move(Sending); err != nil {
					return err
				}
				r.sentBody, r.sentHash, r.sentVersion, r.Sent = r.body, r.hash, r.SourceVersion, r.Document
				if r.PostingDate == "" {
					days.note(r, s.date(r, at(now)), "closed by the policy", now)
				}
			}
			jobs = append(jobs, job{row: r, turn: r.readyAt})
			r.Attempts++
			r.leaseHolder, r.leaseUntil, r.readyAt = s.token, until, until
			r.touch()
		}
		if err := tellWhat(ctx, tx, jobs); err != nil {
			return err
		}
		if err := days.write(ctx, tx); err != nil {
			return err
		}
		return saveAll(ctx, tx, found, now)
	})
	if err != nil {
		return nil, fmt.Errorf("posting %s: claim: %w", s.Target, err)
	}
	for _, j := range jobs {
		s.knows(j.row.Tenant)
	}
	return jobs, nil
}

// pick locks up to limit postings of which something can be done, the longest waiting first. What is ready is read by itself,
// so that the index gives the order and a long backlog costs no more than a short one.
func pick(ctx context.Context, tx *db.Tx, target string, now int64, limit int, fromReady bool) (found []*row, err error) {
	if fromReady {
		if found, err = pickReady(ctx, tx, target, now, limit); err != nil {
			return nil, err
		}
	}
	settle, err := collect(tx.Claim(ctx, `SELECT `+columns+` FROM posting t WHERE t.target = ? AND t.state IN `+lookedAt+`
		AND t.ready_at <= ? ORDER BY t.ready_at, t.id LIMIT ?`, target, now, limit))
	if err != nil {
		return nil, err
	}
	found = append(found, settle...)
	slices.SortStableFunc(found, func(a, b *row) int {
		return cmp.Or(cmp.Compare(a.byPriority(), b.byPriority()), cmp.Compare(a.id, b.id))
	})
	return found[:min(limit, len(found))], nil
}

func pickReady(ctx context.Context, tx *db.Tx, target string, now int64, limit int) ([]*row, error) {
	return collect(tx.Claim(ctx, `SELECT `+columns+` FROM posting t WHERE t.target = ? AND t.state = 'ready'
		AND t.ready_at <= ? AND t.wanted = 1 AND NOT `+unmet+` AND NOT `+inFlight+` ORDER BY `+byTurn+`, t.id LIMIT ?`,
		target, now, limit))
}

// tellWhat works out what the connector is given of each: what was sent where it is a question of what became of it, else what is wanted now.
func tellWhat(ctx context.Context, tx *db.Tx, jobs []job) error {
	rows, places := make([]*row, len(jobs)), make([]place, len(jobs))
	for i, j := range jobs {
		rows[i], places[i] = j.row, j.row.place()
	}
	names, err := namesOf(ctx, tx, rows)
	if err != nil {
		return err
	}
	needs, err := documentsNeeded(ctx, tx, places)
	if err != nil {
		return err
	}
	for i, r := range rows {
		p := &connector.Posting{Tenant: r.Tenant, Kind: r.Kind, Key: r.reference(), SourceVersion: r.SourceVersion, Document: r.Document,
			CorrelationID: r.CorrelationID, PostingDate: r.PostingDate, References: names[r], Needs: needs[places[i]]}
		if r.State == Unknown || isChain(r) && r.Sent != nil {
			p.Document, p.SourceVersion = r.Sent, r.sentVersion
		}
		jobs[i].posting = p
	}
	return nil
}

// documentsNeeded are the documents of the postings that each of these needs, in the order in which those were wanted.
func documentsNeeded(ctx context.Context, tx *db.Tx, places []place) (map[place][]*docklinev1.DocumentReference, error) {
	needs, err := needsOfAll(ctx, tx, places)
	if err != nil || len(needs) == 0 {
		return nil, err
	}
	needed := make(map[place]bool)
	for at, refs := range needs {
		for _, ref := range refs {
			needed[place{at.tenant, ref}] = true
		}
	}
	found, err := tx.Lookup(ctx, db.Lookup{Table: "posting", Columns: append(slices.Clone(keyColumns), "id", "documents"), Key: keyColumns, Rows: keysOf(slices.Collect(maps.Keys(needed)))})
	if err != nil {
		return nil, fmt.Errorf("documents it depends on: %w", err)
	}
	slices.SortFunc(found, func(a, b []any) int { return cmp.Compare(a[4].(int64), b[4].(int64)) })
	out := make(map[place][]*docklinev1.DocumentReference)
	for _, v := range found {
		body, _ := v[5].([]byte)
		var list docklinev1.DocumentReferences
		if err := proto.Unmarshal(body, &list); err != nil {
			return nil, fmt.Errorf("documents it depends on: %w", err)
		}
		for at, refs := range needs {
			if of := placeOf(v); at.tenant == of.tenant && slices.Contains(refs, of.Ref) {
				out[at] = append(out[at], list.Documents...)
			}
		}
	}
	return out, nil
}
