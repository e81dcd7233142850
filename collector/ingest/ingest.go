// Package ingest takes what sites send from the broker into the database, and answers when it is there.
package ingest

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// EventLog is what ingest needs of the event log.
type EventLog interface {
	// AdvanceSite moves a site's streams after a heartbeat has brought new cursors.
	AdvanceSite(ctx context.Context, tx *db.Tx, tenant, site string) error
	// Cursors are those at the place up to which everything of the site is durable.
	Cursors(ctx context.Context, tx *db.Tx, tenant, site string) ([]*docklinev1.PluginCursor, error)
	// Gap records that the site no longer has events which never arrived. It may be told of one again. sources are those of the site, by
	// comma, where all of them begin again from before the gap; else empty.
	Gap(ctx context.Context, tx *db.Tx, tenant, site string, gap *docklinev1.StreamGap, sources string) error
}

// Exception is a case for a person; whose it is the policy says.
type Exception struct {
	Code     string
	Subject  string
	Class    docklinev1.FaultClass
	Severity docklinev1.Severity
	Site     string
	Title    string
	Text     string
	EventIDs []string
}

// Config says what an Ingest works with.
type Config struct {
	DB  *db.DB
	Log EventLog
	// Report makes the open exceptions of one origin be exactly found; none closes those that were open. May be nil.
	Report func(ctx context.Context, tx *db.Tx, tenant, origin string, found []Exception) error
	// OnRestored is called in the transaction that finds that the database was put back to an older state. May be nil.
	OnRestored func(ctx context.Context, tx *db.Tx) error
	// Publish sends one answer. It is used by Run only.
	Publish func(ctx context.Context, m wire.Message) error
	// OnStored is called after a commit that put envelopes into the inbox, OnPresence after one that changed what a site says of
	// itself. Either may be nil.
	OnStored, OnPresence func()
	// MaxWaitingBytes is how much the inbox may hold before backlog is refused as busy; live envelopes are always taken, and so is the
	// backlog of a site that has less than its share there. 0 is 256 MiB.
	MaxWaitingBytes int64
	// MaxBatch is the most messages of one transaction. 0 is 256.
	MaxBatch int
	// OfflineAfter is after how long without a word a site's session no longer speaks against another one. 0 is 20 s.
	OfflineAfter time.Duration
	// Now is the clock of received_at and presence; nil is time.Now.
	Now func() time.Time
	// Slog may be nil.
	Slog *slog.Logger
}

// Ingest takes messages. Several may share one database and, by a shared subscription, one broker.
type Ingest struct {
	c           Config
	incarnation string
	queue       chan wire.Message
	ended       chan struct{}
	endOnce     sync.Once
	// open is how many messages were offered and are not answered for yet.
	open atomic.Int64
	// trouble is why the last batch could not be taken, nil where it was.
	trouble atomic.Pointer[error]

	// What follows belongs to the goroutine of Handle.
	known   map[siteKey]bool
	told    map[string]time.Time
	settled map[siteKey]bool
	agreed  map[siteKey]string // under which incarnation
	heard   map[siteKey]heard
	// said are the counts by day that this process has written to the database of incarnation saidOf, saying those of the transaction at hand.
	said, saying map[dayKey]daySaid
	saidOf       string

	waiting  waitingBytes
	waitedAt time.Time

	messages, envelopes, dropped, refused, events atomic.Int64
}

// Stats counts since the start of the process.
type Stats struct {
	// Messages were handled, of which Envelopes came into the inbox with Events, Duplicates were there already, Refused were answered
	// with a refusal.
	Messages, Envelopes, Events, Duplicates, Refused int64
}

// Stats may be called at any time.
func (i *Ingest) Stats() Stats {
	return Stats{i.messages.Load(), i.envelopes.Load(), i.events.Load(), i.dropped.Load(), i.refused.Load()}
}

type siteKey struct {
	tenant, site string
}

