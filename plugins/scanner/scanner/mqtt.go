package scanner

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
)

const (
	keepAlive     = 20
	publishWithin = 5 * time.Second
)

// runMQTT hears readers that publish on a broker. The line is kept up by autopaho.
func (h *hub) runMQTT(ctx context.Context, group *sync.WaitGroup, in *Input) error {
	config, err := in.MQTT.client(in.ID)
	if err != nil {
		return h.again(ctx, in, func() error { return err })
	}
	config.OnConnectError = func(err error) { h.reports.reached(in.ID, err) }
	config.OnConnectionUp = func(m *autopaho.ConnectionManager, _ *paho.Connack) {
		go func() { // not here: the line must go on being read
			_, err := m.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: in.MQTT.Topic, QoS: 1}}})
			h.reports.reached(in.ID, err)
		}()
	}
	config.ClientConfig.OnServerDisconnect = func(d *paho.Disconnect) {
		h.reports.reached(in.ID, fmt.Errorf("the broker ended the connection with reason %d", d.ReasonCode))
	}
	config.ClientConfig.OnClientError = func(err error) { h.reports.reached(in.ID, err) }
	var manager *autopaho.ConnectionManager
	ready := make(chan struct{})
	config.ClientConfig.OnPublishReceived = []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
		<-ready
		h.published(ctx, group, in, manager, p.Packet)
		return true, nil
	}}
	life, end := context.WithCancel(context.WithoutCancel(ctx)) // feedback goes on until the last answer is there
	defer end()
	if manager, err = autopaho.NewConnection(life, config); err != nil {
		close(ready)
		return err
	}
	close(ready)
	<-ctx.Done()
	<-h.ended
	ending, cancel := context.WithTimeout(life, publishWithin)
	defer cancel()
	_ = manager.Disconnect(ending)
	return nil
}

func (m *MQTT) client(id string) (autopaho.ClientConfig, error) {
	at, err := url.Parse(m.URL)
	if err != nil {
		return autopaho.ClientConfig{}, err
	}
	config := autopaho.ClientConfig{ServerUrls: []*url.URL{at}, KeepAlive: keepAlive, CleanStartOnInitialConnection: true, ConnectTimeout: dialWithin,
		ReconnectBackoff: autopaho.NewExponentialBackoff(retryMin, retryMax, 2*retryMin, 2), ConnectUsername: m.User}
	config.ClientConfig.ClientID = m.ClientID
	if m.ClientID == "" {
		host, _ := os.Hostname()
		config.ClientConfig.ClientID = "dockline-scanner-" + id + "-" + host
	}
	if m.PasswordFile != "" {
		secret, err := os.ReadFile(m.PasswordFile)
		if err != nil {
			return config, err
		}
		config.ConnectPassword = []byte(strings.TrimSpace(string(secret)))
	}
	if at.Scheme == "mqtts" {
		config.TlsCfg = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if m.CA != "" {
		text, err := os.ReadFile(m.CA)
		if err != nil {
			return config, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(text) {
			return config, fmt.Errorf("%s holds no certificate", m.CA)
		}
		config.TlsCfg = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	}
	return config, nil
}

// published takes a message as a scan of the reader that its topic names.
func (h *hub) published(ctx context.Context, group *sync.WaitGroup, in *Input, m *autopaho.ConnectionManager, p *paho.Publish) {
	id, name := in.ID, readerOf(in.MQTT.Topic, p.Topic)
	if name != "" {
		id += "@" + name
	}
	code, err := in.MQTT.code(p.Payload)
	if err != nil || len(code) > in.Frame.Longest {
		h.reports.garbage(h.now(), in.ID, len(p.Payload))
		return
	}
	d := h.find(ctx, group, in, id)
	if d == nil && ctx.Err() != nil {
		h.reports.notTaken(id)
		if answer := strings.Replace(in.MQTT.Answer, "+", name, 1); answer != "" {
			(&publisher{hub: h, manager: m, topic: answer}).send([]byte(fill(h.feedback(in).Bad, stoppingText, "")))
		}
		return
	}
	if d == nil {
		h.reports.crowded(h.now(), in.ID)
		return
	}
	defer h.release(d)
	if in.MQTT.Answer != "" {
		d.attach(&publisher{hub: h, manager: m, topic: strings.Replace(in.MQTT.Answer, "+", name, 1)}, false)
	}
	d.offer(ctx, []byte(code))
}

// readerOf is the part of a topic in the place of the +.
func readerOf(pattern, topic string) string {
	before, after, some := strings.Cut(pattern, "+")
	if !some || len(topic) < len(before)+len(after) {
		return ""
	}
	return topic[len(before) : len(topic)-len(after)]
}

// code is what a message holds: all of it, or a field of JSON.
func (m *MQTT) code(payload []byte) (string, error) {
	if m.Field == "" {
		return strings.TrimRight(string(payload), "\r\n"), nil
	}
	var at any
	if err := json.Unmarshal(payload, &at); err != nil {
		return "", err
	}
	for key := range strings.SplitSeq(m.Field, ".") {
		object, ok := at.(map[string]any)
		if !ok {
			return "", fmt.Errorf("the message has no field %s", m.Field)
		}
		at = object[key]
	}
	text, ok := at.(string)
	if !ok {
		return "", fmt.Errorf("the message's field %s is no text", m.Field)
	}
	return text, nil
}

// publisher gives feedback on a topic.
type publisher struct {
	hub     *hub
	manager *autopaho.ConnectionManager
	topic   string
}

// send implements sink. The broker takes it or it is not told: a reader that is away hears nothing in any case.
func (p *publisher) send(data []byte) {
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), publishWithin)
		defer cancel()
		if _, err := p.manager.Publish(ctx, &paho.Publish{Topic: p.topic, QoS: 0, Payload: data}); err != nil {
			p.hub.log.Debug("feedback was not published", "err", err)
		}
	}()
}
