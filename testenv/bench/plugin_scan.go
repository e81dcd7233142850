package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/dockline/dockline/plugins/scanner/scanner"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

const (
	// scanReaders is how many people scan at once, each waiting for the word to every scan.
	scanReaders = 16
	// aloneScans is how many scans the flow alone is given.
	aloneScans = 20_000
	itemScan   = "]C1010401234567890110A7"
)

// scanSection is a pick of two scans, with answers that a program tells apart.
const scanSection = `
inputs: [{id: dock, tcp: {listen: "127.0.0.1:%d", tell_apart: connection, most: 64}, feedback: bench}]
feedback: {bench: {good: "GOOD {prompt}\r\n", stored: "STORED\r\n", bad: "BAD {text}\r\n", wait: "WAIT\r\n", lost: "BAD {text}\r\n", double: "BAD double\r\n"}}
flows:
  - name: pick
    start: order
    states:
      order: {prompt: "Order?", on: [{pattern: '^(SO[0-9]+)$', take: {order: group.1}, next: item}]}
      item: {prompt: "Item?", on: [{ai: "01", take: {gtin: ai.01, lot: ai.10}, set: {quantity: "2"}, emit: picked, next: order}]}
    events: {picked: {kind: pick.confirmed, constants: {unit: EA}}}
`

// scans measures readers on TCP, each of which goes on when it has heard the word to its scan. To every second one that is "stored": the plugin's
// own synced write and the journal's are over by then.
func (s *Suite) scans(ctx context.Context) error {
	v, err := s.rounds(func() ([]float64, error) {
		dir, err := s.folder("scans")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		through, err := s.scanThrough(ctx)
		if err != nil {
			return nil, err
		}
		echo, err := scanEcho(ctx)
		if err != nil {
			return nil, fmt.Errorf("echo: %w", err)
		}
		alone, err := scanAlone()
		if err != nil {
			return nil, fmt.Errorf("the flow alone: %w", err)
		}
		bare, err := runJournal(dir, scanReaders, 1)
		s.say("%.0f scans a second, stored after %.1f ms (p50) and %.1f ms (p99); echo %.0f, %.2f ms; flow alone %.0f; the journal alone answers after %.1f ms (p99)",
			through.perSecond, Quantile(through.stored, 0.5), Quantile(through.stored, 0.99), echo.perSecond, Quantile(echo.stored, 0.99), alone, bare.p99)
		return []float64{through.perSecond, Quantile(through.stored, 0.99), echo.perSecond, Quantile(echo.stored, 0.99), alone, bare.p99}, err
	})
	if err != nil {
		return fmt.Errorf("scanner: %w", err)
	}
	name := fmt.Sprintf("scans of %d readers through scanner to the journal", scanReaders)
	s.beside(name, v[0], "scans/s", reference{name: "bare TCP echo, same readers", value: v[2]}, atLeast(echoGate))
	s.beside(name, v[0], "scans/s", reference{name: "the flow alone, one goroutine", value: v[4]}, atLeast(flowGate))
	s.beside(name+", p99 of the word that it is stored", v[1], "ms", reference{name: "bare TCP echo, same readers", value: v[3]}, atMost(echoWaitGate))
	s.beside(name+", p99 of the word that it is stored", v[1], "ms", reference{name: "the journal in process, same callers", value: v[5]}, atMost(journalWaitGate))
	return nil
}

// scanned is what readers came to: scans a second of all, and for each pick how long the word to its last scan took, in milliseconds.
type scanned struct {
	perSecond float64
	picks     int
	stored    []float64
}

func (s *Suite) scanThrough(ctx context.Context) (scanned, error) {
	port, err := testenv.FreePort()
	if err != nil {
		return scanned{}, err
	}
	p, err := s.openPlugin(ctx, scannerProgram, func(string) string { return fmt.Sprintf(scanSection, port) })
	if err != nil {
		return scanned{}, err
	}
	defer p.close()
	r, err := scanAll(fmt.Sprintf("127.0.0.1:%d", port), "GOOD", "GOOD", "STORED")
	if err != nil {
		return r, err
	}
	return r, p.kept(docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, r.picks)
}

