package collector

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
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
	log    *slog.Logger
}

func (m *Collector) newLine(context.Context) (*line, error) {
	config := wire.Config{URL: m.BrokerURL(), ClientID: wire.CollectorClientID(m.name), KeepAlive: 15 * time.Second, Subscribe: []string{wire.SharedUp},
		QueueBytes: 128 << 20, Prompt: true, Log: m.log.With("part", "line")}
	var err error
	config.TLS, err = m.lineTLS()
	config.MakeTLS = m.makeLineTLS
	return &line{config: config, ready: make(chan struct{}), log: config.Log}, err
}

func (m *Collector) lineTLS() (*tls.Config, error) {
	if m.broker != nil {
		return m.authority.CollectorTLS(m.name)
	}
	if m.config.MQTT.CA == "" {
		return nil, nil
	}
	config, err := wire.LoadTLS(m.config.Path(m.config.MQTT.CA), m.config.Path(m.config.MQTT.Certificate), m.config.Path(m.config.MQTT.Key))
	if err != nil {
		return nil, err
	}
	return config, m.ownCertificate(config)
}

// ownCertificate refuses a certificate of ours that names another collector: under one name two would throw each other off the line.
func (m *Collector) ownCertificate(config *tls.Config) error {
	shown, err := config.GetClientCertificate(nil)
	if err != nil || shown.Leaf == nil {
		return err
	}
	who, err := wire.CertificateIdentity(shown.Leaf)
	if err == nil && who.Collector != m.name {
		return fmt.Errorf("mqtt.certificate is that of %s, and this collector's name is %q: `dockline-collector broker mosquitto --collector %s` makes one, or change name in collector.yaml",
			who.ClientID(), m.name, m.name)
	}
	return nil // another authority's certificate says nothing of this
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

// leaveWithin is how long the line takes to be given up: what was sent to this collector is stored and answered first.
const leaveWithin = 3 * time.Second

// run keeps the connection until ctx ends. It then leaves the subscription that collectors share, so that the others get everything that
// comes, and lets ingest finish what had come; ingest runs until intake ends, which is done here.
func (l *line) run(ctx context.Context, r *road, intakeOver context.CancelFunc) error {
	defer intakeOver()
	l.config.OnMessage = r.ingest.Offer
	conn, err := wire.Dial(context.WithoutCancel(ctx), l.config)
	if err != nil {
		return err
	}
	l.conn = conn
	close(l.ready)
	<-ctx.Done()
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveWithin)
	defer cancel()
	if err := conn.Leave(end); err != nil {
		l.log.Warn("the line was given up before all that had come was taken; the sites send it again", "err", err)
	} else {
		r.ingest.Settle(end)
	}
	// What is not answered by now the sites send again: another collector takes it.
	intakeOver()
	bye, done := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer done()
	return conn.Close(bye)
}
