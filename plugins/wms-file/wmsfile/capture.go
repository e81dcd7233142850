package wmsfile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/plugins"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	// A batch ends with this many events or bytes.
	batchEvents = 200
	batchBytes  = 1 << 20
	// finishEvery is how many files may wait for their ack until they are put away.
	finishEvery = 64
)

// capture is the reading of the outbound folder: a loop around step.
type capture struct {
	setup  *setup
	folder *folder
	out    plugins.Stream
	cursor *cursor
	memory *memory
	// partner and answered are of files in X12.
	partner  *partner
	answered *ledger
	in       inbox
	// store is where the files lie that the WMS wrote and those that were put away; remote is nil where that is this machine.
	store  store
	remote *outbox
	// mounts are the shares that the folders lie on.
	mounts *mounts
	now    func() time.Time
	log    *slog.Logger

	events []*docklinev1.Event
	bytes  int
	dirty  bool // the cursor has moved since the last batch
	told   time.Time
	// finish are files whose every event is given to the host, to be put away once it has acknowledged them.
	finish  []finished
	stuck   map[string]stuck
	seconds *seconds
	reports reports
	// changing are files that changed while they were read, since when.
	changing map[string]time.Time
	// whole says that nothing is to be read again of what an older cursor has forgotten.
	whole bool
}

// finished is a file that was read to its end.
type finished struct {
	file   found
	entry  *taken
	result Result
}

// stuck is a file that is done and could not be moved.
type stuck struct {
	finished
	size int64
	mod  time.Time
	at   spot // where its result may lie
}

func newCapture(s *setup, start plugins.Start, with *partner, in inbox, remote *outbox, out plugins.Stream, now func() time.Time, log *slog.Logger) (*capture, error) {
	cur, err := parseCursor(start.Cursor)
	if err != nil {
		return nil, err
	}
	mem, err := openMemory(start.DataDir)
	if err != nil {
		return nil, err
	}
	answered, err := openAnswers(start.DataDir, cur)
	if err != nil {
		return nil, err
	}
	for _, st := range s.streams {
		st.partner = with
	}
	lie, watched := store(localStore{}), s
	if remote != nil {
		lie, watched = remoteStore{remote.server}, remote.setup
	}
	told := reports{store: lie, inbox: in.check}
	if remote != nil {
		told.shown, told.inbox = remote.shown(), nil
	}
	return &capture{setup: s, reports: told, store: lie, remote: remote, folder: &folder{setup: s, seen: map[string]observed{}, copies: remote != nil}, out: out, cursor: cur, memory: mem, partner: with, answered: answered, in: in, now: now, log: log,
		stuck: map[string]stuck{}, mounts: openMounts(start.DataDir, s.MustHold), seconds: openSeconds(start.DataDir, lie, watched), changing: map[string]time.Time{}}, nil
}

