package collector

import (
	"context"
	"crypto/tls"
	"time"

	"github.com/dockline/dockline/proto/wire"
)

// link is what the stages need of the connection to the broker; *line is one.
type link interface {
	// publish sends one message; it fails while the line is down.
	publish(ctx context.Context, message wire.Message) error
	// up says whether there is a link.
	up() bool
}

// line is the collector's connection to the broker. Ingest hands it answers before it is dialled, and dialling needs ingest: hence
// the two steps.
type line struct {
	config wire.Config
	conn   *wire.Conn
	ready  chan struct{}
}

func (m *Collector) newLine(context.Context) (*line, error) {
	config := wire.Config{URL: m.BrokerURL(), ClientID: wire.CollectorClientID(m.name), KeepAlive: 15 * time.Second, Subscribe: []string{wire.SharedUp},
		QueueBytes: 128 << 20, Prompt: true, Log: m.log.With("part", "line")}
	var err error
	config.TLS, err = m.lineTLS()
	config.MakeTLS = m.makeLineTLS
	return &line{config: config, ready: make(chan struct{})}, err
}

func (m *Collector) lineTLS() (*tls.Config, error) {
	if m.broker != nil {
		return m.authority.CollectorTLS(m.name)
	}
	if m.config.MQTT.CA == "" {
		return nil, nil
	}
	return wire.LoadTLS(m.config.Path(m.config.MQTT.CA), m.config.Path(m.config.MQTT.Certificate), m.config.Path(m.config.MQTT.Key))
}

// publish sends one message; it fails while the line is down, and whoever needs it there sends it again.
func (l *line) publish(ctx context.Context, message wire.Message) error {
	select {
	case <-l.ready:
		return l.conn.Publish(ctx, message)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// up says whether there is a link.
func (l *line) up() bool {
	select {
	case <-l.ready:
		return l.conn.Connected()
	default:
		return false
	}
}

// run keeps the connection until ctx ends.
func (l *line) run(ctx context.Context, r *road) error {
	l.config.OnMessage = r.ingest.Offer
	conn, err := wire.Dial(context.WithoutCancel(ctx), l.config)
	if err != nil {
		return err
	}
	l.conn = conn
	close(l.ready)
	<-ctx.Done()
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	return conn.Close(end)
}
