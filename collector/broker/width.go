package broker

import "time"

// width is how many connections may be between their first byte and their CONNECT at once. When an outage ends for a whole fleet all of it comes
// back in the same moment, and a handshake costs milliseconds of processor: were all let in, each would take longer than its client waits, all would
// be given up and begun anew, and nobody would get in. So the width follows what the machine gets done: where a connection took too long it
// narrows, and where they are quick it widens. Who finds no room is turned away before anything was spent on him, and tries again.
type width struct {
	at, most float64
	// narrowed is when it was narrowed last: what came before that says nothing about it.
	narrowed time.Time
}

const (
	// quick is within what time a connection is to be let in; clients wait 10 s.
	quick = 2 * time.Second
	// narrowest is what there is room for however slow it goes: a few with a long line must not keep the others out.
	narrowest = 32
)

func newWidth(most int) width { return width{at: float64(most), most: float64(most)} }

func (w *width) now() int { return int(w.at) }

// settled takes note of a connection that was let in. What fails says nothing: else strangers could narrow it.
func (w *width) settled(came, now time.Time) {
	switch {
	case now.Sub(came) <= quick:
		w.at = min(w.at+1, w.most)
	case came.After(w.narrowed):
		w.at, w.narrowed = max(min(w.most, narrowest), w.at*2/3), now
	}
}
