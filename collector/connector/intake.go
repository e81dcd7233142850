package connector

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Append takes events into the event log within the caller's transaction. An event whose id is there already is no error.
type Append func(ctx context.Context, tx *db.Tx, events []*docklinev1.Event) error

// Intake brings what a system of record reports into the event log, each fact once: events and cursor are one transaction.
// Several may run for one connector on one database. For each site it takes the opening book before it takes any change, so
// that no order is released to a site whose stock is not known. Step is for one goroutine.
type Intake struct {
	DB        *db.DB
	Connector Connector
	// Name is the connector's name: source of its events and part of their ids. Choose it once.
	Name   string
	Tenant string
	Append Append
	// Sites lists the sites whose book is to be opened, as the system calls them. Nil: none.
	Sites func(ctx context.Context) ([]string, error)
	// Cases tells people of a system that does not answer, and of sites that it does not know. Nil: nobody is told.
	Cases Cases
	// Poll is how long Run waits when there is nothing more; 0 is 5 s.
	Poll time.Duration
	// Timeout bounds one call of Changes; 0 is 30 s. SnapshotTimeout bounds one of Snapshot, which may read a warehouse bin by bin,
	// once for ever; 0 is 30 min. The connector bounds each of its requests.
	Timeout, SnapshotTimeout time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	Log *slog.Logger

	mu    sync.Mutex
	stats IntakeStats
	// opened are the sites whose book is in the log; unknown those that the system did not know at that time.
	opened  map[string]bool
	unknown map[string]time.Time
	// noted is when a poll was last written down.
	noted time.Time
	// outage is the case of the present row of faults, told what people were last told; nil: nothing yet.
	outage *Case
	told   *[]Case
}

// IntakeStats says how it goes. Fault is empty while all is well.
type IntakeStats struct {
	Events  int64
	AskedAt time.Time
	Fault   string
	// FaultSince is when the present row of faults began.
	FaultSince time.Time
}

const (
	defaultPoll = 5 * time.Second
	maxBackoff  = time.Minute
	// askAgain is how often a site that the system does not know is asked for again, and how often an idle poll is noted.
	askAgain = time.Minute
)

// Stats is a copy.
func (i *Intake) Stats() IntakeStats {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.stats
}

func (i *Intake) now() time.Time {
	if i.Now == nil {
		return time.Now()
	}
	return i.Now()
}

