// Package once_test shows that each event and each document is there once, whatever happens on the way.
package once_test

import (
	"testing"
	"time"

	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/world"
	"github.com/dockline/dockline/testenv/world/worldtest"
)

func TestMain(m *testing.M) { worldtest.Main(m) }

// patience is how long a day may take to settle on a busy machine.
const patience = 4 * time.Minute

// callTimeout leaves time to kill the collector while it waits for an answer.
const callTimeout = 8 * time.Second

// TestExactlyOnce is one company on a Mosquitto with a PostgreSQL, and another on what is embedded. After each trouble event log, ERP and
// CRM agree with the ledgers that the docks wrote first: no event lost, each document once, quantities right.
//
// Shows: S47, S52, A19, A20
func TestExactlyOnce(t *testing.T) {
	t.Run("Mosquitto and PostgreSQL", func(t *testing.T) {
		t.Parallel()
		testenv.NeedMosquitto(t)
		troubles(t, world.Config{Seed: 2, Broker: "mosquitto", Database: testenv.PostgreSQL(t), MovementsPerSecond: 8, CallTimeout: callTimeout})
	})
	t.Run("embedded broker and SQLite", func(t *testing.T) {
		t.Parallel()
		troubles(t, world.Config{Seed: 3, MovementsPerSecond: 8, CallTimeout: callTimeout})
	})
}

// troubles come one after the other to the same company: what one of them broke would show in all that follow.
func troubles(t *testing.T, c world.Config) {
	w := worldtest.Open(t, c)
	t.Run("a day of killed agents and collectors", func(t *testing.T) { killsAllDay(t, w) })
	floor := worldtest.TakeOver(t, w)
	for _, trouble := range []struct {
		name   string
		happen func(*testing.T, *world.World, *worldtest.Floor)
	}{
		{"the same file twice", sameFileTwice},
		{"the same rows in a second file, in other order, with one more", sameRowsAndOneMore},
		{"two genuine identical picks", twoIdenticalPicks},
		{"lines of one order in reverse order", reverseOrder},
		{"the broker's data wiped", brokerWiped},
		{"the collector killed between commit and Ack", killedBeforeAck},
		{"the collector killed between sending a posting and hearing the answer", killedBeforeAnswer},
	} {
		t.Run(trouble.name, func(t *testing.T) { trouble.happen(t, w, floor.For(t)) })
	}
}

// whole settles and says how many events are in the log.
func whole(t *testing.T, w *world.World) *world.Report {
	t.Helper()
	return worldtest.Settle(t, w, patience)
}
