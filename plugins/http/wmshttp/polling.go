package wmshttp

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/told"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	// Trouble is waited out for retryMin, then ever longer up to retryMax.
	retryMin, retryMax = time.Second, time.Minute
	// forgetEvery is how often the memory is trimmed.
	forgetEvery = time.Hour
	// mostPasses is how often a list that changes while it is read is read in one turn.
	mostPasses = 4
)

// polling asks a system again and again: a loop around step.
type polling struct {
	setup  *setup
	target *target
	cursor *cursor
	memory *told.Memory
	teller *told.Teller
	now    func() time.Time
	log    *slog.Logger

	states    []*state
	forgotten time.Time
	toldAt    time.Time
	seen      time.Time // the last answer
}

// state is one stream as it goes.
type state struct {
	*pollStream
	progress *progress
	// due is when it is asked again; failures are those in a row, fault the last.
	due      time.Time
	failures int
	fault    error
	complete time.Time // when the last reading began that came to its end
}

func newPolling(ctx context.Context, s *setup, start plugins.Start, out *emitter, now func() time.Time, log *slog.Logger) (*polling, error) {
	cur, err := parseCursor(start.Cursor)
	if err != nil {
		return nil, err
	}
	m, err := told.Open(ctx, start.DataDir, cur.Batch)
	if err != nil {
		return nil, err
	}
	if !cur.Again.IsZero() {
		if err := m.ForgetSince(ctx, cur.Again); err != nil {
			return nil, errors.Join(err, m.Close())
		}
		cur.Again = time.Time{}
	}
	p := &polling{setup: s, target: s.target, cursor: cur, memory: m, now: now, log: log, forgotten: now()}
	p.teller = &told.Teller{Memory: m, Emit: out.send, Start: start, Now: now, Batch: cur.Batch, Cursor: func(batch uint64) []byte {
		cur.Batch = batch
		return cur.encode()
	}}
	for _, st := range s.polls {
		p.states = append(p.states, &state{pollStream: st, progress: cur.progress(st.name)})
	}
	return p, nil
}

// step gives each stream that is due its turn, and says how long nothing is. A trouble of the system is waited out and shown; any other is an error.
func (p *polling) step(ctx context.Context) (time.Duration, error) {
	for _, st := range p.states {
		if p.now().Before(st.due) {
			continue
		}
		err := p.turn(ctx, st)
		if ctx.Err() != nil {
			return 0, nil
		}
		var f *targetFault
		if err != nil && !errors.As(err, &f) {
			return 0, err
		}
		p.note(st, f)
	}
	if err := p.tellComplete(ctx); err != nil {
		return 0, err
	}
	if err := p.trim(ctx); err != nil {
		return 0, err
	}
	wait := time.Minute
	for _, st := range p.states {
		wait = min(wait, max(st.due.Sub(p.now()), 0))
	}
	return wait, nil
}

// note keeps how a turn ended.
func (p *polling) note(st *state, f *targetFault) {
	now := p.now()
	if f == nil {
		st.fault, st.failures, st.due = nil, 0, now.Add(st.PollStream.Every)
		return
	}
	st.fault = f
	st.failures++
	st.due = now.Add(max(min(retryMin<<min(st.failures-1, 10), retryMax), f.again))
	p.log.Warn("the system could not be read", "stream", st.name, "err", f, "again_at", st.due.Format(time.RFC3339))
}

// trim forgets now and then what need not be remembered.
func (p *polling) trim(ctx context.Context) error {
	now := p.now()
	if now.Sub(p.forgotten) < forgetEvery {
		return nil
	}
	p.forgotten = now
	for _, st := range p.states {
		if st.complete.IsZero() {
			continue
		}
		if err := p.memory.Forget(ctx, st.name, now.Add(-p.setup.Remember)); err != nil {
			return err
		}
	}
	return nil
}

// turn reads a stream once.
func (p *polling) turn(ctx context.Context, st *state) error {
	began := p.now()
	var err error
	switch {
	case st.clock != nil && st.pages == nil:
		err = p.byClock(ctx, st)
	case st.clock != nil:
		err = p.byClockInPages(ctx, st)
	case st.next != nil:
		err = p.byCursor(ctx, st)
	default:
		err = p.whole(ctx, st)
	}
	if flushed := p.teller.Flush(ctx, nil); flushed != nil {
		return flushed // what was read before the trouble is told
	}
	if err == nil {
		st.complete = began
	}
	return err
}