// scanAll lets readers pick for captureTime. A line begins with welcome, unless that is empty; taken and stored are what the words to an order and to an item begin with.
func scanAll(address, welcome, taken, stored string) (out scanned, err error) {
	readers := make([]*bufio.Scanner, scanReaders)
	lines := make([]net.Conn, scanReaders)
	for i := range lines {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return out, err
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil { // what hangs is a fault, not a figure
			return out, err
		}
		lines[i], readers[i] = conn, bufio.NewScanner(conn)
		if welcome != "" {
			if err := hear(readers[i], welcome); err != nil {
				return out, err
			}
		}
	}
	results, faults := make([]scanned, scanReaders), make([]error, scanReaders)
	var all sync.WaitGroup
	began := time.Now()
	for i := range lines {
		all.Go(func() { results[i], faults[i] = picking(lines[i], readers[i], i, began, taken, stored) })
	}
	all.Wait()
	lasted := time.Since(began)
	for _, r := range results {
		out.picks += r.picks
		out.stored = append(out.stored, r.stored...)
	}
	out.perSecond = 2 * float64(out.picks) / lasted.Seconds()
	return out, firstError(faults...)
}

// picking is one reader's work.
func picking(conn net.Conn, heard *bufio.Scanner, reader int, began time.Time, taken, stored string) (r scanned, err error) {
	for ; time.Since(began) < captureTime; r.picks++ {
		if _, err := fmt.Fprintf(conn, "SO%d%06d\r", reader+1, r.picks); err != nil {
			return r, err
		}
		if err := hear(heard, taken); err != nil {
			return r, err
		}
		asked := time.Now()
		if _, err := fmt.Fprint(conn, itemScan+"\r"); err != nil {
			return r, err
		}
		if err := hear(heard, stored); err != nil {
			return r, err
		}
		r.stored = append(r.stored, time.Since(asked).Seconds()*1000)
	}
	return r, nil
}

// hear waits for a word. That it must wait longer a reader may be told before.
func hear(heard *bufio.Scanner, word string) error {
	for heard.Scan() {
		switch text := heard.Text(); {
		case strings.HasPrefix(text, word):
			return nil
		case !strings.HasPrefix(text, "WAIT"):
			return fmt.Errorf("a reader heard %q where %q is right", text, word)
		}
	}
	if err := heard.Err(); err != nil {
		return err
	}
	return fmt.Errorf("a reader was hung up on where it waited for %q", word)
}

// scanEcho is what TCP and the readers do at best: each scan comes back as it is.
func scanEcho(ctx context.Context) (scanned, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return scanned{}, err
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				for in := bufio.NewReader(conn); ; {
					scan, err := in.ReadBytes('\r')
					if err != nil {
						return
					}
					if _, err := conn.Write(append(scan, '\n')); err != nil {
						return
					}
				}
			})
		}
	})
	r, err := scanAll(listener.Addr().String(), "", "SO", itemScan)
	err = firstError(err, listener.Close())
	all.Wait()
	return r, err
}

// scanAlone has the plugin's flow make events of scans in one goroutine, without a reader or a host.
func scanAlone() (perSecond float64, err error) {
	var sample bytes.Buffer
	for n := range aloneScans / 2 {
		fmt.Fprintf(&sample, "SO%d\n%s\n", n, itemScan)
	}
	request := &docklinev1.TryRequest{Config: fmt.Appendf(nil, scanSection, 1), FileName: "dock.txt", Sample: sample.Bytes()}
	p := scanner.New()
	passes, err := repeated(func() error {
		out, err := p.Try(request)
		if err != nil {
			return err
		}
		if len(out.GetEvents()) != aloneScans/2 || len(out.GetFaults()) > 0 {
			return fmt.Errorf("%d events and %d faults of %d scans", len(out.GetEvents()), len(out.GetFaults()), aloneScans)
		}
		return nil
	})
	return passes * aloneScans, err
}
