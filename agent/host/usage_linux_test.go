package host

import (
	"fmt"
	"os"
	"runtime"
	"testing"
)

func TestTheSystemTellsWhatAProcessTakes(t *testing.T) {
	ballast := make([]byte, 64<<20)
	for i := range ballast {
		ballast[i] = byte(i)
	}
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var size, resident uint64
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		t.Fatal(err)
	}
	u, ok := usageOf(os.Getpid())
	want := resident * uint64(os.Getpagesize())
	if !ok || u.memory < want/2 || u.memory > 2*want || u.memory < 64<<20 || u.cpu <= 0 {
		t.Errorf("usage %+v %v, statm says %d", u, ok, want)
	}
	runtime.KeepAlive(ballast)
}
