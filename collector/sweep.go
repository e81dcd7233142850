package collector

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/eventlog"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/ownership"
	"github.com/dockline/dockline/collector/posting"
	"github.com/dockline/dockline/collector/rebuild"
	"github.com/dockline/dockline/collector/stock"
	"github.com/dockline/dockline/collector/sweep"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// SweepConfig says when systems are compared with what they should hold.
type SweepConfig struct {
	// At is a time of day, "" for never by itself.
	At string `yaml:"at"`
	// After is for how long a system must have been away to be swept when it is back; 0 is never.
	After time.Duration `yaml:"after"`
	// Back is how far back documents are looked at, PerMinute how many requests a sweep makes of a system in a minute.
	Back      time.Duration `yaml:"back"`
	PerMinute int           `yaml:"per_minute"`
	// Heal: what a system lacks and is not the record of is told again by itself.
	Heal bool `yaml:"heal"`
}

func (c *Config) validateSweep(bad func(key, format string, args ...any)) {
	if _, err := rebuild.ParseClock(c.Sweep.At); c.Sweep.At != "" && err != nil {
		bad("sweep.at", "%v; leave it empty for never", err)
	}
	if c.Sweep.After < 0 {
		bad("sweep.after", "%s: give 0 for never, or for how long", c.Sweep.After)
	}
	if c.Sweep.Back < time.Hour {
		bad("sweep.back", "%s: give at least 1h; 720h are 30 days", c.Sweep.Back)
	}
	if c.Sweep.PerMinute < 1 {
		bad("sweep.per_minute", "%d: give how many requests a sweep may make of a system in a minute", c.Sweep.PerMinute)
	}
}

// OpenSweep opens the configured database and the systems for a command that compares them, beside a collector at work or without one. The caller
// closes it.
func OpenSweep(ctx context.Context, c *Config) (*sweep.Sweep, []*sweep.Target, func() error, error) {
	m, err := openForCommand(ctx, c, true)
	if err != nil {
		return nil, nil, nil, err
	}
	govern(m.connectors, m.now, m.share)
	return m.newSweep(), m.sweepTargets(), func() error {
		m.giveUpShares(ctx)
		return m.Close()
	}, nil
}

// sweepTargets are the systems of which there is anything to compare.
func (m *Collector) sweepTargets() []*sweep.Target {
	var out []*sweep.Target
	for _, s := range m.connectors {
		if book := s.config.Role == string(ownership.SystemOfRecord); book || len(s.connector.Kinds()) > 0 || len(connector.Records(s.connector)) > 0 {
			out = append(out, &sweep.Target{Tenant: s.config.Tenant, Name: s.config.Name, Connector: s.governed, Stock: book, Role: s.config.Role, Timeout: s.config.Timeout})
		}
	}
	return out
}

// newSchedule sweeps by the configuration.
func (m *Collector) newSchedule() *sweep.Schedule {
	l := &sweep.Schedule{Sweep: m.newSweep(), Targets: m.sweepTargets(), AwayFor: m.config.Sweep.After, Away: func(t *sweep.Target) bool {
		at := slices.IndexFunc(m.connectors, func(s *system) bool { return s.config.Name == t.Name })
		return at >= 0 && !m.connectors[at].account.Stats().OpenUntil.IsZero()
	}}
	at, err := rebuild.ParseClock(m.config.Sweep.At)
	l.Daily, l.At = err == nil, at
	return l
}

func (m *Collector) newSweep() *sweep.Sweep {
	return &sweep.Sweep{DB: m.db, Holder: m.name, Back: m.config.Sweep.Back, PerMinute: m.config.Sweep.PerMinute, Now: m.clock, Log: m.log.With("part", "sweep"),
		Centre: sweep.Centre{Expected: expected, Find: lookedFor, Held: m.heldOrders, Cursor: cursorOf, Born: posting.First, Orders: knownOrders, Gaps: gapsInWords, Unfolded: stock.Unfolded, Worth: worthOfLines,
			Sites: func(ctx context.Context, tx *db.Tx, tenant string) ([]string, error) {
				return tx.Texts(ctx, `SELECT id FROM site WHERE tenant = ? ORDER BY id`, tenant)
			},
			Keepers: m.keepers, Owner: m.ownerOf, Ledger: ledgerOf, Counted: countedAt, Heals: m.heals, Heal: m.heal, Report: m.reportSweep, Unended: m.reportUnended}}
}

