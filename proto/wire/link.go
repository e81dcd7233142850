package wire

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/session/state"
	"golang.org/x/sync/semaphore"
)

// link is one connection from its dialling to its end. Nothing of it is used again for the next one: a session that outlives its
// connection is where the client library (paho.golang v0.23.0, under autopaho too) races and leaves callers hanging.
type link struct {
	ctx    context.Context // ends when the link falls; its cause says why
	fall   context.CancelCauseFunc
	line   *line
	client *paho.Client
	// slots are what the broker lets be in flight, so that no caller waits inside the library.
	slots     chan struct{}
	maxPacket uint32
	queue     chan arrival
	room      *semaphore.Weighted
}

type arrival struct {
	message Message
	weight  int64
	// passed is closed when all that came before is handed over; nil for a message.
	passed chan struct{}
}

// once makes a link and serves it until it falls. up says whether OnUp was reached.
func (c *Conn) once(ctx context.Context) (up bool, err error) {
	l, err := c.connect(ctx)
	if err != nil {
		return false, err
	}
	defer func() {
		_ = l.line.Close() // that it was closed already is no news
		<-l.client.Done()
	}()
	if err := c.greet(l); err != nil {
		l.fall(err)
		return false, context.Cause(l.ctx)
	}
	c.mu.Lock()
	c.link, c.linkedAt, c.maxPacket = l, time.Now(), l.maxPacket
	c.mu.Unlock()
	c.connections.Add(1)
	c.config.Log.Info("linked to the broker", "broker", c.url.Redacted(), "client", c.config.ClientID)
	if c.config.OnUp != nil {
		c.config.OnUp()
	}
	c.serve(ctx, l)
	c.mu.Lock()
	c.link = nil
	c.mu.Unlock()
	err = context.Cause(l.ctx)
	if c.config.OnDown != nil {
		c.config.OnDown(err)
	}
	return true, err
}

func (c *Conn) connect(ctx context.Context) (*link, error) {
	dialing, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	config := c.config
	if config.MakeTLS != nil {
		if fresh := config.MakeTLS(); fresh != nil {
			config.TLS = fresh
		}
	}
	raw, err := dial(dialing, c.url, &config)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	l := &link{room: semaphore.NewWeighted(int64(c.config.QueueBytes)), queue: make(chan arrival, c.config.QueueBytes/queueFloor+1)}
	// Not a child of ctx: when that ends the link still has to say goodbye.
	l.ctx, l.fall = context.WithCancelCause(context.WithoutCancel(ctx))
	l.line = newLine(raw, l.fall)
	l.client = paho.NewClient(paho.ClientConfig{
		ClientID:          c.config.ClientID,
		Conn:              l.line,
		Session:           &session{State: state.NewInMemory(), ended: l.fall},
		PacketTimeout:     publishTimeout,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) { c.enqueue(l, p.Packet); return true, nil }},
	})
	granted, err := l.client.Connect(dialing, c.connectPacket())
	if err != nil {
		_ = l.line.Close() // the library has most often closed it
		if granted != nil && granted.ReasonCode >= 0x80 {
			return nil, fmt.Errorf("connect: %w", &Refused{granted.ReasonCode, reasonOf(granted.Properties)})
		}
		return nil, fmt.Errorf("connect: %w", err)
	}
	inFlight := uint16(65535)
	if p := granted.Properties; p != nil {
		if p.ReceiveMaximum != nil && *p.ReceiveMaximum > 0 {
			inFlight = *p.ReceiveMaximum
		}
		if p.MaximumPacketSize != nil {
			l.maxPacket = *p.MaximumPacketSize
		}
	}
	l.slots = make(chan struct{}, inFlight)
	return l, nil
}

func reasonOf(p *paho.ConnackProperties) string {
	if p == nil {
		return ""
	}
	return p.ReasonString
}

func (c *Conn) connectPacket() *paho.Connect {
	expiry, largest := uint32(0), uint32(8<<20)
	packet := &paho.Connect{
		ClientID:   c.config.ClientID,
		KeepAlive:  uint16(c.config.KeepAlive.Seconds()),
		CleanStart: true,
		Properties: &paho.ConnectProperties{SessionExpiryInterval: &expiry, ReceiveMaximum: &c.config.ReceiveMaximum, MaximumPacketSize: &largest, RequestProblemInfo: true},
	}
	will := c.config.Will
	if c.config.MakeWill != nil {
		will = c.config.MakeWill()
	}
	if will != nil {
		packet.WillMessage = &paho.WillMessage{Topic: will.Topic, Payload: will.Payload, Retain: will.Retain, QoS: 1}
		packet.WillProperties = &paho.WillProperties{}
	}
	return packet
}

// greet subscribes and sends the birth messages, and then waits for the broker's answers to all of them: over a long line each answer
// that is awaited by itself costs a round trip. The broker takes packets in the order in which they come.
func (c *Conn) greet(l *link) error {
	ctx, cancel := context.WithTimeout(l.ctx, greetTimeout)
	defer cancel()
	var answers []<-chan error
	if len(c.config.Subscribe) > 0 {
		answers = append(answers, l.written(func() error { return c.subscribe(ctx, l) }))
	}
	if c.config.Birth != nil {
		for _, m := range c.config.Birth() {
			answers = append(answers, l.written(func() error {
				if err := l.publish(ctx, m); err != nil {
					return fmt.Errorf("birth on %s: %w", m.Topic, err)
				}
				return nil
			}))
		}
	}
	var first error
	for _, answer := range answers {
		if err := <-answer; err != nil && first == nil {
			first = err
			l.fall(err) // the others need not wait
		}
	}
	return first
}

