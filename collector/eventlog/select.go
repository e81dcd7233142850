package eventlog

import (
	"context"
	"strings"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// selectPage is how many events are read at a time: an event has 256 KiB at most, so this bounds what is held.
const selectPage = 100

// Selection says which events of one tenant are wanted; what is empty selects nothing away.
type Selection struct {
	Tenant string
	// After and Upto bound offsets: behind the one, up to and with the other. 0 is no bound.
	After, Upto uint64
	// Since and Before bound when it happened, by the source's clock.
	Since, Before time.Time
	// Sites: "" among them is the centre.
	Sites []string
	Kinds []docklinev1.EventKind
	// Keys are fold keys ("order/SO00017"): events that touch one of them.
	Keys []string
}

// Newest is the highest offset that was given, 0 where the log is empty.
func (l *Log) Newest(ctx context.Context) (uint64, error) {
	found, err := l.entries(ctx, `SELECT `+entryColumns+` FROM event e WHERE e.log_offset IS NOT NULL ORDER BY e.log_offset DESC LIMIT 1`)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	return found[0].Offset, nil
}

// Each calls f for every selected event in force, in the order of offsets. It holds one page of them and no transaction while f works; an
// error of f ends it.
func (l *Log) Each(ctx context.Context, s Selection, f func(Entry) error) error {
	where, args := s.where()
	for after := s.After; ; {
		page, err := l.entries(ctx, `SELECT `+entryColumns+` FROM event e WHERE e.log_offset > ? AND `+where+` ORDER BY e.log_offset LIMIT ?`,
			append(append([]any{after}, args...), selectPage)...)
		if err != nil {
			return err
		}
		for _, entry := range page {
			if err := f(entry); err != nil {
				return err
			}
			after = entry.Offset
		}
		if len(page) < selectPage {
			return nil
		}
	}
}

// Last are the selected events in force that came last, the newest first.
func (l *Log) Last(ctx context.Context, s Selection, limit int) ([]Entry, error) {
	where, args := s.where()
	return l.entries(ctx, `SELECT `+entryColumns+` FROM event e WHERE e.log_offset > ? AND `+where+` ORDER BY e.log_offset DESC LIMIT ?`,
		append(append([]any{s.After}, args...), limit)...)
}

// where is the condition of a selection beside the place to go on from.
func (s Selection) where() (condition string, args []any) {
	terms := []string{"e.tenant = ?", "e.variant = 0"}
	args = []any{s.Tenant}
	add := func(term string, values ...any) {
		terms, args = append(terms, term), append(args, values...)
	}
	if s.Upto > 0 {
		add("e.log_offset <= ?", s.Upto)
	}
	if !s.Since.IsZero() {
		add("e.occurred_at >= ?", s.Since.UnixMicro())
	}
	if !s.Before.IsZero() {
		add("e.occurred_at < ?", s.Before.UnixMicro())
	}
	if len(s.Sites) > 0 {
		add("e.site IN ("+marks(len(s.Sites))+")", anys(s.Sites)...)
	}
	if len(s.Kinds) > 0 {
		add("e.kind IN ("+marks(len(s.Kinds))+")", anys(s.Kinds)...)
	}
	if len(s.Keys) > 0 {
		add("e.log_id IN (SELECT f.log_id FROM fact f WHERE f.tenant = ? AND f.fold_key IN ("+marks(len(s.Keys))+"))", append([]any{s.Tenant}, anys(s.Keys)...)...)
	}
	return strings.Join(terms, " AND "), args
}

func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

func anys[T any](values []T) []any {
	all := make([]any, len(values))
	for i, v := range values {
		all[i] = v
	}
	return all
}
