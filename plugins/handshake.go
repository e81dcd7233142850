package plugins

import (
	"context"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	// ProtocolVersion is the version of the contract between host and plugin; both negotiate the highest that they share.
	ProtocolVersion = 1
	// Name is the one plugin that a process serves.
	Name = "dockline"
	// MaxBatchBytes is the largest batch that a host takes: a window of them has room in a small agent.
	MaxBatchBytes = 2 << 20
	// WindowBytes is how much either end lets the other send ahead. Where it is set the library no longer measures the line to find it, for
	// which it would answer every message of a quiet line with a ping.
	WindowBytes = 1 << 20
	// MaxBatchEvents is how many events may be in one; a host ends a plugin that sends more.
	MaxBatchEvents = 10_000
)

// Handshake makes a plugin that is started by hand say what it is. It protects from mistakes, not from attackers.
var Handshake = plugin.HandshakeConfig{
	ProtocolVersion:  ProtocolVersion,
	MagicCookieKey:   "DOCKLINE_PLUGIN",
	MagicCookieValue: "b3f0a52c-5a1e-4f0e-9c0e-6f1d2a0c7b11",
}

// Client is a plugin as its host sees it.
type Client struct {
	Source docklinev1.SourceServiceClient
	Sink   docklinev1.SinkServiceClient
	Health grpc_health_v1.HealthClient
}

// NewClient asks a plugin over a connection.
func NewClient(conn grpc.ClientConnInterface) *Client {
	return &Client{
		Source: docklinev1.NewSourceServiceClient(conn),
		Sink:   docklinev1.NewSinkServiceClient(conn),
		Health: grpc_health_v1.NewHealthClient(conn),
	}
}

// ClientVersions is what a host gives to go-plugin: each version of the contract that it speaks. Dispensing Name gives a *Client.
func ClientVersions() map[int]plugin.PluginSet {
	return map[int]plugin.PluginSet{ProtocolVersion: {Name: &adapter{}}}
}

// adapter joins a Plugin to go-plugin's registry. Only the side that serves has one.
type adapter struct {
	plugin.NetRPCUnsupportedPlugin
	plugin Plugin
}

func (a *adapter) GRPCServer(_ *plugin.GRPCBroker, server *grpc.Server) error {
	Register(server, a.plugin)
	return nil
}

func (a *adapter) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return NewClient(conn), nil
}
