package scanner_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const listening = "inputs: [{id: dock, tcp: {listen: \"127.0.0.1:0\", tell_apart: %s, most: %d}}]\nanswer_within: 200ms\nrestart: %s\n" + pickFlow

const gtin = "]C1010401234567890110A7"

// A reader hears that something is stored only when it is, and is told to wait while that is not known.
//
// Shows: S35
func TestStoredIsHeardOnlyAfterTheJournal(t *testing.T) {
	h := &host{held: true}
	started(t, h, t.TempDir(), fmt.Sprintf(listening, "address", 4, "keep"))
	r := dialled(t, h.device(t, "dock", true))
	r.hears("Order?")
	r.scan("SO1", gtin)
	r.hears("WAIT", "STORED")
	h.untilCondition(t, "scan_not_stored")
	r.scan("SO2")
	r.hears("Not taken", "STORED")
	h.hold(false)
	r.hears("STORED SO1")
	r.scan("SO3", gtin)
	r.hears("STORED SO3")
	h.mu.Lock()
	h.refuse = "the item is not known"
	h.mu.Unlock()
	r.scan("SO4", gtin)
	r.hears("REFUSED: the item is not known", "STORED")
	if n := len(h.seen()); n != 3 {
		t.Errorf("%d events, want 3", n)
	}
}

func TestWhatIsScannedWhileTheJournalWorksIsTaken(t *testing.T) {
	h := &host{held: true}
	started(t, h, t.TempDir(), strings.Replace(fmt.Sprintf(listening, "address", 4, "keep"), "200ms", "60s", 1))
	r := dialled(t, h.device(t, "dock", true))
	r.scan("SO1", gtin, "SO2", gtin)
	until(t, "the first event", func() bool { return len(h.seen()) == 1 })
	h.hold(false)
	r.hears("STORED SO1", "STORED SO2")
	r.hears("STORED SO2")
}

// What is half done is there after a restart, and an event whose answer was lost is sent again under its key.
func TestRestartKeepsWhatIsHalfDone(t *testing.T) {
	h, dir := &host{held: true}, t.TempDir()
	config := fmt.Sprintf(listening, "address", 4, "keep")
	stop := started(t, h, dir, config)
	r := dialled(t, h.device(t, "dock", true))
	r.scan("SO1", gtin)
	until(t, "the event", func() bool { return len(h.seen()) == 1 })
	h.mu.Lock()
	h.gone = true
	h.mu.Unlock()
	stop()

	again := &host{}
	stop = started(t, again, dir, config)
	until(t, "the event again", func() bool { return len(again.seen()) == 1 })
	if a, b := h.seen()[0], again.seen()[0]; a.GetSourceKey() != b.GetSourceKey() || a.GetSourceKey() == "" {
		t.Errorf("sent as %s and again as %s", a.GetSourceKey(), b.GetSourceKey())
	}
	r = dialled(t, again.device(t, "dock", true))
	r.scan("SO2")
	r.hears("Item?")
	stop()

	third := &host{}
	stop = started(t, third, dir, config)
	r = dialled(t, third.device(t, "dock", true))
	r.hears("Item?")
	r.scan(gtin)
	r.hears("STORED SO2")
	r.scan("SO3")
	r.hears("Item?")
	stop()
	if n := len(third.seen()); n != 1 {
		t.Errorf("%d events after the second restart, want one: what was answered is not sent again", n)
	}

	fourth := &host{}
	started(t, fourth, dir, fmt.Sprintf(listening, "address", 4, "drop"))
	fourth.untilCondition(t, "scan_dropped")
	r = dialled(t, fourth.device(t, "dock", true))
	r.hears("Order?")
}

// A reader that lost its radio calls again and goes on where it was.
func TestAReaderThatCallsAgainGoesOn(t *testing.T) {
	h := &host{}
	started(t, h, t.TempDir(), fmt.Sprintf(listening, "address", 4, "keep"))
	address := h.device(t, "dock", true)
	first := dialled(t, address)
	first.scan("SO1")
	first.hears("Item?")
	second := dialled(t, address) // the first has not been closed: its radio is gone
	second.hears("Item?")
	second.scan(gtin)
	second.hears("STORED SO1")
	if _, err := io.Copy(io.Discard, first.line); err != nil {
		t.Errorf("the line that is not used any longer: %v", err)
	}
}

// Each reader has its own work, however many scan at once.
func TestSeveralReadersAtOnce(t *testing.T) {
	const readers, picks = 8, 6
	h := &host{}
	started(t, h, t.TempDir(), fmt.Sprintf(listening, "connection", readers, "keep"))
	address := h.device(t, "dock", true)
	var all sync.WaitGroup
	for n := range readers {
		r := dialled(t, address)
		all.Go(func() {
			for i := range picks {
				order := fmt.Sprintf("SO%d", 100*n+i)
				r.scan(order, gtin)
				r.hears("STORED " + order)
			}
		})
	}
	all.Wait()
	keys, orders := map[string]bool{}, map[string]bool{}
	for _, e := range h.seen() {
		keys[e.GetSourceKey()], orders[e.GetPick().GetLines()[0].GetOrder()] = true, true
	}
	if len(h.seen()) != readers*picks || len(keys) != readers*picks || len(orders) != readers*picks {
		t.Errorf("%d events with %d keys of %d orders, want %d", len(h.seen()), len(keys), len(orders), readers*picks)
	}
}