// which asks the postings as a sweep asks.
func which(a sweep.Ask) posting.Which {
	return posting.Which{Tenant: a.Tenant, Target: a.Target, Kind: a.Kind, Site: a.Site, Since: a.Since, Unsettled: a.Unsettled, Keys: a.Keys, After: a.After, Limit: a.Limit}
}

func expected(ctx context.Context, tx *db.Tx, a sweep.Ask) ([]sweep.Expected, error) {
	told, err := posting.ToldTo(ctx, tx, which(a))
	out := make([]sweep.Expected, len(told))
	for i, t := range told {
		e := sweep.Expected{Kind: t.Kind, Key: t.Key, Reference: t.Reference, Site: t.Site, Style: t.Style, Settled: t.Settled, Perhaps: t.Perhaps, MovedAt: t.ChangedAt,
			Content: connector.ContentOf(t.Says), Place: t.Place, Events: t.EventIDs}
		if t.Bills != nil {
			e.Content.Lines = connector.SumLines(connector.ContentOf(t.Bills).Lines, false)
		}
		for _, d := range t.Documents {
			e.Numbers = append(e.Numbers, d.GetNumber())
		}
		if !t.Settled {
			e.Why = "its posting is " + string(t.State)
			if t.Fault.Text != "" {
				e.Why += ", since " + strings.TrimSuffix(t.Fault.Text, ".")
			}
		}
		out[i] = e
	}
	return out, err
}

func lookedFor(ctx context.Context, tx *db.Tx, a sweep.Ask) (map[string]*connector.Posting, error) {
	told, err := posting.ToldTo(ctx, tx, which(a))
	out := make(map[string]*connector.Posting, len(told))
	for _, t := range told {
		out[t.Key] = t.Find
	}
	return out, err
}

func knownOrders(ctx context.Context, tx *db.Tx, tenant string, numbers []string) (map[string]bool, error) {
	l := db.Lookup{Table: "state", Columns: []string{"fold_key"}, Key: []string{"tenant", "fold_key"}}
	for _, number := range numbers {
		l.Rows = append(l.Rows, []any{tenant, event.OrderKey(number)})
	}
	found, err := tx.Lookup(ctx, l)
	known := make(map[string]bool, len(found))
	for _, v := range found {
		known[v[0].(string)] = true
	}
	out := make(map[string]bool, len(found))
	for _, number := range numbers {
		out[number] = known[event.OrderKey(number)]
	}
	return out, err
}

func gapsInWords(ctx context.Context, tx *db.Tx, tenant string) (map[string]string, error) {
	gaps, err := eventlog.OpenGaps(ctx, tx, tenant)
	out := make(map[string]string, len(gaps))
	for _, g := range gaps {
		out[g.Site] = fmt.Sprintf("%s of site %s are missing in %s of its stream", event.Several(g.Places, "event"), g.Site, event.Several(g.Pieces, "gap"))
	}
	return out, err
}

func ledgerOf(ctx context.Context, tx *db.Tx, tenant, site string) (map[sweep.Position]map[string]int64, error) {
	ledger, err := stock.Ledger(ctx, tx, tenant, site)
	out := make(map[sweep.Position]map[string]int64, len(ledger))
	for p, statuses := range ledger {
		out[sweep.Position{Site: site, Item: p.Item, Lot: p.Lot}] = statuses
	}
	return out, err
}

func countedAt(ctx context.Context, tx *db.Tx, tenant, site string) (map[sweep.Position]int64, error) {
	counted, err := stock.Counted(ctx, tx, tenant, site)
	out := make(map[sweep.Position]int64, len(counted))
	for p, n := range counted {
		out[sweep.Position{Site: site, Item: p.Item, Lot: p.Lot}] = n
	}
	return out, err
}

