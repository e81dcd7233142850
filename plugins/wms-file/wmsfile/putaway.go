package wmsfile

import (
	"cmp"
	"context"
	"errors"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// emit gives a batch to the host: the events that wait, and the cursor behind them.
func (c *capture) emit(ctx context.Context, through []*docklinev1.CompleteThrough) error {
	batch := &docklinev1.CaptureBatch{Events: c.events, Cursor: c.cursor.encode(), CompleteThrough: through}
	if err := c.out.Emit(ctx, batch); err != nil {
		return err
	}
	c.events, c.bytes, c.dirty = nil, 0, false
	return nil
}

// settle makes durable what was told and puts away the files that were read to their end. Before the host's ack no file moves.
func (c *capture) settle(ctx context.Context, through []*docklinev1.CompleteThrough) error {
	if len(c.events) > 0 || c.dirty || len(through) > 0 {
		if err := c.emit(ctx, through); err != nil {
			return err
		}
	}
	if len(c.finish) == 0 {
		return nil
	}
	if err := c.out.Flush(ctx); err != nil {
		return err
	}
	for _, f := range c.finish {
		c.putAway(f)
	}
	c.finish = nil
	return errors.Join(c.memory.save(), c.seconds.save())
}

// putAway moves a file that is told and durable. What fails is tried again with the next step.
func (c *capture) putAway(f finished) {
	f.result.TakenAt, f.result.Sequence = c.now().UTC(), f.entry.Sequence
	var at spot
	err := c.exchanged(f)
	switch {
	case err != nil:
	case c.remote != nil:
		at, err = c.remote.move(f)
	default:
		at, err = c.setup.move(f)
	}
	lies, name := err == nil && at != (spot{}), cmp.Or(at.name, f.file.name)
	c.reports.moved(f.file.name, err, c.now())
	if err != nil {
		if at != (spot{}) && !c.seconds.awaits(at) {
			c.seconds.add(at, f, true, c.now()) // a share may say that it failed, and have moved it
		}
		c.stuck[f.file.name] = stuck{f, f.file.size, f.file.mod, at}
		return
	}
	if lies {
		c.remember(f, at)
	} else if s, ok := c.stuck[f.file.name]; ok {
		c.vanished(s)
	}
	p := c.cursor.progress(f.result.Stream)
	for at := len(p.Held) - 1; at >= 0 && f.result.Unread; at-- { // the last of the name is this one
		if p.Held[at].Name == f.result.File {
			p.Held[at].Name, c.dirty = name, true // where a person finds it
			break
		}
	}
	c.cursor.forget(f.file.name)
	delete(c.stuck, f.file.name)
	c.reports.taken, c.reports.counted = c.now(), time.Time{}
	c.log.Info("file taken", "file", f.result.File, "stream", f.result.Stream, "events", f.result.Events, "refused", f.result.Refused, "repeated", f.result.Repeated != "")
}

// vanished is for a file that could not be moved, and is gone: to where it belongs, where the share said that the move had failed, or a person has taken it.
func (c *capture) vanished(s stuck) {
	if s.at == (spot{}) {
		return
	}
	if _, err := c.store.stat(c.store.join(s.at.dir, s.at.name)); err == nil {
		c.remember(s.finished, s.at)
	}
	c.seconds.leave(s.at, c.now())
}

// remember knows a file again that lies where it belongs. One that was not there may only have seemed so: it comes again, and is told and put away as the file that it is.
func (c *capture) remember(f finished, at spot) {
	if f.result.Repeated == "" && !f.result.Unread {
		c.memory.add(remembered{Name: f.result.File, At: f.result.TakenAt, Key: memoryKey(f.file.stream, f.entry.Hash), Sequence: f.entry.Sequence})
	}
	c.seconds.add(at, f, false, c.now())
}
