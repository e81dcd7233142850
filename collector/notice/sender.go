package notice

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// Message is a notice as people get it.
type Message struct {
	To            []string
	Subject, Text string
}

// Sender delivers notices that are ready. Each goes at least once, always under the same Message-ID: a mail server that was cut off after it had
// taken one gets it again, and who reads both sees one.
type Sender struct {
	DB *db.DB
	// Holder is the collector's name, by which it holds the lease.
	Holder string
	// Mail is nil where none is set up: then notices are listed and logged.
	Mail *SMTP
	// Write makes the message of a notice. To is empty where nobody has an address.
	Write func(ctx context.Context, tx *db.Tx, n *Notice) (Message, error)
	// Every is the time between two looks (5 s).
	Every time.Duration
	// Now is nil for time.Now.
	Now func() time.Time
	// Log may be nil.
	Log *slog.Logger

	wake db.Signal
}

const (
	leaseFor = 2 * time.Minute
	// longestRest is the most between two attempts, giveUp how long there are such.
	longestRest = 30 * time.Minute
	giveUp      = 72 * time.Hour
)

// Run delivers until ctx ends.
func (s *Sender) Run(ctx context.Context) error {
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	defer s.DB.GiveBack(ctx, "notices", s.Holder)
	return db.Poll(ctx, &s.wake, cmp.Or(s.Every, 5*time.Second), s.Log, "deliver notices", func(ctx context.Context) (bool, error) {
		if held, err := s.DB.Lease(ctx, "notices", s.Holder, leaseFor); err != nil || !held {
			return false, err
		}
		return s.Step(ctx)
	})
}

func (s *Sender) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// Step delivers one notice that is ready, and says whether there was one.
func (s *Sender) Step(ctx context.Context) (bool, error) {
	var n *Notice
	var m Message
	err := s.DB.Write(ctx, func(tx *db.Tx) error {
		n = nil
		now := s.now()
		found, err := list(ctx, tx, `WHERE state = 'waiting' AND ready_at <= ? ORDER BY ready_at, number LIMIT 1`, now.UnixMicro())
		if err != nil || len(found) == 0 {
			return err
		}
		n = &found[0]
		if m, err = s.Write(ctx, tx, n); err != nil {
			return fmt.Errorf("notice %d: %w", n.Number, err)
		}
		// From here on it is complete: what comes later makes another one. Where this attempt has no end, there is a next.
		n.Attempts++
		rest := min(time.Minute<<min(n.Attempts-1, 10), longestRest)
		_, err = tx.Exec(ctx, `UPDATE notice SET attempts = ?, ready_at = ? WHERE number = ?`, n.Attempts, now.Add(rest).UnixMicro(), n.Number)
		return err
	})
	if err != nil || n == nil {
		return false, err
	}
	return true, s.deliver(ctx, n, m)
}

func (s *Sender) deliver(ctx context.Context, n *Notice, m Message) error {
	log := s.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	log = log.With("notice", n.Number, "team", n.Team, "group", n.Group, "n", n.N)
	switch {
	case s.Mail == nil:
		log.Info("notice: " + m.Subject)
		return s.settle(ctx, n, Listed, nil, "no mail is set up (notices.smtp in collector.yaml)")
	case len(m.To) == 0:
		log.Warn("notice that reaches nobody: " + m.Subject)
		return s.settle(ctx, n, Listed, nil, fmt.Sprintf("team %s has no address: owners.yaml names addresses under teams, and users have theirs", n.Team))
	}
	m.To = slices.DeleteFunc(m.To, func(to string) bool { return slices.Contains(n.Recipients, to) })
	taken, err := s.Mail.Send(ctx, n.MessageID, n.Created, m)
	taken = append(n.Recipients, taken...)
	refused, no := errors.AsType[*RefusedError](err)
	over := no && refused.Permanent || s.now().Sub(n.Created) > giveUp
	switch {
	case err == nil:
		return s.settle(ctx, n, Sent, taken, "")
	case over && len(taken) > 0:
		log.Warn("a notice was not taken for all", "err", err)
		return s.settle(ctx, n, Sent, taken, err.Error())
	case over:
		log.Error("a notice cannot be delivered", "err", err)
		return s.settle(ctx, n, Failed, nil, err.Error())
	}
	log.Warn("a notice waits", "err", err)
	return s.settle(ctx, n, Waiting, taken, err.Error())
}

func (s *Sender) settle(ctx context.Context, n *Notice, state State, taken []string, text string) error {
	return s.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE notice SET state = ?, settled_at = ?, recipients = ?, text = ? WHERE number = ?`, state, s.now().UnixMicro(),
			strings.Join(taken, " "), strings.ToValidUTF8(text, "\ufffd"), n.Number)
		return err
	})
}
