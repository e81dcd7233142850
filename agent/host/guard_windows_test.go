package host

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/windows"
)

// TestBeAHog is no test: it is this program in the part of a plugin that takes memory and works.
func TestBeAHog(t *testing.T) {
	size, err := strconv.Atoi(os.Getenv("DOCKLINE_TEST_HOG"))
	if err != nil {
		t.Skip("only as a child of the other tests")
	}
	hog := make([]byte, size<<20)
	for round := byte(1); ; round++ {
		for i := 0; i < len(hog); i += 512 {
			hog[i] = round
		}
		if round == 1 {
			fmt.Println("ready")
		}
	}
}

// hog starts a child under a guard, and returns when it has its memory.
func hog(t *testing.T, size int, limit int64) (*guard, *exec.Cmd, bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestBeAHog$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("DOCKLINE_TEST_HOG=%d", size))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	g := &guard{plugin: "hog", memory: limit}
	if err := g.Start(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.Kill(cmd)
		_ = g.Wait(cmd)
	})
	ready := false
	for in := bufio.NewScanner(out); !ready && in.Scan(); {
		ready = in.Text() == "ready"
	}
	return g, cmd, ready
}

func TestTheJobTellsWhatAPluginTakes(t *testing.T) {
	g, cmd, ready := hog(t, 100, 0)
	if !ready {
		t.Fatal("the child did not start")
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		u, ok := g.usage(cmd.Process.Pid)
		if ok && u.memory > 100<<20 && u.memory < 1<<30 && u.cpu > 0 {
			t.Logf("usage %d MiB, %s", u.memory>>20, u.cpu)
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("usage %+v %v of a child that has 100 MiB and works", u, ok)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// The end of the job's last handle is the end of what is in it: so dies a plugin whose agent dies.
func TestAPluginEndsWithItsJob(t *testing.T) {
	g, cmd, ready := hog(t, 10, 0)
	if !ready {
		t.Fatal("the child did not start")
	}
	g.Close()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("the child lives on")
	}
}

// A plugin that asks for more than the job may have is refused it by the system. Wine keeps the limit and does not act on it.
func TestTheJobStopsAPluginThatGrowsTooFast(t *testing.T) {
	if windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil {
		t.Skip("Wine does not act on a job's memory limit")
	}
	if _, _, ready := hog(t, 1024, 64<<20); ready {
		t.Error("a child with a limit of 64 MiB got 1 GiB")
	}
}
