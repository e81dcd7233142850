package master

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// Feed tells the sites that are online of master data, one list at a time to each: the next one goes when the site has said that it holds
// the last, and not before that list's share of the line allows it. So between an event and its Ack there is at most one list. Several
// collectors may run one each on one database; the holder of the lease "master" works.
type Feed struct {
	DB *db.DB
	// Holder names this process in the lease.
	Holder string
	// Publish sends one message; an error says that it may not have arrived.
	Publish func(ctx context.Context, m wire.Message) error
	// OfflineAfter is how long after its last word a site counts as offline. 0 is 20 s.
	OfflineAfter time.Duration
	// Resend is after how long a list that the site has not said to hold is sent again. 0 is 10 s.
	Resend time.Duration
	// ListLength is the most records of one list; a site's first has FirstLength. They grow while a list is on the line for less than half of
	// Aim, and shrink where it is for longer than Aim: so no event's Ack waits longer behind one. 0 is 2000, 50 and 400 ms.
	ListLength, FirstLength int
	Aim                     time.Duration
	// Share is the part of a line's time that lists may be on it, above 0 and up to 1. 0 is a half.
	Share float64
	// Yield is the longest that a list waits while commands or receipts are on their way to the site. 0 is 1 s.
	Yield time.Duration
	// Poll is how often the tables are looked at when nobody calls Wake. 0 is 500 ms.
	Poll time.Duration
	// Now is the clock by which seen_at was written and the lease is renewed; nil is time.Now.
	Now func() time.Time
	// Slog may be nil.
	Slog *slog.Logger

	wake   db.Signal
	turn   turn
	forgot time.Time // when removals were last forgotten
	sites  map[siteKey]*site
	sent   struct{ lists, records, bytes atomic.Int64 }
}

const (
	leaseTime = 5 * time.Second
	// maxListBytes bounds what a list takes of the line, and keeps it far below the largest packet of the broker.
	maxListBytes = 400 << 10
	// listsAtOnce bounds what one step sends, so that no site waits for all others.
	listsAtOnce = 32
	// leastLength is the shortest that lists become.
	leastLength = 20
	// probeEvery is after how many lists one is of half the length, to see what of their time is the line's.
	probeEvery = 4
)

type siteKey struct{ tenant, site string }

// site is what is known of one session of a site.
type site struct {
	session string
	// seen is the time of the heartbeat that was read last, held the version that it said, -1 before the first.
	seen, held int64
	// clear: nothing up to this version that is not held concerns the site. finished: it has been told that it has everything.
	clear    int64
	finished bool
	// sent is the version at which the list that is on its way ends, 0 where none is; at is when it was sent, next when another may go.
	sent     int64
	at, next time.Time
	// line is what is known of the site's line, size what the list that is on its way has, lists how many there were.
	line        rate
	size, lists int
	// waiting is since when a list waits for commands and receipts.
	waiting time.Time
	length  int
	// fresh: the list that is on its way is the first of everything. began is what was forgotten when the site took such a list last, and
	// noted whether that is written down; -1 before it was read.
	fresh bool
	began int64
	noted bool
}

// FeedStats counts since the start of the process, what was sent again included.
type FeedStats struct{ Lists, Records, Bytes int64 }

// Stats may be called at any time.
func (f *Feed) Stats() FeedStats {
	return FeedStats{f.sent.lists.Load(), f.sent.records.Load(), f.sent.bytes.Load()}
}

// Wake makes Run look at once. It never blocks.
func (f *Feed) Wake() { f.wake.Set() }

func (f *Feed) now() time.Time {
	if f.Now == nil {
		return time.Now()
	}
	return f.Now()
}

// Run sends until ctx ends, and then gives the lease back.
func (f *Feed) Run(ctx context.Context) error {
	defer f.DB.GiveBack(ctx, "master", f.Holder)
	poll := cmp.Or(f.Poll, 500*time.Millisecond)
	return db.Poll(ctx, &f.wake, poll, f.Slog, "send master data", func(ctx context.Context) (bool, error) {
		_, err := f.Step(ctx)
		if soonest := f.soonest(); soonest < poll {
			time.AfterFunc(soonest, f.Wake)
		}
		return false, err
	})
}

