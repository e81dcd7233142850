package plugins

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"
)

const (
	// A process that no host connects to ends after this time.
	lonely = time.Minute
	// A process whose host has gone ends after this time: long enough for the end of an orderly stop.
	orphaned = time.Second
)

// Serve answers a host until the host goes, and does not return before. It is the whole of a plugin's main. Nothing but Serve
// may write to standard output; Log is for what is to be said.
func Serve(p Plugin) {
	watch := newHostWatch(lonely, orphaned, func() { os.Exit(0) })
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  Handshake,
		VersionedPlugins: map[int]plugin.PluginSet{ProtocolVersion: {Name: &adapter{plugin: p}}},
		// Its own words about sockets and certificates are of no use to an operator.
		Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Error, Output: io.Writer(stderr), JSONFormat: true}),
		GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
			options = append(options, grpc.MaxRecvMsgSize(8*MaxBatchBytes), grpc.StatsHandler(watch), grpc.InitialWindowSize(WindowBytes), grpc.InitialConnWindowSize(WindowBytes))
			return grpc.NewServer(options...)
		},
	})
}

// hostWatch counts the connections of the host and calls gone when there is none for a while: a plugin must not outlive an
// agent that was killed. A socket closes with its process on every system, so this needs no help from the host.
type hostWatch struct {
	count    chan int
	orphaned time.Duration
	gone     func()
}

func newHostWatch(lonely, orphaned time.Duration, gone func()) *hostWatch {
	w := &hostWatch{count: make(chan int), orphaned: orphaned, gone: gone}
	go w.run(lonely)
	return w
}

func (w *hostWatch) run(patience time.Duration) {
	connections := 0
	timer := time.NewTimer(patience)
	for {
		select {
		case change := <-w.count:
			connections += change
			timer.Stop()
			if connections == 0 {
				timer.Reset(w.orphaned)
			}
		case <-timer.C:
			w.gone()
			return
		}
	}
}

// HandleConn is told of every connection that begins and ends.
func (w *hostWatch) HandleConn(_ context.Context, s stats.ConnStats) {
	switch s.(type) {
	case *stats.ConnBegin:
		w.count <- 1
	case *stats.ConnEnd:
		w.count <- -1
	}
}

// TagConn, TagRPC and HandleRPC have nothing to do.
func (w *hostWatch) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// TagRPC has nothing to do.
func (w *hostWatch) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleRPC has nothing to do.
func (w *hostWatch) HandleRPC(context.Context, stats.RPCStats) {}
