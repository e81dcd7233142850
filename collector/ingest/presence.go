package ingest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// defaultQuiet is after how long without a word of a site's session another session's word is believed, whatever else speaks against it.
const defaultQuiet = 20 * time.Second

// pointEvery is how often a site's history gets a point although nothing has changed.
const pointEvery = 5 * time.Minute

// maxMark bounds what a point names, in bytes.
const maxMark = 500

// presence is what a site last said of itself, as its row has it.
type presence struct {
	siteKey
	session            string
	online             int64
	connectedAt        int64
	seenAt             int64
	heartbeat          any
	commands, receipts uint64
	birthAt, saidAt    int64
	beat               uint64
	ended              int64
	pointAt            int64
	pointMark          string
	// followed are sessions of the site that a newer one has followed.
	followed map[string]bool
}

var presenceColumns = []string{"tenant", "site", "session", "online", "connected_at", "seen_at", "heartbeat", "commands_through", "receipts_through",
	"birth_at", "said_at", "beat", "ended", "point_at", "point_mark"}

func (p *presence) row() []any {
	return []any{p.tenant, p.site, p.session, p.online, p.connectedAt, p.seenAt, p.heartbeat, p.commands, p.receipts,
		p.birthAt, p.saidAt, p.beat, p.ended, p.pointAt, p.pointMark}
}

// readPresence reads and holds the rows of sites; one that has none is there with an empty session.
func readPresence(ctx context.Context, tx *db.Tx, sites []siteKey) (map[siteKey]*presence, error) {
	byKey := make(map[siteKey]*presence)
	var keys [][]any
	for _, key := range sites {
		if byKey[key] == nil {
			byKey[key] = &presence{siteKey: key}
			keys = append(keys, []any{key.tenant, key.site})
		}
	}
	rows, err := tx.Lookup(ctx, db.Lookup{Table: "presence", Columns: presenceColumns, Key: []string{"tenant", "site"}, Rows: keys, Hold: true})
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		p := byKey[siteKey{row[0].(string), row[1].(string)}]
		p.session, p.online, p.connectedAt, p.seenAt = row[2].(string), row[3].(int64), row[4].(int64), row[5].(int64)
		p.heartbeat, p.commands, p.receipts = row[6], uint64(row[7].(int64)), uint64(row[8].(int64))
		p.birthAt, p.saidAt, p.beat, p.ended = row[9].(int64), row[10].(int64), uint64(row[11].(int64)), row[12].(int64)
		p.pointAt, p.pointMark = row[13].(int64), row[14].(string)
	}
	return byKey, nil
}

// readFollowed finds which of the sessions named by statuses, other than the one in force, a newer one has followed.
func readFollowed(ctx context.Context, tx *db.Tx, byKey map[siteKey]*presence, statuses []*docklinev1.Heartbeat) error {
	var keys [][]any
	asked := make(map[[3]string]bool)
	for _, h := range statuses {
		key := [3]string{h.GetTenant(), h.GetSite(), h.GetSession()}
		if byKey[siteKey{key[0], key[1]}].session == key[2] || asked[key] || !h.GetOnline() {
			continue
		}
		asked[key] = true
		keys = append(keys, []any{key[0], key[1], key[2]})
	}
	rows, err := tx.Lookup(ctx, db.Lookup{Table: "site_session", Columns: []string{"tenant", "site", "session"}, Key: []string{"tenant", "site", "session"}, Rows: keys})
	for _, row := range rows {
		byKey[siteKey{row[0].(string), row[1].(string)}].follow(row[2].(string))
	}
	return err
}

func (p *presence) follow(session string) {
	if p.followed == nil {
		p.followed = make(map[string]bool)
	}
	p.followed[session] = true
}

// takes says whether a status counts. Messages of one connection come in order, but those of two may cross, and so may those that two
// collectors take; so a will and a heartbeat count for their own session only, and a session that was followed is over. Should the one
// in force have been silent for long, what speaks is believed: a clock that was set back, or a session wrongly taken for the older one,
// must not hide a site that is there.
func (p *presence) takes(h *docklinev1.Heartbeat, now, quiet int64) bool {
	if p.session == "" {
		return h.GetOnline()
	}
	if h.GetSession() == p.session {
		return p.ended == 0 && (!h.GetOnline() || h.GetNumber() == 0 || h.GetNumber() > p.beat)
	}
	silent, said := now-p.seenAt > quiet, micros(h.GetSentAt())
	switch {
	case !h.GetOnline():
		return false
	case p.followed[h.GetSession()]:
		return silent && said > p.saidAt
	}
	return silent || said >= p.birthAt
}

// begin makes session the one in force.
func (p *presence) begin(session string, bornAt, now int64) {
	if p.session != "" && p.session != session {
		p.follow(p.session)
	}
	delete(p.followed, session)
	p.session, p.online, p.connectedAt, p.birthAt, p.saidAt, p.beat, p.ended = session, 1, now, bornAt, 0, 0, 0
}

