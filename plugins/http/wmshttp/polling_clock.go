package wmshttp

import (
	"context"
	"time"
)

// place is where an item stands in a feed by time.
func (k *clock) place(ctx context.Context, item any) (time.Time, string, error) {
	v := values{"item": item}
	changed, err := k.changed.time(ctx, v)
	if err != nil {
		return time.Time{}, "", err
	}
	id, err := k.id.string(ctx, v)
	return changed, id, err
}

// byClock reads what changed since a moment, in the order of change: the next request begins at the last record. So a record that changes meanwhile
// moves to what is still to be read, and none is passed over.
func (p *polling) byClock(ctx context.Context, st *state) error {
	at := st.progress
	if at.Since.IsZero() {
		at.Since, at.After = st.clock.horizon(at.High, p.now()), ""
	}
	high := at.High
	for {
		since, after := at.Since, at.After
		_, _, items, err := p.ask(ctx, st, values{"since": since, "after": after}, nil)
		if err != nil {
			return err
		}
		var before time.Time
		for _, item := range items {
			changed, id, err := st.clock.place(ctx, item)
			if err != nil {
				return err
			}
			if changed.Before(before) || changed.Before(since.Add(-st.clock.Resolution)) {
				return st.stuck("record %s bears %s, and comes after one of %s: have the request ask for what changed at since or later, the earliest first", id, changed.Format(time.RFC3339Nano), later(before, since).Format(time.RFC3339Nano))
			}
			if len(id) > maxMark {
				return st.stuck("an id of %d bytes; %d are allowed", len(id), maxMark)
			}
			if err := p.tell(ctx, st, item); err != nil {
				return err
			}
			before, at.Since, at.After = changed, changed, id
			high = later(high, changed)
		}
		at.High = later(at.High, high)
		if len(items) < st.clock.Size {
			at.Since, at.After = time.Time{}, ""
			return nil
		}
		if at.Since.Equal(since) && at.After == after {
			return st.stuck("%d and more records bear the time %s, and the next answer begins with the same ones: use after in the request, so that records of one time are told apart, or raise the number of records in one answer", len(items), since.Format(time.RFC3339))
		}
		if err := p.teller.Keep(ctx); err != nil { // where it goes on from
			return err
		}
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// byClockInPages reads what changed since a moment by pages. A record that changes meanwhile shifts the others, and one may slip from a page not read yet
// to one that was: so the pages are read once more until that gives nothing which ought to have been there before. Only then is a later moment the
// beginning.
func (p *polling) byClockInPages(ctx context.Context, st *state) error {
	since := st.clock.horizon(st.progress.High, p.now())
	var former time.Time
	for pass := range mostPasses {
		high, missed := former, 0
		pages, err := p.inPages(ctx, st, values{"since": since}, func(item any) error {
			changed, _, err := st.clock.place(ctx, item)
			if err != nil {
				return err
			}
			count := p.teller.Count()
			if err := p.tell(ctx, st, item); err != nil {
				return err
			}
			if p.teller.Count() > count && changed.Before(former.Add(-st.clock.Resolution)) {
				missed++
			}
			high = later(high, changed)
			return nil
		})
		if err != nil {
			return err
		}
		if pages == 1 {
			former = high
		}
		if pages == 1 || pass > 0 && missed == 0 {
			st.progress.High = later(st.progress.High, former)
			return nil
		}
		former = high
	}
	p.log.Info("a list changes while it is read; it is read again from the same moment", "stream", st.name)
	return nil
}
