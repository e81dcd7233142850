package eventlog

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// waiting is one envelope in the inbox.
type waiting struct {
	id       int64
	site     SiteKey
	envelope *docklinev1.Envelope
}

// claim takes envelopes of the inbox by their ids; those that another collector works on are left out.
func claim(ctx context.Context, tx *db.Tx, ids []int64) ([]*waiting, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	args := []any{stateWaiting}
	for _, id := range ids {
		args = append(args, id)
	}
	rows, err := tx.Claim(ctx, `SELECT id, tenant, site, envelope FROM inbox WHERE state = ? AND id IN `+db.List(len(ids))+` ORDER BY id`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var taken []*waiting
	for rows.Next() {
		w := &waiting{envelope: &docklinev1.Envelope{}}
		var raw []byte
		if err := rows.Scan(&w.id, &w.site.Tenant, &w.site.Site, &raw); err != nil {
			return nil, err
		}
		if err := proto.Unmarshal(raw, w.envelope); err != nil {
			return nil, fmt.Errorf("envelope %d: %w", w.id, err) // it was read when it was put in
		}
		taken = append(taken, w)
	}
	return taken, rows.Err()
}

const (
	// maxSites is how many sites one step serves; the others come with the next.
	maxSites = 64
	// maxEnvelopes bounds one step, whatever the size of envelopes.
	maxEnvelopes = 256
)

// due chooses envelopes, urgent before live before backlog, the sites in turn: of the sites whose first envelope is most due, so many each that together they hold about max events. With fresh
// backlog is left out.
func due(ctx context.Context, tx *db.Tx, max int, fresh bool) ([]int64, error) {
	heads, err := heads(ctx, tx)
	backlog := func(c candidate) bool { return fresh && c.live == 0 && c.urgent == 0 }
	heads = slices.DeleteFunc(heads, backlog)
	if err != nil || len(heads) == 0 {
		return nil, err
	}
	if len(heads) > fewSites {
		return inTurn(heads, max), nil
	}
	each := min(maxEnvelopes, max)/len(heads) + 1
	parts := make([]string, len(heads))
	var args []any
	for i, h := range heads {
		parts[i] = fmt.Sprintf(`SELECT * FROM (SELECT %d AS turn, id, urgent, live, last_seq - first_seq + 1 AS events FROM inbox
			WHERE tenant = ? AND site = ? AND state = ? ORDER BY urgent DESC, live DESC, id LIMIT ?) AS s%d`, i, i)
		args = append(args, h.site.Tenant, h.site.Site, stateWaiting, each)
	}
	rows, err := tx.Query(ctx, strings.Join(parts, " UNION ALL "), args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []candidate
	for rows.Next() {
		var c candidate
		if err := rows.Scan(&c.turn, &c.id, &c.urgent, &c.live, &c.events); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return inTurn(slices.DeleteFunc(all, backlog), max), rows.Err()
}

// fewSites is up to how many sites are asked for more than their first envelope in one statement.
const fewSites = 16

// candidate is an envelope that could be next.
type candidate struct {
	site                     SiteKey
	turn                     int
	id, urgent, live, events int64
}

// heads is the first envelope of each site that has one, the most due first.
func heads(ctx context.Context, tx *db.Tx) ([]candidate, error) {
	rows, err := tx.Query(ctx, `SELECT i.tenant, i.site, i.id, i.urgent, i.live, i.last_seq - i.first_seq + 1 FROM
		(SELECT (SELECT w.id FROM inbox w WHERE w.tenant = site.tenant AND w.site = site.id AND w.state = ?
			ORDER BY w.urgent DESC, w.live DESC, w.id LIMIT 1) AS head FROM site) s
		JOIN inbox i ON i.id = s.head ORDER BY i.urgent DESC, i.live DESC, i.id LIMIT ?`, stateWaiting, maxSites)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []candidate
	for rows.Next() {
		c := candidate{turn: len(found)}
		if err := rows.Scan(&c.site.Tenant, &c.site.Site, &c.id, &c.urgent, &c.live, &c.events); err != nil {
			return nil, err
		}
		found = append(found, c)
	}
	return found, rows.Err()
}

// inTurn takes the first of each site, then the second of each, urgent ones before live ones before all, until max events are
// there.
func inTurn(all []candidate, max int) []int64 {
	rank := make(map[int64]int, len(all))
	taken := make(map[int]int)
	byDue := func(a, b candidate) int {
		return cmp.Or(-cmp.Compare(a.urgent, b.urgent), -cmp.Compare(a.live, b.live))
	}
	slices.SortFunc(all, func(a, b candidate) int { return cmp.Or(byDue(a, b), cmp.Compare(a.id, b.id)) })
	for _, c := range all {
		rank[c.id] = taken[c.turn]
		taken[c.turn]++
	}
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(byDue(a, b), cmp.Compare(rank[a.id], rank[b.id]), cmp.Compare(a.id, b.id))
	})
	var ids []int64
	events := int64(0)
	for _, c := range all {
		if len(ids) > 0 && events+c.events > int64(max) || len(ids) == maxEnvelopes {
			break
		}
		events += c.events
		ids = append(ids, c.id)
	}
	return ids
}
