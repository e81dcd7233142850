package host

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Check starts every plugin, asks it for the faults of its configuration, and stops it; nothing is captured. The map has an
// entry for every plugin, nil where all is well. A plugin that cannot be started or asked has that as its fault.
func (h *Host) Check(ctx context.Context) map[string][]*docklinev1.ConfigFault {
	all := map[string][]*docklinev1.ConfigFault{}
	for _, s := range h.supervisors {
		var faults []*docklinev1.ConfigFault
		err := h.with(ctx, s.settings(), func(r *running) (err error) {
			faults, err = r.check(ctx, s.settings(), h.config.Limits.Call)
			return err
		})
		if err != nil {
			faults = []*docklinev1.ConfigFault{{Text: err.Error()}}
		}
		all[s.plugin.ID] = faults
	}
	return all
}

// Describe starts a plugin, asks it who it is, and stops it.
func (h *Host) Describe(ctx context.Context, id string) (described *docklinev1.DescribeResponse, err error) {
	p, err := h.find(id)
	if err != nil {
		return nil, err
	}
	err = h.with(ctx, p, func(r *running) (err error) {
		described, err = r.describe(ctx, h.config.Limits.Call)
		return err
	})
	return described, err
}

// Try starts a plugin, has it read a sample with its configuration, and stops it. Nothing is captured or changed. fileName is
// what the sample would be called at the source.
func (h *Host) Try(ctx context.Context, id, fileName string, sample []byte) (reply *docklinev1.TryResponse, err error) {
	p, err := h.find(id)
	if err != nil {
		return nil, err
	}
	err = h.with(ctx, p, func(r *running) (err error) {
		ctx, cancel := context.WithTimeout(ctx, h.config.Limits.Call)
		defer cancel()
		reply, err = r.api.Source.Try(ctx, &docklinev1.TryRequest{Config: p.Config, FileName: fileName, Sample: sample})
		if status.Code(err) == codes.Unimplemented {
			return errors.New("this plugin cannot be tried with a sample, because it has no call Try: its section is looked at by `dockline-agent config check`, and what it tells is seen once the agent runs")
		}
		return err
	})
	return reply, err
}

func (h *Host) find(id string) (PluginConfig, error) {
	for _, s := range h.supervisors {
		if s.plugin.ID == id {
			return s.settings(), nil
		}
	}
	return PluginConfig{}, fmt.Errorf("plugin %q is not configured", id)
}

// with runs a process of its own for one question: a plugin that captures is not disturbed.
func (h *Host) with(ctx context.Context, p PluginConfig, ask func(*running) error) error {
	r, err := start(ctx, &h.config, p, "", newLogBudget(h.config.Limits.LogLines, h.config.Now))
	if err != nil {
		return err
	}
	defer r.stop()
	if err := ask(r); err != nil {
		return r.describeEnd(err)
	}
	return nil
}