// ask sends the stream's request and gives its items; also are statuses that are no trouble.
func (p *polling) ask(ctx context.Context, st *state, v values, extra http.Header, also ...int) (*reply, values, []any, error) {
	asked := values{"cursor": "", "page": "", "since": time.Unix(0, 0).UTC(), "after": ""}.with(v)
	got, err := p.target.do(ctx, st.request, asked, extra, also...)
	if got != nil {
		p.seen = p.now()
	}
	if err != nil || got.status/100 != 2 {
		return got, nil, nil, err
	}
	if !got.isJSON {
		return nil, nil, nil, &targetFault{class: faultSchema, what: st.request.where, err: fmt.Errorf("the answer is no JSON: %s", said(got))}
	}
	read := asked.with(got.read())
	items, err := st.items.list(ctx, read)
	return got, read, items, err
}

// detailed is an item with its detail; here is false where it is gone since it was listed.
func (p *polling) detailed(ctx context.Context, st *state, item any) (whole any, here bool, err error) {
	if st.detail == nil {
		return item, true, nil
	}
	wanted, err := st.detailWhen.bool(ctx, values{"item": item}, true)
	if err != nil || !wanted {
		return item, true, err
	}
	got, err := p.target.do(ctx, st.detail, values{"item": item}, nil, st.Detail.Absent...)
	if err != nil {
		return nil, false, err
	}
	if got.status/100 != 2 {
		return nil, false, nil
	}
	if !got.isJSON {
		return nil, false, &targetFault{class: faultSchema, what: st.detail.where, err: fmt.Errorf("the answer is no JSON: %s", said(got))}
	}
	wider := map[string]any{"detail": got.body}
	if o, ok := item.(map[string]any); ok {
		for name, v := range o {
			if name != "detail" {
				wider[name] = v
			}
		}
	}
	return wider, true, nil
}

