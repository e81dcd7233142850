package downlink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// The two lists of a site.
const (
	commands = 0
	receipts = 1
)

// site is what was sent in one session of a site.
type site struct {
	session string
	lists   [2]flight
}

// flight is the lists of one kind that a site has not said to hold.
type flight struct {
	// ends are the last positions of these lists, growing.
	ends []int64
	// held is what the site was last seen to hold, at is when that changed or something was sent.
	held int64
	at   time.Time
}

const (
	// maxListBytes keeps a list well below the largest packet of the broker.
	maxListBytes = 400 << 10
	// keptReceipts is how many receipts a site keeps; older ones are not sent to a site that begins anew.
	keptReceipts = 100_000
)

// serve sends one site what it lacks, as far as lists may be in flight.
func (d *Downlink) serve(ctx context.Context, p presence) (int, error) {
	s := d.sites[p.key]
	sent := 0
	for kind := range s.lists {
		if p.more[kind] == 0 {
			continue
		}
		held := p.through[kind]
		if kind == receipts {
			held = max(held, p.last[kind]-keptReceipts)
		}
		s.lists[kind].settle(held, d.now(), cmp.Or(d.Resend, 5*time.Second))
		for len(s.lists[kind].ends) < cmp.Or(d.InFlight, 4) {
			from := s.lists[kind].end(held)
			end, err := d.send(ctx, p, kind, from, p.through[kind])
			if err != nil {
				return sent, err
			}
			if end == 0 {
				break
			}
			s.lists[kind].ends = append(s.lists[kind].ends, end)
			s.lists[kind].at = d.now()
			sent++
		}
	}
	return sent, nil
}

// settle takes off the lists that the site holds. When nothing has moved for too long, all that is in flight counts as lost.
func (f *flight) settle(held int64, now time.Time, resend time.Duration) {
	if held != f.held {
		f.held, f.at = held, now
	}
	for len(f.ends) > 0 && f.ends[0] <= held {
		f.ends = f.ends[1:]
	}
	if len(f.ends) > 0 && now.Sub(f.at) >= resend {
		f.ends = nil
	}
}

// end is the position behind which the next list begins.
func (f *flight) end(held int64) int64 {
	if len(f.ends) > 0 {
		return f.ends[len(f.ends)-1]
	}
	return held
}

// send sends the list behind from and returns its last position, 0 where there is nothing. previous is what the site must hold
// to take it: where the list begins behind what it holds now, that is 0 for a site that begins anew.
func (d *Downlink) send(ctx context.Context, p presence, kind int, from, through int64) (int64, error) {
	rows, err := d.rows(ctx, p.key, kind, from)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	previous := uint64(from)
	if len(d.sites[p.key].lists[kind].ends) == 0 {
		previous = uint64(through)
	}
	if rows, err = d.publish(ctx, p.key, kind, previous, rows); err != nil || len(rows) == 0 {
		return 0, err
	}
	d.sent[kind].Add(int64(len(rows)))
	return rows[len(rows)-1].position, nil
}

// publish sends as many of the rows as the broker takes in one packet, and returns them. One that it does not take even alone is left
// out, so that nothing waits behind it, and a command's people are told.
func (d *Downlink) publish(ctx context.Context, key siteKey, kind int, previous uint64, rows []row) ([]row, error) {
	for len(rows) > 0 {
		topic, payload, err := encode(key, kind, previous, rows)
		if err == nil {
			err = d.Publish(ctx, wire.Message{Topic: topic, Payload: payload})
		}
		switch {
		case err == nil:
			return rows, nil
		case !errors.Is(err, wire.ErrTooLarge):
			return nil, err
		case len(rows) > 1:
			rows = rows[:len(rows)/2]
		case kind == commands:
			return nil, d.giveUp(ctx, key, rows[0], err)
		default:
			return nil, err
		}
	}
	return nil, nil
}

// giveUp ends a command that no packet can carry.
func (d *Downlink) giveUp(ctx context.Context, key siteKey, r row, reason error) error {
	if d.Slog != nil {
		d.Slog.Error("a command cannot be sent", "site", key.site, "position", r.position, "err", reason)
	}
	text := fmt.Sprintf("it was never sent: %v; raise the broker's largest packet, or ask for less at once", reason)
	return d.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE command SET outcome = ?, outcome_text = ?, completed_at = ? WHERE tenant = ? AND site = ? AND position = ?`,
			int64(docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED), text, d.now().UnixMicro(), key.tenant, key.site, r.position)
		return err
	})
}

// row is one command or receipt as it is stored.
type row struct {
	position, version int64
	body              []byte
}

var queries = [2]string{
	`SELECT position, version, body FROM command WHERE tenant = ? AND site = ? AND position > ? AND outcome = 0 ORDER BY position LIMIT ?`,
	`SELECT position, version, body FROM receipt WHERE tenant = ? AND site = ? AND position > ? ORDER BY position LIMIT ?`,
}

func (d *Downlink) rows(ctx context.Context, key siteKey, kind int, from int64) ([]row, error) {
	var found []row
	err := d.DB.Read(ctx, func(tx *db.Tx) error {
		found = nil
		rows, err := tx.Query(ctx, queries[kind], key.tenant, key.site, from, cmp.Or(d.ListLength, 500))
		if err != nil {
			return err
		}
		defer rows.Close()
		size := 0
		for rows.Next() {
			var r row
			if err := rows.Scan(&r.position, &r.version, &r.body); err != nil {
				return err
			}
			size += len(r.body)
			if len(found) > 0 && size > maxListBytes {
				break
			}
			found = append(found, r)
		}
		return rows.Err()
	})
	return found, err
}

// encode makes the list's message. Position and version are those of the row: the body was written before it had a position.
func encode(key siteKey, kind int, previous uint64, rows []row) (topic string, payload []byte, err error) {
	if kind == commands {
		list := &docklinev1.CommandList{Previous: previous}
		for _, r := range rows {
			c := &docklinev1.Command{}
			if err := proto.Unmarshal(r.body, c); err != nil {
				return "", nil, fmt.Errorf("command at %d: %w", r.position, err)
			}
			c.Position, c.Version = uint64(r.position), uint64(r.version)
			list.Commands = append(list.Commands, c)
		}
		payload, err = proto.Marshal(list)
		return wire.DownTopic(key.tenant, key.site, wire.Command), payload, err
	}
	list := &docklinev1.ReceiptList{Previous: previous}
	for _, r := range rows {
		e := &docklinev1.EventReceipt{}
		if err := proto.Unmarshal(r.body, e); err != nil {
			return "", nil, fmt.Errorf("receipt at %d: %w", r.position, err)
		}
		e.Position, e.Version = uint64(r.position), uint64(r.version)
		list.Receipts = append(list.Receipts, e)
	}
	payload, err = proto.Marshal(list)
	return wire.DownTopic(key.tenant, key.site, wire.Receipt), payload, err
}
