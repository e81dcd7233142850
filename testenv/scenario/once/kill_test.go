package once_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/sandbox"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

// holds waits until the agent keeps an event, or none.
func holds(t *testing.T, w *world.World, some bool) {
	t.Helper()
	worldtest.Until(t, "the agent's journal", patience, func() (bool, error) {
		held, err := w.Sites[world.FileSite].Held(t.Context())
		return held > 0 == some, err
	})
}

// brokerWiped loses everything that the broker had, while the site's events are on their way through it.
func brokerWiped(t *testing.T, w *world.World, f *worldtest.Floor) {
	before := whole(t, w)
	o := f.Order(3)
	if w.Mosquitto == nil {
		w.Collector.Kill() // and the broker within it
		f.Tell(f.Pick(o, 0, 3))
		holds(t, w, true)
		files, err := w.BrokerFiles()
		if err != nil || len(files) > 0 {
			t.Errorf("the embedded broker left files that were to be wiped: %v, %v", files, err)
		}
		if err := w.RestartCollector(t.Context()); err != nil {
			t.Fatal(err)
		}
	} else {
		w.CollectorLine.Cut(true) // the broker takes the envelope, and nobody fetches it there
		f.Tell(f.Pick(o, 0, 3))
		holds(t, w, true)
		w.Mosquitto.Stop()
		if err := w.Mosquitto.Wipe(); err != nil {
			t.Fatal(err)
		}
		if err := w.Mosquitto.Start(); err != nil {
			t.Fatal(err)
		}
		w.CollectorLine.Cut(false)
	}
	f.Tell(f.Ship(o))
	once(t, w, before, 2)
	holds(t, w, false)
}

// killedBeforeAck: a pick is committed, and the Ack for it is lost with the collector that said it. The site sends the pick again.
func killedBeforeAck(t *testing.T, w *world.World, f *worldtest.Floor) {
	before := whole(t, w)
	o := f.Order(3)
	holds(t, w, false)
	line, hold := w.Sites[world.FileSite].Line, (*testenv.Line).HoldBack
	if w.CollectorLine != nil { // the Ack then does not even reach the broker
		line, hold = w.CollectorLine, (*testenv.Line).HoldForth
	}
	hold(line, true)
	f.Tell(f.Pick(o, 0, 3))
	worldtest.Until(t, "the pick in the log", patience, func() (bool, error) {
		track, err := w.Track(t.Context(), o.Number)
		return has(track, "pick.confirmed"), err
	})
	if held, err := w.Sites[world.FileSite].Held(t.Context()); err != nil || held == 0 {
		t.Fatalf("the agent holds %d events (%v): it has heard an Ack", held, err)
	}
	w.Collector.Kill()
	line.Cut(true) // what it said is lost
	hold(line, false)
	line.Cut(false)
	if err := w.RestartCollector(t.Context()); err != nil {
		t.Fatal(err)
	}
	holds(t, w, false)
	f.Tell(f.Ship(o))
	once(t, w, before, 2)
}

func has(track world.Track, kind string) bool {
	return slices.ContainsFunc(track.Events, func(e world.TrackEvent) bool { return e.Kind == kind })
}

// killedBeforeAnswer: the ERP hangs while the goods issue of a shipment is posted, once after it has booked it and once before; the
// collector dies waiting. It must find the first, and send the second again.
func killedBeforeAnswer(t *testing.T, w *world.World, f *worldtest.Floor) {
	before := whole(t, w)
	for n, mode := range []sandbox.Mode{sandbox.TimeoutAfter, sandbox.TimeoutBefore} {
		o := f.Order(3)
		asked := w.ERP.Faults().Counts()[mode]
		w.ERP.Faults().Next(mode)
		f.Tell(f.Pick(o, 0, 3))
		f.Tell(f.Ship(o))
		worldtest.Until(t, "a goods issue on its way", patience, func() (bool, error) { return w.ERP.Faults().Counts()[mode] > asked, nil })
		booked := func() (bool, error) {
			truth, err := w.Read(t.Context())
			for _, issue := range truth.Issues {
				if strings.HasPrefix(issue.ExternalReference, o.Number+"/") {
					return true, err
				}
			}
			return false, err
		}
		if mode == sandbox.TimeoutAfter {
			worldtest.Until(t, "the ERP's booking", patience, booked)
		}
		track, err := w.Track(t.Context(), o.Number)
		if err != nil {
			t.Fatal(err)
		}
		w.Collector.Kill()
		if !slices.ContainsFunc(track.Postings, func(p world.TrackPosting) bool { return p.Kind == "goods_issue" && p.State == "sending" }) {
			t.Fatalf("no goods issue is being sent, so the collector did not die between sending and hearing: %+v", track.Postings)
		}
		if there, err := booked(); err != nil || there != (mode == sandbox.TimeoutAfter) {
			t.Fatalf("%s: booked %v, %v", mode, there, err)
		}
		if err := w.RestartCollector(t.Context()); err != nil {
			t.Fatal(err)
		}
		once(t, w, before, 2*(n+1))
	}
}
