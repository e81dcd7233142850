package scanner

import (
	"io"
	"strings"
	"sync"
	"time"
)

const (
	// mostTold is how many answers may wait for a reader that reads slowly.
	mostTold = 64
	// readWithin is how long a reader may take to read one.
	readWithin = 5 * time.Second
)

// fill puts words into a template. What was scanned must not become a command to the reader: control characters are blanks.
func fill(template, text, prompt string) string {
	clean := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f {
				return ' '
			}
			return r
		}, s)
	}
	return strings.NewReplacer("{text}", clean(text), "{prompt}", clean(prompt)).Replace(template)
}

// teller writes feedback in a goroutine of its own, so that a reader that reads nothing holds nobody.
type teller struct {
	to   io.Writer
	slow func() // called once, when the reader does not read

	once  sync.Once
	queue chan []byte
	done  chan struct{}
}

func newTeller(to io.Writer, slow func()) *teller {
	t := &teller{to: to, slow: slow, queue: make(chan []byte, mostTold), done: make(chan struct{})}
	go t.run()
	return t
}

// send implements sink. What a reader has no room for is not told: it has been told sixty other things that it did not read.
func (t *teller) send(data []byte) {
	select {
	case t.queue <- data:
	default:
		t.once.Do(t.slow)
	}
}

// close writes what waits, for a moment, and ends.
func (t *teller) close() {
	patience := time.After(readWithin)
	select {
	case t.queue <- nil:
	case <-patience:
		return
	}
	select {
	case <-t.done:
	case <-patience:
	}
}

func (t *teller) run() {
	defer close(t.done)
	for data := range t.queue {
		if data == nil {
			return
		}
		if limited, ok := t.to.(interface{ SetWriteDeadline(time.Time) error }); ok {
			_ = limited.SetWriteDeadline(time.Now().Add(readWithin))
		}
		if _, err := t.to.Write(data); err != nil {
			t.once.Do(t.slow)
			for data := range t.queue { // nobody hears it
				if data == nil {
					return
				}
			}
		}
	}
}
