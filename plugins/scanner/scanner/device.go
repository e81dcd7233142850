package scanner

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/plugins"
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
	told    bool   // the reader was told to wait
	remark  string // what is odd about the scan that waits
	behind  []arrival
}

// arrival is a scan, and when it came.
type arrival struct {
	at  time.Time
	raw string
}

// stoppingText is what a reader hears to a scan that comes too late.
const stoppingText = "Not taken: the agent is stopping. Scan it again when it is back."

// find gives the reader of an id, which it makes where it is new, until it is released. It is nil where there are too many, and once the plugin stops;
// never for an input's own reader while it does not.
func (h *hub) find(ctx context.Context, group *sync.WaitGroup, in *Input, id string) *device {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopping {
		return nil
	}
	if d := h.devices[id]; d != nil {
		d.users++
		return d
	}
	if len(h.devices) >= mostDevices && id != in.ID {
		return nil
	}
	d := h.newDevice(in, id)
	d.users = 1
	h.start(ctx, group, d)
	return d
}

func (h *hub) newDevice(in *Input, id string) *device {
	return &device{id: id, input: in, hub: h, machine: newMachine(id, *in, h.setup), feedback: h.feedback(in), scans: make(chan string), answered: make(chan stored, 1),
		changed: make(chan struct{}, 1), finished: make(chan struct{}), last: h.now()}
}

func (h *hub) feedback(in *Input) Feedback {
	if feedback, ok := h.setup.Feedback[in.Feedback]; ok {
		return feedback
	}
	return plainFeedback
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
	if ctx.Err() == nil {
		select {
		case d.scans <- string(raw):
			return
		case <-ctx.Done():
		}
	}
	d.tooLate()
}

// tooLate refuses a scan aloud that came when the plugin stopped.
func (d *device) tooLate() {
	d.hub.reports.notTaken(d.id)
	d.tell(d.feedback.Bad, stoppingText, "")
}

// run takes the reader's scans one after the other until ctx ends, or until the reader has gone and left nothing half done.
func (d *device) run(ctx context.Context) {
	defer close(d.finished)
	defer d.save()
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	overdue := time.NewTimer(d.hub.setup.AnswerWithin) // of an event of before the restart
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
				d.wait()
				d.hub.reports.waits(d.id, true)
			}
		case <-tick.C:
			if d.waiting == nil {
				if a, dropped := d.machine.expire(d.hub.now()); dropped {
					d.save()
					d.answer(a)
				}
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
	switch {
	case greet && d.told:
		d.wait()
	case greet:
		d.say(d.feedback.Good, "")
	}
}

func (d *device) wait() {
	d.say(d.feedback.Wait, "The agent has not stored it yet. Scan nothing more until it has.")
}

// remembered is how long a reader that has gone is remembered, with what it scanned last.
const remembered = time.Minute

// forget takes a reader out of the list that has gone and left nothing half done. Its operator goes with it where it does not come back.
func (d *device) forget() bool {
	comesBack := d.input.TCP == nil || d.input.TCP.Listen == "" || d.input.TCP.TellApart == byAddress
	if d.waiting != nil || d.machine.begun() || d.machine.work.Operator != "" && comesBack || d.hub.now().Sub(d.lastScan()) < remembered {
		return false
	}
	d.hub.mu.Lock()
	defer d.hub.mu.Unlock()
	if d.users > 0 {
		return false
	}
	d.machine.work.Operator = ""
	delete(d.hub.devices, d.id)
	return true
}

func (d *device) lastScan() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

// heard takes a scan, or keeps it until the journal has answered. What nobody could read is refused at once, so that garbage on the line leaves room for scans.
func (d *device) heard(raw string) {
	now := d.hub.now()
	d.mu.Lock()
	d.last = now
	d.mu.Unlock()
	switch {
	case d.waiting == nil:
		d.scan(arrival{now, raw})
	case d.machine.unreadable(raw) != "":
		d.hub.reports.scanned(d.input.ID, bad)
		d.say(d.feedback.Bad, d.machine.unreadable(raw))
	case d.told || len(d.behind) == mostBehind:
		d.say(d.feedback.Bad, "Not taken: the scan before is not stored yet. Wait.")
	default:
		d.behind = append(d.behind, arrival{now, raw})
	}
}