// soonest is in how long the next list may go to a site.
func (f *Feed) soonest() time.Duration {
	soonest, now := time.Hour, f.now()
	for _, s := range f.sites {
		if wait := s.next.Sub(now); s.sent == 0 && wait > 0 {
			soonest = min(soonest, wait)
		}
	}
	return soonest
}

// Step sends the next list to each site that is online, lacks something and is due, and returns how many lists it sent. It is not for
// concurrent use.
func (f *Feed) Step(ctx context.Context) (int, error) {
	f.turn.db, f.turn.name, f.turn.holder, f.turn.ttl = f.DB, "master", f.Holder, leaseTime
	held, err := f.turn.take(ctx, f.now())
	if err != nil || !held {
		f.sites = nil
		return 0, err
	}
	lists, err := f.step(ctx)
	if errors.Is(err, errOvertaken) {
		f.sites = nil
	}
	return lists, f.turn.yielded(err)
}

func (f *Feed) step(ctx context.Context) (int, error) {
	if now := f.now(); now.Sub(f.forgot) > time.Hour {
		f.forgot = now
		if _, err := forgetAll(ctx, f.DB, f.turn.write, now.Add(-keepRemovals)); err != nil {
			return 0, err
		}
	}
	due, tops, err := f.look(ctx)
	if err != nil {
		return 0, fmt.Errorf("master data: %w", err)
	}
	if err := f.note(ctx, tops); err != nil {
		return 0, fmt.Errorf("master data: %w", err)
	}
	lists := 0
	for _, key := range due {
		if lists == listsAtOnce {
			f.Wake()
			break
		}
		sent, err := f.serve(ctx, key, tops[key.tenant])
		if err != nil {
			return lists, fmt.Errorf("master data to %s: %w", key.site, err)
		}
		if sent {
			lists++
		}
	}
	return lists, nil
}

// list is a list in the making.
type list struct {
	docklinev1.MasterList
	// clear is the version up to which everything was looked at.
	clear int64
}

// serve sends a site its next list, if there is one.
func (f *Feed) serve(ctx context.Context, key siteKey, t tenantTop) (bool, error) {
	s := f.sites[key]
	l, err := f.next(ctx, key, s, t)
	if err != nil {
		return false, err
	}
	if len(l.Records) == 0 && !l.Whole && (s.finished || l.Behind > 0) {
		s.clear = l.clear // there is nothing to tell
		return false, nil
	}
	for {
		payload, err := proto.Marshal(&l.MasterList)
		if err != nil {
			return false, err
		}
		if len(payload) <= maxListBytes || len(l.Records) < 2 {
			err = f.Publish(ctx, wire.Message{Topic: wire.DownTopic(key.tenant, key.site, wire.Master), Payload: payload})
			if err == nil {
				f.sent.lists.Add(1)
				f.sent.records.Add(int64(len(l.Records)))
				f.sent.bytes.Add(int64(len(payload)))
				s.size = len(payload)
				break
			}
		}
		if err != nil && (!errors.Is(err, wire.ErrTooLarge) || len(l.Records) < 2) {
			return false, err
		}
		l.shorten()
		s.length = max(leastLength, len(l.Records))
	}
	s.at, s.waiting, s.finished = f.now(), time.Time{}, l.Behind == 0
	s.clear = l.clear
	s.lists++
	if len(l.Records) > 0 || l.Whole { // a list without records changes nothing there: nobody waits for its answer
		s.sent, s.fresh = max(l.clear, 1), l.Previous == 0
	}
	return true, nil
}

// shorten leaves half of the records for the next list.
func (l *list) shorten() {
	l.Records = l.Records[:len(l.Records)/2]
	last := l.Records[len(l.Records)-1].Version
	l.Behind += l.Through - last
	l.Through, l.clear = last, int64(last)
}

// window is how many rows are read at once at most, windows how often before the list goes as it is: few may concern the site.
const window, windows = 2000, 20

