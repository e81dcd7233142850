package testenv_test

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/dockline/dockline/testenv"
)

// echo answers every connection with what it sent.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer conn.Close(); io.Copy(conn, conn) }()
		}
	}()
	return l.Addr().String()
}

func openLine(t *testing.T, shape testenv.Shape) (*testenv.Line, net.Conn) {
	t.Helper()
	line, err := testenv.OpenLine(echo(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(line.Close)
	line.Shape(shape)
	conn, err := net.Dial("tcp", line.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return line, conn
}

// A shaped line is never faster than it says; how much slower the machine makes it is not looked at.
func TestShapedLineIsNoFaster(t *testing.T) {
	const size = 200_000
	line, conn := openLine(t, testenv.Shape{Delay: 20 * time.Millisecond, BytesPerSecond: 1e6})
	began := time.Now()
	if _, err := conn.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 40*time.Millisecond {
		t.Errorf("a round trip took %s, want 40 ms at least", took)
	}
	began = time.Now()
	go conn.Write(make([]byte, size))
	if _, err := io.ReadFull(conn, make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 200*time.Millisecond {
		t.Errorf("%d bytes at 1 MB/s took %s", size, took)
	}
	if line.Up() != size+1 || line.Bytes() < 2*size {
		t.Errorf("%d bytes up, %d both ways", line.Up(), line.Bytes())
	}
}

// A cut ends what a shaped line still holds.
func TestShapedLineCanBeCut(t *testing.T) {
	line, conn := openLine(t, testenv.Shape{Delay: time.Minute})
	if _, err := conn.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); line.Up() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the byte never set out")
		}
	}
	line.Cut(true)
	conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the byte passed a line that was cut")
	}
}
