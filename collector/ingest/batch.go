package ingest

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// batch is the messages of one Handle, sorted by what they are.
type batch struct {
	hellos    []*docklinev1.Hello
	envelopes []incoming
	statuses  []*docklinev1.Heartbeat
	// faults are cases for a person, by tenant and origin.
	faults map[originKey]Exception
	// good are the sites that sent an envelope which was taken.
	good map[siteKey]bool
	// agreed are the sites that are where this database is.
	agreed []siteKey
	// named is how many epochs that nobody had heard of sites name.
	named map[siteKey]int

	answers                                []wire.Message
	stored, storedEvents, dropped, refused int64
}

// incoming is an envelope with its bytes as they came.
type incoming struct {
	envelope *docklinev1.Envelope
	raw      []byte
}

type originKey struct {
	tenant, origin string
}

// sort decodes messages and holds each against its topic. Nothing is written yet but what is learned of sites.
func (i *Ingest) sort(ctx context.Context, messages []wire.Message) (*batch, error) {
	b := &batch{faults: make(map[originKey]Exception), good: make(map[siteKey]bool)}
	topics := make([]wire.Topic, len(messages))
	var sites []siteKey
	for n, m := range messages {
		t, err := wire.ParseTopic(m.Topic)
		if err != nil || t.Direction != wire.Up {
			continue // topics[n] stays empty
		}
		topics[n] = t
		sites = append(sites, siteKey{t.Tenant, t.Site})
	}
	if err := i.learn(ctx, sites); err != nil {
		return nil, err
	}
	for n, m := range messages {
		t := topics[n]
		switch {
		case t.Name == "":
			i.c.Slog.Warn("message on a foreign topic", "topic", m.Topic)
		case !i.known[siteKey{t.Tenant, t.Site}]:
			b.unknownSite(t)
		case t.Name == wire.Hello:
			b.addHello(t, m.Payload)
		case t.Name == wire.Events:
			b.addEnvelope(t, m.Payload)
		case t.Name == wire.Status:
			b.addStatus(t, m.Payload)
		default:
			b.garbage(t, m.Payload, "nothing is known by this name")
		}
	}
	return b, nil
}

// learn reads which of the sites exist. A site that is known stays so.
func (i *Ingest) learn(ctx context.Context, sites []siteKey) error {
	var keys [][]any
	asked := make(map[siteKey]bool)
	for _, s := range sites {
		if !i.known[s] && !asked[s] {
			asked[s] = true
			keys = append(keys, []any{s.tenant, s.site})
		}
	}
	if len(keys) == 0 {
		return nil
	}
	var found [][]any
	err := i.c.DB.Read(ctx, func(tx *db.Tx) (err error) {
		found, err = tx.Lookup(ctx, db.Lookup{Table: "site", Columns: []string{"tenant", "id"}, Key: []string{"tenant", "id"}, Rows: keys})
		return err
	})
	if err != nil {
		return err
	}
	for _, row := range found {
		s := siteKey{row[0].(string), row[1].(string)}
		if err := i.closeFaults(ctx, s.tenant, unknownOrigin(s)); err != nil {
			return err
		}
		i.known[s] = true
	}
	return nil
}