// New reads the database's incarnation, which every answer names.
func New(ctx context.Context, c Config) (*Ingest, error) {
	incarnation, err := c.DB.Incarnation(ctx)
	if err != nil {
		return nil, fmt.Errorf("ingest: %w", err)
	}
	if c.Slog == nil {
		c.Slog = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.MaxBatch = cmp.Or(c.MaxBatch, 256)
	c.OfflineAfter = cmp.Or(c.OfflineAfter, defaultQuiet)
	c.MaxWaitingBytes = cmp.Or(c.MaxWaitingBytes, 256<<20)
	return &Ingest{c: c, incarnation: incarnation, queue: make(chan wire.Message, c.MaxBatch), ended: make(chan struct{}),
		known: make(map[siteKey]bool), told: make(map[string]time.Time), settled: make(map[siteKey]bool),
		agreed: make(map[siteKey]string), heard: make(map[siteKey]heard)}, nil
}

// Offer hands a message to Run. It waits while Run is busy, which holds the broker back; after the end of Run it drops.
func (i *Ingest) Offer(m wire.Message) {
	i.open.Add(1)
	select {
	case i.queue <- m:
	case <-i.ended:
	}
}

// Trouble is why messages cannot be taken now; nil while they are.
func (i *Ingest) Trouble() error {
	if err := i.trouble.Load(); err != nil {
		return *err
	}
	return nil
}

// Settle returns when everything that was offered is in the database and answered, or ctx ends. Nothing is to be offered meanwhile.
func (i *Ingest) Settle(ctx context.Context) {
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for i.open.Load() > 0 {
		select {
		case <-look.C:
		case <-i.ended:
			return
		case <-ctx.Done():
			return
		}
	}
}

// maxBatchBytes bounds the messages of one transaction.
const maxBatchBytes = 16 << 20

// publishers is how many answers are on their way to the broker at once.
const publishers = 16

// Run handles what is offered until ctx ends: whatever waits goes into one transaction, and meanwhile the next gathers. Answers
// are published after the commit, while the next batch is handled.
func (i *Ingest) Run(ctx context.Context) error {
	defer i.endOnce.Do(func() { close(i.ended) })
	var sending errgroup.Group
	defer func() { _ = sending.Wait() }()
	for {
		var batch []wire.Message
		select {
		case <-ctx.Done():
			return nil
		case m := <-i.queue:
			batch = i.gather(m)
		}
		answers := i.handle(ctx, batch)
		_ = sending.Wait() // one batch's answers at a time: the next gather until then
		sending.Go(func() error {
			i.publish(ctx, answers)
			i.open.Add(-int64(len(batch)))
			return nil
		})
	}
}

// publish sends answers side by side: each waits for the broker's word, and the next batch must not wait for that, nor one site for
// another. Which answer arrives first does not matter, sites unite them.
func (i *Ingest) publish(ctx context.Context, answers []wire.Message) {
	var g errgroup.Group
	g.SetLimit(publishers)
	for _, answer := range answers {
		g.Go(func() error {
			if err := i.c.Publish(ctx, answer); err != nil {
				// The site sends again what it has no answer to.
				i.c.Slog.Debug("answer not sent", "topic", answer.Topic, "err", err)
			}
			return nil
		})
	}
	_ = g.Wait()
}

func (i *Ingest) gather(first wire.Message) []wire.Message {
	batch := []wire.Message{first}
	for size := len(first.Payload); len(batch) < i.c.MaxBatch && size < maxBatchBytes; {
		select {
		case m := <-i.queue:
			batch = append(batch, m)
			size += len(m.Payload)
		default:
			return batch
		}
	}
	return batch
}

// handle is Handle for as long as it takes: a database that is away comes back. A message that alone cannot be handled while the
// database is well is given up, so that it does not stop the others.
func (i *Ingest) handle(ctx context.Context, batch []wire.Message) []wire.Message {
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		answers, err := i.Handle(ctx, batch)
		if err == nil || ctx.Err() != nil {
			i.trouble.Store(nil)
			return answers
		}
		i.trouble.Store(&err)
		i.c.Slog.Error("cannot take messages", "messages", len(batch), "err", err)
		// A full disk may still take a small change: what fails because of it is not the message's fault.
		if !db.Away(err) && i.c.DB.Well(ctx) == nil {
			if len(batch) == 1 {
				i.c.Slog.Error("message given up", "topic", batch[0].Topic, "err", err)
				return nil
			}
			half := len(batch) / 2
			return append(i.handle(ctx, batch[:half]), i.handle(ctx, batch[half:])...)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// Handle takes a batch of messages into the database and returns the answers to publish, once for every envelope or for every
// run of envelopes of one epoch. It is not for concurrent use. After an error nothing, or only part, was taken, and the same
// messages may be handed in again.
func (i *Ingest) Handle(ctx context.Context, batch []wire.Message) ([]wire.Message, error) {
	b, err := i.sort(ctx, batch)
	if err != nil {
		return nil, fmt.Errorf("ingest: %w", err)
	}
	if err := i.store(ctx, b); err != nil {
		return nil, fmt.Errorf("ingest: %w", err)
	}
	if err := i.storeStatuses(ctx, b); err != nil {
		return nil, fmt.Errorf("ingest: %w", err)
	}
	i.messages.Add(int64(len(batch)))
	i.envelopes.Add(b.stored)
	i.events.Add(b.storedEvents)
	i.dropped.Add(b.dropped)
	i.refused.Add(b.refused)
	if b.stored > 0 && i.c.OnStored != nil {
		i.c.OnStored()
	}
	if len(b.hellos)+len(b.statuses) > 0 && i.c.OnPresence != nil {
		i.c.OnPresence()
	}
	return b.answers, nil
}