// worthOfLines is what quantities cost at the order's prices; "" where a line has none.
func worthOfLines(ctx context.Context, tx *db.Tx, tenant, number string, lines []connector.Line) (string, error) {
	found, err := tx.Lookup(ctx, db.Lookup{Table: "state", Columns: []string{"body"}, Key: []string{"tenant", "fold_key"}, Rows: [][]any{{tenant, event.OrderKey(number)}}})
	if err != nil || len(found) == 0 {
		return "", err
	}
	o := new(docklinev1.OrderState)
	if err := proto.Unmarshal(found[0][0].([]byte), o); err != nil {
		return "", fmt.Errorf("order %s: %w", number, err)
	}
	sum := new(big.Rat)
	for _, l := range lines {
		at := slices.IndexFunc(o.GetLines(), func(of *docklinev1.OrderLineState) bool { return of.GetOrderLine() == l.OrderLine })
		if at < 0 {
			return "", nil
		}
		price, ok := new(big.Rat).SetString(o.GetLines()[at].GetUnitPrice())
		if !ok {
			return "", nil
		}
		sum.Add(sum, price.Mul(price, big.NewRat(l.Quantity, event.Scale)))
	}
	return sum.FloatString(2), nil
}

// recordOf is what a kind of document is about, as ownership.yaml names it: who owns that is the record of it.
var recordOf = map[connector.Kind]string{connector.GoodsIssue: "shipment.departed", connector.ReturnReceipt: "return.received", connector.StockAdjustment: "stock.on_hand",
	connector.InvoiceTrigger: "invoice.posted", connector.CreditRequest: "credit_memo.posted", connector.OrderAmendment: "order.changed", connector.OrderStatus: "order.accepted",
	connector.ServiceCase: "exception.opened", sweep.KindStock: "stock.on_hand",
	connector.OrderRecord: "order.changed"}

// aboutOf is what a finding is about.
func aboutOf(f *sweep.Finding) string {
	if f.Field != "" {
		return string(f.Kind) + "." + f.Field
	}
	return recordOf[f.Kind]
}

// heals says what is done about a finding by itself. Nothing is where the target is the record of it; and nothing that could make a second document.
func (m *Collector) heals(tenant string, t *sweep.Target, f *sweep.Finding) string {
	style := t.Connector.Kinds()[f.Kind]
	if !m.config.Sweep.Heal || f.Key == "" || !posting.MayTellAgain(f.Kind, style) {
		return ""
	}
	_, record := m.policy().TeamOf(m.policy().Scope(tenant, f.Site, ""), recordOf[f.Kind])
	if record == "" || string(record) == t.Role {
		return ""
	}
	switch {
	case style == connector.Level:
		return "Dockline states it again by itself."
	case f.Result == sweep.Missing && f.Absent:
		return "Dockline looks once more whether it is there, and if not posts it again by itself."
	}
	return ""
}

func (m *Collector) heal(ctx context.Context, tx *db.Tx, tenant string, t *sweep.Target, f *sweep.Finding) (bool, error) {
	return posting.TellAgain(ctx, tx, tenant, posting.Ref{Target: t.Name, Kind: f.Kind, Key: f.Key}, f.Version, m.now())
}

// reportSweep makes what a sweep could not explain cases of their owners.
func (m *Collector) reportSweep(ctx context.Context, tx *db.Tx, tenant, origin string, t *sweep.Target, found []sweep.Finding) error {
	desired := make([]exception.Desired, len(found))
	for i := range found {
		f := &found[i]
		desired[i] = exception.Desired{Code: f.Code(), Class: docklinev1.FaultClass_FAULT_CLASS_PROCESS, Target: t.Name, Subject: f.Subject, Site: f.Site, Order: f.Order, Value: f.Value,
			About: aboutOf(f), Title: sweepTitle(t.Name, f), Text: f.Text + ownerInWords(f) + " " + cmp.Or(f.Healing, remedy(t.Name, f))}.Owned(m.policy(), tenant)
	}
	return m.report(ctx, tx, tenant, origin, desired)
}

