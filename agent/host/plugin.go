package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/proto/child"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	// stopWithin is how long an orderly stop may take before the process is killed.
	stopWithin = 5 * time.Second
	// messageOverhead is what a message may have around its batch.
	messageOverhead = 64 << 10
)

// running is a plugin that has been started and answers.
type running struct {
	api     *plugins.Client
	client  *plugin.Client
	process *process
	log     *pluginLog
}

// start runs a plugin's executable until it answers, or gives an error and leaves no process behind.
func start(ctx context.Context, config *Config, p PluginConfig, sockets string, lines *logBudget) (*running, error) {
	if err := verify(p.Path, p.SHA256); err != nil {
		return nil, err
	}
	r := &running{log: newPluginLog(config.Log.With("plugin", p.ID), lines)}
	outside := &lineWriter{log: r.log, level: slog.LevelWarn, text: "plugin wrote to standard output, which is for the handshake only"}
	made := make(chan *process, 1)
	r.client = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  plugins.Handshake,
		VersionedPlugins: plugins.ClientVersions(),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, _ string) (runner.Runner, error) {
			process := newProcess(p, cmd.Env, outside)
			made <- process
			return process, nil
		},
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: sockets},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     config.Limits.Start,
		SyncStdout:       outside,
		SyncStderr:       &lineWriter{log: r.log, level: slog.LevelInfo, text: "plugin wrote to standard error"},
		Logger:           r.log.hclog(),
		GRPCDialOptions: []grpc.DialOption{grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(plugins.MaxBatchBytes + messageOverhead)),
			grpc.WithInitialWindowSize(plugins.WindowBytes), grpc.WithInitialConnWindowSize(plugins.WindowBytes)},
	})
	ctx, cancel := context.WithTimeout(ctx, config.Limits.Start)
	defer cancel()
	// Starting takes no context: end the process under it instead.
	stop := context.AfterFunc(ctx, func() {
		select {
		case process := <-made:
			made <- process
			process.End()
		default:
		}
	})
	err := r.connect()
	stopped := stop()
	select {
	case r.process = <-made:
	default:
	}
	if err == nil && !stopped {
		err = ctx.Err()
	}
	if err != nil {
		overdue := errors.Is(ctx.Err(), context.DeadlineExceeded)
		if err = startFault(r.describeEnd(err)); overdue {
			err = offencef("it did not answer within %s: %w", config.Limits.Start, err)
		}
		r.stop()
		return nil, fmt.Errorf("start plugin: %w", err)
	}
	return r, nil
}

// maxSocketPath is the longest path that a Unix socket can have on every system, and socketName what the library adds to a folder.
const (
	maxSocketPath = 100
	socketName    = "/plugin-dir0123456789/plugin0123456789"
)

// socketFolder is an empty folder below the data folder, without what an agent that was killed has left there; it is empty
// where its path would be too long.
func socketFolder(dataDir string) string {
	folder := filepath.Join(dataDir, "run")
	if len(folder)+len(socketName) > maxSocketPath || runtime.GOOS == "windows" {
		return ""
	}
	if os.RemoveAll(folder) != nil || os.MkdirAll(folder, 0o700) != nil {
		return ""
	}
	return folder
}

func (r *running) connect() error {
	protocol, err := r.client.Client()
	if err != nil {
		return err
	}
	api, err := protocol.Dispense(plugins.Name)
	if err != nil {
		return err
	}
	r.api = api.(*plugins.Client)
	return nil
}

// stop ends the process, in order if it can, and waits until it is gone.
func (r *running) stop() {
	if r.process == nil {
		return
	}
	// A plugin that hangs would hold the library's orderly stop for ever.
	timer := time.AfterFunc(stopWithin, r.process.End)
	defer timer.Stop()
	r.client.Kill()
	r.process.End()
	if r.process.Pid() != 0 {
		<-r.process.Exited()
	}
	r.log.close()
}

// describeEnd adds to the error of a call or a stream what is known about the end of the process.
func (r *running) describeEnd(err error) error {
	if s, ok := status.FromError(err); ok {
		err = errors.New(s.Message())
	}
	if r.process == nil || r.process.Pid() == 0 {
		return err
	}
	select {
	case <-r.process.Exited():
		exit := "exit status 0"
		if r.process.Err() != nil {
			exit = r.process.Err().Error()
		}
		err = fmt.Errorf("the process ended (%s): %w", exit, err)
		select {
		case <-r.process.Said():
		case <-time.After(2 * child.PipesAfterExit):
		}
	default:
	}
	if words := r.log.lastWords(); words != "" {
		err = fmt.Errorf("%w; its last words: %s", err, words)
	}
	return err
}

// describe asks the plugin who it is.
func (r *running) describe(ctx context.Context, limit time.Duration) (*docklinev1.DescribeResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	d, err := r.api.Source.Describe(ctx, &docklinev1.DescribeRequest{})
	if err != nil {
		return nil, unanswered("Describe", err, ctx)
	}
	return d, nil
}

// check asks the plugin for the faults of its configuration.
func (r *running) check(ctx context.Context, p PluginConfig, limit time.Duration) ([]*docklinev1.ConfigFault, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c, err := r.api.Source.Check(ctx, &docklinev1.CheckRequest{Config: p.Config, Id: p.ID})
	if err != nil {
		return nil, unanswered("Check", err, ctx)
	}
	return c.GetFaults(), nil
}