// Run polls until ctx ends. Faults of the system are waited out, with longer pauses, and shown by Stats.
func (i *Intake) Run(ctx context.Context) error {
	poll := i.Poll
	if poll <= 0 {
		poll = defaultPoll
	}
	pause := poll
	for {
		_, err := i.Step(ctx)
		if ctx.Err() != nil {
			return nil
		}
		var fault *Fault
		switch {
		case err == nil:
			pause = poll
		case errors.As(err, &fault) && fault.RetryAfter > 0:
			pause = min(max(fault.RetryAfter, poll), maxBackoff)
		default:
			pause = min(2*pause, max(poll, maxBackoff))
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// Step opens the books that are to be opened, takes all changes that there are, and returns how many events it appended.
func (i *Intake) Step(ctx context.Context) (int, error) {
	events, err := i.step(ctx)
	if ctx.Err() != nil {
		return events, err
	}
	i.note(events, err)
	return events, errors.Join(err, i.tell(ctx, err))
}

// note keeps the statistics.
func (i *Intake) note(events int, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.stats.Events += int64(events)
	i.stats.AskedAt = i.now()
	switch {
	case err == nil && i.stats.Fault != "":
		i.stats.Fault, i.stats.FaultSince = "", time.Time{}
		i.log().Info("the system answers again")
	case err != nil:
		if i.stats.Fault == "" {
			i.stats.FaultSince = i.now()
			i.log().Warn("changes cannot be read; it will be tried again", "err", err)
		}
		i.stats.Fault = err.Error()
	}
}

func (i *Intake) log() *slog.Logger {
	log := i.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return log.With("connector", i.Name)
}

func (i *Intake) step(ctx context.Context) (int, error) {
	total, err := i.open(ctx)
	if err != nil {
		return total, err
	}
	for more := true; more; {
		var n int
		if n, more, err = i.page(ctx); err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}

// page takes one answer of Changes.
func (i *Intake) page(ctx context.Context) (n int, more bool, err error) {
	var since Cursor
	err = i.DB.Read(ctx, func(tx *db.Tx) error {
		since, _, err = i.cursor(ctx, tx, i.Name)
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("read cursor: %w", err)
	}
	call, cancel := bounded(ctx, i.Timeout, 30*time.Second)
	changes, err := i.Connector.Changes(call, since)
	cancel()
	if err != nil {
		return 0, false, fmt.Errorf("changes: %w", err)
	}
	if changes.More && bytes.Equal(changes.Cursor, since) {
		changes.More = false // it would be asked the same for ever; what it has told is taken, and it is asked again in its time
		i.log().Warn("the system says that there is more, and names the same cursor again")
	}
	if len(changes.Events) == 0 && bytes.Equal(changes.Cursor, since) && i.now().Sub(i.noted) < askAgain {
		return 0, false, nil
	}
	events := i.complete(changes.Events)
	err = i.DB.Write(ctx, func(tx *db.Tx) error {
		n = 0
		if err := tx.Lock(ctx, "intake/"+i.Tenant+"/"+i.Name); err != nil {
			return err
		}
		held, _, err := i.cursor(ctx, tx, i.Name)
		if err != nil {
			return err
		}
		// Another intake was faster: what it took is there, and its cursor counts.
		if more = true; !bytes.Equal(held, since) {
			return nil
		}
		more = changes.More
		if err := i.append(ctx, tx, events); err != nil {
			return err
		}
		n = len(events)
		return i.keep(ctx, tx, i.Name, changes.Cursor)
	})
	if err != nil {
		return 0, false, fmt.Errorf("take changes: %w", err)
	}
	i.noted = i.now()
	return n, more, nil
}

func (i *Intake) append(ctx context.Context, tx *db.Tx, events []*docklinev1.Event) error {
	if len(events) == 0 {
		return nil
	}
	return i.Append(ctx, tx, events)
}

// bounded ends with a timeout, or with the default where that is 0.
func bounded(ctx context.Context, timeout, otherwise time.Duration) (context.Context, context.CancelFunc) {
	if timeout <= 0 {
		timeout = otherwise
	}
	return context.WithTimeout(ctx, timeout)
}

// cursor is what is kept under a name; absent is nil.
func (i *Intake) cursor(ctx context.Context, tx *db.Tx, name string) (value Cursor, known bool, err error) {
	var kept []byte
	err = tx.QueryRow(ctx, "SELECT cursor_value FROM connector_cursor WHERE tenant = ? AND connector = ?", i.Tenant, name).Scan(&kept)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	if len(kept) == 0 {
		kept = nil
	}
	return kept, err == nil, err
}

func (i *Intake) keep(ctx context.Context, tx *db.Tx, name string, value Cursor) error {
	if value == nil {
		value = Cursor{}
	}
	return tx.Upsert(ctx, db.Insert{Table: "connector_cursor", Columns: []string{"tenant", "connector", "cursor_value", "polled_at"},
		Rows: [][]any{{i.Tenant, name, []byte(value), i.now().UnixMicro()}}, Conflict: []string{"tenant", "connector"},
		Update: []string{"cursor_value", "polled_at"}})
}

// open takes the book of each site that has not been taken yet.
func (i *Intake) open(ctx context.Context) (int, error) {
	if i.Sites == nil {
		return 0, nil
	}
	sites, err := i.Sites(ctx)
	if err != nil {
		return 0, fmt.Errorf("list sites: %w", err)
	}
	total := 0
	for _, site := range sites {
		if i.opened[site] || i.now().Sub(i.unknown[site]) < askAgain {
			continue
		}
		n, err := i.openSite(ctx, site)
		if err != nil {
			return total, fmt.Errorf("opening stock of %s: %w", site, err)
		}
		total += n
	}
	return total, nil
}

// openSite appends the book of one site once and for ever: taken again later it would be another fact under the same id.
func (i *Intake) openSite(ctx context.Context, site string) (int, error) {
	name := i.Name + "/opening/" + site
	var known bool
	err := i.DB.Read(ctx, func(tx *db.Tx) (err error) {
		_, known, err = i.cursor(ctx, tx, name)
		return err
	})
	if err != nil {
		return 0, err
	}
	n := 0
	if !known {
		call, cancel := bounded(ctx, i.SnapshotTimeout, 30*time.Minute)
		snapshots, err := i.Connector.Snapshot(call, Scope{Site: site})
		cancel()
		if err != nil {
			return 0, err
		}
		if len(snapshots) == 0 {
			if i.unknown == nil {
				i.unknown = map[string]time.Time{}
			}
			i.unknown[site] = i.now()
			return 0, nil
		}
		events := i.complete(opening(snapshots))
		err = i.DB.Write(ctx, func(tx *db.Tx) error {
			n = 0
			if err := tx.Lock(ctx, "intake/"+i.Tenant+"/"+name); err != nil {
				return err
			}
			if _, known, err := i.cursor(ctx, tx, name); known || err != nil {
				return err
			}
			if err := i.append(ctx, tx, events); err != nil {
				return err
			}
			n = len(events)
			return i.keep(ctx, tx, name, nil)
		})
		if err != nil {
			return 0, err
		}
	}
	if i.opened == nil {
		i.opened = map[string]bool{}
	}
	i.opened[site] = true
	return n, nil
}

// complete fills what the caller of a connector owes an event.
func (i *Intake) complete(events []*docklinev1.Event) []*docklinev1.Event {
	now := timestamppb.New(i.now().UTC().Truncate(time.Microsecond))
	var out []*docklinev1.Event
	for _, e := range events {
		for _, part := range sound(e) {
			if part.OccurredAt == nil {
				part.OccurredAt = now
			}
			part.CapturedAt = now
			identify(part, i.Tenant, i.Name)
			out = append(out, part)
		}
	}
	return out
}
