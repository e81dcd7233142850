//go:build !linux

package wire

import "net"

// promptly is for Linux; elsewhere the broker's set_tcp_nodelay does the same.
func promptly(conn net.Conn) net.Conn { return conn }
