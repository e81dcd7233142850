package scanner

import (
	"context"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// mostBehind is how many scans may wait while the journal stores an event: somebody who scans on at once loses none.
const mostBehind = 16

// expireEvery is how often it is looked whether somebody went on.
const expireEvery = 500 * time.Millisecond

// sink takes the bytes of feedback to a reader; it never blocks.
type sink interface{ send(data []byte) }

// device is one reader with its work. It lives over the reader's connections.
type device struct {
	id       string
	input    *Input
	hub      *hub
	machine  *machine
	feedback Feedback
	scans    chan string
	answered chan stored
	changed  chan struct{} // a connection has come or gone; has room for one sign
	finished chan struct{} // closed when the loop has ended

	users int // connections, and whoever is about to be one; guarded by hub.mu

	mu    sync.Mutex
	sink  sink
	greet bool      // a connection has come that was told nothing yet
	last  time.Time // the last scan

	// of the loop alone
	waiting *docklinev1.Event
	told    bool // the reader was told to wait
	behind  []string
}

// find gives the reader of an id, which it makes where it is new, until it is released. It is nil where there are too many.
func (h *hub) find(ctx context.Context, group *sync.WaitGroup, in *Input, id string) *device {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d := h.devices[id]; d != nil {
		d.users++
		return d
	}
	if len(h.devices) >= mostDevices {
		return nil
	}
	feedback, ok := h.setup.Feedback[in.Feedback]
	if !ok {
		feedback = plainFeedback
	}
	d := &device{id: id, input: in, hub: h, machine: newMachine(id, *in, h.setup), feedback: feedback, scans: make(chan string), answered: make(chan stored, 1),
		changed: make(chan struct{}, 1), finished: make(chan struct{}), users: 1, last: h.now()}
	if kept := h.store.take(id); kept != nil && d.fits(kept) {
		d.machine.work = *kept
	}
	h.devices[id] = d
	group.Go(func() { d.run(ctx) })
	return d
}

// fits says whether work that was kept is of the flow as it is configured now.
func (d *device) fits(kept *work) bool {
	_, known := d.machine.flow.states[kept.State]
	return known
}

// release ends what find began.
func (h *hub) release(d *device) {
	h.mu.Lock()
	d.users--
	h.mu.Unlock()
	d.sign()
}

// attach gives feedback to a connection from now on, and greets it where it is new.
func (d *device) attach(s sink, greet bool) {
	d.mu.Lock()
	d.sink, d.greet = s, greet
	d.mu.Unlock()
	d.sign()
}

// detach ends that, unless another connection has come meanwhile.
func (d *device) detach(s sink) {
	d.mu.Lock()
	if d.sink == s {
		d.sink = nil
	}
	d.mu.Unlock()
}

func (d *device) sign() {
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// offer gives a scan to the reader's loop.
func (d *device) offer(ctx context.Context, raw []byte) {
	select {
	case d.scans <- string(raw):
	case <-ctx.Done():
	}
}

// run takes the reader's scans one after the other until ctx ends, or until the reader has gone and left nothing half done.
func (d *device) run(ctx context.Context) {
	defer close(d.finished)
	defer d.save()
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	overdue := time.NewTimer(time.Hour)
	defer overdue.Stop()
	for {
		select {
		case <-ctx.Done():
			d.end()
			return
		case raw := <-d.scans:
			d.heard(raw)
			if d.waiting != nil && !d.told {
				overdue.Reset(d.hub.setup.AnswerWithin)
			}
		case s := <-d.answered:
			d.journalled(s)
			if d.waiting != nil {
				overdue.Reset(d.hub.setup.AnswerWithin)
			}
		case <-overdue.C:
			if d.waiting != nil {
				d.told = true
				d.say(d.feedback.Wait, "The agent has not stored it yet. Scan nothing more until it has.")
				d.hub.reports.waits(d.id, true)
			}
		case <-tick.C:
			if a, dropped := d.machine.expire(d.hub.now()); dropped && d.waiting == nil {
				d.answer(a)
				d.save()
			}
			if d.forget() {
				return
			}
		case <-d.changed:
			d.welcome()
			if d.forget() {
				return
			}
		}
	}
}

// welcome tells a connection that has come what is expected.
func (d *device) welcome() {
	d.mu.Lock()
	greet := d.greet
	d.greet = false
	d.mu.Unlock()
	if greet {
		d.say(d.feedback.Good, "")
	}
}

// remembered is how long a reader that has gone is remembered, with what it scanned last.
const remembered = time.Minute

// forget takes a reader out of the list that has gone and left nothing half done.
func (d *device) forget() bool {
	if d.waiting != nil || d.machine.begun() || d.machine.work.Operator != "" || d.hub.now().Sub(d.lastScan()) < remembered {
		return false
	}
	d.hub.mu.Lock()
	defer d.hub.mu.Unlock()
	if d.users > 0 {
		return false
	}
	delete(d.hub.devices, d.id)
	return true
}

func (d *device) lastScan() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

// heard takes a scan, or keeps it until the journal has answered.
func (d *device) heard(raw string) {
	d.mu.Lock()
	d.last = d.hub.now()
	d.mu.Unlock()
	switch {
	case d.waiting == nil:
		d.scan(raw)
	case d.told || len(d.behind) == mostBehind:
		d.say(d.feedback.Bad, "Not taken: the scan before is not stored yet. Wait.")
	default:
		d.behind = append(d.behind, raw)
	}
}

func (d *device) scan(raw string) {
	a := d.machine.scan(d.hub.now(), raw)
	d.hub.reports.scanned(d.input.ID, a.result)
	if a.result != whole {
		d.answer(a)
		d.save()
		return
	}
	d.waiting, d.told = a.event, false
	d.machine.work.Waiting, _ = proto.Marshal(a.event)
	d.save()
	d.hub.queue <- handed{device: d, event: a.event, at: d.hub.now()}
}

// journalled is the journal's answer to the event that waits. Only here a reader hears that something is stored.
func (d *device) journalled(s stored) {
	subject := d.waiting.GetSubject()
	d.waiting, d.told, d.machine.work.Waiting = nil, false, nil
	d.hub.reports.waits(d.id, false)
	d.save()
	switch {
	case s.err != nil:
		d.say(d.feedback.Bad, "NOT STORED: "+s.err.Error()+". Scan it again from the beginning.")
	case s.refused != "":
		d.say(d.feedback.Bad, "REFUSED: "+s.refused)
	case s.warning != "":
		d.say(d.feedback.Stored, subject+". Look: "+s.warning)
	default:
		d.say(d.feedback.Stored, subject)
	}
	for len(d.behind) > 0 && d.waiting == nil {
		next := d.behind[0]
		d.behind = d.behind[1:]
		d.scan(next)
	}
}

// end waits for the answer that is due, so that nobody is left in doubt who need not be.
func (d *device) end() {
	if d.waiting == nil {
		return
	}
	select {
	case s := <-d.answered:
		d.behind = nil
		d.journalled(s)
	case <-d.hub.ended:
		select {
		case s := <-d.answered:
			d.behind = nil
			d.journalled(s)
		default:
			d.say(d.feedback.Wait, "The agent stopped before it answered. Whether it is stored is not known yet.")
		}
	}
}

// answer tells what came of a scan that made no event.
func (d *device) answer(a answer) {
	switch a.result {
	case good:
		d.say(d.feedback.Good, a.text)
	case bad:
		d.say(d.feedback.Bad, a.text)
	case double:
		d.say(d.feedback.Double, a.text)
	case lost:
		d.say(d.feedback.Lost, a.text)
		d.hub.reports.dropped(d.hub.now(), d.id, a.text)
		d.hub.log.Info("half done work was dropped", "device", d.id, "text", a.text)
	}
}

func (d *device) say(template, text string) {
	if template == "" {
		return
	}
	d.mu.Lock()
	s := d.sink
	d.mu.Unlock()
	if s != nil {
		s.send([]byte(fill(template, text, d.machine.prompt())))
	}
}

func (d *device) save() {
	if d.hub.setup.Restart != restartKeep {
		return
	}
	if err := d.hub.store.put(d.id, d.machine.work, d.machine.begun() || d.machine.work.Operator != "" || d.waiting != nil); err != nil {
		d.hub.log.Warn("what is half done could not be written down", "device", d.id, "err", err)
		d.hub.reports.storeFailed(err)
	}
}
