package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// ErrReopen is how Run ends when the configuration has changed in more than plugins' sections: the agent is to be opened again.
var ErrReopen = errors.New("the agent opens again with another configuration")

// trialTime is how long plugins may take to run with a new section.
const trialTime = 2 * time.Minute

// maxReason is how much of a refusal travels; the log has it whole.
const maxReason = 4000

// Deliver carries out a command: what concerns the agent itself here, the rest at a plugin's sink.
func (a *Agent) Deliver(ctx context.Context, c *docklinev1.Command) (*docklinev1.CommandResult, error) {
	switch {
	case c.GetReread() != nil:
		return a.host.Reread(ctx, c)
	case c.GetApplyConfig() != nil:
		return a.configure(ctx, c)
	case c.GetRenewIdentity() != nil:
		return a.renewIdentity(ctx, c)
	}
	return a.host.Deliver(ctx, c)
}

// configure makes the configuration that the centre wants the one in force. One with faults is refused with their lines, and so is one
// with which the agent or a plugin does not run; what was in force before stays.
func (a *Agent) configure(ctx context.Context, c *docklinev1.Command) (*docklinev1.CommandResult, error) {
	s, key, version := a.settings, c.GetKey(), c.GetVersion()
	accepted, refused := s.last()
	switch {
	case accepted.is(key, version):
		return outcome(c, docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED, "in force"), nil
	case refused.is(key, version):
		return outcome(c, docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED, refused.Reason), nil
	}
	wanted := wantedOf(c)
	if trying := s.trial.is(key, version); trying {
		wanted.Before = s.trial.Before
	} else {
		wanted.Before = a.standing()
	}
	next, ids, err := a.own.with(wanted.YAML)
	if err == nil && wanted.SHA256 != "" && wanted.SHA256 != configHash(wanted.YAML) {
		err = errors.New("it is not what the centre sent: its hash differs")
	}
	if err == nil {
		err = checkFaults(ctx, next.only(ids))
	}
	if err != nil {
		return a.refuseConfig(c, wanted, err)
	}
	trying := s.trial.is(key, version)
	if !trying && !sameButSections(a.inForce, next) {
		if err := s.try(wanted, false); err != nil {
			return nil, err
		}
		a.reopen()
		return nil, ErrReopen // it comes again when the agent is open with it
	}
	// From here on the agent runs with all of it but plugins' sections, and, where it was opened to try it, with these too.
	if !trying {
		if err := s.try(wanted, true); err != nil {
			return nil, err
		}
	}
	within, cancel := context.WithTimeout(ctx, trialTime)
	defer cancel()
	err = errors.Join(a.host.Configure(within, sections(next)), a.host.Settle(within, ids))
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		result, refusal := a.refuseConfig(c, wanted, err)
		if trying {
			a.reopen() // with the one before
		}
		return result, refusal
	}
	if err := s.accept(); err != nil {
		return nil, err
	}
	a.inForce = next
	a.log.Info("the centre's configuration is in force", "version", version, "plugins", ids)
	return outcome(c, docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED, fmt.Sprintf("in force, with sections for %d plugins; watched for %s", len(ids), wanted.Trial)), nil
}

// wantedOf is what a command brings.
func wantedOf(c *docklinev1.Command) *given {
	work := c.GetApplyConfig()
	g := &given{Key: c.GetKey(), Version: c.GetVersion(), YAML: work.GetYaml(), Desired: work.GetConfigVersion(), SHA256: work.GetSha256(), Trial: watchTime}
	if t := work.GetTrial(); t != nil {
		g.Trial = min(max(t.AsDuration(), 4*time.Second), 24*time.Hour)
	}
	return g
}

func (a *Agent) refuseConfig(c *docklinev1.Command, wanted *given, reason error) (*docklinev1.CommandResult, error) {
	a.log.Error("the centre's configuration is refused, the one before stays in force", "version", wanted.Version, "err", reason)
	text := reason.Error()
	reportEvent(fmt.Sprintf("Configuration %d of the centre is refused, the one before stays in force: %s", wanted.Version, text))
	if len(text) > maxReason {
		text = strings.ToValidUTF8(text[:maxReason], "") + " ..."
	}
	if err := a.settings.refuse(wanted, text); err != nil {
		return nil, err
	}
	return outcome(c, docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED, text), nil
}

// checkFaults has plugins look at their sections.
func checkFaults(ctx context.Context, c *Config) error {
	faults, err := CheckPlugins(ctx, c)
	return errors.Join(err, faults.Err())
}

// sameButSections says whether two configurations differ in plugins' sections only.
func sameButSections(a, b *Config) bool {
	return a.Journal == b.Journal && a.Uplink == b.Uplink && a.Log == b.Log && a.Rules.equal(b.Rules) && slices.EqualFunc(a.Plugins, b.Plugins, func(x, y PluginConfig) bool { return x.ID == y.ID })
}

func sections(c *Config) map[string][]byte {
	all := make(map[string][]byte, len(c.Plugins))
	for _, p := range c.Plugins {
		all[p.ID] = p.Config
	}
	return all
}

// reopen ends Run with ErrReopen.
func (a *Agent) reopen() {
	select {
	case a.again <- struct{}{}:
	default:
	}
}

// waitReopen is a loop that ends when the agent is to be opened again.
func (a *Agent) waitReopen(ctx context.Context) error {
	select {
	case <-a.again:
		return ErrReopen
	case <-ctx.Done():
		return nil
	}
}

func outcome(c *docklinev1.Command, o docklinev1.CommandOutcome, text string) *docklinev1.CommandResult {
	r := &docklinev1.CommandResult{Key: c.GetKey(), Version: c.GetVersion(), Outcome: o, Text: text}
	if o == docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED {
		r.Class = docklinev1.FaultClass_FAULT_CLASS_DATA
	}
	return r
}

// refusedCondition is what a person sees at the site while the last configuration of the centre is one that was refused.
func (a *Agent) refusedCondition() []*docklinev1.Condition {
	accepted, refused := a.settings.last()
	if refused == nil || accepted != nil && accepted.Key == refused.Key && accepted.Version > refused.Version {
		return nil
	}
	return []*docklinev1.Condition{{Code: "config_refused", Title: "A configuration from the centre was refused", Severity: docklinev1.Severity_SEVERITY_WARNING,
		Text: fmt.Sprintf("The one before is in force. Version %d: %s", cmp.Or(refused.Desired, refused.Version), refused.Reason)}}
}
