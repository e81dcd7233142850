package sweep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
)

// Why a run was begun.
const (
	Asked     = "asked"     // by a person
	Scheduled = "scheduled" // its time of day had come
	Returned  = "returned"  // the target answers again after it did not
)

// Phases of a run, in their order; list, compare and ask are gone through for each kind.
const (
	listing   = "list"
	comparing = "compare"
	asking    = "ask"
	stocking  = "stock"
	reporting = "report"
	done      = "done"
)

const (
	// askPage is how many postings one step asks for, expectedPage how many are read at once.
	askPage, expectedPage = 20, 500
	// skew is how much later than a posting was confirmed its document may bear a time of before the window.
	skew = time.Hour
	// leaseFor is how long a target stays with a process that is not heard of, at least.
	leaseFor = 2 * time.Minute
	// kept is how many runs of a target are kept.
	kept = 100
)

// ErrBusy: another process works on a run of the target.
var ErrBusy = errors.New("another process sweeps this target; wait until it has ended, or some minutes if it was killed")

// ErrAbsent: there is no such run.
var ErrAbsent = errors.New("there is no such run of a sweep; `dockline-collector sweep list` names those that are kept")

// Ask asks for what a target should hold of a kind.
type Ask struct {
	Tenant, Target, Site string
	Kind                 connector.Kind
	Since                time.Time
	// Unsettled asks for what is not confirmed, of any kind; Keys for these alone.
	Unsettled bool
	Keys      []string
	After     int64
	Limit     int
}

// Centre is what a sweep reads of the centre and what it says to it; the parent fills it in. All of it runs in the caller's transaction.
type Centre struct {
	Expected func(ctx context.Context, tx *db.Tx, a Ask) ([]Expected, error)
	// Find is what the connector is given to look for postings, by key.
	Find func(ctx context.Context, tx *db.Tx, a Ask) (map[string]*connector.Posting, error)
	// Born is when the target was first told, or told, anything; zero for never.
	Born  func(ctx context.Context, tx *db.Tx, tenant, target string) (time.Time, error)
	Sites func(ctx context.Context, tx *db.Tx, tenant string) ([]string, error)
	// Orders tells which of some orders are known.
	Orders func(ctx context.Context, tx *db.Tx, tenant string, numbers []string) (map[string]bool, error)
	// Gaps says in words, by site, which streams have open gaps.
	Gaps    func(ctx context.Context, tx *db.Tx, tenant string) (map[string]string, error)
	Ledger  func(ctx context.Context, tx *db.Tx, tenant, site string) (map[Position]map[string]int64, error)
	Counted func(ctx context.Context, tx *db.Tx, tenant, site string) (map[Position]int64, error)
	// Unfolded is how many keys have facts of a site that are to be folded now.
	Unfolded func(ctx context.Context, tx *db.Tx, tenant, site string) (int, error)
	// Worth is what quantities of an order's lines cost, "" where nobody knows.
	Worth func(ctx context.Context, tx *db.Tx, tenant, order string, lines []connector.Line) (string, error)
	// Heals says what is done about a finding by itself, "" for nothing; Heal does it, and says whether it did.
	Heals func(tenant string, t *Target, f *Finding) string
	Heal  func(ctx context.Context, tx *db.Tx, tenant string, t *Target, f *Finding) (bool, error)
	// Report makes the exceptions of one origin be exactly these.
	Report func(ctx context.Context, tx *db.Tx, tenant, origin string, t *Target, found []Finding) error
}

// Target is one system that is swept.
type Target struct {
	Tenant, Name string
	// Connector keeps to the limits of the target's account.
	Connector connector.Connector
	// Stock: it keeps the book of the sites.
	Stock bool
	// Role is what it is the record for.
	Role string
	// Timeout ends one call; default 30 s.
	Timeout time.Duration
}