// tell tells what an item says. What is gone since it was listed says nothing: what the list says of it next time holds.
func (p *polling) tell(ctx context.Context, st *state, item any) error {
	whole, here, err := p.detailed(ctx, st, item)
	if err != nil || !here {
		return err
	}
	all, err := st.read(whole, request{})
	if err != nil {
		return &targetFault{class: faultSchema, what: st.request.where + " records", err: fmt.Errorf("%w in %s", err, cut(asJSON(item), 200))}
	}
	for _, t := range all {
		if t.gone {
			err = p.teller.Gone(ctx, st.name, t.key)
		} else {
			err = p.teller.Take(ctx, st.name, t.event)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (st *state) stuck(format string, args ...any) error {
	return &targetFault{class: faultSchema, what: st.request.where, err: fmt.Errorf(format, args...)}
}

// inPages reads all pages of a list, and says how many there were.
func (p *polling) inPages(ctx context.Context, st *state, v values, take func(item any) error) (int, error) {
	page := ""
	if st.pages != nil && st.pages.Style != pageNext {
		page = strconv.FormatInt(st.pages.first, 10)
	}
	marks := map[string]bool{}
	for n := 1; ; n++ {
		got, read, items, err := p.ask(ctx, st, v.with(values{"page": page}), nil)
		if err != nil {
			return n, err
		}
		for _, item := range items {
			if err := take(item); err != nil {
				return n, err
			}
		}
		if st.pages == nil {
			return n, nil
		}
		next, err := st.pages.after(ctx, page, len(items), read)
		if err != nil || next == "" {
			return n, err
		}
		mark := "page " + page
		if st.pages.Style != pageNext {
			mark = fmt.Sprintf("%x", sha256.Sum256([]byte(asJSON(got.body))))
		}
		if marks[mark] || marks["page "+next] || next == page {
			return n, st.stuck("page %q leads back to one that was read already, after %d pages: the system does not heed the page that it is asked for", cut(next, 80), n)
		}
		marks[mark] = true
		if n >= st.pages.Most {
			return n, st.stuck("there is more after %d pages; ask for less, or raise pages.most", n)
		}
		page = next
	}
}

// after is the page after one that had so many records; "" is none.
func (g *pages) after(ctx context.Context, page string, records int, read values) (string, error) {
	if g.Style == pageNext {
		return g.next.string(ctx, read)
	}
	if int64(records) < g.Size {
		return "", nil
	}
	at, err := strconv.ParseInt(page, 10, 64)
	if err != nil {
		return "", err
	}
	if g.Style == pageNumber {
		return strconv.FormatInt(at+1, 10), nil
	}
	return strconv.FormatInt(at+int64(records), 10), nil
}

// byCursor reads from where the system's own cursor says.
func (p *polling) byCursor(ctx context.Context, st *state) error {
	at := st.progress
	for {
		got, read, items, err := p.ask(ctx, st, values{"cursor": at.Next}, nil, st.Forgotten...)
		if err != nil {
			return err
		}
		if got.status/100 != 2 {
			if at.Next == "" {
				return p.target.classify(st.request.where, got)
			}
			p.log.Warn("the system has forgotten the cursor; it is read from the beginning, and what was told is not told again", "stream", st.name)
			at.Next = ""
			continue
		}
		for _, item := range items {
			if err := p.tell(ctx, st, item); err != nil {
				return err
			}
		}
		next, err := st.next.string(ctx, read)
		if err != nil {
			return err
		}
		more, err := st.more.bool(ctx, read, len(items) > 0)
		if err != nil {
			return err
		}
		if len(next) > maxMark {
			return st.stuck("a cursor of %d bytes; %d are allowed", len(next), maxMark)
		}
		former := at.Next
		if next != "" && next != former {
			at.Next = next
			if err := p.teller.Keep(ctx); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
		if next == "" || next == former {
			if st.more == nil {
				return nil
			}
			return st.stuck("it says that there is more, and names the same cursor again")
		}
	}
}

// whole reads a list whole; what was told of it before is not told again.
func (p *polling) whole(ctx context.Context, st *state) error {
	if !st.Conditional {
		_, err := p.inPages(ctx, st, nil, func(item any) error { return p.tell(ctx, st, item) })
		return err
	}
	at, extra := st.progress, http.Header{}
	if at.ETag != "" {
		extra.Set("If-None-Match", at.ETag)
	}
	if at.Modified != "" {
		extra.Set("If-Modified-Since", at.Modified)
	}
	got, _, items, err := p.ask(ctx, st, nil, extra, http.StatusNotModified)
	if err != nil || got.status == http.StatusNotModified {
		return err
	}
	for _, item := range items {
		if err := p.tell(ctx, st, item); err != nil {
			return err
		}
	}
	tag, modified := got.headers.Get("ETag"), got.headers.Get("Last-Modified")
	if len(tag) > maxMark || len(modified) > maxMark {
		tag, modified = "", ""
	}
	if tag == at.ETag && modified == at.Modified {
		return nil
	}
	at.ETag, at.Modified = tag, modified
	return p.teller.Keep(ctx)
}

// tellComplete says for each stream up to when everything has been told: settle before the last reading that came to its end began. It never goes back.
func (p *polling) tellComplete(ctx context.Context) error {
	now := p.now()
	if now.Sub(p.toldAt) < min(max(p.setup.Poll.Settle/10, time.Second), time.Minute) {
		return nil // an idle system is not to fill the journal
	}
	var out []*docklinev1.CompleteThrough
	worth := false
	for _, st := range p.states {
		back := p.setup.Poll.Settle
		if st.clock != nil {
			back = max(back, st.clock.Overlap)
		}
		if at := st.complete.Add(-back).UTC().Truncate(time.Microsecond); !st.complete.IsZero() && at.After(st.progress.Through) {
			st.progress.Through, worth = at, true
		}
		if !st.progress.Through.IsZero() {
			out = append(out, &docklinev1.CompleteThrough{Stream: st.name, Time: timestamppb.New(st.progress.Through), MovesStock: st.movesStock})
		}
	}
	if !worth {
		return nil
	}
	p.toldAt = now
	return p.teller.Flush(ctx, out)
}
