package host_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/agent/host"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

func command(plugin string, version uint64) *docklinev1.Command {
	return &docklinev1.Command{Key: "release/SO1", Version: version, Plugin: plugin,
		Work: &docklinev1.Command_CancelOrder{CancelOrder: &docklinev1.CancelOrder{Number: "SO1"}}}
}

func TestACommandGoesToTheOneSink(t *testing.T) {
	w := run(t, quick, plugin("wms", "count: 1"), plugin("scanner", "count: 1", "source"))
	ctx := context.Background()
	w.eventually("both run", func() bool { return len(w.journal.held()) == 2 })
	for _, step := range []struct {
		version uint64
		want    docklinev1.CommandOutcome
	}{{2, docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED}, {2, docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED}, {1, docklinev1.CommandOutcome_COMMAND_OUTCOME_SUPERSEDED}} {
		result, err := w.Deliver(ctx, command("", step.version))
		if err != nil || result.GetOutcome() != step.want || result.GetKey() != "release/SO1" || result.GetVersion() != step.version {
			t.Errorf("version %d: %v %v", step.version, result, err)
		}
	}
	if found, version, err := w.Find(ctx, "wms", "release/SO1"); err != nil || !found || version != 2 {
		t.Errorf("find: %v %d %v", found, version, err)
	}
	if _, err := w.Deliver(ctx, command("scanner", 3)); !errors.Is(err, host.ErrNoSink) || !strings.Contains(err.Error(), "carries out no commands") {
		t.Errorf("to a source: %v", err)
	}
}

func TestASinkWithoutCommandsDoesNotStandInTheWay(t *testing.T) {
	w := run(t, quick, plugin("orders", "count: 1", "idle"), plugin("wms", "count: 1"))
	w.eventually("both run", func() bool { return len(w.journal.held()) == 2 })
	if result, err := w.Deliver(context.Background(), command("", 1)); err != nil || result.GetOutcome() != docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED {
		t.Errorf("deliver: %v %v", result, err)
	}
	if _, err := w.Deliver(context.Background(), command("orders", 2)); !errors.Is(err, host.ErrNoSink) || !strings.Contains(err.Error(), "carries out no commands") {
		t.Errorf("to the idle one: %v", err)
	}
}

// A plugin that is refused at the start never says whether it is a sink; it must not hold up the work of the one that is.
func TestAQuarantinedPluginDoesNotHoldUpCommands(t *testing.T) {
	changed := plugin("changed", "count: 1")
	changed.SHA256 = strings.Repeat("0", 64)
	w := run(t, quick, changed, plugin("wms", "count: 1"))
	w.eventually("one runs, one is refused", func() bool {
		return len(w.journal.held()) == 1 && w.health("changed").GetState() == "quarantined"
	})
	if result, err := w.Deliver(context.Background(), command("", 1)); err != nil || result.GetOutcome() != docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED {
		t.Errorf("deliver: %v %v", result, err)
	}
	alone := run(t, quick, changed)
	alone.eventually("it is refused", func() bool { return alone.health("changed").GetState() == "quarantined" })
	if _, err := alone.Deliver(context.Background(), command("", 1)); !errors.Is(err, host.ErrNoSink) || !strings.Contains(err.Error(), "changed may be the one; it is quarantined") {
		t.Errorf("to nobody: %v", err)
	}
}

func TestACommandThatFindsNoSinkIsShown(t *testing.T) {
	w := run(t, quick, plugin("east", "count: 1"), plugin("west", "count: 1"))
	ctx := context.Background()
	w.eventually("both run", func() bool { return len(w.journal.held()) == 2 })
	if _, err := w.Deliver(ctx, command("", 1)); !errors.Is(err, host.ErrNoSink) || !strings.Contains(err.Error(), "east and west") {
		t.Errorf("two sinks and no name: %v", err)
	}
	if c := w.condition("command_without_sink"); c == nil || !strings.Contains(c.GetText(), "release/SO1") {
		t.Errorf("condition %v", c)
	}
	if _, err := w.Deliver(ctx, command("north", 1)); !errors.Is(err, host.ErrNoSink) || !strings.Contains(err.Error(), "north") {
		t.Errorf("an unknown plugin: %v", err)
	}
	if result, err := w.Deliver(ctx, command("west", 1)); err != nil || result.GetOutcome() != docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED {
		t.Errorf("a named one: %v %v", result, err)
	}
	if c := w.condition("command_without_sink"); c != nil {
		t.Errorf("the condition stays: %v", c)
	}
	w.stop()
	if _, err := w.Deliver(ctx, command("west", 2)); !errors.Is(err, host.ErrNoSink) || !strings.Contains(err.Error(), "west is stopped") {
		t.Errorf("after the end: %v", err)
	}
}

func TestASinkThatHangsIsGivenUpInTime(t *testing.T) {
	limits := quick
	limits.Call = 500 * time.Millisecond
	w := run(t, limits, plugin("wms", "count: 1"))
	w.eventually("it runs", func() bool { return len(w.journal.held()) == 1 })
	hang := command("wms", 1)
	hang.GetCancelOrder().Reason = "hang"
	if _, err := w.Deliver(context.Background(), hang); err == nil || errors.Is(err, host.ErrNoSink) {
		t.Errorf("want a time-out, got %v", err)
	}
	if result, err := w.Deliver(context.Background(), command("wms", 1)); err != nil || result.GetOutcome() != docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED {
		t.Errorf("the next command: %v %v", result, err)
	}
}