// stepTime is how long one step may take: the book of a site, or some postings one after the other, take several calls.
func (t *Target) stepTime() time.Duration {
	if t.Timeout == 0 {
		return 2 * time.Minute
	}
	return 4 * t.Timeout
}

// Sweep makes runs.
type Sweep struct {
	DB     *db.DB
	Centre Centre
	// Holder tells this process from others.
	Holder string
	// Back is how far back documents are looked at; default 30 days. PerMinute is how many requests a run makes in a minute; default 120.
	Back      time.Duration
	PerMinute int
	Now       func() time.Time
	// Log may be nil.
	Log *slog.Logger
}

// Run is how far one has come, and what it came to.
type Run struct {
	Number int64  `json:"number"`
	Tenant string `json:"tenant"`
	Target string `json:"target"`
	// Site limits it, "" for all.
	Site  string `json:"site"`
	Why   string `json:"why"`
	Phase string `json:"phase"`
	// Calls are the requests that it made. Foreign documents are of orders and sites that Dockline does not know.
	Calls   int64 `json:"calls"`
	Matched int64 `json:"matched"`
	Foreign int64 `json:"foreign"`
	// Healed is how many postings were planned again.
	Healed int64 `json:"healed"`
	// Before is the run of the same scope that it is compared with, 0 for none.
	Before int64 `json:"before,omitempty"`
	// NotListed are the kinds of which nothing was looked for but what was posted.
	NotListed []string `json:"not_listed"`
	// Fault is why its last step failed, "" where it did not.
	Fault string `json:"fault,omitempty"`
	// Since is from when on documents were looked at.
	Since     time.Time `json:"since,omitzero"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at,omitzero"`

	place, afterPlace int64
	page              string
	readAt, minuteAt  time.Time
	changedAt         time.Time
	minuteCalls       int64
}

// Done says whether nothing is left to do.
func (r *Run) Done() bool { return r.Phase == done }

func (s *Sweep) now() time.Time {
	if s.Now == nil {
		return time.Now().UTC()
	}
	return s.Now().UTC()
}

func (s *Sweep) perMinute() int64 {
	if s.PerMinute > 0 {
		return int64(s.PerMinute)
	}
	return 120
}

func leaseName(t *Target) string { return "sweep/" + t.Tenant + "/" + t.Name }

// Begin takes up the run of a target that was not finished, or begins one. One of another scope must have ended first.
func (s *Sweep) Begin(ctx context.Context, t *Target, site, why string) (*Run, error) {
	if err := s.hold(ctx, t); err != nil {
		return nil, err
	}
	var r *Run
	err := s.DB.Write(ctx, func(tx *db.Tx) error {
		open, err := runs(ctx, tx, `tenant = ? AND target = ? AND phase <> 'done' ORDER BY number DESC LIMIT 1`, t.Tenant, t.Name)
		if err != nil {
			return err
		}
		if len(open) > 0 {
			if r = open[0]; r.Site != site && why == Asked {
				return fmt.Errorf("run %d of %s is not finished: it goes on by itself, or with `dockline-collector sweep --target %s%s`", r.Number, t.Name, t.Name, atSite(r.Site))
			}
			return nil
		}
		born, err := s.Centre.Born(ctx, tx, t.Tenant, t.Name)
		if err != nil {
			return err
		}
		now := s.now().Truncate(time.Microsecond)
		back := s.Back
		if back == 0 {
			back = 30 * 24 * time.Hour
		}
		r = &Run{Tenant: t.Tenant, Target: t.Name, Site: site, Why: why, Phase: listing, StartedAt: now, Since: now.Add(-back).UTC(), NotListed: []string{}}
		switch {
		case born.IsZero():
			r.Since = now
		case born.After(r.Since):
			r.Since = born.UTC()
		}
		return r.insert(ctx, tx)
	})
	return r, err
}

func atSite(site string) string {
	if site == "" {
		return ""
	}
	return " --site " + site
}

