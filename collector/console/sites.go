package console

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/exception"
	"github.com/dockline/dockline/collector/fleet"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// sitesPage is how many sites one page of the list shows.
const sitesPage = 100

// fleetData is the fleet as the list and the wall show it.
type fleetData struct {
	// Total counts all of the tenant; Sites are those chosen, a page of them on the list.
	Total   tally
	Regions []regionTally
	Sites   []*fleet.Site
	Found   int
	// State, Region, Search and Sort are what was asked for.
	State, Region, Search, Sort string
	Page, Pages                 int
	// Exceptions are open, Orders are all; Waiting is what waits for sites that are not well.
	Exceptions, Orders int64
	Waiting            fleet.Impact
	Narrow             bool
	query              url.Values
}

// tally counts sites by how they are. Failing, Warned and Well add up to All.
type tally struct {
	All, Online, Offline, Never  int
	Failing, Warned, Well        int
	Held                         uint64
	WithGaps, WithOpenDifference int
}

func (t *tally) add(s *fleet.Site) {
	t.All++
	t.Held += s.Backlog
	switch s.State {
	case fleet.Online:
		t.Online++
	case fleet.Offline:
		t.Offline++
	default:
		t.Never++
	}
	switch s.Severity {
	case docklinev1.Severity_SEVERITY_ERROR:
		t.Failing++
	case docklinev1.Severity_SEVERITY_WARNING:
		t.Warned++
	default:
		t.Well++
	}
	if len(s.Gaps) > 0 {
		t.WithGaps++
	}
	if len(s.Differences) > 0 {
		t.WithOpenDifference++
	}
}

type regionTally struct {
	Name string
	tally
}

// Troubled is how many are not well.
func (t *tally) Troubled() int { return t.Failing + t.Warned }

// Sorts are the orders of the list besides worst first, with the words for them.
func (d *fleetData) Sorts() map[string]string {
	return map[string]string{"site": "by name", "region": "by region", "held": "most held", "orders": "most orders", "seen": "longest silent"}
}

// Share is n of the tally's sites in 200 units of a bar's width; what is there is never invisible.
func (t *tally) Share(n int) int {
	if n == 0 || t.All == 0 {
		return 0
	}
	return max(3, n*200/t.All)
}

// states are what the list can be limited to, with the words for them.
var states = []struct {
	Value, Text string
	is          func(*fleet.Site) bool
}{
	{"", "all", func(*fleet.Site) bool { return true }},
	{"problems", "with problems", func(s *fleet.Site) bool { return s.Severity > docklinev1.Severity_SEVERITY_INFO }},
	{"online", "online", func(s *fleet.Site) bool { return s.State == fleet.Online }},
	{"offline", "offline", func(s *fleet.Site) bool { return s.State == fleet.Offline }},
	{"never", "never seen", func(s *fleet.Site) bool { return s.State == fleet.NeverSeen }},
}

// sorts are the orders of the list; each begins with what is worst.
var sorts = map[string]func(a, b *fleet.Site) int{
	"": func(a, b *fleet.Site) int {
		return cmp.Or(-cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.State, b.State), -cmp.Compare(a.Impact.Orders, b.Impact.Orders), -cmp.Compare(a.Backlog, b.Backlog))
	},
	"site":   func(a, b *fleet.Site) int { return cmp.Compare(strings.ToLower(name(a)), strings.ToLower(name(b))) },
	"region": func(a, b *fleet.Site) int { return cmp.Compare(a.Region, b.Region) },
	"held":   func(a, b *fleet.Site) int { return -cmp.Compare(a.Backlog, b.Backlog) },
	"orders": func(a, b *fleet.Site) int { return -cmp.Compare(a.Impact.Orders, b.Impact.Orders) },
	"seen":   func(a, b *fleet.Site) int { return a.SeenAt.Compare(b.SeenAt) },
}

func name(s *fleet.Site) string { return cmp.Or(s.Title, s.ID) }

// With is the address of the same list with one thing changed; a change begins at the first page.
func (d *fleetData) With(key, value string) string {
	q := url.Values{}
	for k, v := range d.query {
		q[k] = v
	}
	q.Del("page")
	if q.Set(key, value); value == "" {
		q.Del(key)
	}
	if len(q) == 0 {
		return "/"
	}
	return "/?" + q.Encode()
}

