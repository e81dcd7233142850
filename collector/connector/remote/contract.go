// Package remote runs a connector that is a program of its own, in any language (New), and is what such a program in Go is made of (Serve).
//
// The contract is ConnectorService (proto/dockline/connector/v1) over go-plugin. Host and program share a handshake of their own, so that a site's
// plugin is not taken for a connector. What the program loses with its process nobody misses: a call that is under way when it ends has an
// unknown outcome, and the next one starts it again.
package remote

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	connectorv1 "github.com/dockline/dockline/proto/dockline/connector/v1"
)

const (
	// ProtocolVersion is the version of the contract; both ends negotiate the highest that they share.
	ProtocolVersion = 1
	// Name is the one plugin that a process serves.
	Name = "connector"

	// maxMessage bounds one message: the book of a large warehouse is one.
	maxMessage = 64 << 20
	// partBytes is about how large a part of a long answer is.
	partBytes = 512 << 10
	// maxAnswer bounds an answer in parts, the books of all sites. entryBytes is what an entry counts for at least: in memory it takes so much.
	maxAnswer  = 256 << 20
	entryBytes = 256
)

// Handshake makes a program that is started by hand, or a site's plugin, say what it is. It protects from mistakes, not from attackers.
var Handshake = plugin.HandshakeConfig{
	ProtocolVersion:  ProtocolVersion,
	MagicCookieKey:   "DOCKLINE_CONNECTOR",
	MagicCookieValue: "0f6cf3c0-9c7e-4c39-8a8d-5d0c1f8b7a42",
}

// adapter joins the service to go-plugin's registry. Only the side that serves has a server.
type adapter struct {
	plugin.NetRPCUnsupportedPlugin
	server connectorv1.ConnectorServiceServer
}

func (a *adapter) GRPCServer(_ *plugin.GRPCBroker, server *grpc.Server) error {
	if a.server == nil {
		return errors.New("no connector to serve")
	}
	connectorv1.RegisterConnectorServiceServer(server, a.server)
	return nil
}

func (a *adapter) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return conn, nil
}

// within is how long the program may take of what is left of a call, so that its own word about a time-out arrives in time.
func within(left time.Duration) time.Duration { return left - min(left/10, 500*time.Millisecond) }
