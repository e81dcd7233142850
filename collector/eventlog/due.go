package eventlog

import (
	"cmp"
	"context"
	"database/sql"
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

	// opened: events, or the fault of the pack as a whole, are there; size is what the events unfold to, in bytes.
	opened bool
	events []Recorded
	fault  error
	size   int
}

// claim takes envelopes of the inbox by their ids, in their order; those that another collector works on are left out.
func claim(ctx context.Context, tx *db.Tx, ids []int64) ([]*waiting, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	list, args := among(ids)
	rows, err := tx.Claim(ctx, waitingEnvelopes+list+` ORDER BY id`, args...)
	if err != nil {
		return nil, err
	}
	taken, err := scanWaiting(rows)
	turn := make(map[int64]int, len(ids))
	for i, id := range ids {
		turn[id] = i
	}
	slices.SortFunc(taken, func(a, b *waiting) int { return cmp.Compare(turn[a.id], turn[b.id]) })
	return taken, err
}

const waitingEnvelopes = `SELECT id, tenant, site, envelope FROM inbox WHERE state = ? AND id IN `

// among is the end of waitingEnvelopes and its parameters. The last id is repeated, so that statements have few lengths to be prepared in.
func among(ids []int64) (list string, args []any) {
	args = []any{stateWaiting}
	for _, id := range ids {
		args = append(args, id)
	}
	n := 1
	for n < len(ids) {
		n *= 2
	}
	for len(args) <= n {
		args = append(args, ids[len(ids)-1])
	}
	return db.List(n), args
}

func scanWaiting(rows *sql.Rows) ([]*waiting, error) {
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

// onlyBacklog is a further condition of an envelope of the inbox.
const onlyBacklog = " AND urgent = 0 AND live = 0"

// due chooses envelopes, urgent before live before backlog, the sites in turn: of the sites whose first envelope is most due, so many each
// that together they hold about max events in most envelopes. only is "" or onlyBacklog. Of sites for which mine says no, none are chosen
// where there are others.
func due(ctx context.Context, tx *db.Tx, max, most int, only string, mine func(string) bool) ([]candidate, error) {
	heads, err := heads(ctx, tx, only)
	if own := slices.DeleteFunc(slices.Clone(heads), func(c candidate) bool { return mine != nil && !mine(c.site.Tenant+"/"+c.site.Site) }); len(own) > 0 {
		heads = own
	}
	if err != nil || len(heads) == 0 {
		return nil, err
	}
	if len(heads) > fewSites {
		return inTurn(heads, max, most), nil
	}
	each := min(most, max)/len(heads) + 1
	parts := make([]string, len(heads))
	var args []any
	for i, h := range heads {
		parts[i] = fmt.Sprintf(`SELECT * FROM (SELECT %d AS turn, id, urgent, live, last_seq - first_seq + 1 AS events FROM inbox
			WHERE tenant = ? AND site = ? AND state = ?`+only+` ORDER BY urgent DESC, live DESC, id LIMIT ?) AS s%d`, i, i)
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
	return inTurn(all, max, most), rows.Err()
}

// fewSites is up to how many sites are asked for more than their first envelope in one statement.
const fewSites = 16

// candidate is an envelope that could be next.
type candidate struct {
	site                     SiteKey
	turn                     int
	id, urgent, live, events int64
}

// backlog says whether nobody waits for it: it was captured before its site's connection.
func (c candidate) backlog() bool { return c.live == 0 && c.urgent == 0 }

// heads is the first envelope of each site that has one, the most due first.
func heads(ctx context.Context, tx *db.Tx, only string) ([]candidate, error) {
	rows, err := tx.Query(ctx, `SELECT i.tenant, i.site, i.id, i.urgent, i.live, i.last_seq - i.first_seq + 1 FROM
		(SELECT (SELECT w.id FROM inbox w WHERE w.tenant = site.tenant AND w.site = site.id AND w.state = ?`+only+`
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

// inTurn takes the first of each site, then the second of each, urgent ones before live ones before all, until max events or most
// envelopes are there.
func inTurn(all []candidate, max, most int) []candidate {
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
	events := int64(0)
	for n, c := range all {
		if n > 0 && events+c.events > int64(max) || n == most {
			return all[:n]
		}
		events += c.events
	}
	return all
}

func idsOf(chosen []candidate) []int64 {
	ids := make([]int64, len(chosen))
	for i, c := range chosen {
		ids[i] = c.id
	}
	return ids
}

// turns lets backlog have a share where what is captured now would take all there is: after three full steps without any, one for it,
// of a quarter of the size.
type turns struct {
	without int
	// mine is the filler's.
	mine func(site string) bool
}

const stepsWithoutBacklog = 3

// choose is due with that share.
func (t *turns) choose(ctx context.Context, tx *db.Tx, max int) ([]int64, error) {
	if t.without >= stepsWithoutBacklog {
		chosen, err := due(ctx, tx, max/4+1, maxEnvelopes, onlyBacklog, t.mine)
		if err != nil || len(chosen) > 0 {
			t.without = 0
			return idsOf(chosen), err
		}
	}
	chosen, err := due(ctx, tx, max, maxEnvelopes, "", t.mine)
	t.count(chosen, max)
	return idsOf(chosen), err
}

// fresh is due without backlog, while that may go without its share.
func (t *turns) fresh(ctx context.Context, tx *db.Tx, max int) ([]int64, error) {
	if t.without >= stepsWithoutBacklog {
		return nil, nil
	}
	chosen, err := due(ctx, tx, max, maxEnvelopes, "", t.mine)
	if chosen = slices.DeleteFunc(chosen, candidate.backlog); len(chosen) > 0 {
		t.count(chosen, max)
	}
	return idsOf(chosen), err
}

// count takes note of a step: only one that is full of what is not backlog takes something from it.
func (t *turns) count(chosen []candidate, max int) {
	events := int64(0)
	for _, c := range chosen {
		events += c.events
	}
	t.without++
	if slices.ContainsFunc(chosen, candidate.backlog) || events < int64(max)/2 && len(chosen) < maxEnvelopes {
		t.without = 0
	}
}