// scan takes a scan. What its reader hears of it is written down before.
func (d *device) scan(s arrival) {
	a := d.machine.scan(s.at, s.raw)
	d.hub.reports.scanned(d.input.ID, a.result)
	if d.remark = a.remark; a.remark != "" {
		d.hub.reports.label(d.hub.now(), d.input.ID, a.remark)
	}
	if a.result != whole {
		if a.result == good || a.result == lost {
			d.save() // else nothing has changed that is worth a write: a reader that sends garbage has the disk no busier
		}
		d.answer(a)
		return
	}
	d.machine.work.Waiting, _ = proto.Marshal(a.event)
	d.hand(a.event)
}

// hand gives an event to the host, once it is written down.
func (d *device) hand(e *docklinev1.Event) {
	d.waiting, d.told = e, false
	d.save()
	d.hub.queue <- handed{event: e, at: d.hub.now(), answered: func(s stored) { d.answered <- s }} // a reader has one event on its way
}

// journalled is the journal's answer to the event that waits. Only here a reader hears that something is stored. An event that the host was not given, or
// of which it has not said what became, stays where it is kept: in the next life it is handed over again.
func (d *device) journalled(s stored) {
	if s.err != nil && !errors.Is(s.err, plugins.ErrTooLarge) && d.keeps() {
		return
	}
	subject := d.waiting.GetSubject()
	d.waiting, d.told, d.machine.work.Waiting = nil, false, nil
	d.machine.resumed = d.hub.now()
	d.hub.reports.waits(d.id, false)
	d.save()
	switch {
	case s.err != nil:
		d.say(d.feedback.Bad, "NOT STORED: "+s.err.Error()+". Scan it again from the beginning.")
	case s.refused != "":
		d.say(d.feedback.Bad, "REFUSED: "+s.refused)
	case s.warning+d.remark != "":
		d.say(d.feedback.Stored, subject+". Look: "+strings.TrimSpace(s.warning+" "+d.remark))
	default:
		d.say(d.feedback.Stored, subject)
	}
	for len(d.behind) > 0 && d.waiting == nil {
		next := d.behind[0]
		d.behind = d.behind[1:]
		d.scan(next)
	}
}

// end takes what was scanned before the stop, as long as the journal answers in time, and says aloud what was not taken: nobody is left in doubt who need
// not be.
func (d *device) end() {
	for d.waiting != nil {
		select {
		case s := <-d.answered:
			d.journalled(s)
			continue
		default:
		}
		select {
		case s := <-d.answered:
			d.journalled(s)
		case <-d.hub.ended:
			d.leave()
			return
		}
	}
}

// leave ends with an event that was not answered.
func (d *device) leave() {
	for range d.behind {
		d.tooLate()
	}
	d.behind = nil
	select {
	case s := <-d.answered:
		d.journalled(s)
	default:
	}
	switch {
	case d.waiting == nil:
	case d.keeps():
		d.say(d.feedback.Wait, "The agent stopped before it answered. It is kept, and stored when the agent is back: do not scan it again.")
	default:
		d.say(d.feedback.Wait, "The agent stopped before it answered. Whether it is stored is not known yet.")
	}
}

// answer tells what came of a scan that made no event.
func (d *device) answer(a answer) {
	switch a.result {
	case good:
		d.say(d.feedback.Good, strings.TrimSpace(a.text+" "+a.remark))
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

func (d *device) say(template, text string) { d.tell(template, text, d.machine.prompt()) }

// tell may be called from any goroutine.
func (d *device) tell(template, text, prompt string) {
	if template == "" {
		return
	}
	d.mu.Lock()
	s := d.sink
	d.mu.Unlock()
	if s != nil {
		s.send([]byte(fill(template, text, prompt)))
	}
}

func (d *device) keeps() bool { return d.hub.setup.Restart == restartKeep }

func (d *device) save() {
	if !d.keeps() {
		return
	}
	w := &d.machine.work
	if !d.machine.begun() && w.Operator == "" && w.Waiting == nil {
		w = nil
	}
	err := d.hub.store.put(d.id, w)
	if err != nil {
		d.hub.log.Warn("what is half done could not be written down", "device", d.id, "err", err)
	}
	d.hub.reports.wrote(d.id, err)
}
