package plugintest

import (
	"time"

	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

const (
	// windowInTest is small, so that it closes.
	windowInTest = 2
	// quiet is how long the suite looks whether something comes that must not.
	quiet = 300 * time.Millisecond
)

func (b *bench) everything() {
	k := &kept{}
	c := b.open(b.life(), nil, windowInTest)
	c.all(k)
	c.end(k)
	b.once(k)
}

func (b *bench) valid() {
	l := b.life()
	d, err := l.Source.Describe(b.ctx, &docklinev1.DescribeRequest{})
	if err != nil {
		b.Fatal(err)
	}
	declared := map[docklinev1.EventKind]bool{docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED: true}
	for _, kind := range d.GetKinds() {
		declared[kind] = true
	}
	k := &kept{}
	c := b.open(l, nil, windowInTest)
	c.all(k)
	for _, e := range k.events {
		if !declared[e.GetKind()] {
			b.Errorf("kind %v is not one that it describes", e.GetKind())
		}
		if fault := event.Validate(e); fault != nil {
			b.Errorf("event %s of %s: %v", e.GetSourceKey(), e.GetOrigin(), fault)
		}
		if e.GetSourceKey() == "" && !b.Keyless {
			b.Errorf("an event without a source key: %v", e)
		}
		if e.GetId() != "" || e.GetTenant() != "" || e.GetSite() != "" || e.GetSource() != "" {
			b.Errorf("id, tenant, site and source are the host's to fill: %v", e)
		}
	}
}

// resume kills the plugin after every batch that is durable, while the next may be on its way.
func (b *bench) resume() {
	k := &kept{}
	for kills := 0; len(k.events) < b.Events; kills++ {
		if kills > b.Events {
			b.Fatalf("after %d kills only %d of %d events are there", kills, len(k.events), b.Events)
		}
		l := b.life()
		c := b.open(l, k.cursor, windowInTest)
		batch := c.next()
		for len(batch.GetEvents()) == 0 { // it may say first how far it is
			k.commit(batch)
			c.ack(batch, false)
			batch = c.next()
		}
		if kills%2 == 0 {
			l.kill() // before it is durable: it must come again
			l = b.life()
			c = b.open(l, k.cursor, windowInTest)
			for batch = c.next(); len(batch.GetEvents()) == 0; batch = c.next() {
				k.commit(batch)
				c.ack(batch, false)
			}
		}
		k.commit(batch)
		c.ack(batch, false)
		l.kill()
	}
	b.quietAfter(k)
	b.once(k)
}

// resumeAfterLostAck kills the plugin when its batch is durable and it has not been told.
func (b *bench) resumeAfterLostAck() {
	k := &kept{}
	for kills := 0; len(k.events) < b.Events; kills++ {
		if kills > 2*b.Events {
			b.Fatalf("after %d kills only %d of %d events are there", kills, len(k.events), b.Events)
		}
		l := b.life()
		k.commit(b.open(l, k.cursor, windowInTest).next())
		l.kill()
	}
	b.quietAfter(k)
	b.once(k)
}

// quietAfter starts the plugin once more and looks that it reports nothing again.
func (b *bench) quietAfter(k *kept) {
	b.Helper()
	c := b.open(b.life(), k.cursor, windowInTest)
	for end := time.Now().Add(5 * quiet); time.Now().Before(end); {
		batch := c.within(quiet)
		if batch == nil {
			break
		}
		k.commit(batch)
		c.ack(batch, false)
	}
	c.end(k)
}

func (b *bench) window() {
	c := b.open(b.life(), nil, 1)
	k := &kept{}
	for len(k.events) < b.Events {
		batch := c.next()
		if len(k.events) == 0 && c.within(quiet) != nil {
			b.Fatal("a second batch came while the first had no answer and the window is 1")
		}
		k.commit(batch)
		c.ack(batch, false)
	}
	c.end(k)
	b.once(k)
}

func (b *bench) drain() {
	k := &kept{}
	l := b.life()
	c := b.open(l, nil, windowInTest)
	batch := c.next()
	k.commit(batch)
	c.ack(batch, false)
	c.end(k)
	l.kill()
	// What the drain cut off comes after the next start.
	c = b.open(b.life(), k.cursor, windowInTest)
	c.all(k)
	c.end(k)
	if !b.Keyless {
		b.once(k)
	}
}

func (b *bench) drainUnanswered() {
	k := &kept{}
	c := b.open(b.life(), nil, windowInTest)
	batch := c.next()
	c.send(&docklinev1.CaptureRequest{Message: &docklinev1.CaptureRequest_Drain{Drain: &docklinev1.CaptureDrain{}}})
	k.commit(batch)
	c.ack(batch, false)
	c.end(k)
}

func (b *bench) refused() {
	k := &kept{}
	l := b.life()
	c := b.open(l, nil, windowInTest)
	for len(k.events) < b.Events {
		batch := c.next()
		k.commit(proto.CloneOf(batch))
		c.ack(batch, true)
	}
	c.end(k)
	l.kill()
	b.quietAfter(k)
	b.once(k)
}
