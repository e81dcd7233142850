package wmshttp_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// endless is a body that goes on until it has had so many bytes, and counts what was taken of it.
type endless struct {
	left  int64
	taken int64
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), e.left)
	for i := range p[:n] {
		p[i] = ' '
	}
	e.left, e.taken = e.left-n, e.taken+n
	return int(n), nil
}

// A body of 1 GB is refused before it has come, whether it says its size or not, and whether it is packed or not; memory stays as it was.
func TestABodyOfAGigabyteIsRefusedEarly(t *testing.T) {
	h := newHost()
	r := run(t, h, t.TempDir(), strings.Replace(fmt.Sprintf(listening, "max_body: 64KiB"), "  streams:", "  epcis: {gln: \"4012345000054\", max_body: 64KiB}\n  streams:", 1), true)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := io.Copy(z, &endless{left: 256 << 20}); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for _, path := range []string{"/events/picks", "/capture"} {
		for _, sized := range []bool{true, false} {
			body := &endless{left: 1 << 30}
			req, err := http.NewRequest("POST", "http://"+r.address+path, body)
			if err != nil {
				t.Fatal(err)
			}
			if req.ContentLength = -1; sized {
				req.ContentLength = 1 << 30
			}
			req.Header.Set("Content-Type", jsonld)
			resp, err := http.DefaultClient.Do(req)
			if err == nil {
				if _ = resp.Body.Close(); resp.StatusCode != 413 {
					t.Errorf("%s: %d", path, resp.StatusCode)
				}
			} else if !strings.Contains(err.Error(), "reset") && !strings.Contains(err.Error(), "broken pipe") && !strings.Contains(err.Error(), "aborted") && !strings.Contains(err.Error(), "closed") {
				t.Errorf("%s: %v", path, err)
			}
			if body.taken > 64<<20 {
				t.Errorf("%s: %d bytes were taken", path, body.taken)
			}
		}
		if g := r.send("POST", path, bytes.NewReader(packed.Bytes()), "Content-Type", jsonld, "Content-Encoding", "gzip"); g.status != 413 {
			t.Errorf("%s, packed: %d %s", path, g.status, g.body)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 32<<20 {
		t.Errorf("%d MiB are held", grown>>20)
	}
	h.until(t, "shown that somebody brings too much", func() bool { return h.has("http_large") })
	if g := r.send("POST", "/events/picks", text(onePick)); g.status != 200 {
		t.Errorf("afterwards: %d %s", g.status, g.body)
	}
	if g := r.send("POST", "/events/picks", gzipped(t, onePick), "Content-Encoding", "gzip"); g.status != 200 || len(h.all()) != 2 {
		t.Errorf("packed: %d %s", g.status, g.body)
	}
}

func gzipped(t *testing.T, s string) io.Reader {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// Who brings his header or body a byte at a time is shown the door, and the others are served meanwhile.
func TestSlowSendersAreEnded(t *testing.T) {
	h := newHost()
	r := run(t, h, t.TempDir(), fmt.Sprintf(listening, "header_timeout: 4s\n  min_rate: 100MB\n  body_patience: 4s\n  max_connections: 8"), true)
	ended := make(chan string, 6)
	var senders sync.WaitGroup
	for i := range 6 {
		conn, err := net.Dial("tcp", r.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		head := "POST /events/picks HTTP/1.1\r\nHost: x\r\n"
		if i%2 == 0 {
			head += "Content-Length: 1000\r\n\r\n{"
		}
		if _, err := conn.Write([]byte(head)); err != nil {
			t.Fatal(err)
		}
		senders.Add(1)
		go func() {
			defer senders.Done()
			_ = conn.SetReadDeadline(time.Now().Add(2 * time.Minute))
			answer, err := io.ReadAll(conn)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				answer = []byte("still open")
			}
			ended <- string(answer)
		}()
	}
	if g := r.send("POST", "/events/picks", text(onePick)); g.status != 200 {
		t.Errorf("beside slow ones: %d %s", g.status, g.body)
	}
	senders.Wait()
	close(ended)
	tooSlow := 0
	for answer := range ended {
		if answer == "still open" {
			t.Error("a slow sender is still connected")
		}
		if strings.Contains(answer, "408") && strings.Contains(answer, "too slow") {
			tooSlow++
		}
	}
	if tooSlow != 3 {
		t.Errorf("%d of the 3 slow bodies were told why", tooSlow)
	}
	h.until(t, "shown that somebody is slow", func() bool { return h.has("http_slow") })
}
