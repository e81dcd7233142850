package wire

import (
	"net"
	"syscall"
)

// promptConn acknowledges at once, at the level of TCP, what it has read. A broker that does not set TCP_NODELAY (Mosquitto, unless
// set_tcp_nodelay is true) holds its next small message back until the last one is acknowledged, and Linux lets it wait up to 40 ms for
// data that could carry the acknowledgement: half of that was what every live event waited for at a collector.
type promptConn struct {
	net.Conn
	raw   syscall.RawConn
	quick func(fd uintptr)
}

func promptly(conn net.Conn) net.Conn {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return conn
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return conn
	}
	return &promptConn{Conn: conn, raw: raw, quick: func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1) // without it all is well, only later
	}}
}

// Read sets the option anew each time: the system takes it back as it sees fit.
func (c *promptConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		_ = c.raw.Control(c.quick) // a socket that is closed says so at the next read
	}
	return n, err
}
