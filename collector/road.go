package collector

import (
	"context"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/downlink"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/collector/ingest"
	"github.com/dockline/dockline/collector/master"
	"github.com/dockline/dockline/collector/notice"
	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/collector/policy"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/rebuild"
	"github.com/dockline/dockline/collector/receipt"
	"github.com/dockline/dockline/collector/reconcile"
	"github.com/dockline/dockline/collector/retention"
	"github.com/dockline/dockline/collector/state"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// road holds the stages of the centre in the order in which an event passes them.
type road struct {
	ingest    *ingest.Ingest
	filler    *eventlog.Filler
	sequencer *eventlog.Sequencer
	worker    *reconcile.Worker
	senders   []*posting.Sender
	intakes   []*connector.Intake
	downlink  *downlink.Downlink
	master    masterStream
	keeper    *fleet.Keeper
	night     *rebuild.Night   // nil for never
	archivist *retention.Night // nil for by hand only
	escalator *exception.Escalator
	notices   *notice.Sender
	watch     *policyWatch
}

func (m *Collector) newRoad(ctx context.Context, l link) (*road, error) {
	r := &road{}
	log := m.newLog()
	if err := makeLedger(ctx, m.db, log, m.log.Info); err != nil {
		return nil, err
	}
	r.sequencer = &eventlog.Sequencer{DB: m.db, Holder: m.name, Now: m.clock, OnPlaced: func() { r.downlink.Wake() }, Slog: m.log.With("part", "sequencer")}
	r.filler = &eventlog.Filler{Log: log, Mine: m.mine(), Slog: m.log.With("part", "eventlog"), OnFilled: func() { r.sequencer.Wake(); r.worker.Wake.Set() }}
	appendFacts := appending(log)
	r.worker = m.newWorker(log)
	r.worker.Done = r.folded
	r.downlink = &downlink.Downlink{DB: m.db, Holder: m.name, Publish: l.publish, OfflineAfter: m.config.MQTT.OfflineAfter, Now: m.clock, Slog: m.log.With("part", "downlink")}
	r.master.feed = &master.Feed{DB: m.db, Holder: m.name, Publish: l.publish, OfflineAfter: m.config.MQTT.OfflineAfter, Share: m.config.Master.LineShare, Now: m.clock, Slog: m.log.With("part", "master")}
	r.keeper = m.newKeeper(l, log)
	r.night = m.newNight(log, r.worker)
	r.archivist = m.newArchivist(log)
	r.escalator = m.newEscalator()
	if err := m.takePolicy(ctx, appendFacts); err != nil {
		return nil, err
	}
	r.watch = &policyWatch{collector: m, append: appendFacts, changed: func() { r.worker.Wake.Set() }}
	for _, s := range m.connectors {
		r.senders = append(r.senders, &posting.Sender{DB: m.db, Target: s.config.Name, Connector: s.governed, Account: s.account, Parallel: s.abreast(),
			Holder: m.name, Cases: m.cases, Receipts: m.receipts, Days: m.days(s.config.Name), CallTimeout: s.config.Timeout, Now: m.clock, Random: m.jitter,
			Log: m.log.With("part", "posting", "target", s.config.Name)})
		in := &connector.Intake{DB: m.db, Connector: s.governed, Name: s.config.Name, Tenant: s.config.Tenant, Append: appendFacts,
			Cases: m.intakeCases, Poll: s.config.Poll, Timeout: s.config.Timeout, Now: m.clock, Log: m.log.With("part", "intake")}
		if s.config.Role == string(ownership.SystemOfRecord) { // its book opens the sites' stock; others only tell what happened
			in.Sites = m.sites(s.config.Tenant)
		}
		r.intakes = append(r.intakes, in)
		if err := m.streamMaster(&r.master, s); err != nil {
			return nil, err
		}
	}
	var err error
	if r.notices, err = m.newNotices(); err != nil {
		return nil, err
	}
	r.ingest, err = ingest.New(ctx, ingest.Config{DB: m.db, Log: log, Publish: l.publish, OnStored: r.filler.Wake, OnPresence: r.presence, OfflineAfter: m.config.MQTT.OfflineAfter, Now: m.clock, Slog: m.log.With("part", "ingest"),
		OnRestored: func(ctx context.Context, tx *db.Tx) error { return Restored(ctx, tx, m.now()) },
		Report: func(ctx context.Context, tx *db.Tx, tenant, origin string, found []ingest.Exception) error {
			desired := make([]exception.Desired, len(found))
			for i, f := range found {
				desired[i] = m.owned(tenant, f.Code, f.Class, f.Severity, exception.Desired{Subject: f.Subject, Site: f.Site, Title: f.Title, Text: f.Text, EventIDs: f.EventIDs})
			}
			return m.report(ctx, tx, tenant, origin, desired)
		}})
	return r, err
}

// newLog is the event log, with the keys that the mapping in force gives.
func (m *Collector) newLog() *eventlog.Log {
	return &eventlog.Log{DB: m.db, Keys: m.keys, KeysAt: m.keysAt, Links: links, Now: m.clock, Report: func(ctx context.Context, tx *db.Tx, tenant, origin string, found []eventlog.Exception) error {
		desired := make([]exception.Desired, len(found))
		for i, f := range found {
			desired[i] = m.owned(tenant, f.Code, f.Class, f.Severity, exception.Desired{Subject: f.Subject, Site: f.Site, Title: f.Title, Text: f.Text, EventIDs: f.EventIDs})
		}
		return m.report(ctx, tx, tenant, origin, desired)
	}}
}

// appending takes facts of the centre into the event log.
func appending(log *eventlog.Log) func(ctx context.Context, tx *db.Tx, events []*docklinev1.Event) error {
	return func(ctx context.Context, tx *db.Tx, events []*docklinev1.Event) error {
		recorded := make([]eventlog.Recorded, len(events))
		for i, e := range events {
			recorded[i] = eventlog.Recorded{Event: e}
		}
		_, err := log.Append(ctx, tx, recorded)
		return err
	}
}

// newWorker folds with the policy in force.
func (m *Collector) newWorker(log *eventlog.Log) *reconcile.Worker {
	return &reconcile.Worker{DB: m.db, Mine: m.mine(), InForce: m.policy, Styles: m.style, Append: appending(log), Now: m.clock, Log: m.log.With("part", "reconcile"),
		MostLines: m.config.Folding.MostLines}
}

// folded is told that something was folded: there may be positions to give and postings to send.
func (r *road) folded() {
	r.sequencer.Wake()
	for _, s := range r.senders {
		s.Wake.Set()
	}
}

// wake is told that something of the centre was appended.
func (r *road) wake() {
	r.sequencer.Wake()
	r.worker.Wake.Set()
}

// acted is told that a person did something: there may be facts to fold, postings to send, and work for sites.
func (r *road) acted() {
	r.wake()
	r.downlink.Wake()
	r.folded()
}

// loops are all that run for the road's sake.
func (r *road) loops() []func(context.Context) error {
	loops := []func(context.Context) error{r.filler.Run, r.sequencer.Run, r.worker.Run, r.worker.RunLarge, r.downlink.Run, r.master.feed.Run, r.keeper.Run, r.watch.Run, r.escalator.Run, r.notices.Run}
	if r.night != nil {
		loops = append(loops, r.night.Run)
	}
	if r.archivist != nil {
		loops = append(loops, r.archivist.Run)
	}
	for _, s := range r.senders {
		loops = append(loops, s.Run)
	}
	for _, i := range r.intakes {
		loops = append(loops, i.Run)
	}
	return append(loops, r.master.loops...)
}

// links gives the event log what an event says belongs together.
func links(e *docklinev1.Event) []eventlog.Link {
	said := state.Links(e)
	out := make([]eventlog.Link, len(said))
	for i, l := range said {
		out[i] = eventlog.Link(l)
	}
	return out
}

// days says which days are open for posting at a target, by the policy in force.
func (m *Collector) days(target string) posting.Days {
	return func(_ connector.Kind, at time.Time, notBefore string) (day, open string) {
		return m.policy().PostingDay(target, at, notBefore)
	}
}

// style is how a tenant's target takes a kind; another tenant's targets take nothing of it.
func (m *Collector) style(tenant, target string, kind connector.Kind) (connector.Style, bool) {
	for _, s := range m.connectors {
		if s.config.Name == target && s.config.Tenant == tenant {
			style, ok := s.connector.Kinds()[kind]
			return style, ok
		}
	}
	return "", false
}

// owned completes an exception by the policy: who must act, how bad it is, and how long he has.
func (m *Collector) owned(tenant, code string, class docklinev1.FaultClass, severity docklinev1.Severity, d exception.Desired) exception.Desired {
	d.Code, d.Class, d.Severity = code, class, severity
	return d.Owned(m.policy(), tenant)
}

// targetOf is the system that an origin's exceptions are about, "" where it is none.
func targetOf(origin string) string {
	part, rest, _ := strings.Cut(origin, "/")
	if part != "posting" && part != "target" && part != "intake" && part != "master" && part != "shape" {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

// report brings an origin's exceptions up to date, and the receipts that hang on them.
func (m *Collector) report(ctx context.Context, tx *db.Tx, tenant, origin string, desired []exception.Desired) error {
	synced, err := exception.Sync(ctx, tx, tenant, origin, desired, m.now())
	if err != nil {
		return err
	}
	return m.receipts(ctx, tx, tenant, synced.Events, m.now())
}

func (m *Collector) cases(ctx context.Context, tx *db.Tx, tenant, origin string, cases []posting.Case) ([]string, error) {
	desired := make([]exception.Desired, len(cases))
	for i, c := range cases {
		desired[i] = m.owned(tenant, c.Code, c.Class, c.Severity, exception.Desired{Target: targetOf(origin), Subject: c.Subject, Site: c.Site, Order: c.Order, Customer: c.Customer, Title: c.Title, Text: c.Text, EventIDs: c.EventIDs})
	}
	synced, err := exception.Sync(ctx, tx, tenant, origin, desired, m.now())
	return synced.Events, err
}

func (m *Collector) intakeCases(ctx context.Context, tx *db.Tx, tenant, origin string, cases []connector.Case) error {
	desired := make([]exception.Desired, len(cases))
	for i, c := range cases {
		desired[i] = m.owned(tenant, c.Code, c.Class, c.Severity, exception.Desired{Target: targetOf(origin), Subject: c.Subject, Site: c.Site, Title: c.Title, Text: c.Text})
	}
	return m.report(ctx, tx, tenant, origin, desired)
}

func (m *Collector) receipts(ctx context.Context, tx *db.Tx, tenant string, eventIDs []string, now time.Time) error {
	return receipt.Refresh(ctx, tx, tenant, eventIDs, m.policy().OfRole(ownership.SystemOfRecord), now)
}

// sites lists a tenant's sites, whose books are to be opened.
func (m *Collector) sites(tenant string) func(context.Context) ([]string, error) {
	known := &fleet.Fleet{DB: m.db, OfflineAfter: m.config.MQTT.OfflineAfter, Now: m.clock}
	return func(ctx context.Context) ([]string, error) {
		all, err := known.Sites(ctx, tenant)
		if err != nil {
			return nil, err
		}
		names := make([]string, len(all))
		for i, s := range all {
			names[i] = s.ID
		}
		return names, nil
	}
}

// targets makes the connectors the targets of the policy that ships.
func targets(c *Config) []policy.Target {
	all := make([]policy.Target, len(c.Connectors))
	for i, n := range c.Connectors {
		all[i] = policy.Target{Name: n.Name, Role: ownership.Role(n.Role)}
	}
	for _, n := range c.Carriers {
		all = append(all, policy.Target{Name: n.Name, Role: ownership.Carrier})
	}
	return all
}
