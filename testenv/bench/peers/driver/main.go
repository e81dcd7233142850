// Command driver plays the callers and the centre of a peer: it puts events in, as many callers as asked, and counts what arrives at
// the other end. Results are JSON lines on standard output.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// target is a peer's door: put returns when the peer has answered for the events.
type target interface {
	put(ctx context.Context, events [][]byte) error
}

// sink is the centre's end: it calls arrived for what comes.
type sink func(ctx context.Context, addr string, arrived func(event []byte, n int)) error

func main() {
	log.SetFlags(0)
	if len(os.Args) < 3 {
		log.Fatal("driver put|sink nats|otlp|mqtt [flags]")
	}
	flags := flag.NewFlagSet("driver", flag.ExitOnError)
	addr := flags.String("addr", "", "where the peer listens, or where the sink is to")
	callers := flags.Int("callers", 1, "calls under way at once")
	batch := flags.Int("batch", 1, "events a call")
	total := flags.Int("total", 0, "events, 0 for no end")
	lasts := flags.Duration("for", 0, "how long, 0 for no end")
	rate := flags.Float64("rate", 0, "events a second, 0 as fast as they are taken")
	file := flags.String("events", "", "file with an event in JSON a line")
	latency := flags.Bool("latency", false, "look when each event that arrives had set out")
	_ = flags.Parse(os.Args[3:])
	ctx := context.Background()
	var err error
	switch os.Args[1] {
	case "put":
		err = put(ctx, os.Args[2], *addr, load{*callers, *batch, *total, *lasts, *rate, *file})
	case "sink":
		err = count(ctx, map[string]sink{"nats": natsSink, "otlp": otlpSink, "mqtt": mqttSink}[os.Args[2]], *addr, *latency)
	default:
		err = fmt.Errorf("driver: %s: unknown", os.Args[1])
	}
	if err != nil {
		log.Fatal(err)
	}
}

type load struct {
	callers, batch, total int
	lasts                 time.Duration
	rate                  float64
	file                  string
}

// result is what put prints.
type result struct {
	Events  int64
	Seconds float64
	P50     float64
	P99     float64
}

func put(ctx context.Context, kind, addr string, l load) error {
	events, err := read(l.file)
	if err != nil {
		return err
	}
	var t target
	switch kind {
	case "nats":
		t, err = newNATS(ctx, addr)
	case "otlp":
		t, err = newOTLP(addr)
	case "mqtt":
		t, err = newMQTT(ctx, addr)
	default:
		err = fmt.Errorf("driver: %s: unknown", kind)
	}
	if err != nil {
		return err
	}
	var given, done atomic.Int64
	var failed atomic.Pointer[error]
	times := make([][]float64, l.callers)
	begin := time.Now()
	var wait sync.WaitGroup
	for caller := range l.callers {
		wait.Go(func() {
			for failed.Load() == nil && (l.lasts == 0 || time.Since(begin) < l.lasts) {
				n := int(given.Add(int64(l.batch))) - l.batch
				if l.total > 0 && n >= l.total {
					return
				}
				if l.rate > 0 {
					time.Sleep(time.Until(begin.Add(time.Duration(float64(n) / l.rate * float64(time.Second)))))
				}
				called := time.Now()
				if err := t.put(ctx, stamped(events, n, l.batch, called)); err != nil {
					failed.Store(&err)
					return
				}
				done.Add(int64(l.batch))
				times[caller] = append(times[caller], time.Since(called).Seconds()*1000)
			}
		})
	}
	wait.Wait()
	if f := failed.Load(); f != nil {
		return *f
	}
	r := result{Events: done.Load(), Seconds: time.Since(begin).Seconds()}
	r.P50, r.P99 = quantiles(slices.Concat(times...))
	return json.NewEncoder(os.Stdout).Encode(r)
}

func read(path string) (events [][]byte, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		events = append(events, []byte(strings.TrimSpace(line)))
	}
	if len(events) == 0 {
		return nil, fmt.Errorf("%s: no events", path)
	}
	return events, nil
}

// stamped are events n and following, whose source key ends with their number and which say when they set out.
func stamped(events [][]byte, n, batch int, at time.Time) [][]byte {
	out := make([][]byte, batch)
	for i := range out {
		e := events[(n+i)%len(events)]
		b := make([]byte, 0, len(e)+32)
		b = append(b, e[:len(e)-1]...)
		b = append(b, `,"sent":`...)
		b = strconv.AppendInt(b, at.UnixNano(), 10)
		out[i] = append(b, '}')
	}
	return out
}

// sentAt is what stamped wrote.
func sentAt(event string) (int64, bool) {
	_, text, found := strings.Cut(event, `"sent":`)
	at, err := strconv.ParseInt(strings.TrimSuffix(text, "}"), 10, 64)
	return at, found && err == nil
}

func quantiles(took []float64) (p50, p99 float64) {
	if len(took) == 0 {
		return 0, 0
	}
	slices.Sort(took)
	return took[len(took)/2], took[min(len(took)-1, len(took)*99/100)]
}

// arrivals is what count prints whenever it has changed.
type arrivals struct {
	Events      int64
	First, Last int64 // Unix nanoseconds
	P50, P99    float64
}

// count counts what arrives until standard input ends, which then prints the times too.
func count(ctx context.Context, s sink, addr string, latency bool) error {
	if s == nil {
		return fmt.Errorf("driver: no such sink")
	}
	var mu sync.Mutex
	var seen arrivals
	var took []float64
	go func() {
		err := s(ctx, addr, func(event []byte, n int) {
			now := time.Now()
			mu.Lock()
			defer mu.Unlock()
			if seen.Events += int64(n); seen.First == 0 {
				seen.First = now.UnixNano()
			}
			seen.Last = now.UnixNano()
			if latency {
				if at, ok := sentAt(string(event)); ok {
					took = append(took, float64(now.UnixNano()-at)/1e6)
				}
			}
		})
		if err != nil {
			log.Fatal(err)
		}
	}()
	ended := make(chan struct{})
	go func() {
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		}
		close(ended)
	}()
	out := json.NewEncoder(os.Stdout)
	var told int64 = -1
	for {
		mu.Lock()
		now := seen
		mu.Unlock()
		if now.Events != told {
			told = now.Events
			if err := out.Encode(now); err != nil {
				return err
			}
		}
		select {
		case <-ended:
			mu.Lock()
			seen.P50, seen.P99 = quantiles(took)
			now = seen
			mu.Unlock()
			return out.Encode(now)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
