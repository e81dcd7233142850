package remote

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/proto/configfile"
)

// Program is a connector that one process serves.
type Program struct {
	// Name and Version are for people: they stand in the log and in every fault of its configuration.
	Name, Version string
	// Schema is the JSON Schema of its configuration, against which the centre holds settings.config before the program sees it; "" takes any.
	Schema string
	// Open makes the connector. It asks the system nothing: one that cannot be reached is no fault of the configuration. Its error is one, and may
	// be configfile.Faults.
	Open func(ctx context.Context, c Config) (connector.Connector, error)
}

// Config is what the centre gives the program.
type Config struct {
	// Name and Tenant of the connector in collector.yaml.
	Name, Tenant string
	// Text is settings.config as YAML.
	Text []byte
	// Secrets are what the files say that settings.secrets names.
	Secrets map[string]string
}

// Decode reads the configuration strictly into a struct with yaml tags that holds the defaults. Its error is every fault, with path and line.
func (c Config) Decode(into any) error {
	_, err := configfile.Decode("config", c.Text, into)
	return err
}

// Serve answers the centre until it goes, and does not return before. It is the whole of a main. Nothing but Serve may write to standard output;
// Log is for what is to be said.
func Serve(p Program) {
	if os.Getenv(Handshake.MagicCookieKey) == Handshake.MagicCookieValue {
		go endWithHost()
	}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  Handshake,
		VersionedPlugins: map[int]plugin.PluginSet{ProtocolVersion: {Name: &adapter{server: newServer(p)}}},
		// Its own words about sockets and certificates are of no use to an operator.
		Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Error, Output: io.Writer(stderr), JSONFormat: true}),
		GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(options, grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage))...)
		},
	})
}

// endWithHost ends the process when its standard input does: the centre holds the other end, and the system closes it with the centre's process.
func endWithHost() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// stderr is the process's own; Serve puts a pipe in the place of os.Stderr.
var stderr = os.Stderr

// Log writes for the collector's log: one JSON object a line on standard error, in the form that the centre knows.
func Log() *slog.Logger {
	return slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: hclogKeys}))
}

// hclogKeys renames the fixed keys to those that go-plugin reads.
func hclogKeys(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.TimeKey:
		return slog.String("@timestamp", a.Value.Time().UTC().Format("2006-01-02T15:04:05.000000Z07:00"))
	case slog.LevelKey:
		return slog.String("@level", strings.ToLower(a.Value.String()))
	case slog.MessageKey:
		a.Key = "@message"
	}
	return a
}
