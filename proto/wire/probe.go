package wire

import (
	"context"
	"crypto/tls"
	"net"
	"time"
)

// Connect makes a plain connection to host:port, through the proxy where there is one for it. It is for whoever looks what is wrong with a
// line, one layer after the other.
func (p Proxy) Connect(ctx context.Context, address string) (net.Conn, error) {
	return p.dialTCP(ctx, address)
}

// Handshake makes a TLS connection over conn, as a connection to the broker at host does, and says what the broker showed. It takes conn.
func Handshake(ctx context.Context, conn net.Conn, host string, config *tls.Config) (*tls.ConnectionState, error) {
	own := config.Clone()
	own.ServerName = host
	secure := tls.Client(conn, own)
	defer secure.Close()
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	// TLS 1.3 tells of a refused client certificate only with the first answer after the handshake; a broker says nothing before it is
	// spoken to, so that a second of silence is consent.
	state := secure.ConnectionState()
	if err := secure.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return &state, err
	}
	if _, err := secure.Read(make([]byte, 1)); err != nil {
		if timeout, ok := err.(net.Error); !ok || !timeout.Timeout() {
			return &state, err
		}
	}
	return &state, nil
}
