package fleet

import (
	"context"
	"time"

	"github.com/dockline/dockline/collector/db"
)

// listeners is who listens to the line. While nobody does, a site that is not heard is not silent: then all is as of the moment at which
// somebody last listened.
type listeners struct {
	// asOf is now while somebody listens, else when somebody last did. since is from when on there was somebody; zero where that is not known.
	asOf, since time.Time
	nobody      bool
}

func readListeners(ctx context.Context, tx *db.Tx, now time.Time) (*listeners, error) {
	var since, seen *int64
	if err := tx.QueryRow(ctx, `SELECT min(since), max(seen_at) FROM listener WHERE seen_at > ?`, now.Add(-listenerGone).UnixMicro()).Scan(&since, &seen); err != nil {
		return nil, err
	}
	if since != nil {
		return &listeners{asOf: now, since: fromMicros(*since)}, nil
	}
	if err := tx.QueryRow(ctx, `SELECT max(since), max(seen_at) FROM listener`).Scan(&since, &seen); err != nil {
		return nil, err
	}
	if seen == nil {
		return &listeners{asOf: now}, nil // no collector has run on this database yet
	}
	return &listeners{asOf: fromMicros(*seen), since: fromMicros(*since), nobody: true}, nil
}

// silent is how long a site has not been heard that could have been.
func (l *listeners) silent(seen time.Time) time.Duration {
	if l.since.After(seen) {
		seen = l.since
	}
	return l.asOf.Sub(seen)
}

func (s *Site) judgeListening(l *listeners) {
	if l.nobody {
		s.add("not_listening", failing, l.asOf, "Nobody has listened to it since "+l.asOf.Format("15:04 MST"),
			"No collector has its line to the broker, so what is shown here is as of %s. Start the collector, or see its log for why it does not reach its broker: dockline-collector run.",
			l.asOf.Format("2006-01-02 15:04:05 MST"))
	}
}