// next makes the next list of a site: what it lacks, in order of version, as far as one list takes it.
func (f *Feed) next(ctx context.Context, key siteKey, s *site, t tenantTop) (*list, error) {
	l := &list{clear: max(s.held, s.clear)}
	l.Previous = uint64(s.held)
	if s.held > 0 && s.held < t.forgotten && s.began < t.forgotten {
		l.Whole, l.Previous, l.clear = true, 0, 0
	}
	size, length := 0, s.length
	if s.lists%probeEvery == probeEvery-1 {
		length = max(leastLength, length/2)
	}
	err := f.DB.Read(ctx, func(tx *db.Tx) error {
		l.Records, size = nil, 0
		from := l.clear
		full, limit := false, min(window, max(200, length+1))
		for range windows {
			n := 0
			begin := from
			err := each(ctx, tx, `SELECT kind, code, name, version, removed, sites, former, body FROM master_record WHERE tenant = ? AND version > ? ORDER BY version LIMIT ?`,
				[]any{key.tenant, begin, limit}, func(scan func(...any) error) error {
					n++
					var r row
					if err := scan(&r.kind, &r.code, &r.name, &r.version, &r.removed, &r.sites, &r.former, &r.body); err != nil || full {
						return err
					}
					record, err := r.tell(key.site)
					// A site that holds nothing need not be told what it does not have.
					if err == nil && record != nil && (!record.Removed || l.Previous > 0) {
						if full = len(l.Records) >= length || size > maxListBytes*3/4; full {
							return nil
						}
						l.Records, size = append(l.Records, record), size+proto.Size(record)
					}
					from = r.version
					return err
				})
			if err != nil || full || n < limit {
				if !full && n < limit {
					from = max(from, t.version)
				}
				l.clear = from
				return err
			}
		}
		l.clear = from
		return nil
	})
	if err != nil {
		return nil, err
	}
	l.Through, l.Behind = uint64(l.clear), uint64(max(0, t.version-l.clear))
	if t.loading && l.Behind == 0 {
		l.Behind = 1 // the centre itself does not know all yet
	}
	if l.Behind > 0 && !t.changed.IsZero() {
		l.BehindSince = timestamppb.New(t.changed)
	}
	return l, nil
}

// answered takes note that a site holds what it was sent, and works out when the next list may go and how long it may be.
func (f *Feed) answered(s *site) {
	now := f.now()
	s.line.heard(s.size, now.Sub(s.at))
	share := f.Share
	if share <= 0 || share > 1 {
		share = 0.5
	}
	took := s.line.time(s.size)
	s.next = now.Add(time.Duration(float64(took) * (1 - share) / share))
	switch aim := cmp.Or(f.Aim, 400*time.Millisecond); {
	case took > aim:
		s.length = max(leastLength, s.length/2)
	case took < aim/2:
		s.length = min(cmp.Or(f.ListLength, 2000), 2*s.length)
	}
	s.sent = 0
	if s.fresh {
		s.fresh, s.noted = false, false
	}
}

// note writes down which sites have begun to be told everything: removals of before then they need not know.
func (f *Feed) note(ctx context.Context, tops map[string]tenantTop) error {
	into := db.Insert{Table: "master_site", Columns: []string{"tenant", "site", "forgotten"}, Conflict: []string{"tenant", "site"}, Update: []string{"forgotten"}}
	for key, s := range f.sites {
		if !s.noted {
			s.began = max(s.began, tops[key.tenant].forgotten)
			into.Rows = append(into.Rows, []any{key.tenant, key.site, s.began})
		}
	}
	if len(into.Rows) == 0 {
		return nil
	}
	if err := f.turn.write(ctx, func(tx *db.Tx) error { return tx.Upsert(ctx, into) }); err != nil {
		return err
	}
	for _, s := range f.sites {
		s.noted = true
	}
	return nil
}

// order puts those first that wait longest.
func (f *Feed) order(due []siteKey) {
	slices.SortStableFunc(due, func(a, b siteKey) int { return f.sites[a].at.Compare(f.sites[b].at) })
}
