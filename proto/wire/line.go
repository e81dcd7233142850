package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eclipse/paho.golang/packets"
)

// schemes says of each scheme whether it means TLS.
var schemes = map[string]bool{"mqtts": true, "ssl": true, "tls": true, "mqtt": false, "tcp": false}

const (
	// writeTimeout is how long the line may take nothing before it counts as dead.
	writeTimeout = 30 * time.Second
	// publishTimeout is how long a broker that answers pings may leave a message unanswered.
	publishTimeout = time.Minute
)

func dial(ctx context.Context, u *url.URL, c *Config) (net.Conn, error) {
	secure, config := schemes[u.Scheme], c.TLS
	port := u.Port()
	switch {
	case port != "":
	case secure:
		port = "8883"
	default:
		port = "1883"
	}
	conn, err := c.Proxy.dialTCP(ctx, net.JoinHostPort(u.Hostname(), port))
	if err == nil && c.Prompt {
		conn = promptly(conn)
	}
	if err != nil || !secure {
		return conn, err
	}
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName = u.Hostname()
	}
	over := tls.Client(conn, config)
	if err := over.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // what matters is why there is no TLS
		return nil, err
	}
	return over, nil
}

// line is the connection as the library sees it. The library reads byte by byte and writes a packet in pieces, between Lock and
// Unlock; here that becomes one read and one write, and one TLS record. Whatever ends it is told at once.
type line struct {
	net.Conn
	in   *bufio.Reader
	mu   sync.Mutex
	out  *bufio.Writer
	fall context.CancelCauseFunc
	// first is of the packet that is being written, its type in the upper half; 0 where nothing of it was yet.
	first byte
	// told counts the subscriptions and messages that have been written; wrote has room for one sign that there is one more.
	told  atomic.Uint64
	wrote chan struct{}
}

func newLine(c net.Conn, fall context.CancelCauseFunc) *line {
	return &line{Conn: c, in: bufio.NewReaderSize(c, 16<<10), out: bufio.NewWriterSize(c, 16<<10), fall: fall, wrote: make(chan struct{}, 1)}
}

func (l *line) Read(p []byte) (int, error) {
	n, err := l.in.Read(p)
	if err != nil {
		l.fall(err)
	}
	return n, err
}

// Lock is called by the library before it writes a packet.
func (l *line) Lock() {
	l.mu.Lock()
	if err := l.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		l.fall(err)
	}
}

func (l *line) Write(p []byte) (int, error) {
	if l.first == 0 && len(p) > 0 {
		l.first = p[0]
	}
	return l.out.Write(p)
}

// Unlock is called by the library after it has written a packet.
func (l *line) Unlock() {
	err := l.out.Flush()
	kind := l.first >> 4
	l.first = 0
	l.mu.Unlock()
	if kind == packets.SUBSCRIBE || kind == packets.PUBLISH {
		l.told.Add(1)
		select {
		case l.wrote <- struct{}{}:
		default:
		}
	}
	if err != nil {
		l.fall(err)
		// The reader must wake too; that the line was closed already is no news.
		_ = l.Conn.Close()
	}
}

func (l *line) Close() error {
	l.fall(ErrDown)
	return l.Conn.Close()
}
