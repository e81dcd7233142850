package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	// maxTogether bounds how many events of waiting batches share a commit.
	maxTogether = 1000
	// A journal that does not take an entry is asked again after retryMin, then ever later up to retryMax.
	retryMin, retryMax = 100 * time.Millisecond, 5 * time.Second
)

var (
	// errDrained ends a capture that was asked to end and has.
	errDrained = errors.New("drained")
	errDrain   = errors.New("plugin did not finish what was in flight in time")
)

// capture is the host's end of one plugin's stream.
type capture struct {
	stream  grpc.BidiStreamingClient[docklinev1.CaptureRequest, docklinev1.CaptureResponse]
	plugin  string
	journal Journal
	stamper *stamper
	rules   Rules
	drain   time.Duration
	window  int
	bundles bool // the plugin takes several acks in one message
	// told are called with what a person wants to know: the plugin's own conditions and devices, the moment of its last event, and why the
	// journal takes nothing (nil when it does).
	told struct {
		conditions func([]*docklinev1.Condition)
		devices    func([]*docklinev1.DeviceHealth)
		event      func(time.Time)
		journal    func(error)
		counted    func(accepted, refused int)
	}
	// patience is how long the plugin may take to read an answer; then give up ends the stream with the reason.
	patience time.Duration
	giveUp   context.CancelCauseFunc
	flood    *flood
	refusals refusals
	last     uint64 // number of the last batch
}

type heard struct {
	batches []*docklinev1.EncodedBatch
	err     error
}

// run takes batches, makes them durable and answers them until stopping ends: then it drains the plugin and returns
// errDrained. ctx is that of the stream; when it ends, everything ends.
func (c *capture) run(ctx, stopping context.Context) error {
	incoming := make(chan heard, c.window)
	go c.listen(ctx, incoming)
	asked := stopping.Done()
	var overdue <-chan time.Time
	for {
		select {
		case <-asked:
			asked, overdue = nil, time.After(c.drain)
			c.send(&docklinev1.CaptureRequest{Message: &docklinev1.CaptureRequest_Drain{Drain: &docklinev1.CaptureDrain{}}})
		case <-overdue:
			return errDrain
		case <-ctx.Done():
			return context.Cause(ctx)
		case first := <-incoming:
			if first.err != nil {
				if errors.Is(first.err, io.EOF) && asked == nil {
					return errDrained
				}
				if errors.Is(first.err, io.EOF) {
					return errors.New("the source ended without being asked")
				}
				return streamFault(first.err)
			}
			if err := c.take(ctx, stopping, first.batches, incoming); err != nil {
				return err
			}
		}
	}
}