// Bad lines cost others nothing: too many that call, one that sends garbage, one that reads no feedback.
func TestBadLinesHurtNobodyElse(t *testing.T) {
	h := &host{}
	started(t, h, t.TempDir(), fmt.Sprintf(listening, "connection", 4, "keep"))
	address := h.device(t, "dock", true)
	r := dialled(t, address)
	r.hears("Order?")
	work := func(n int) {
		t.Helper()
		order := fmt.Sprintf("SO%d", n)
		r.scan(order, gtin)
		r.hears("STORED " + order)
	}
	t.Run("a storm of calls", func(t *testing.T) {
		for range 300 {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
		}
		h.untilCondition(t, "scanner_crowded")
		work(1)
	})
	t.Run("garbage and no ear", func(t *testing.T) {
		var deaf net.Conn
		until(t, "a place for one more", func() bool { // those of the storm leave
			conn, err := net.Dial("tcp", address)
			if err != nil {
				return false
			}
			_ = conn.SetReadDeadline(time.Now().Add(time.Second))
			if _, err := conn.Read(make([]byte, 1)); err != nil {
				_ = conn.Close()
				return false
			}
			deaf = conn
			return true
		})
		defer deaf.Close()
		_ = deaf.SetDeadline(time.Now().Add(patience))
		garbage := []byte(strings.Repeat("\x00\xff]Q9garbage\x1d\x02\r", 1000) + strings.Repeat("x", 100_000) + "\r")
		for {
			if _, err := deaf.Write(garbage); err != nil {
				break // cut off: its feedback was not read
			}
		}
		h.untilCondition(t, "scanner_garbage")
		h.untilCondition(t, "scanner_deaf")
		work(2)
	})
	if n := len(h.seen()); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
}

// A line that carries 10,000 bytes of garbage a second is named, its scans among the garbage are all taken, and memory stays where it was.
//
// Shows: S35
func TestALineFullOfGarbage(t *testing.T) {
	const picks = 30 // at each tenth of a second one; on lines a scan that is glued to garbage is a part of it, and refused aloud
	for name, c := range map[string]struct{ frame, begin, end, garbage string }{
		"lines":   {"lines", "\r", "\r", strings.Repeat("\x00\xff]Q9garbage\x1d\x02\x03 and no end\r", 15) + strings.Repeat("x\x80", 300)},
		"stx_etx": {"stx_etx", "\x02", "\x03", strings.Repeat("\x00\xff]Q9garbage\x1d\r", 30) + strings.Repeat("x\x80", 250)},
		"endless": {"stx_etx", "\x02", "\x03", "\x02" + strings.Repeat("y\xfe", 500)},
	} {
		t.Run(name, func(t *testing.T) {
			h := &host{}
			started(t, h, t.TempDir(), strings.Replace(fmt.Sprintf(listening, "address", 4, "keep"), "[{id: dock,", "[{id: dock, frame: {type: "+c.frame+"},", 1))
			conn, err := net.Dial("tcp", h.device(t, "dock", true))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(patience))
			heard := make(chan string, 10_000)
			go func() {
				defer close(heard)
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					heard <- lines.Text()
				}
			}()
			before, sent := heap(), 0
			second := time.NewTicker(time.Second / 10)
			defer second.Stop()
			for n := range picks {
				<-second.C // a line's speed is what this is about
				text := strings.Repeat(c.garbage, 1+1000/len(c.garbage))[:1000]
				for _, code := range []string{fmt.Sprint("SO", n), gtin} {
					text += c.begin + code + c.end
				}
				sent += len(text)
				if _, err := io.WriteString(conn, text); err != nil {
					t.Fatal(err)
				}
			}
			until(t, "all picks", func() bool { return len(h.seen()) == picks })
			for n, e := range h.seen() {
				if e.GetSubject() != fmt.Sprint("SO", n) {
					t.Errorf("pick %d is of %s", n, e.GetSubject())
				}
			}
			h.untilCondition(t, "scanner_garbage")
			if grown := int64(heap()) - int64(before); grown > 4<<20 {
				t.Errorf("%d bytes of garbage have taken %d bytes of memory", sent, grown)
			}
			_ = conn.Close()
			stored := 0
			for text := range heard {
				if strings.HasPrefix(text, "STORED") {
					stored++
				}
			}
			t.Logf("%d bytes were sent, %d words heard stored", sent, stored)
		})
	}
}

// heap is what is in use after what is not was given back.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A label that breaks GS1's rules is taken, and its reader and the agent's health say what is odd about it.
func TestAnOddLabelIsNamed(t *testing.T) {
	h := &host{}
	started(t, h, t.TempDir(), fmt.Sprintf(listening, "address", 4, "keep"))
	r := dialled(t, h.device(t, "dock", true))
	r.scan("SO1", "]C1010401234567890137"+"12")
	r.hears("STORED SO1. Look: Label: AI 01 (GTIN) and AI 37 (count of contained goods) must not mark the same goods.")
	h.untilCondition(t, "scan_label")
}

// A reader that is called is called again until it is there, and the health names it meanwhile.
func TestAReaderThatIsCalled(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	h := &host{}
	started(t, h, t.TempDir(), fmt.Sprintf("inputs: [{id: hand, tcp: {connect: %q}}]\n%s", address, pickFlow))
	accepted := func() *reader {
		conn, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		return newReader(t, conn)
	}
	r := accepted()
	h.device(t, "hand", true)
	r.scan("SO1")
	r.hears("Item?")
	_ = listener.Close()
	_ = r.line.Close()
	if text := h.device(t, "hand", false); !strings.Contains(text, address) {
		t.Errorf("said of it: %s", text)
	}
	if listener, err = net.Listen("tcp", address); err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	r = accepted()
	r.hears("Item?") // where it was
	r.scan(gtin)
	r.hears("STORED SO1")
	h.device(t, "hand", true)
	if e := h.seen(); len(e) != 1 || e[0].GetKind() != docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED {
		t.Errorf("events %v", e)
	}
}
