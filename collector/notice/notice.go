// Package notice tells people: an outbox of notices, each of a group of things that one cause may have made, and their delivery by mail.
package notice

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// State is where a notice stands.
type State string

const (
	// Waiting: for more of its group, or to be tried again.
	Waiting State = "waiting"
	// Sent: a mail server has taken it for at least one recipient.
	Sent State = "sent"
	// Listed: it goes nowhere, since no mail is set up or nobody has an address.
	Listed State = "listed"
	// Failed: it was refused for good.
	Failed State = "failed"
)

// Item is one thing that people are to be told.
type Item struct {
	Tenant string
	// Kind, Level, Group, Team and Person together make one notice of many items.
	Kind         string
	Level        int
	Group        string
	Team, Person string
	Severity     docklinev1.Severity
	// Number is the exception's, Title its title.
	Number uint64
	Title  string
}

// Notice is one as it is kept.
type Notice struct {
	Number   int64     `json:"number"`
	Tenant   string    `json:"tenant"`
	Kind     string    `json:"kind"`
	Level    int       `json:"level,omitempty"`
	Group    string    `json:"group"`
	Team     string    `json:"team"`
	Person   string    `json:"person,omitempty"`
	Severity string    `json:"severity"`
	N        int64     `json:"n"`
	Sample   []uint64  `json:"sample"`
	Title    string    `json:"title"`
	State    State     `json:"state"`
	Created  time.Time `json:"created_at"`
	ReadyAt  time.Time `json:"ready_at"`
	// WindowEnd is until when its group has no other notice that is sent.
	WindowEnd  time.Time `json:"window_end"`
	Attempts   int64     `json:"attempts"`
	SettledAt  time.Time `json:"settled_at,omitzero"`
	MessageID  string    `json:"message_id"`
	Recipients []string  `json:"recipients,omitempty"`
	// Text says why it is not sent.
	Text string `json:"text,omitempty"`

	severity docklinev1.Severity
}

// sampleSize is how many numbers a notice names.
const sampleSize = 10

// Times are how long a notice waits for more of its group, and how long its group then has no other.
type Times struct {
	Hold, Window time.Duration
}

// key is what one notice is of.
type key struct {
	tenant, kind        string
	level               int
	group, team, person string
}

// Put adds items to the notices that wait for them, or makes such. Within the window of a notice that is gone already there is one more, which
// waits until its end: ten thousand equal failures make one notice, and at most one in every window that follows.
func Put(ctx context.Context, tx *db.Tx, items []Item, times Times, now time.Time) error {
	groups := make(map[key][]Item)
	var order []key
	for _, i := range items {
		k := key{i.Tenant, i.Kind, i.Level, i.Group, i.Team, i.Person}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], i)
	}
	slices.SortFunc(order, func(a, b key) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	for _, k := range order {
		if err := k.put(ctx, tx, groups[k], times, now); err != nil {
			return fmt.Errorf("notice of %s: %w", k.group, err)
		}
	}
	return nil
}

func (k key) put(ctx context.Context, tx *db.Tx, items []Item, times Times, now time.Time) error {
	if err := tx.Lock(ctx, "notice/"+k.tenant+"/"+k.group); err != nil {
		return err
	}
	found, err := list(ctx, tx, `WHERE tenant = ? AND group_key = ? AND kind = ? AND level = ? AND team = ? AND person = ? AND (state = 'waiting' OR window_end > ?)
		ORDER BY number DESC`, k.tenant, k.group, k.kind, k.level, k.team, k.person, now.UnixMicro())
	if err != nil {
		return err
	}
	ready := now.Add(times.Hold)
	for _, n := range found {
		if n.State == Waiting && n.Attempts == 0 {
			return n.add(ctx, tx, items)
		}
		if n.WindowEnd.After(ready) {
			ready = n.WindowEnd
		}
	}
	var id [16]byte
	rand.Read(id[:])
	n := Notice{N: 0, Title: items[0].Title}
	n.count(items)
	_, err = tx.Exec(ctx, `INSERT INTO notice (tenant, kind, level, group_key, team, person, severity, n, sample, title, state, created_at, ready_at, window_end, message_id)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, k.tenant, k.kind, k.level, k.group, k.team, k.person, n.severity, n.N, numbers(n.Sample), n.Title, Waiting,
		now.UnixMicro(), ready.UnixMicro(), ready.Add(times.Window).UnixMicro(), hex.EncodeToString(id[:]))
	return err
}

func (n *Notice) count(items []Item) {
	n.N += int64(len(items))
	for _, i := range items {
		n.severity = max(n.severity, i.Severity)
		if len(n.Sample) < sampleSize {
			n.Sample = append(n.Sample, i.Number)
		}
	}
}

func (n *Notice) add(ctx context.Context, tx *db.Tx, items []Item) error {
	n.count(items)
	_, err := tx.Exec(ctx, `UPDATE notice SET n = ?, severity = ?, sample = ? WHERE number = ?`, n.N, n.severity, numbers(n.Sample), n.Number)
	return err
}

func numbers(list []uint64) string {
	texts := make([]string, len(list))
	for i, n := range list {
		texts[i] = strconv.FormatUint(n, 10)
	}
	return strings.Join(texts, " ")
}

// Filter limits a list; an empty field is no limit.
type Filter struct {
	State State
	Team  string
	Group string
	// Limit is 100 where it is 0.
	Limit int
}

// List returns the notices of a tenant, the newest first.
func List(ctx context.Context, tx *db.Tx, tenant string, f Filter) ([]Notice, error) {
	where, args := "WHERE tenant = ?", []any{tenant}
	for _, c := range [][2]string{{"state", string(f.State)}, {"team", f.Team}, {"group_key", f.Group}} {
		if c[1] != "" {
			where, args = where+" AND "+c[0]+" = ?", append(args, c[1])
		}
	}
	if f.Limit == 0 {
		f.Limit = 100
	}
	return list(ctx, tx, where+" ORDER BY number DESC LIMIT ?", append(args, f.Limit)...)
}

func list(ctx context.Context, tx *db.Tx, tail string, args ...any) ([]Notice, error) {
	rows, err := tx.Query(ctx, `SELECT number, tenant, kind, level, group_key, team, person, severity, n, sample, title, state, created_at, ready_at, window_end, attempts, settled_at,
		message_id, recipients, text FROM notice `+tail, args...)
	if err != nil {
		return nil, fmt.Errorf("notices: %w", err)
	}
	defer rows.Close()
	var found []Notice
	for rows.Next() {
		var n Notice
		var sample, recipients string
		var created, ready, end, settled int64
		if err := rows.Scan(&n.Number, &n.Tenant, &n.Kind, &n.Level, &n.Group, &n.Team, &n.Person, &n.severity, &n.N, &sample, &n.Title, &n.State, &created, &ready, &end, &n.Attempts,
			&settled, &n.MessageID, &recipients, &n.Text); err != nil {
			return nil, err
		}
		n.Severity = strings.ToLower(strings.TrimPrefix(n.severity.String(), "SEVERITY_"))
		for text := range strings.FieldsSeq(sample) {
			number, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("notice %d: %w", n.Number, err)
			}
			n.Sample = append(n.Sample, number)
		}
		n.Recipients = strings.Fields(recipients)
		n.Created, n.ReadyAt, n.WindowEnd = time.UnixMicro(created).UTC(), time.UnixMicro(ready).UTC(), time.UnixMicro(end).UTC()
		if settled != 0 {
			n.SettledAt = time.UnixMicro(settled).UTC()
		}
		found = append(found, n)
	}
	return found, rows.Err()
}
