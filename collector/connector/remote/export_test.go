package remote

import (
	"time"

	"google.golang.org/grpc"

	"github.com/dockline/dockline/collector/connector"
	connectorv1 "github.com/dockline/dockline/proto/dockline/connector/v1"
)

// DialOptions are those of a program's connection.
var DialOptions = dialOptions

// NewTarget puts a target in memory behind a door of its own, as a system has one that a program reaches over the network.
func NewTarget(server grpc.ServiceRegistrar, c connector.Connector) {
	s := newServer(Program{})
	s.connector = c
	connectorv1.RegisterConnectorServiceServer(server, s)
}

// Register serves a program on a server that go-plugin knows nothing of, as programs in other languages do.
func Register(server grpc.ServiceRegistrar, p Program) {
	connectorv1.RegisterConnectorServiceServer(server, newServer(p))
}

// TargetClient reaches such a target, and takes of it what like takes.
type TargetClient struct {
	*client
	Like connector.Connector
}

// NewTargetClient reaches a target over a connection.
func NewTargetClient(conn grpc.ClientConnInterface, like connector.Connector) TargetClient {
	return TargetClient{newClient(conn, "target"), like}
}

// Kinds are those of what it is like.
func (t TargetClient) Kinds() map[connector.Kind]connector.Style { return t.Like.Kinds() }

// SettleTime too.
func (t TargetClient) SettleTime() time.Duration { return t.Like.SettleTime() }

// Lists too.
func (t TargetClient) Lists() []connector.Kind { return connector.Lists(t.Like) }