// reportUnended makes it a case that a sweep does not come to its end: until it does, what differs in that system may stay unseen.
func (m *Collector) reportUnended(ctx context.Context, tx *db.Tx, tenant string, t *sweep.Target, why []string) error {
	var desired []exception.Desired
	if len(why) > 0 {
		desired = append(desired, m.owned(tenant, sweep.CodeEndless, docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, docklinev1.Severity_SEVERITY_WARNING, exception.Desired{Target: t.Name, Subject: "sweep " + t.Name,
			Title: fmt.Sprintf("The sweep of %s does not end", t.Name), Text: strings.Join(why, " ") + fmt.Sprintf(
				" Of what %s could not list, only what Dockline posted was compared; what others made there was not seen. Correct how the connector lists (the list section of its definition), or have %s put right; then run `dockline-collector sweep --target %s`. This closes by itself after the next sweep that comes to its end.", t.Name, t.Name, t.Name)}))
	}
	return m.report(ctx, tx, tenant, "sweep-end/"+t.Name, desired)
}

// ownerOf is the role that owns what differs, "" for nobody.
func (m *Collector) ownerOf(tenant string, f *sweep.Finding) string {
	_, record := m.policy().TeamOf(m.policy().Scope(tenant, f.Site, ""), aboutOf(f))
	return string(record)
}

// keepers are the systems of record that list a kind of records.
func (m *Collector) keepers(tenant string, kind connector.Kind) (names []string) {
	for _, s := range m.connectors {
		if s.config.Tenant == tenant && s.config.Role == string(ownership.SystemOfRecord) && slices.Contains(connector.Records(s.connector), kind) {
			names = append(names, s.config.Name)
		}
	}
	return names
}

// ownerInWords names who owns what differs.
func ownerInWords(f *sweep.Finding) string {
	if f.Owner == "" {
		return ""
	}
	return fmt.Sprintf(" It is owned by: %s.", strings.ReplaceAll(f.Owner, "_", " "))
}

func sweepTitle(system string, f *sweep.Finding) string {
	switch {
	case f.Field != "":
		return fmt.Sprintf("%s disagrees on the %s of %s %s", system, strings.ReplaceAll(f.Field, "_", " "), f.Kind, f.Number)
	case f.Kind == connector.OrderRecord && f.Result == sweep.Extra:
		return fmt.Sprintf("%s has %s, which Dockline does not know", system, f.Named())
	case f.Kind == sweep.KindStock:
		return fmt.Sprintf("%s and the ledger disagree on the stock of %s", system, strings.TrimPrefix(f.Subject, "stock "))
	case f.Result == sweep.Missing:
		return fmt.Sprintf("%s is missing %s", system, f.Named())
	case f.Result == sweep.Extra:
		return fmt.Sprintf("%s has %s, which no site reported", system, f.Named())
	}
	return fmt.Sprintf("%s differs in %s", f.Named(), system)
}

// remedy says what a person does.
func remedy(system string, f *sweep.Finding) string {
	switch {
	case f.Field != "":
		return "Correct it in the system that does not own it; if the owner is wrong, have it corrected there first."
	case f.Kind == connector.OrderRecord && f.Result == sweep.Missing:
		return fmt.Sprintf("Find out in %s who deleted it, and have it cancelled at its site.", system)
	case f.Kind == connector.OrderRecord:
		return fmt.Sprintf("Dockline works with what %s last reported. If %s is right, save the order there once more, so that it is reported again; if not, correct it there.", system, system)
	case f.Kind == sweep.KindStock:
		return fmt.Sprintf("Find the movement in %s that no warehouse made, or have the stock counted at %s (`dockline-collector site command recount`).", system, f.Site)
	case f.Result == sweep.Extra:
		return fmt.Sprintf("Find out in %s who entered it. If the goods did move, have the site report it; if not, take it back there.", system)
	case f.Result == sweep.Missing && f.Number != "" && posting.CanPostAgain(f.Kind):
		return fmt.Sprintf("Find out in %s who took it back, and why. If that was right, take it back at its site too; if not, have it posted again: the action `post_again` of this exception.", system)
	case f.Result == sweep.Missing:
		if posting.CanPostAgain(f.Kind) {
			return fmt.Sprintf("Find out in %s what became of it. If it should be there, have it posted again: the action `post_again` of this exception.", system)
		}
		return fmt.Sprintf("Find out in %s what became of it, and enter it again there with the reference %s.", system, f.Key)
	}
	return fmt.Sprintf("Correct it in %s, or have it corrected in the system that owns it.", system)
}