func (c *capture) listen(ctx context.Context, incoming chan<- heard) {
	statuses := newPace(statusRate, 10*statusRate)
	for {
		m := &docklinev1.EncodedResponse{}
		err := c.stream.RecvMsg(m)
		if err == nil && m.GetStatus() != nil {
			c.told.conditions(m.GetStatus().GetConditions())
			c.told.devices(m.GetStatus().GetDevices())
			if long := statuses.take(1); long > 0 {
				pause(ctx, ctx, long)
			}
		}
		batches := m.GetBundle().GetBatches()
		if m.GetBatch() != nil {
			batches = []*docklinev1.EncodedBatch{m.GetBatch()}
		}
		if err == nil && len(batches) == 0 {
			continue
		}
		select {
		case incoming <- heard{batches, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// take journals batches together with those that wait behind them, and answers each.
func (c *capture) take(ctx, stopping context.Context, batches []*docklinev1.EncodedBatch, incoming chan heard) error {
	entry := Entry{Plugin: c.plugin}
	through := map[string]*docklinev1.CompleteThrough{}
	now := c.stamper.now()
	rules := c.rules.Begin(now)
	head, err := c.stamper.head(now)
	if err != nil {
		return err
	}
	var acks []*docklinev1.CaptureAck
	var after error
	for len(batches) > 0 {
		for _, batch := range batches {
			c.last++
			if after = checkBatch(batch, c.last, now); after != nil {
				break
			}
			acks = append(acks, c.add(&entry, through, batch, head, now, rules))
		}
		batches = nil
		// Batches without events count, too: a plugin that tells cursors without end would never be answered.
		if after == nil && len(entry.Events) < maxTogether && len(acks) < maxTogether {
			select {
			case next := <-incoming:
				batches, after = next.batches, next.err
			default:
			}
		}
	}
	if len(acks) == 0 {
		return after
	}
	entry.CompleteThrough = slices.SortedFunc(maps.Values(through), func(a, b *docklinev1.CompleteThrough) int {
		return strings.Compare(a.GetStream(), b.GetStream())
	})
	c.flood.wait(ctx, stopping, entry.Events)
	if err := c.append(ctx, stopping, entry); err != nil {
		return err
	}
	rules.Kept()
	if n := len(entry.Events); n > 0 {
		c.told.event(entry.Events[n-1].GetCapturedAt().AsTime())
	}
	refused := 0
	for _, ack := range acks {
		refused += len(ack.Refused)
	}
	c.told.counted(len(entry.Events)-refused, refused)
	c.answer(acks)
	var against offence
	switch {
	case after == nil:
		return c.refusals.over()
	case errors.As(after, &against): // what came before it was in order
		return after
	}
	incoming <- heard{err: after} // to be dealt with in its turn; the listener has ended and left room
	return nil
}

func (c *capture) answer(acks []*docklinev1.CaptureAck) {
	if c.bundles && len(acks) > 1 {
		c.send(&docklinev1.CaptureRequest{Message: &docklinev1.CaptureRequest_Acks{Acks: &docklinev1.CaptureAcks{Acks: acks}}})
		return
	}
	for _, ack := range acks {
		c.send(&docklinev1.CaptureRequest{Message: &docklinev1.CaptureRequest_Ack{Ack: ack}})
	}
}

// add stamps a batch's events into an entry and returns the answer that will be due.
func (c *capture) add(entry *Entry, through map[string]*docklinev1.CompleteThrough, batch *docklinev1.EncodedBatch, head []byte, now time.Time, rules RuleEntry) *docklinev1.CaptureAck {
	ack := &docklinev1.CaptureAck{Batch: batch.GetBatch(), Cursor: batch.GetCursor()}
	for i, data := range batch.GetEvents() {
		stamped, encoded, fault := c.stamper.take(data, head, now, rules.Look)
		if fault != nil {
			c.refusals.note(fault.Text)
			ack.Refused = append(ack.Refused, &docklinev1.RefusedEvent{Index: uint32(i), Class: fault.Class, Text: fault.Text})
		}
		if fault == nil {
			c.refusals.inARow = 0
			for _, w := range stamped.GetWarnings() {
				ack.Warnings = append(ack.Warnings, &docklinev1.EventWarning{Index: uint32(i), Code: w.GetCode(), Text: w.GetText()})
			}
		}
		entry.Events, entry.Encoded = append(entry.Events, stamped), append(entry.Encoded, encoded)
	}
	if len(batch.GetCursor()) > 0 {
		entry.Cursor = batch.GetCursor()
	}
	for _, t := range batch.GetCompleteThrough() {
		through[t.GetStream()] = t
	}
	return ack
}

// append insists until the journal has the entry: the plugin waits meanwhile, since it gets no answer.
func (c *capture) append(ctx, stopping context.Context, entry Entry) error {
	for attempt := 1; ; attempt++ {
		// Not cut short by the plugin's end: the next session must find the cursor of a commit that is on its way.
		err := c.journal.Append(context.WithoutCancel(ctx), entry)
		c.told.journal(err)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-stopping.Done():
			return fmt.Errorf("stopped while the journal took nothing; the plugin will read again what is missing: %w", err)
		case <-time.After(backoff(Limits{BackoffMin: retryMin, BackoffMax: retryMax}, attempt)):
		}
	}
}

// send ignores a broken stream: the listener hears of it, with the reason. A plugin that reads nothing would hold it for ever.
func (c *capture) send(m *docklinev1.CaptureRequest) {
	timer := time.AfterFunc(c.patience, func() {
		c.giveUp(offencef("it does not read the answers to its batches: none was taken for %s", c.patience))
	})
	defer timer.Stop()
	_ = c.stream.Send(m)
}

func condition(code string, severity docklinev1.Severity, since time.Time, title, text string) *docklinev1.Condition {
	return &docklinev1.Condition{Code: code, Title: title, Severity: severity, Text: text, Since: timestamppb.New(since)}
}
