package downlink

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// ErrNoSite is wrapped by the refusal of a command to a site that is not known.
var ErrNoSite = errors.New("no such site")

// MaxConfigBytes bounds a site's configuration: it must fit into one packet of any usual broker.
const MaxConfigBytes = 64 << 10

// The keys of the commands that a person gives. An order has one for its cancellation beside that of its release, which is policy's.
func rereadKey(plugin string) string { return event.Key("reread", plugin) }
func countKey(number string) string  { return event.Key("count-request", number) }
func cancelKey(order string) string  { return event.Key("cancel", order) }
func adviseKey(advice string) string { return event.Key("advise", advice) }

// ConfigKey is that of a site's configuration.
const ConfigKey = "config"

const identityKey = "identity"

// Submit puts a command of a person into a site's list, as the next version of its key, and returns key and version. Tenant, site and
// work must be set; the rest follows from them. The site gets it when it is online, however long that takes.
func Submit(ctx context.Context, d *db.DB, c *docklinev1.Command, now time.Time) (key string, version uint64, err error) {
	err = d.Write(ctx, func(tx *db.Tx) (err error) {
		key, version, err = SubmitIn(ctx, tx, c, now)
		return err
	})
	return key, version, err
}

// SubmitIn is Submit within the caller's transaction.
func SubmitIn(ctx context.Context, tx *db.Tx, c *docklinev1.Command, now time.Time) (key string, version uint64, err error) {
	c = proto.CloneOf(c)
	if err := complete(c); err != nil {
		return "", 0, err
	}
	if err := enlist(ctx, tx, c, now); err != nil {
		return "", 0, fmt.Errorf("command to %s: %w", c.Site, err)
	}
	return c.Key, c.Version, nil
}

// enlist puts a command into its site's list, as the next version of its key.
func enlist(ctx context.Context, tx *db.Tx, c *docklinev1.Command, now time.Time) error {
	if err := tx.Lock(ctx, "command/"+c.Tenant+"/"+c.Site+"/"+c.Key); err != nil {
		return err
	}
	var sites, last int64
	if err := tx.QueryRow(ctx, `SELECT (SELECT count(*) FROM site WHERE tenant = ? AND id = ?),
			coalesce((SELECT version FROM command WHERE tenant = ? AND site = ? AND command_key = ?), 0)`, c.Tenant, c.Site, c.Tenant, c.Site, c.Key).Scan(&sites, &last); err != nil {
		return err
	}
	if sites == 0 {
		return fmt.Errorf("%w: %s of tenant %s", ErrNoSite, c.Site, c.Tenant)
	}
	least, err := tx.LeastVersion(ctx)
	if err != nil {
		return err
	}
	c.Version, c.CreatedAt = uint64(max(last+1, least)), timestamppb.New(now)
	c.Traceparent = event.Traceparent(c.CorrelationId, fmt.Sprintf("%s@%s/%d", c.Key, c.Site, c.Version))
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(c)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	return tx.Upsert(ctx, db.Insert{Table: "command", Conflict: []string{"tenant", "site", "command_key"},
		Columns: []string{"tenant", "site", "command_key", "version", "position", "body", "body_hash", "outcome", "outcome_text", "created_at", "completed_at"},
		Rows:    [][]any{{c.Tenant, c.Site, c.Key, c.Version, nil, body, hex.EncodeToString(sum[:]), 0, "", now.UnixMicro(), 0}},
		Update:  []string{"version", "position", "body", "body_hash", "outcome", "outcome_text", "created_at", "completed_at"}})
}

