package uplink

import (
	"fmt"

	"github.com/dockline/dockline/proto/wire"
)

// Hand works an uplink by hand, in the place of Run: without a goroutine, a connection or a timer, so that whoever plays the line
// decides what happens when. It is not for concurrent use.
type Hand struct{ u *Uplink }

// ByHand gives the uplink into the caller's hand; Run must not be called.
func (u *Uplink) ByHand() *Hand { return &Hand{u} }

// Connect says that a connection is being made. It returns what the broker is to tell when it falls, and what goes first on it; Up follows
// when these were sent.
func (h *Hand) Connect() (will wire.Message, birth []wire.Message) {
	return *h.u.makeWill(), h.u.birth()
}

// Up says that the connection stands, Down that it has fallen.
func (h *Hand) Up() { h.u.handle(up{h.u.hello()}, h.u.c.Now()) }

// Down says that the connection has fallen. What is still out ends then too.
func (h *Hand) Down(reason error) { h.u.handle(down{reason}, h.u.c.Now()) }

// Take hands in a message from the collector.
func (h *Hand) Take(m wire.Message) { h.u.handle(m, h.u.c.Now()) }

// Out is one message on its way to the broker.
type Out struct {
	Message wire.Message
	u       *Uplink
	s       *sending
}

// Landed says that the Publish has ended, with the broker's word or an error. It is called once.
func (o Out) Landed(err error) {
	o.s.err = err
	o.u.landed(o.s, o.u.c.Now())
}

// String names the message as a person would look for it.
func (o Out) String() string {
	if f := o.s.flight; f != nil {
		return fmt.Sprintf("envelope %.8s %d-%d", f.epoch, f.first, f.last)
	}
	return o.Message.Topic
}

// Step does what is due and returns what is to be published, in order.
func (h *Hand) Step() []Out {
	u := h.u
	select {
	case <-u.wakeup:
		u.wakeup = nil
	default:
	}
	u.step(u.c.Now())
	var all []Out
	for {
		select {
		case s := <-u.out:
			all = append(all, Out{s.message, u, s})
		default:
			return all
		}
	}
}
