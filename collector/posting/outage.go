package posting

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// A target that does not answer is tried with few postings. All others that would go to it wait because of that too, and whoever asks for one
// of them (a site by its receipts, a person at the console) is told so: they carry the fault of the target until it answers again.

const (
	// targetUnavailable is the code of the target's own case, and of the fault of postings that were not tried because of it.
	targetUnavailable = "target_unavailable"
	// portion is how many postings one step marks or clears.
	portion = 200
	// overlap is how far behind the newest posting seen one may still be committed.
	overlap = time.Minute
)

// outage is what a sender knows of the postings that carry the fault of the target.
type outage struct {
	// marked: some may carry it. A sender that takes over does not know, and looks.
	marked bool
	// heard: the target answered since this sender took over.
	heard bool
	// at and id are the posting up to which all that are ready were looked at; whole is when the pass that began at the first one ended.
	at, id int64
	whole  time.Time
}

// down says whether the target is known to take nothing now.
func (s *Sender) down(now time.Time) bool {
	return !s.downSince.IsZero() && (s.Account.Allow() != connector.Everything || now.Before(s.Account.Patience()))
}

// waitOut is a step while the target takes nothing: people and sites are told.
func (s *Sender) waitOut(ctx context.Context, now time.Time) error {
	if err := s.raise(ctx, now); err != nil {
		return err
	}
	if !s.down(now) || now.Sub(s.downSince) < s.TellAfter {
		return nil
	}
	return s.mark(ctx, now)
}

// raise makes an exception of a target that has been out of reach for long.
func (s *Sender) raise(ctx context.Context, now time.Time) error {
	if s.alarmed || s.downSince.IsZero() || now.Sub(s.downSince) < s.AlarmAfter {
		return nil
	}
	c := Case{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Severity: docklinev1.Severity_SEVERITY_ERROR,
		Code: targetUnavailable, Subject: s.Target, Title: s.Target + " does not answer",
		Text: "Since " + s.downSince.UTC().Format(time.RFC3339) + ": " + s.Stats().Fault +
			". Postings wait and go by themselves when it answers again. Look whether the system and the way to it are up, and whether its password still holds."}
	if err := s.alarm(ctx, s.tenants, []Case{c}); err != nil {
		return err
	}
	s.alarmed = true
	return nil
}

// untried is the fault of a posting that waits for a target which takes nothing.
func (s *Sender) untried() Fault {
	return Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: targetUnavailable,
		Text:   "has taken nothing since " + s.downSince.UTC().Format("2006-01-02 15:04 MST") + ": " + s.Stats().Fault + ".",
		Remedy: "This one was not tried; it goes by itself when " + s.Target + " answers again."}
}

// mark has a portion of the postings that are ready and were not tried carry the fault. A posting is written once in an outage: one that
// carries a fault already is left as it is.
func (s *Sender) mark(ctx context.Context, now time.Time) error {
	var last *row
	n := 0
	err := s.DB.Write(ctx, func(tx *db.Tx) error {
		last, n = nil, 0
		found, err := names(tx.Claim(ctx, `SELECT id, tenant, target, kind, natural_key, ready_at FROM posting WHERE target = ? AND state = 'ready'
			AND ready_at >= ? AND (ready_at > ? OR id > ?) AND ready_at <= ? AND fault_class = 0 ORDER BY ready_at, id LIMIT ?`,
			s.Target, s.outage.at, s.outage.at, s.outage.id, now.UnixMicro(), portion))
		if err != nil || len(found) == 0 {
			return err
		}
		last, n = found[len(found)-1], len(found)
		return s.explain(ctx, tx, found, s.untried(), now)
	})
	if err != nil {
		return fmt.Errorf("posting %s: tell that they wait: %w", s.Target, err)
	}
	if n > 0 {
		s.outage.marked = true
		s.outage.at, s.outage.id = last.readyAt, last.id
	}
	if n < portion { // once round: look at the newest again, and now and then at all, since another transaction may have held one
		s.outage.at, s.outage.id = now.Add(-overlap).UnixMicro(), 0
		if now.Sub(s.outage.whole) >= overlap || now.Before(s.outage.whole) {
			s.outage.at, s.outage.whole = 0, now
		}
	}
	return nil
}

// answered notes that the target answered, and after an outage lets go at once what waited because of it.
func (s *Sender) answered(ctx context.Context) error {
	_, wasOpen := s.Account.Heard(nil)
	wasOpen = wasOpen || s.sawOpen // another flow of the account may have heard it first
	s.sawOpen = false
	s.downSince, s.outage.heard = time.Time{}, true
	s.count(func(st *Stats) { st.Open, st.Fault = time.Time{}, "" })
	if s.alarmed || !s.settled {
		if err := s.alarm(ctx, s.tenants, nil); err != nil {
			return err
		}
		s.alarmed, s.settled = false, true
	}
	if !wasOpen {
		return nil
	}
	s.Log.Info("target answers again", "target", s.Target)
	now := s.Now().UnixMicro()
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE posting SET ready_at = ? WHERE target = ? AND state IN ('ready', 'unknown') AND ready_at > ?
			AND lease_until <= ? AND fault_class = ?`, now, s.Target, now, now, docklinev1.FaultClass_FAULT_CLASS_TECHNICAL)
		return err
	})
}

// clear takes the fault from a portion of those that carry it, and returns from how many.
func (s *Sender) clear(ctx context.Context, now time.Time) (n int, err error) {
	err = s.DB.Write(ctx, func(tx *db.Tx) error {
		// One that is being sent is settled with what the target says.
		found, err := names(tx.Hold(ctx, `SELECT id, tenant, target, kind, natural_key, ready_at FROM posting WHERE target = ?
			AND fault_code = '`+targetUnavailable+`' AND state <> 'sending' ORDER BY id LIMIT ?`, s.Target, portion))
		if n = len(found); err != nil || n == 0 {
			return err
		}
		return s.explain(ctx, tx, found, Fault{}, now)
	})
	if err != nil {
		return 0, fmt.Errorf("posting %s: tell that they no longer wait: %w", s.Target, err)
	}
	if n == 0 {
		s.outage = outage{heard: s.outage.heard}
	}
	return n, nil
}

// names reads rows of which nothing but name and time is wanted.
func names(rows *sql.Rows, err error) (found []*row, _ error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		r := new(row)
		if err := rows.Scan(&r.id, &r.Tenant, &r.Target, &r.Kind, &r.Key, &r.readyAt); err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	return found, rows.Err()
}

// explain writes one fault to all rows, and brings the receipts of their events in line.
func (s *Sender) explain(ctx context.Context, tx *db.Tx, found []*row, f Fault, now time.Time) error {
	u := db.Update{Table: "posting", Key: []string{"id"}, Set: []string{"fault_class", "fault_code", "fault_text", "fault_remedy", "changed_at"}}
	places := make([]place, len(found))
	for i, r := range found {
		places[i] = r.place()
		u.Rows = append(u.Rows, []any{r.id, f.Class, f.Code, f.Text, f.Remedy, now.UnixMicro()})
	}
	if _, err := tx.UpdateAll(ctx, u); err != nil {
		return err
	}
	return s.receipts(ctx, tx, places, now)
}