// complete gives a command its key and correlation id.
func complete(c *docklinev1.Command) error {
	switch work := c.Work.(type) {
	case *docklinev1.Command_Reread:
		if work.Reread.GetFrom() == nil {
			return errors.New("say from where to read again: a cursor or a time")
		}
		c.Key = rereadKey(c.Plugin)
	case *docklinev1.Command_RequestCount:
		number := work.RequestCount.GetNumber()
		if number == "" || len(work.RequestCount.GetLines()) == 0 {
			return errors.New("a count has a number, and bins to count")
		}
		c.Key, c.CorrelationId = countKey(number), event.CorrelationID(c.Tenant, event.CountKey(c.Site, number))
	case *docklinev1.Command_CancelOrder:
		number := work.CancelOrder.GetNumber()
		if number == "" {
			return errors.New("which order?")
		}
		c.Key, c.CorrelationId = cancelKey(number), event.CorrelationID(c.Tenant, number)
	case *docklinev1.Command_AdviseInbound:
		advice := work.AdviseInbound.GetInbound().GetAdvice()
		if advice == "" || len(work.AdviseInbound.GetInbound().GetLines()) == 0 {
			return errors.New("an advice has a number, and lines that say what is coming")
		}
		c.Key, c.CorrelationId = adviseKey(advice), event.CorrelationID(c.Tenant, event.InboundKey(c.Site, advice))
	case *docklinev1.Command_ApplyConfig:
		if n := len(work.ApplyConfig.GetYaml()); n > MaxConfigBytes {
			return fmt.Errorf("the configuration has %d bytes, %d are allowed", n, MaxConfigBytes)
		}
		c.Key = ConfigKey
	case *docklinev1.Command_RenewIdentity:
		c.Key = identityKey
	default:
		return errors.New("a person does not give such a command")
	}
	if c.CorrelationId == "" {
		c.CorrelationId = event.CorrelationID(c.Tenant, c.Site+"/"+c.Key)
	}
	return nil
}

// Sent is a command as the centre knows it.
type Sent struct {
	Key     string `json:"key"`
	Version uint64 `json:"version"`
	// Kind is what is to be done: release_order, cancel_order, request_count, advise_inbound, reread, apply_config.
	Kind string `json:"kind"`
	// State is waiting (the site does not hold it), held, applied, refused or superseded; Text is the site's.
	State         string `json:"state"`
	Text          string `json:"text,omitempty"`
	CorrelationID string `json:"correlation_id"`
	Plugin        string `json:"plugin,omitempty"`
	// Position is its place in the site's list, 0 as long as it has none.
	Position    uint64    `json:"position,omitempty"`
	CreatedAt   time.Time `json:"created_at"`
	CompletedAt time.Time `json:"completed_at,omitzero"`
}

// Commands lists a site's newest commands, or the one with this key.
func Commands(ctx context.Context, d *db.DB, tenant, site, key string, limit int) ([]Sent, error) {
	var found []Sent
	err := d.Read(ctx, func(tx *db.Tx) error {
		found = nil
		rows, err := tx.Query(ctx, `SELECT c.version, c.position, c.body, c.outcome, c.outcome_text, c.created_at, c.completed_at, coalesce(p.commands_through, 0)
			FROM command c LEFT JOIN presence p ON p.tenant = c.tenant AND p.site = c.site
			WHERE c.tenant = ? AND c.site = ? AND (? = '' OR c.command_key = ?) ORDER BY c.created_at DESC, c.command_key LIMIT ?`, tenant, site, key, key, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var s Sent
			var position *int64
			var body []byte
			var outcome, created, completed, through int64
			if err := rows.Scan(&s.Version, &position, &body, &outcome, &s.Text, &created, &completed, &through); err != nil {
				return err
			}
			c := &docklinev1.Command{}
			if err := proto.Unmarshal(body, c); err != nil {
				return err
			}
			s.Key, s.Kind, s.CorrelationID, s.Plugin, s.CreatedAt = c.GetKey(), kindOf(c), c.GetCorrelationId(), c.GetPlugin(), time.UnixMicro(created).UTC()
			if completed > 0 {
				s.CompletedAt = time.UnixMicro(completed).UTC()
			}
			if position != nil {
				s.Position = uint64(*position)
			}
			s.State = stateOf(docklinev1.CommandOutcome(outcome), position != nil && *position <= through)
			found = append(found, s)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("commands of %s: %w", site, err)
	}
	return found, nil
}

func stateOf(outcome docklinev1.CommandOutcome, held bool) string {
	switch outcome {
	case docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED:
		return "applied"
	case docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED:
		return "refused"
	case docklinev1.CommandOutcome_COMMAND_OUTCOME_SUPERSEDED:
		return "superseded"
	}
	if held {
		return "held"
	}
	return "waiting"
}

// kindOf is the name of a command's work.
func kindOf(c *docklinev1.Command) string {
	m := c.ProtoReflect()
	if field := m.WhichOneof(m.Descriptor().Oneofs().ByName("work")); field != nil {
		return string(field.Name())
	}
	return ""
}
