package plugins_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/dockline/dockline/testenv"
)

// brought are senders that bring one record after another to an agent's listener, each under a key of its own, and send it again until it is answered.
type brought struct {
	address string

	mu       sync.Mutex
	answered map[string]bool
	again    int
}

// send brings a record until it is answered with success; false where the test has ended first.
func (b *brought) send(client *http.Client, key string, ended <-chan struct{}) bool {
	for {
		req, err := http.NewRequest(http.MethodPost, "http://"+b.address+"/events/scans", strings.NewReader(`{"order":"SO1","sku":"A","qty":1}`))
		if err != nil {
			panic(err) // an address and a constant
		}
		req.Header.Set("Idempotency-Key", key)
		resp, err := client.Do(req)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if err == nil && resp.StatusCode == http.StatusOK {
				b.mu.Lock()
				b.answered[key] = true
				b.mu.Unlock()
				return true
			}
		}
		b.mu.Lock()
		b.again++
		b.mu.Unlock()
		select {
		case <-ended:
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (b *brought) count() (answered, again int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.answered), b.again
}

// The agent is killed over and over while records are brought by HTTP: between what the journal has and the answer to the sender too. Whoever was answered
// finds his record there; whoever was not sends it again under its key, and it is there once.
//
// Shows: S35
func TestWhatWasAnsweredByHTTPIsThereOnce(t *testing.T) {
	port, err := testenv.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	b := &brought{address: fmt.Sprintf("127.0.0.1:%d", port), answered: make(map[string]bool)}
	a := newAgent(t, fmt.Sprintf("  - {id: door, path: PROGRAMS/http, config: {zone: UTC, listen: {address: %q, streams: [{name: scans, kind: pick.confirmed, "+
		"key: [\"@idempotency_key\", \"@index\"], columns: {order: order, sku: item, qty: quantity, \"@received_at\": occurred_at}}]}}}", b.address))
	ended := make(chan struct{})
	var senders sync.WaitGroup
	for s := range 4 {
		senders.Go(func() {
			client := &http.Client{Timeout: 20 * time.Second}
			for n := 0; b.send(client, fmt.Sprintf("k%d-%d", s, n), ended); n++ {
				select {
				case <-ended:
					return
				default:
				}
			}
		})
	}
	kills := testenv.Count("http.agent-kills")
	for range kills {
		before, _ := b.count()
		more := before + 20 + rand.IntN(40)
		eventually(t, patience, "records are answered", func() bool { n, _ := b.count(); return n >= more })
		a.Kill()
		if err := a.Start(); err != nil {
			t.Fatal(err)
		}
	}
	before, _ := b.count()
	eventually(t, patience, "records are answered after the last one", func() bool { n, _ := b.count(); return n >= before+20 })
	close(ended)
	senders.Wait()
	a.Stop()
	rows, _ := a.held()
	// The journal may hold an event twice, under one id, as the log takes it once: what was sent again is the same event, to the time of its first receipt.
	found, twice := make(map[string]map[string]bool), 0
	for held, events := range rows {
		if !strings.HasPrefix(held, "door/") {
			continue
		}
		ids := make(map[string]bool)
		for _, e := range events {
			ids[idOf(e)] = true
		}
		twice += len(events) - 1
		if len(ids) != 1 {
			t.Errorf("%s is there as %d events", held, len(ids))
		}
		for _, part := range strings.FieldsFunc(held, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' }) {
			found[part] = ids
		}
	}
	for key := range b.answered {
		if len(found[key]) != 1 {
			t.Errorf("what was answered under %s is there as %d events", key, len(found[key]))
		}
	}
	answered, again := b.count()
	testenv.Figure(t, "kills of the agent", kills, "records answered", answered, "requests sent again", again, "journalled again", twice)
	if again == 0 {
		t.Error("no request was ever sent again: the kills met none")
	}
}