// saveFollowed keeps the sessions that this transaction saw followed, and forgets that of those which are in force again.
func saveFollowed(ctx context.Context, tx *db.Tx, byKey map[siteKey]*presence, before map[siteKey]string, now int64) error {
	insert := db.Insert{Table: "site_session", Columns: []string{"tenant", "site", "session", "followed_at"}, Conflict: []string{"tenant", "site", "session"}}
	var again [][]any
	for key, p := range byKey {
		if before[key] == p.session {
			continue
		}
		again = append(again, []any{key.tenant, key.site, p.session})
		for session := range p.followed {
			insert.Rows = append(insert.Rows, []any{key.tenant, key.site, session, now})
		}
	}
	byNames := func(a, b []any) int {
		return cmp.Or(cmp.Compare(a[0].(string), b[0].(string)), cmp.Compare(a[1].(string), b[1].(string)), cmp.Compare(a[2].(string), b[2].(string)))
	}
	slices.SortFunc(insert.Rows, byNames)
	slices.SortFunc(again, byNames)
	if err := tx.DeleteAll(ctx, "site_session", []string{"tenant", "site", "session"}, again); err != nil {
		return err
	}
	_, err := tx.InsertAbsent(ctx, insert)
	return err
}

// born takes the birth of a session: a Hello that no later one has followed.
func (i *Ingest) born(ctx context.Context, tx *db.Tx, h *docklinev1.Hello) error {
	site, now := siteKey{h.GetTenant(), h.GetSite()}, i.c.Now().UnixMicro()
	byKey, err := readPresence(ctx, tx, []siteKey{site})
	if err != nil {
		return err
	}
	p := byKey[site]
	before := map[siteKey]string{site: p.session}
	if p.session != h.GetSession() {
		if err := readFollowed(ctx, tx, byKey, []*docklinev1.Heartbeat{{Tenant: site.tenant, Site: site.site, Session: h.GetSession(), Online: true}}); err != nil {
			return err
		}
		if p.followed[h.GetSession()] {
			return nil
		}
		p.begin(h.GetSession(), micros(h.GetSentAt()), now)
	} else if p.ended != 0 {
		return nil
	} else if p.online == 0 {
		p.online, p.connectedAt = 1, now
	}
	p.seenAt = now
	p.commands, p.receipts = i.positions(h.GetIncarnation(), h.GetCommandsThrough(), h.GetReceiptsThrough())
	if err := saveFollowed(ctx, tx, byKey, before, now); err != nil {
		return err
	}
	if err := tx.Upsert(ctx, db.Insert{Table: "presence", Columns: presenceColumns, Conflict: []string{"tenant", "site"}, Update: presenceColumns[2:], Rows: [][]any{p.row()}}); err != nil {
		return err
	}
	if epoch := newestOf(h.GetEpochs()).GetEpoch(); epoch != "" {
		_, err = tx.Exec(ctx, `UPDATE presence SET epoch = ? WHERE tenant = ? AND site = ?`, epoch, site.tenant, site.site)
	}
	return err
}

// point is the history's next point of a site, nil where it needs none yet. h is nil for a will.
func (p *presence) point(h *docklinev1.Heartbeat, now int64) []any {
	mark, worst := markOf(h)
	if mark = p.session + " " + mark; p.pointMark == mark && now-p.pointAt < pointEvery.Microseconds() || now <= p.pointAt {
		return nil
	}
	p.pointAt, p.pointMark = now, mark
	_, what, _ := strings.Cut(mark, " ")
	return []any{p.tenant, p.site, now, p.online, h.GetJournalEvents(), micros(h.GetOldestEventAt()), int64(worst), what}
}

// markOf names what is wrong by a heartbeat, by code, and how bad the worst of it is.
func markOf(h *docklinev1.Heartbeat) (string, docklinev1.Severity) {
	if h == nil {
		return "gone", docklinev1.Severity_SEVERITY_ERROR
	}
	worst := docklinev1.Severity_SEVERITY_INFO
	codes := []string{}
	for _, c := range h.GetConditions() {
		codes = append(codes, c.GetCode())
		worst = max(worst, c.GetSeverity())
	}
	for _, plugin := range h.GetPlugins() {
		switch state := plugin.GetState(); state {
		case "", "running", "starting":
		default:
			codes = append(codes, fmt.Sprintf("plugin_%s:%s", state, plugin.GetId()))
			worst = max(worst, docklinev1.Severity_SEVERITY_WARNING)
		}
	}
	slices.Sort(codes)
	mark := strings.ReplaceAll(strings.Join(slices.Compact(codes), " "), "\x00", "")
	return strings.ToValidUTF8(mark[:min(len(mark), maxMark)], ""), worst
}

func micros(t *timestamppb.Timestamp) int64 {
	if !t.IsValid() {
		return 0
	}
	return t.AsTime().UnixMicro()
}
