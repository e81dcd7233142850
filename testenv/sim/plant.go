package sim

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/agent/uplink"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Plant is a mistake that a day can be given, to show that the checks would find it.
type Plant string

const (
	// TrimOnPuback is an uplink that takes the broker's word for the collector's.
	TrimOnPuback Plant = "trim-on-puback"
	// NoDedup is an event log that forgets which events it has.
	NoDedup Plant = "no-dedup"
	// BlindRetry is a sender that does not look before it tries again what may have happened.
	BlindRetry Plant = "blind-retry"
	// IgnoreRevisions is a fold that takes a corrected record for another one.
	IgnoreRevisions Plant = "ignore-revisions"
	// Forgetful is a worker that drops a mark without folding its key.
	Forgetful Plant = "forgetful-worker"
	// SilentLoss is a collector that keeps it to itself that a site has lost events.
	SilentLoss Plant = "silent-loss"
	// OldVersions is a collector that gives commands versions which sites have overtaken, once its database was put back.
	OldVersions Plant = "old-versions"
)

// Unlearned is an event log that forgets, once a day is over, which events it has. Only a day that is told again can show it.
const Unlearned Plant = "unlearned"

// Plants are all that any day can show.
func Plants() []Plant {
	return []Plant{TrimOnPuback, NoDedup, BlindRetry, IgnoreRevisions, Forgetful, SilentLoss, OldVersions}
}

// pubacked is where TrimOnPuback strikes.
func (s *site) pubacked(out uplink.Out) {
	if s.world.config.Plant != TrimOnPuback {
		return
	}
	e := &docklinev1.Envelope{}
	if proto.Unmarshal(out.Message.Payload, e) == nil && e.GetLastSeq() > 0 && e.GetCount() > 0 {
		// An Ignored or ForkNeeded is as good to it as a Trimmed.
		_, _ = s.journal.Trim(&docklinev1.Ack{Incarnation: s.world.incarnation, Epoch: e.Epoch, Watermark: e.LastSeq, Crc: e.Crc})
	}
}

// marks are what a planted mistake does to the centre's database, after each step that fills or folds.
var marks = map[Plant]string{
	NoDedup:     `DELETE FROM event_identity`,
	Forgetful:   `DELETE FROM dirty WHERE id IN (SELECT id FROM dirty ORDER BY id LIMIT 1)`,
	SilentLoss:  `DELETE FROM gap`,
	OldVersions: `UPDATE command SET version = 1 WHERE outcome = 0`,
}

// mar spoils the centre's database as the planted mistake would.
func (c *centre) mar(ctx context.Context) error {
	w := c.world
	mark, planted := marks[w.config.Plant]
	if !planted || w.config.Plant == Forgetful && !w.chance(0.02) {
		return nil
	}
	return c.quietly(func() error {
		return c.db.Write(ctx, func(tx *db.Tx) error { _, err := tx.Exec(ctx, mark); return err })
	})
}

// marred is what the planted mistake makes of an event before its facts are told to their keys.
func (w *world) marred(e *docklinev1.Event) *docklinev1.Event {
	if w.config.Plant != IgnoreRevisions || e.GetSourceRevision() != "2" || e.GetPick() == nil {
		return e
	}
	other := proto.CloneOf(e)
	other.SourceKey += "/corrected"
	return other
}