// run reads until ctx ends.
func (c *capture) run(ctx context.Context) error {
	tick := time.NewTicker(c.setup.Poll)
	defer tick.Stop()
	for {
		if err := c.step(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// step looks at the folder once, tells what is new and puts away what is durable.
func (c *capture) step(ctx context.Context) error {
	now := c.now()
	if folder, err := c.reach(now); err != nil {
		c.reports.folder(folder, err)
		return c.report(now)
	}
	if err := c.recover(ctx); errors.As(err, new(*awayError)) {
		c.reports.folder(c.setup.Archive, err)
		return c.report(now)
	} else if err != nil {
		return err
	}
	back, err := c.seconds.look(now)
	if err != nil {
		return err
	}
	if len(back) > 0 {
		c.log.Warn("files hold more than when they were put away: reading them again", "files", back)
	}
	complete, waiting, unknown, err := c.folder.scan(now, c.isDone)
	if err != nil {
		c.reports.folder(c.setup.Outbound, err)
		return c.report(now)
	}
	c.reports.folder(c.setup.Outbound, nil)
	seen := c.folder.seen
	if c.remote != nil {
		waiting = append(c.remote.stamped(waiting), c.remote.waiting...) // there, and so not told
		complete = c.remote.stamped(complete)
		maps.Copy(c.folder.odd, c.remote.odd)
		seen = maps.Clone(c.remote.seen)
		maps.Copy(seen, c.folder.seen)
	}
	c.reports.forgetGone(c.folder)
	for name, odd := range c.folder.odd {
		c.reports.unreadable(name, odd, now)
	}
	for name, unseen := range c.folder.unseen {
		c.reports.unreadable(name, unseen, now)
	}
	c.forgetGone()
	for _, file := range complete {
		took, err := c.take(ctx, file)
		if err != nil {
			return err
		}
		if !took {
			waiting = append(waiting, file)
		} else {
			delete(c.changing, file.name)
		}
		if len(c.finish) >= finishEvery {
			if err := c.settle(ctx, nil); err != nil {
				return err
			}
		}
	}
	c.seconds.tidy(now)
	through := c.completeThrough(now, waiting)
	if err := c.settle(ctx, through); err != nil {
		return err
	}
	c.reports.files(waiting, unknown, seen, c.changing, now)
	return c.report(now)
}

// reach fetches what a server has, or looks whether the folders are those that they were; else it says which one cannot be used, and why.
func (c *capture) reach(now time.Time) (folder string, err error) {
	if c.remote != nil {
		return c.remote.shown(), c.remote.fetch(now)
	}
	return c.setup.Outbound, c.mounts.check(c.setup.Outbound)
}

// isDone says that a file was told whole and is only to be put away: its marker may be gone already.
func (c *capture) isDone(name string) bool {
	_, stuck := c.stuck[name]
	return stuck || c.cursor.isDone(name)
}

// forgetGone drops what the cursor says of files that are no longer there: they were put away just before an earlier run ended.
func (c *capture) forgetGone() {
	gone := func(name string) bool { _, there := c.folder.seen[name]; return !there }
	maps.DeleteFunc(c.changing, func(name string, _ time.Time) bool { return gone(name) })
	maps.DeleteFunc(c.stuck, func(name string, s stuck) bool {
		if gone(name) {
			c.vanished(s)
		}
		return gone(name)
	})
	c.cursor.Files = slices.DeleteFunc(c.cursor.Files, func(t *taken) bool {
		_, there := c.folder.seen[t.Name]
		if !there && !t.Done {
			c.log.Warn("file was taken away while it was read", "file", t.Name, "stream", t.Stream, "events", t.Items)
		}
		return !there
	})
}

// take reads one complete file and gives its events to the host, from where an earlier run ended. It says whether it could.
func (c *capture) take(ctx context.Context, file found) (took bool, err error) {
	if s, ok := c.stuck[file.name]; ok && s.size == file.size && s.mod.Equal(file.mod) {
		c.finish = append(c.finish, s.finished)
		return true, nil
	}
	if s, ok := c.stuck[file.name]; ok {
		c.seconds.leave(s.at, c.now()) // it was written again
		delete(c.stuck, file.name)
	}
	body, err := c.folder.load(file)
	switch {
	case errors.Is(err, errTooBig):
	case errors.Is(err, errChanging), errors.Is(err, os.ErrNotExist):
		if _, ok := c.changing[file.name]; !ok {
			c.changing[file.name] = c.now()
		}
		delete(c.folder.seen, file.name)
		return false, nil
	case err != nil:
		c.reports.unreadable(file.name, err, c.now())
		return false, nil
	}
	c.reports.unreadable(file.name, nil, c.now())
	entry := c.cursor.begun(file.name, file.stream, body.hash)
	f := finished{file: file, entry: entry}
	if before, ok := c.memory.find(file.stream, body.hash); ok && !entry.Done && entry.Items == 0 {
		f.result = c.readQuietly(file.stream, body, err)
		c.hold(file, f.result)
		f.result.Repeated = fmt.Sprintf("%s, taken at %s", before.Name, before.At.Format(time.RFC3339))
		c.cursor.forget(file.name)
		c.finish = append(c.finish, f)
		return true, nil
	}
	if entry.Done {
		f.result = c.readQuietly(file.stream, body, err)
		c.finish = append(c.finish, f)
		return true, nil
	}
	if err := c.tell(ctx, file, body, err, entry, &f.result); err != nil {
		return false, err
	}
	if f.result.broken != nil {
		c.reports.unreadable(file.name, f.result.broken, c.now())
		return false, nil
	}
	c.finish = append(c.finish, f)
	return true, nil
}

// readQuietly works out again what became of a file that was told before.
func (c *capture) readQuietly(s *stream, body content, tooBig error) Result {
	var res Result
	for range s.events(body, tooBig, &res) {
	}
	return res
}

// tell gives the events of a file, without those that were told before, and marks it as done.
func (c *capture) tell(ctx context.Context, file found, body content, tooBig error, entry *taken, res *Result) error {
	s := file.stream
	skip, item := entry.Items, 0
	p := c.cursor.progress(s.Name)
	for e := range s.events(body, tooBig, res) {
		if item++; item <= skip {
			continue
		}
		c.events = append(c.events, e)
		c.bytes += proto.Size(e)
		entry.Items = item
		p.Movement = max(p.Movement, e.GetMovement())
		if len(c.events) >= batchEvents || c.bytes >= batchBytes {
			if err := c.emit(ctx, nil); err != nil {
				return err
			}
		}
	}
	if res.broken != nil {
		return nil // what was told stays told; the rest is for another look
	}
	entry.Done, c.dirty = true, true
	if entry.Sequence == 0 {
		c.cursor.Sequence = max(c.cursor.Sequence, c.memory.last) + 1
		entry.Sequence = c.cursor.Sequence
	}
	if file.stamp.After(p.Stamp) {
		p.Stamp = file.stamp.UTC().Truncate(time.Microsecond)
	}
	c.hold(file, *res)
	return nil
}

// hold notes a file that was not read: its stream has a hole there.
func (c *capture) hold(file found, res Result) {
	p, hole := c.cursor.progress(file.stream.Name), held{res.File, file.stamp}
	if res.Unread && !slices.Contains(p.Held, hole) {
		p.Held = append(p.Held, hole)
	}
}

func (c *capture) report(now time.Time) error {
	if devices, changed := c.reports.folders(c.setup, now); changed {
		if err := c.out.Devices(devices...); err != nil {
			return err
		}
	}
	c.reports.rejected, c.reports.late = c.partner.troubles(now, c.setup.X12.Within)
	conditions, changed := c.reports.conditions(c.setup, now)
	if !changed {
		return nil
	}
	return c.out.Report(conditions...)
}
