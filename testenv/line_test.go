package testenv_test

import (
	"bufio"
	"fmt"
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