func (s *Sweep) hold(ctx context.Context, t *Target) error {
	held, err := s.DB.Lease(ctx, leaseName(t), s.Holder, max(leaseFor, t.stepTime()+30*time.Second))
	if err == nil && !held {
		err = ErrBusy
	}
	return err
}

// End gives the target back to whoever wants to sweep it next.
func (s *Sweep) End(ctx context.Context, t *Target) { s.DB.GiveBack(ctx, leaseName(t), s.Holder) }

// Step takes one step of a run and says how long it must rest before the next one, since its requests of the minute are used up.
func (s *Sweep) Step(ctx context.Context, t *Target, r *Run) (rest time.Duration, err error) {
	if err := s.hold(ctx, t); err != nil {
		return 0, err
	}
	now := s.now()
	if now.Sub(r.minuteAt) >= time.Minute || now.Before(r.minuteAt) {
		r.minuteAt, r.minuteCalls = now, 0
	}
	if asks := r.Phase == listing || r.Phase == asking || r.Phase == stocking; asks && r.minuteCalls >= s.perMinute() {
		return r.minuteAt.Add(time.Minute).Sub(now), nil
	}
	var calls atomic.Int64
	within, end := context.WithTimeout(connector.CountRequests(ctx, &calls), t.stepTime())
	defer end()
	before := *r
	err = s.step(within, t, r, func() { r.count(calls.Load()) })
	if err == nil {
		return 0, nil
	}
	*r = before
	if ctx.Err() != nil {
		return 0, err
	}
	r.count(calls.Load())
	r.Fault = strings.ToValidUTF8(strings.ReplaceAll(err.Error(), "\x00", ""), "\ufffd") // it may quote the system
	return 0, errors.Join(err, s.DB.Write(ctx, func(tx *db.Tx) error { return r.save(ctx, tx, s.now()) }))
}

func (r *Run) count(calls int64) {
	r.Calls += calls
	r.minuteCalls += calls
}

// step does what the phase wants; counted is called before the run is saved.
func (s *Sweep) step(ctx context.Context, t *Target, r *Run, counted func()) error {
	kinds := kindsOf(t)
	save := func(f func(tx *db.Tx) error) error {
		return s.DB.Write(ctx, func(tx *db.Tx) error {
			if f != nil {
				if err := f(tx); err != nil {
					return err
				}
			}
			r.Fault = ""
			return r.save(ctx, tx, s.now())
		})
	}
	if (r.Phase == listing || r.Phase == comparing || r.Phase == asking) && int(r.place) >= len(kinds) {
		r.Phase, r.place = stocking, 0
		return save(nil)
	}
	switch r.Phase {
	case listing:
		return s.list(ctx, t, r, kinds[r.place], counted, save)
	case comparing:
		return save(func(tx *db.Tx) error { return s.compare(ctx, tx, t, r, kinds[r.place]) })
	case asking:
		return s.ask(ctx, t, r, kinds[r.place], counted, save)
	case stocking:
		return s.stock(ctx, t, r, counted, save)
	case reporting:
		return save(func(tx *db.Tx) error { return s.report(ctx, tx, t, r) })
	}
	return nil
}

