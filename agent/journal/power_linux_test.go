// go-fuse does not build for a 32 bit ARM.
//go:build amd64 || arm64

package journal_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/dockline/dockline/agent/journal"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/lossyfs"
)

// The power goes at a random write, again and again; each time a random part of what was not synced survives, blocks, sizes and names. No
// cursor that was promised goes back, every accepted event is held or was sent, and nothing is found damaged.
// Shows: S52
func TestPowerCut(t *testing.T) {
	cuts := testenv.Count("journal.power-cuts")
	promises, broken := powerCuts(t, cuts, false)
	for _, b := range broken {
		t.Error(b)
	}
	testenv.Figure(t, "power cuts", cuts, "promises kept", promises)
}

// With a disk that only says that it syncs the same test finds promises broken: it would notice a journal that does not sync.
func TestPowerCutNoticesAMissingSync(t *testing.T) {
	promises, broken := powerCuts(t, 20, true)
	if len(broken) == 0 {
		t.Errorf("%d promises were made without a sync, and all were kept: the test shows nothing", promises)
	}
}

// powerCuts runs the victim through so many cuts and says how many promises it made and which were broken.
func powerCuts(t *testing.T, cuts int, ignoreSync bool) (promises int, broken []string) {
	t.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil || os.Getuid() != 0 {
		testenv.SkipServer(t, "fuse", "needs /dev/fuse and root")
	}
	disk, err := lossyfs.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	disk.IgnoreSync = ignoreSync
	r := rand.New(rand.NewPCG(5, uint64(cuts)))
	seen, promised := map[string]bool{}, map[string]int{}
	for range cuts {
		n, faults := oneCut(t, disk, 40+r.IntN(500), seen, promised)
		promises += n
		broken = append(broken, faults...)
		if err := disk.Lose(r); err != nil {
			t.Fatal(err)
		}
	}
	if promises < cuts {
		t.Fatalf("only %d promises in %d cuts: the test shows nothing", promises, cuts)
	}
	return promises, append(broken, stillThere(t, disk.Dir, seen, promised)...)
}

// oneCut lets the victim work until the power goes, and takes note of its promises.
func oneCut(t *testing.T, disk *lossyfs.Disk, writes int, seen map[string]bool, promised map[string]int) (promises int, broken []string) {
	t.Helper()
	if err := disk.Mount(writes); err != nil {
		t.Fatal(err)
	}
	command := again(t.Context())
	command.Env = append(os.Environ(), victimDir+"="+disk.Mountpoint)
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		select {
		case <-disk.Off():
		case <-ended:
		}
		_ = command.Process.Kill() // it may have ended by itself
	}()
	for in := bufio.NewScanner(stdout); in.Scan(); {
		words := strings.Fields(in.Text())
		switch {
		case len(words) == 2 && words[0] == "sent":
			seen[words[1]] = true
		case len(words) == 3 && words[0] == "accepted":
			n, _ := strconv.Atoi(words[2])
			promised[words[1]] = max(promised[words[1]], n)
			promises++
		case len(words) == 3 && words[0] == "cursor":
			if n, _ := strconv.Atoi(words[2]); n < promised[words[1]] {
				broken = append(broken, fmt.Sprintf("cursor of %s is %d, %d was accepted", words[1], n, promised[words[1]]))
				promised[words[1]] = n
			}
		case !isOff(disk):
			broken = append(broken, "with the power on: "+in.Text())
		}
	}
	close(ended)
	_ = command.Wait() // it was killed
	if err := disk.Unmount(); err != nil {
		t.Fatal(err)
	}
	return promises, broken
}

func isOff(disk *lossyfs.Disk) bool {
	select {
	case <-disk.Off():
		return true
	default:
		return false
	}
}

// stillThere names each accepted event that is neither held nor was sent.
func stillThere(t *testing.T, dir string, seen map[string]bool, promised map[string]int) (broken []string) {
	t.Helper()
	j := open(t, dir, journal.Options{})
	c := newCentre(t)
	c.late = true
	c.drain(j)
	for plugin, n := range promised {
		for i := range n {
			if id := fmt.Sprintf("%s/%d", plugin, i); !seen[id] && c.events[id] == 0 {
				broken = append(broken, id+" was accepted and is neither held nor sent")
				break
			}
		}
	}
	for _, gap := range c.gaps {
		broken = append(broken, fmt.Sprintf("found damaged: %v", gap))
	}
	return broken
}
