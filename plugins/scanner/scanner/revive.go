package scanner

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// revive makes the readers of before the restart anew, each with what it was kept of its work, before any of them calls: so an event that was not answered
// is in its reader's file until it is, and work that nobody goes on with ends in its time. An event of a reader that is not there any longer is
// handed over all the same.
func (h *hub) revive(ctx context.Context, group *sync.WaitGroup, kept map[string]*work) {
	h.queue = make(chan handed, cap(h.queue)+len(kept)) // nobody takes from it yet
	for _, id := range slices.Sorted(maps.Keys(kept)) {
		w := kept[id]
		waits := &docklinev1.Event{}
		if len(w.Waiting) == 0 {
			waits = nil
		} else if err := proto.Unmarshal(w.Waiting, waits); err != nil {
			h.reports.dropped(h.now(), id, "an event that was not answered could not be read after the restart.")
			w.Waiting, waits = nil, nil
		}
		if waits != nil {
			h.log.Info("an event that was not answered is sent again", "device", id, "order", waits.GetSubject())
		}
		if d := h.revived(id, w); d != nil {
			if waits != nil {
				d.hand(waits)
			}
			h.mu.Lock()
			h.start(ctx, group, d)
			h.mu.Unlock()
			continue
		}
		h.orphan(id, waits)
	}
}

// revived is a reader with its work of before. It is nil where nothing is to be kept, or where its input is not configured any longer.
func (h *hub) revived(id string, w *work) *device {
	at := slices.IndexFunc(h.setup.Inputs, func(in Input) bool { return in.ID == id || strings.HasPrefix(id, in.ID+"@") })
	if at < 0 || h.setup.Restart != restartKeep || len(h.devices) >= mostDevices {
		if w.halfDone() {
			h.reports.dropped(h.now(), id, "what was half done was dropped at the restart: nothing is to be kept of this reader any longer, as configured.")
		}
		return nil
	}
	d := h.newDevice(&h.setup.Inputs[at], id)
	d.last = w.LastScan
	if _, known := d.machine.flow.states[w.State]; known {
		d.machine.work = *w
		return d
	}
	h.reports.dropped(h.now(), id, "what was half done was dropped at the restart: its flow has no state "+w.State+" any longer.")
	d.machine.work.Operator, d.machine.work.Waiting, d.machine.work.LastScan = w.Operator, w.Waiting, w.LastScan
	return d
}

// halfDone says whether anybody would miss it. A badge alone is scanned again.
func (w *work) halfDone() bool { return len(w.Steps)+len(w.Lines)+len(w.Values) > 0 }

// orphan hands over the event of a reader that is no more. Its file goes when the host has answered.
func (h *hub) orphan(id string, waits *docklinev1.Event) {
	remove := func() {
		if err := h.store.put(id, nil); err != nil {
			h.log.Warn("what was kept of a reader could not be removed", "device", id, "err", err)
		}
	}
	if waits == nil {
		remove()
		return
	}
	h.queue <- handed{event: waits, at: h.now(), answered: func(s stored) {
		if s.err == nil {
			remove()
		}
	}}
}

// start enters a reader and runs it. The caller holds mu, and has seen that the plugin does not stop.
func (h *hub) start(ctx context.Context, group *sync.WaitGroup, d *device) {
	h.devices[d.id] = d
	h.busy.Add(1)
	group.Go(func() {
		defer h.busy.Done()
		d.run(ctx)
	})
}
