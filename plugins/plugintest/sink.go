package plugintest

import (
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const applied, superseded = docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED, docklinev1.CommandOutcome_COMMAND_OUTCOME_SUPERSEDED

// sink starts the plugin and opens it for commands.
func (b *bench) sink() *life {
	b.Helper()
	l := b.life()
	if _, err := l.Sink.Open(b.ctx, &docklinev1.OpenRequest{Config: b.Config, DataDir: b.dataDir, Id: id}); err != nil {
		b.Fatalf("open: %v", err)
	}
	return l
}

// deliver hands over a version of the world's command and looks at the outcome.
func (b *bench) deliver(l *life, version uint64, want docklinev1.CommandOutcome) *docklinev1.CommandResult {
	b.Helper()
	reply, err := l.Sink.Deliver(b.ctx, &docklinev1.DeliverRequest{Command: b.Command(version)})
	if err != nil {
		b.Fatalf("deliver version %d: %v", version, err)
	}
	if got := reply.GetResult().GetOutcome(); got != want {
		b.Errorf("version %d: %v (%s), want %v", version, got, reply.GetResult().GetText(), want)
	}
	return reply.GetResult()
}

// effects looks that the world has changed a number of times; a world that cannot count is believed.
func (b *bench) effects(want int) {
	b.Helper()
	if b.Effects == nil {
		return
	}
	if got := b.Effects(b.T); got != want {
		b.Errorf("%d effects, want %d", got, want)
	}
}

func (b *bench) deliverOnce() {
	l := b.sink()
	b.deliver(l, 1, applied)
	b.effects(1)
	for range 3 {
		b.deliver(l, 1, applied)
	}
	b.effects(1)
}

func (b *bench) deliverOverKill() {
	l := b.sink()
	b.deliver(l, 1, applied)
	l.kill()
	l = b.sink()
	b.deliver(l, 1, applied)
	b.effects(1)
}

func (b *bench) superseded() {
	l := b.sink()
	b.deliver(l, 2, applied)
	before := 0
	if b.Effects != nil {
		before = b.Effects(b.T)
	}
	result := b.deliver(l, 1, superseded)
	if key := b.Command(1).GetKey(); result.GetKey() != key || result.GetVersion() != 1 {
		b.Errorf("the result is of %s version %d, want %s version 1", result.GetKey(), result.GetVersion(), key)
	}
	b.effects(before)
}

func (b *bench) find() {
	l := b.sink()
	look := func(l *life, key string) (bool, uint64) {
		b.Helper()
		reply, err := l.Sink.Find(b.ctx, &docklinev1.FindRequest{Key: key})
		if err != nil {
			b.Fatalf("find %s: %v", key, err)
		}
		return reply.GetFound(), reply.GetVersion()
	}
	key := b.Command(1).GetKey()
	if found, _ := look(l, key); found {
		b.Errorf("%s is found before it was delivered", key)
	}
	b.deliver(l, 3, applied)
	if found, version := look(l, key); !found || version != 3 {
		b.Errorf("after version 3: found %v, version %d", found, version)
	}
	l.kill()
	if found, version := look(b.sink(), key); !found || version != 3 {
		b.Errorf("after a new start: found %v, version %d", found, version)
	}
	if found, _ := look(b.sink(), key+"/another"); found {
		b.Error("a key is found that was never delivered")
	}
}
