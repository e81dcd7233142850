package remote

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/dockline/dockline/proto/child"
	connectorv1 "github.com/dockline/dockline/proto/dockline/connector/v1"
)

const (
	// stopWithin is how long an orderly stop may take before the process is killed.
	stopWithin = 5 * time.Second
	// lifeSign is how long a program that let a call's time pass has to say that it lives.
	lifeSign = 5 * time.Second
)

// dialOptions bound what goes to a program and comes from it.
var dialOptions = []grpc.DialOption{grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage))}

// run is a program that has been started and answers.
type run struct {
	*client
	plugin  *plugin.Client
	process *child.Process
	log     *programLog
	health  grpc_health_v1.HealthClient
	began   time.Time
	// silent: it let a call's time pass, and nobody has looked whether it lives.
	silent atomic.Bool
	unpace context.CancelFunc
}

// start runs the program until it answers, or gives an error and leaves no process behind.
func start(ctx context.Context, s Settings, log *slog.Logger) (*run, error) {
	if err := s.verify(); err != nil {
		return nil, err
	}
	r := &run{log: newProgramLog(log), unpace: func() {}, began: time.Now()}
	outside := &lineWriter{log: r.log, level: slog.LevelWarn, text: "the program wrote to standard output, which is for the handshake only"}
	made := make(chan *child.Process, 1)
	r.plugin = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  Handshake,
		VersionedPlugins: map[int]plugin.PluginSet{ProtocolVersion: {Name: &adapter{}}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, _ string) (runner.Runner, error) {
			process := s.process(cmd.Env, outside)
			made <- process
			return process, nil
		},
		UnixSocketConfig: &plugin.UnixSocketConfig{},
		AutoMTLS:         s.MTLS != mtlsOff,
		SkipHostEnv:      true,
		StartTimeout:     s.StartTimeout,
		SyncStdout:       outside,
		SyncStderr:       &lineWriter{log: r.log, level: slog.LevelInfo, text: "the program wrote to standard error"},
		Logger:           r.log.hclog(),
		GRPCDialOptions:  dialOptions,
	})
	ctx, cancel := context.WithTimeout(ctx, s.StartTimeout)
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
		if r.process != nil && r.process.Pid() != 0 {
			r.fallen(ctx)
			if r.process.Gone() && !overdue && r.process.Heard() == 0 {
				err = errors.New("it said nothing before")
			}
		}
		if err = r.describeEnd(err); overdue {
			err = fmt.Errorf("it did not answer within %s: %w", s.StartTimeout, err)
		}
		r.stop()
		return nil, fmt.Errorf("start %s: %w", s.Command, err)
	}
	return r, nil
}

func (r *run) connect() error {
	protocol, err := r.plugin.Client()
	if err != nil {
		return err
	}
	dispensed, err := protocol.Dispense(Name)
	if err != nil {
		return err
	}
	conn := dispensed.(*grpc.ClientConn)
	r.client, r.health = newClient(conn, ""), grpc_health_v1.NewHealthClient(conn)
	return nil
}

// open asks the program who it is and gives it its configuration. What it finds wrong with that is a configfile.Faults.
func (r *run) open(ctx context.Context, s Settings) error {
	d, err := r.api.Describe(ctx, &connectorv1.DescribeRequest{})
	if err != nil {
		return r.describeEnd(fmt.Errorf("it does not say what it is: %w", err))
	}
	if r.name = d.GetName() + " " + d.GetVersion(); d.GetName() == "" {
		r.name = s.Command
	}
	if err := s.hold(d); err != nil {
		return err
	}
	secrets, err := s.secrets()
	if err != nil {
		return err
	}
	r.told, err = r.api.Configure(ctx, &connectorv1.ConfigureRequest{Name: s.Name, Tenant: s.Tenant, Config: s.Config, Secrets: secrets})
	if err != nil {
		return r.describeEnd(fmt.Errorf("it does not take its configuration: %w", err))
	}
	if err := s.faultsOf(r.name, r.told.GetFaults()); err != nil {
		return err
	}
	if r.told.GetPaces() {
		var paced context.Context
		paced, r.unpace = context.WithCancel(context.Background())
		go func() { _ = r.pace(paced) }() // it ends with the process, and no request begins without it
	}
	return nil
}

// lives asks a program that let a call's time pass whether it is there. One that knows no such question has answered too.
func (r *run) lives(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, lifeSign)
	defer cancel()
	_, err := r.health.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: plugin.GRPCServiceName})
	code := status.Code(err)
	return err == nil || code == codes.Unimplemented || code == codes.NotFound
}

// stop ends the process, in order if it can, and waits until it is gone.
func (r *run) stop() {
	r.unpace()
	if r.process == nil {
		return
	}
	// A program that hangs would hold the library's orderly stop for ever.
	timer := time.AfterFunc(stopWithin, r.process.End)
	defer timer.Stop()
	r.process.CloseStdin() // by which a program that is not made of Serve knows
	r.plugin.Kill()
	r.process.End()
	if r.process.Pid() != 0 {
		<-r.process.Exited()
	}
}

// describeEnd adds to the error of a call what is known about the end of the process.
func (r *run) describeEnd(err error) error {
	if s, ok := status.FromError(err); ok {
		err = errors.New(s.Message())
	}
	if r.process == nil || r.process.Pid() == 0 {
		return err
	}
	if r.process.Gone() {
		err = fmt.Errorf("the process ended (%s): %w", r.ended(), err)
	}
	if words := r.log.lastWords(); words != "" {
		err = fmt.Errorf("%w; its last words: %s", err, words)
	}
	return err
}

// fallen waits for the end of a process whose connection broke: that is seen a moment earlier.
func (r *run) fallen(ctx context.Context) {
	select {
	case <-r.process.Exited():
	case <-time.After(child.PipesAfterExit):
	case <-ctx.Done():
	}
}

// ended is how the process ended, when all that it said has been read; it is gone.
func (r *run) ended() string {
	select {
	case <-r.process.Said():
	case <-time.After(2 * child.PipesAfterExit):
	}
	if r.process.Err() != nil {
		return r.process.Err().Error()
	}
	return "exit status 0"
}