// kindsOf are the kinds of postings that a target takes, sorted.
func kindsOf(t *Target) []connector.Kind {
	var kinds []connector.Kind
	for kind := range t.Connector.Kinds() {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return kinds
}

// saving runs f and saves the run in the same transaction.
type saving func(f func(tx *db.Tx) error) error

// next goes on with the next kind.
func (r *Run) next() { r.Phase, r.place, r.page, r.afterPlace = listing, r.place+1, "", 0 }

// list reads a page of one kind. A kind that the connector does not list is asked for posting by posting.
func (s *Sweep) list(ctx context.Context, t *Target, r *Run, kind connector.Kind, counted func(), save saving) error {
	if !slices.Contains(connector.Lists(t.Connector), kind) {
		r.Phase, r.afterPlace = asking, 0
		r.NotListed = append(r.NotListed, string(kind))
		return save(nil)
	}
	if r.page == "" {
		r.readAt = s.now().Truncate(time.Microsecond)
	}
	page, err := t.Connector.(connector.Lister).List(ctx, connector.Listing{Kind: kind, Site: r.Site, Since: r.Since.Add(-skew), Page: r.page})
	if err != nil {
		return fmt.Errorf("list %s of %s: %w", kind, t.Name, err)
	}
	counted()
	if r.page = page.Next; !page.More {
		r.Phase, r.page = comparing, ""
	}
	return save(func(tx *db.Tx) error { return r.keep(ctx, tx, page.Documents) })
}

// compare holds what was listed of a kind against what is expected.
func (s *Sweep) compare(ctx context.Context, tx *db.Tx, t *Target, r *Run, kind connector.Kind) error {
	listed, err := r.documents(ctx, tx)
	if err != nil {
		return err
	}
	expected, err := s.expected(ctx, tx, r, kind, listed)
	if err != nil {
		return err
	}
	known, err := s.known(ctx, tx, r, listed)
	if err != nil {
		return err
	}
	gaps, err := s.Centre.Gaps(ctx, tx, r.Tenant)
	if err != nil {
		return err
	}
	c := Comparison{System: t.Name, Kind: kind, Site: r.Site, Expected: expected, Listed: listed, Began: r.readAt, Since: r.Since, Known: known,
		Gap: func(site string) string { return gaps[site] }}.Compare()
	r.Matched, r.Foreign = r.Matched+int64(c.Matched), r.Foreign+int64(c.Foreign)
	missing := func(f *Finding) bool { return f.Result == Missing && f.Cause == Unexplained }
	if r.next(); slices.ContainsFunc(c.Findings, func(f Finding) bool { return missing(&f) }) {
		r.Phase, r.place = asking, r.place-1
	}
	if err := r.add(ctx, tx, c.Findings, missing); err != nil {
		return err
	}
	return r.forgetDocuments(ctx, tx)
}

// expected reads the postings of the window, and those that a listed document names.
func (s *Sweep) expected(ctx context.Context, tx *db.Tx, r *Run, kind connector.Kind, listed []connector.Listed) (all []Expected, err error) {
	have := make(map[string]bool)
	a := Ask{Tenant: r.Tenant, Target: r.Target, Site: r.Site, Kind: kind, Since: r.Since, Limit: expectedPage}
	for {
		page, err := s.Centre.Expected(ctx, tx, a)
		if err != nil {
			return nil, err
		}
		for _, e := range page {
			have[e.Key] = true
			a.After = e.Place
		}
		if all = append(all, page...); len(page) < expectedPage {
			break
		}
	}
	named := Ask{Tenant: r.Tenant, Target: r.Target, Kind: kind, Keys: []string{}}
	for _, d := range listed {
		if key := base(d.Reference); key != "" && !have[key] {
			have[key] = true
			named.Keys = append(named.Keys, key)
		}
	}
	if len(named.Keys) == 0 {
		return all, nil
	}
	older, err := s.Centre.Expected(ctx, tx, named)
	return append(all, older...), err
}

// known tells which sites and orders of what was listed are Dockline's.
func (s *Sweep) known(ctx context.Context, tx *db.Tx, r *Run, listed []connector.Listed) (func(site, order string) bool, error) {
	sites, err := s.Centre.Sites(ctx, tx, r.Tenant)
	if err != nil {
		return nil, err
	}
	var numbers []string
	for _, d := range listed {
		if d.Order != "" {
			numbers = append(numbers, d.Order)
		}
	}
	slices.Sort(numbers)
	orders, err := s.Centre.Orders(ctx, tx, r.Tenant, slices.Compact(numbers))
	return func(site, order string) bool { return slices.Contains(sites, site) || orders[order] }, err
}