func (i *Ingest) closeFaults(ctx context.Context, tenant string, origins ...string) error {
	if i.c.Report == nil {
		return nil
	}
	return i.c.DB.WriteFirst(ctx, func(tx *db.Tx) error {
		for _, origin := range origins {
			if err := i.report(ctx, tx, tenant, origin, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

func (i *Ingest) report(ctx context.Context, tx *db.Tx, tenant, origin string, found []Exception) error {
	if i.c.Report == nil {
		return nil
	}
	if err := tx.Lock(ctx, "exception/"+tenant+"/"+origin); err != nil {
		return err
	}
	return i.c.Report(ctx, tx, tenant, origin, found)
}

func (b *batch) addHello(t wire.Topic, payload []byte) {
	h := &docklinev1.Hello{}
	if err := proto.Unmarshal(payload, h); err != nil {
		b.garbage(t, payload, err.Error())
		return
	}
	switch {
	case h.GetTenant() == "" && h.GetSite() == "":
		b.garbage(t, payload, "it names no site")
	case h.GetTenant() != t.Tenant || h.GetSite() != t.Site:
		b.otherSite(t, h.GetTenant(), h.GetSite(), "hello")
	case !validHello(h):
		b.garbage(t, payload, "its session or one of its epochs cannot be one")
	default:
		b.hellos = append(b.hellos, h)
	}
}

func (b *batch) addStatus(t wire.Topic, payload []byte) {
	h := &docklinev1.Heartbeat{}
	if err := proto.Unmarshal(payload, h); err != nil {
		b.garbage(t, payload, err.Error())
		return
	}
	switch {
	case len(payload) == 0: // a retained message that somebody took back
	case h.GetTenant() == "" && h.GetSite() == "":
		b.garbage(t, payload, "it names no site")
	case h.GetTenant() != t.Tenant || h.GetSite() != t.Site:
		b.otherSite(t, h.GetTenant(), h.GetSite(), "status")
	case !plain(h.GetSession(), true) || !plain(h.GetEpoch(), true) || !validSeqs(h.GetLastSeq(), h.GetCommandsThrough(), h.GetReceiptsThrough(), h.GetNumber(), h.GetJournalEvents()) || !validCursors(h.GetCursors()):
		b.garbage(t, payload, "its session, epoch or a position cannot be one")
	default:
		b.statuses = append(b.statuses, h)
	}
}

func (b *batch) addEnvelope(t wire.Topic, payload []byte) {
	env := &docklinev1.Envelope{}
	if err := proto.Unmarshal(payload, env); err != nil {
		b.garbage(t, payload, err.Error())
		return
	}
	if env.GetTenant() == "" && env.GetSite() == "" {
		b.garbage(t, payload, "it names no site")
		return
	}
	refusal := wire.CheckEnvelope(t, env)
	if refusal == nil && (!plain(env.GetEpoch(), false) || !validSeqs(env.GetEpochOrdinal()) || !validCursors(env.GetCursors())) {
		refusal = &docklinev1.Refusal{Reason: docklinev1.RefusalReason_REFUSAL_REASON_RANGE, FirstSeq: env.GetFirstSeq(), LastSeq: env.GetLastSeq(),
			Text: "the envelope's epoch or one of its cursors cannot be one"}
	}
	switch {
	case refusal == nil:
		b.envelopes = append(b.envelopes, incoming{env, payload})
	case refusal.GetReason() == docklinev1.RefusalReason_REFUSAL_REASON_WRONG_SITE:
		b.otherSite(t, env.GetTenant(), env.GetSite(), "envelope")
	default:
		b.lie(t, refusal)
	}
}

// maxSeq bounds numbers that go into a 64-bit column, with room to calculate.
const maxSeq = 1 << 62

func validSeqs(seqs ...uint64) bool {
	for _, s := range seqs {
		if s > maxSeq {
			return false
		}
	}
	return true
}

// plain says whether s can be a name that a machine made: printable ASCII, 128 bytes at most.
func plain(s string, empty bool) bool {
	if len(s) > 128 || s == "" && !empty {
		return false
	}
	for n := range len(s) {
		if s[n] <= ' ' || s[n] > '~' {
			return false
		}
	}
	return true
}

// text says whether s can be kept: 256 bytes at most, without a zero character.
func text(s string) bool {
	for n := range len(s) {
		if s[n] == 0 {
			return false
		}
	}
	return len(s) <= 256
}

func validCursors(cursors []*docklinev1.PluginCursor) bool {
	for _, c := range cursors {
		if !plain(c.GetPlugin(), false) {
			return false
		}
		for _, through := range c.GetCompleteThrough() {
			if !text(through.GetStream()) || !validSeqs(through.GetMovement()) || through.GetTime() != nil && through.GetTime().CheckValid() != nil {
				return false
			}
		}
	}
	return true
}

const (
	// maxEpochs is the most epochs of one Hello; a journal that holds more sends the others when these are drained. maxBefore is how many of those
	// before may be named, several times what an agent names.
	maxEpochs, maxBefore = 2_000, 256
	// maxRanges is the most ranges that its epochs are held in together: one has a few, whatever was damaged.
	maxRanges = 20_000
	// mostSeq is the highest Seq that an epoch can have come to: ten thousand events a second for nine hundred years.
	mostSeq = 1 << 48
)

func validHello(h *docklinev1.Hello) bool {
	if !plain(h.GetSession(), false) || !validSeqs(h.GetCommandsThrough(), h.GetReceiptsThrough()) || len(h.GetEpochs()) > maxEpochs {
		return false
	}
	before, ranges := 0, 0
	for _, e := range h.GetEpochs() {
		if ranges += len(e.GetRanges()); ranges > maxRanges {
			return false
		}
		if before += len(e.GetBefore()); before > maxBefore {
			return false
		}
		for _, r := range e.GetBefore() {
			if !plain(r.GetEpoch(), false) || !validSeqs(r.GetOrdinal()) || r.GetLastSeq() > mostSeq || len(r.GetBefore()) > 0 {
				return false
			}
		}
		if !plain(e.GetEpoch(), false) || !plain(e.GetPredecessor(), true) || !plain(e.GetMovedTo(), true) ||
			!validSeqs(e.GetOrdinal(), e.GetMovedThrough()) || max(e.GetPredecessorLastSeq(), e.GetLastSeq()) > mostSeq {
			return false
		}
		for _, r := range e.GetRanges() {
			if r.GetFirst() < 1 || r.GetLast() < r.GetFirst() || !validSeqs(r.GetLast()) {
				return false
			}
		}
	}
	return true
}

// answer adds an answer on the site's down/ack.
func (b *batch) answer(tenant, site string, answer *docklinev1.Answer) {
	payload, err := proto.Marshal(answer)
	if err != nil {
		panic(fmt.Sprintf("ingest: an answer of our own cannot be encoded: %v", err))
	}
	b.answers = append(b.answers, wire.Message{Topic: wire.DownTopic(tenant, site, wire.AckName), Payload: payload})
}

func (b *batch) refuse(tenant, site string, refusal *docklinev1.Refusal) {
	b.refused++
	b.answer(tenant, site, &docklinev1.Answer{Answer: &docklinev1.Answer_Refusal{Refusal: refusal}})
}
