package journal_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dockline/dockline/agent/journal"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

// victimDir in the environment makes this test binary the process that is killed.
const victimDir = "DOCKLINE_JOURNAL_VICTIM"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		victim(dir)
		os.Exit(3) // It never ends by itself.
	}
	if path := os.Getenv(checkFile); path != "" {
		checkAndExit(path)
	}
	os.Exit(m.Run())
}

// victim appends as fast as it can from several callers and drains at the same time. Each line that it writes is a promise:
// "accepted plugin n" after an Append, "sent event-id" before the Trim that follows.
func victim(dir string) {
	j, err := journal.Open(dir, journal.Options{RotateBytes: 256 << 10, Tenant: "acme", Site: "dc-east"})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	var out sync.Mutex
	say := func(format string, args ...any) {
		out.Lock()
		defer out.Unlock()
		fmt.Printf(format+"\n", args...)
	}
	for caller := range 4 {
		plugin := fmt.Sprint("p", caller)
		go func() {
			held, err := j.Cursor(context.Background(), plugin)
			if err != nil {
				say("error %v", err)
			}
			n, _ := strconv.Atoi(string(held))
			say("cursor %s %d", plugin, n)
			for count := 1; ; count = count%40 + 13 {
				if err := j.Append(context.Background(), journal.Entry{Plugin: plugin, Events: picks(plugin, n, count), Cursor: fmt.Append(nil, n+count)}); err != nil {
					say("error %v", err)
					return
				}
				n += count
				say("accepted %s %d", plugin, n)
			}
		}()
	}
	for {
		changed := j.Changed()
		envelopes, err := j.Next(journal.Position{}, 4)
		if err != nil {
			say("error %v", err)
			return
		}
		for _, e := range envelopes {
			for _, id := range idsOf(e) {
				say("sent %s", id)
			}
			ack := &docklinev1.Ack{Incarnation: "one", Epoch: e.Epoch, Watermark: e.LastSeq, Crc: e.Crc}
			if outcome, err := j.Trim(ack); err != nil || outcome != journal.Trimmed {
				say("error trim %v %v", outcome, err)
			}
		}
		if len(envelopes) == 0 {
			<-changed
		}
	}
}

func idsOf(e *docklinev1.Envelope) (ids []string) {
	events, err := wire.OpenPack(e.Pack, 64<<20)
	if err != nil {
		return []string{err.Error()}
	}
	for _, data := range events {
		ids = append(ids, idOf(data))
	}
	return ids
}

// After SIGKILL at a random moment, every accepted event is held or was sent, every cursor is at least as far as it was
// promised, and all events before it are there.
// Shows: S52
func TestKilledProcessLosesNothing(t *testing.T) {
	dir := testenv.Folder(t)
	seen, promised := map[string]bool{}, map[string]int{}
	r := rand.New(rand.NewPCG(1, uint64(testenv.Count("journal.kills"))))
	total := 0
	for range testenv.Count("journal.kills") {
		total += runVictim(t, dir, 20+r.IntN(150), time.Duration(r.IntN(20_000))*time.Microsecond, seen, promised)
	}
	if total == 0 {
		t.Fatal("nothing was ever accepted: the test shows nothing")
	}
	j := open(t, dir, journal.Options{})
	cursors := map[string]int{}
	for plugin, want := range promised {
		held, err := j.Cursor(context.Background(), plugin)
		if err != nil {
			t.Fatal(err)
		}
		if cursors[plugin], _ = strconv.Atoi(string(held)); cursors[plugin] < want {
			t.Errorf("cursor of %s is %d, %d was accepted", plugin, cursors[plugin], want)
		}
	}
	c := newCentre(t)
	c.late = true
	c.drain(j)
	for plugin, n := range cursors {
		for i := range n {
			if id := fmt.Sprintf("%s/%d", plugin, i); !seen[id] && c.events[id] == 0 {
				t.Fatalf("%s was accepted and is neither held nor sent", id)
			}
		}
	}
	if len(c.gaps) > 0 {
		t.Errorf("gaps after kills: %v", c.gaps)
	}
	if err := journal.CheckFiles(j); err != nil {
		t.Error(err)
	}
	t.Logf("%d promises kept", total)
}

// runVictim lets the process make some promises, kills it a moment later and takes note of them.
func runVictim(t *testing.T, dir string, promises int, moment time.Duration, seen map[string]bool, promised map[string]int) (kept int) {
	t.Helper()
	command := again(t.Context())
	command.Env = append(os.Environ(), victimDir+"="+dir)
	command.Stderr = os.Stderr
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(stdout)
	for {
		line, err := in.ReadString('\n')
		if err == io.EOF {
			break // A line cut short was not a promise.
		}
		if err != nil {
			t.Fatal(err)
		}
		var plugin string
		n := 0
		switch what, rest, _ := strings.Cut(strings.TrimSpace(line), " "); what {
		case "sent":
			seen[rest] = true
		case "accepted":
			if _, err := fmt.Sscan(rest, &plugin, &n); err != nil {
				t.Fatal(err)
			}
			promised[plugin] = max(promised[plugin], n)
			if kept++; kept == promises {
				timer := time.AfterFunc(moment, func() { command.Process.Kill() })
				defer timer.Stop()
			}
		case "cursor":
			if _, err := fmt.Sscan(rest, &plugin, &n); err != nil || n < promised[plugin] {
				t.Errorf("cursor %s, %d was accepted", rest, promised[plugin])
			}
		default:
			command.Process.Kill()
			t.Fatal(line)
		}
	}
	if err := command.Wait(); err == nil {
		t.Fatal("the process ended by itself")
	}
	return kept
}
