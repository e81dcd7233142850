package testenv_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/dockline/dockline/testenv"
)

func TestALineIsCutHeldAndMended(t *testing.T) {
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		for {
			conn, err := echo.Accept()
			if err != nil {
				return
			}
			go func() {
				scanner := bufio.NewScanner(conn)
				for scanner.Scan() {
					fmt.Fprintln(conn, scanner.Text())
				}
			}()
		}
	}()
	line, err := testenv.OpenLine(echo.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	ask := func(c net.Conn, wait time.Duration) error {
		if _, err := fmt.Fprintln(c, "hello"); err != nil {
			return err
		}
		if err := c.SetReadDeadline(time.Now().Add(wait)); err != nil {
			return err
		}
		_, err := bufio.NewReader(c).ReadString('\n')
		return err
	}
	dial := func() net.Conn {
		c, err := net.Dial("tcp", line.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	first := dial()
	if err := ask(first, 5*time.Second); err != nil {
		t.Fatalf("whole line: %v", err)
	}
	line.Hold(true)
	if err := ask(first, 50*time.Millisecond); err == nil {
		t.Error("something passed a held line")
	}
	line.Hold(false)
	if err := ask(first, 5*time.Second); err != nil {
		t.Errorf("after the hold: %v", err)
	}
	line.Cut(true)
	if err := ask(first, 5*time.Second); err == nil {
		t.Error("something passed a cut line")
	}
	if err := ask(dial(), 5*time.Second); err == nil {
		t.Error("a new connection passed a cut line")
	}
	line.Cut(false)
	if err := ask(dial(), 5*time.Second); err != nil {
		t.Errorf("mended line: %v", err)
	}
	if line.Bytes() == 0 {
		t.Error("nothing was counted")
	}
}

// A line of 256 kbit/s and 100 ms carries 16 KiB in about 0.6 s each way, and its answer to a word not before 0.2 s; the bounds from
// above have room for a busy machine.
func TestALineIsSlowAndLong(t *testing.T) {
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		for {
			conn, err := echo.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(conn, conn) }()
		}
	}()
	line, err := testenv.OpenLine(echo.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	line.Shape(256, 100*time.Millisecond)
	conn, err := net.Dial("tcp", line.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, c := range []struct {
		bytes int
		least time.Duration
	}{{1, 200 * time.Millisecond}, {16 << 10, 700 * time.Millisecond}} {
		sent := bytes.Repeat([]byte("dock"), c.bytes/4+1)[:c.bytes]
		began := time.Now()
		if _, err := conn.Write(sent); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, c.bytes)
		if err := conn.SetReadDeadline(began.Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, got); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < c.least {
			t.Errorf("%d bytes took %s, %s at least were due", c.bytes, took, c.least)
		}
		if !bytes.Equal(sent, got) {
			t.Errorf("%d bytes arrived changed", c.bytes)
		}
	}
}
