package scanner_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"context"
	"net/url"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
	"golang.org/x/sys/unix"

	"github.com/dockline/dockline/testenv"
)

// plugged makes a serial line in a pseudo terminal: its reader's end, and a link that names the port's.
func plugged(t *testing.T, link string) *reader {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	n := 0
	raw, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if controlled := raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			n, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	}); err != nil || controlled != nil {
		t.Fatal(err, controlled)
	}
	_ = os.Remove(link)
	if err := os.Symlink(fmt.Sprint("/dev/pts/", n), link); err != nil {
		t.Fatal(err)
	}
	return newReader(t, master)
}

// A reader on a serial line sends garbage, is unplugged in the middle of a scan and plugged in again: what it heard as stored is stored, and it goes on.
func TestSerialLine(t *testing.T) {
	link := filepath.Join(t.TempDir(), "reader")
	r := plugged(t, link)
	h := &host{}
	started(t, h, t.TempDir(), fmt.Sprintf("inputs: [{id: gate, serial: {port: %q, baud: 115200}, frame: {longest: 200}}]\n%s", link, pickFlow))
	r.hears("Order?")
	h.device(t, "gate", true)
	for range 20 {
		r.scan(strings.Repeat("\x01\x80garbage", 50)) // longer than any scan
	}
	h.untilCondition(t, "scanner_garbage")
	r.scan("SO1", gtin)
	r.hears("STORED SO1")
	r.scan("SO2")
	r.hears("Item?")
	if _, err := r.line.Write([]byte("]C10104012")); err != nil {
		t.Fatal(err)
	}
	_ = r.line.Close()
	if text := h.device(t, "gate", false); !strings.Contains(text, link) {
		t.Errorf("said of it: %s", text)
	}
	r = plugged(t, link)
	r.hears("Item?")
	r.scan(gtin)
	r.hears("STORED SO2")
	h.device(t, "gate", true)
	if n := len(h.seen()); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
}

// Readers that publish are told apart by their topic and hear their feedback on their own.
func TestReadersOnABroker(t *testing.T) {
	broker := testenv.Mosquitto(t, testenv.MosquittoConfig{})
	address := fmt.Sprintf("mqtt://127.0.0.1:%d", broker.Port)
	h := &host{}
	started(t, h, t.TempDir(), fmt.Sprintf("inputs: [{id: hands, mqtt: {url: %q, topic: s/+/scan, answer: s/+/told, field: data.code}}]\n%s", address, pickFlow))
	h.device(t, "hands", true)
	told := map[string]chan string{"a": make(chan string, 100), "b": make(chan string, 100)}
	at, _ := url.Parse(address)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	line, err := autopaho.NewConnection(ctx, autopaho.ClientConfig{ServerUrls: []*url.URL{at}, KeepAlive: 20, CleanStartOnInitialConnection: true, ClientConfig: paho.ClientConfig{ClientID: "readers",
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			told[strings.Split(p.Packet.Topic, "/")[1]] <- string(p.Packet.Payload)
			return true, nil
		}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := line.AwaitConnection(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := line.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "s/+/told", QoS: 1}}}); err != nil {
		t.Fatal(err)
	}
	scan := func(name, code string) {
		t.Helper()
		text, _ := json.Marshal(map[string]any{"data": map[string]string{"code": code}})
		if _, err := line.Publish(ctx, &paho.Publish{Topic: "s/" + name + "/scan", QoS: 1, Payload: text}); err != nil {
			t.Fatal(err)
		}
	}
	hears := func(name, word string) {
		t.Helper()
		for {
			select {
			case text := <-told[name]:
				if strings.Contains(text, word) {
					return
				}
			case <-ctx.Done():
				t.Fatalf("reader %s did not hear %s", name, word)
			}
		}
	}
	scan("a", "SO1")
	scan("b", "SO2")
	scan("b", gtin)
	hears("b", "STORED SO2")
	scan("a", gtin)
	hears("a", "STORED SO1")
	if e := h.seen(); len(e) != 2 || e[0].GetDevice() != "hands@b" || e[1].GetDevice() != "hands@a" {
		t.Errorf("events %v", e)
	}
}