func (c *Conn) subscribe(ctx context.Context, l *link) error {
	request := &paho.Subscribe{}
	for _, filter := range c.config.Subscribe {
		request.Subscriptions = append(request.Subscriptions, paho.SubscribeOptions{Topic: filter, QoS: 1})
	}
	answer, err := l.client.Subscribe(ctx, request)
	if answer != nil {
		for i, code := range answer.Reasons {
			if code >= 0x80 && i < len(c.config.Subscribe) {
				err = &Refused{code, "for the subscription " + c.config.Subscribe[i]}
			}
		}
	}
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	return nil
}

// written runs a call that subscribes or sends a message and waits for the answer, and returns when that has been written; how it ended
// comes through the channel.
func (l *link) written(call func() error) <-chan error {
	before, ended := l.line.told.Load(), make(chan error, 1)
	over := make(chan struct{})
	go func() {
		ended <- call()
		close(over)
	}()
	for l.line.told.Load() == before {
		select {
		case <-l.line.wrote:
		case <-over:
			return ended
		case <-l.ctx.Done():
			return ended
		}
	}
	return ended
}

// serve hands over what arrives until the link falls or ctx ends.
func (c *Conn) serve(ctx context.Context, l *link) {
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-ctx.Done():
			// 0x04: the will is to be spoken all the same. The link falls by it; an error says only that it had fallen before.
			if err := l.client.Disconnect(&paho.Disconnect{ReasonCode: 0x04}); err != nil {
				c.config.Log.Debug("say goodbye", "err", err)
			}
			l.fall(ErrDown)
			return
		case a := <-l.queue:
			if a.passed != nil {
				close(a.passed)
				continue
			}
			l.room.Release(a.weight)
			c.received.Add(1)
			if c.config.OnMessage != nil {
				c.config.OnMessage(a.message)
			}
		}
	}
}

// enqueue is called by the library for one message at a time. While it waits for room the broker holds back what comes with QoS 1; what
// comes with QoS 0 would hold up the answers behind it, for which OnMessage may be waiting, so it is dropped.
func (c *Conn) enqueue(l *link, p *paho.Publish) {
	a := arrival{message: Message{Topic: p.Topic, Payload: p.Payload, Retain: p.Retain}, weight: int64(min(max(len(p.Payload)+len(p.Topic), queueFloor), c.config.QueueBytes))}
	if p.QoS == 0 {
		if !l.room.TryAcquire(a.weight) {
			c.dropped.Add(1)
			return
		}
	} else if l.room.Acquire(l.ctx, a.weight) != nil {
		return
	}
	l.queue <- a // there is room in it for as many as there is room for in bytes
}

// publish waits for a slot, sends, and waits for the answer, each no longer than the link holds.
func (l *link) publish(ctx context.Context, m Message) error {
	if size := packetSize(m); l.maxPacket > 0 && size > int(l.maxPacket) {
		return fmt.Errorf("%w: %d bytes, %d are taken", ErrTooLarge, size, l.maxPacket)
	}
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-l.ctx.Done():
		return l.down()
	}
	answer := make(chan error, 1)
	go func() {
		answer <- l.send(m)
		<-l.slots
	}()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-l.ctx.Done():
		return l.down()
	}
}

func (l *link) send(m Message) error {
	answer, err := l.client.Publish(l.ctx, &paho.Publish{Topic: m.Topic, Payload: m.Payload, Retain: m.Retain, QoS: 1})
	switch {
	case err == nil:
		return nil
	case answer != nil && answer.ReasonCode >= 0x80:
		refused := &Refused{Code: answer.ReasonCode}
		if answer.Properties != nil {
			refused.Text = answer.Properties.ReasonString
		}
		return refused
	case errors.Is(err, paho.ErrInvalidArguments):
		return err
	case l.ctx.Err() != nil:
		return l.down()
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer within %s: %w", publishTimeout, err)
	}
	return fmt.Errorf("%w: %w", ErrDown, err)
}

func (l *link) down() error {
	if cause := context.Cause(l.ctx); cause != nil && !errors.Is(cause, ErrDown) {
		return fmt.Errorf("%w: %w", ErrDown, cause)
	}
	return ErrDown
}

// packetSize is the size of the PUBLISH packet that carries m, as MaximumPacketSize counts it: with its fixed header.
func packetSize(m Message) int {
	rest := 2 + len(m.Topic) + 2 + 1 + len(m.Payload) // topic, packet id, no properties, payload
	header := 2
	for n := rest; n >= 128; n /= 128 {
		header++
	}
	return header + rest
}

// session tells why the broker ended the connection, which the library would tell only after its end.
type session struct {
	*state.State
	ended context.CancelCauseFunc
}

func (s *session) ConnectionLost(p *packets.Disconnect) error {
	if p != nil {
		refused := &Refused{Code: p.ReasonCode, Text: p.Reason()}
		s.ended(refused)
	}
	return s.State.ConnectionLost(p)
}