// States are the choices of the list with their numbers.
func (d *fleetData) States() []choice {
	n := map[string]int{"": d.Total.All, "problems": d.Total.Failing + d.Total.Warned, "online": d.Total.Online, "offline": d.Total.Offline, "never": d.Total.Never}
	var all []choice
	for _, s := range states {
		all = append(all, choice{s.Value, int64(n[s.Value])})
	}
	return all
}

// Word is what people call a choice of States.
func (d *fleetData) Word(value string) string {
	for _, s := range states {
		if s.Value == value {
			return s.Text
		}
	}
	return value
}

// Worst are the sites of which something is wrong, as many as a wall has room for.
func (d *fleetData) Worst() []*fleet.Site {
	var worst []*fleet.Site
	for _, s := range d.Sites {
		if s.Severity > docklinev1.Severity_SEVERITY_INFO && len(worst) < wallRoom {
			worst = append(worst, s)
		}
	}
	return worst
}

// wallRoom is how many sites with problems a wall screen shows in full.
const wallRoom = 10

// More is how many sites with problems the wall has no room for.
func (d *fleetData) More() int { return max(0, d.Total.Failing+d.Total.Warned-wallRoom) }

func (s *server) sites(q *request) (*content, error) {
	all, err := s.fleet.Sites(q.Context(), q.tenant)
	if err != nil {
		return nil, err
	}
	if err := s.fleet.AddImpact(q.Context(), all); err != nil {
		return nil, err
	}
	d := &fleetData{State: q.param("state"), Region: q.param("region"), Search: strings.TrimSpace(q.param("q")), Sort: q.param("sort"), query: q.URL.Query()}
	d.count(all)
	wall := q.param("view") == "wall"
	if order := sorts[d.Sort]; order != nil {
		slices.SortStableFunc(all, order)
	}
	d.choose(all, wall)
	err = s.read(q, func(ctx context.Context, tx *db.Tx) error {
		counts, err := view.OrderCounts(ctx, tx, q.tenant)
		if err != nil {
			return err
		}
		d.Orders = 0
		for _, n := range counts {
			d.Orders += n
		}
		d.Exceptions, err = exception.Count(ctx, tx, q.tenant)
		return err
	})
	if wall {
		return &content{"wall", "Sites", d}, err
	}
	return &content{"sites", "Sites", d}, err
}

// count adds up all sites, and by region.
func (d *fleetData) count(all []*fleet.Site) {
	byName := map[string]*regionTally{}
	for _, s := range all {
		d.Total.add(s)
		region := byName[s.Region]
		if region == nil {
			region = &regionTally{Name: s.Region}
			byName[s.Region] = region
		}
		region.add(s)
		if s.Severity == docklinev1.Severity_SEVERITY_ERROR {
			d.Waiting.Orders += s.Impact.Orders
		}
	}
	for _, r := range byName {
		d.Regions = append(d.Regions, *r)
	}
	slices.SortFunc(d.Regions, func(a, b regionTally) int {
		return cmp.Or(-cmp.Compare(a.Failing, b.Failing), cmp.Compare(a.Name, b.Name))
	})
}

// choose keeps the sites that were asked for; on the list, a page of them.
func (d *fleetData) choose(all []*fleet.Site, wall bool) {
	is := states[0].is
	for _, s := range states {
		if s.Value == d.State {
			is = s.is
		}
	}
	search := strings.ToLower(d.Search)
	d.Sites = slices.DeleteFunc(slices.Clone(all), func(s *fleet.Site) bool {
		return !is(s) || d.query.Has("region") && s.Region != d.Region || search != "" && !strings.Contains(strings.ToLower(s.ID+" "+s.Title+" "+s.Region), search)
	})
	if d.Found = len(d.Sites); wall {
		return
	}
	d.Pages = max(1, (d.Found+sitesPage-1)/sitesPage)
	page, err := strconv.Atoi(d.query.Get("page"))
	if err != nil {
		page = 1
	}
	d.Page = min(max(1, page), d.Pages)
	d.Sites = d.Sites[(d.Page-1)*sitesPage : min(d.Page*sitesPage, d.Found)]
}

// Turn is the address of another page of the list.
func (d *fleetData) Turn(to int) string {
	q := url.Values{}
	for k, v := range d.query {
		q[k] = v
	}
	q.Set("page", strconv.Itoa(to))
	return "/?" + q.Encode()
}

// Next and Previous are the pages beside this one, 0 where there is none.
func (d *fleetData) Next() int {
	if d.Page < d.Pages {
		return d.Page + 1
	}
	return 0
}

// Previous: see Next.
func (d *fleetData) Previous() int { return d.Page - 1 }
