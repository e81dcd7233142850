package xref

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Table is the part of the cross-reference that one connector uses.
type Table struct {
	DB             *db.DB
	Tenant, System string
	// Demands are the domains in which codes are translated at all.
	Demands map[Domain]Demand
}

// Translate puts the table before a connector: what it is told bears the system's codes, and what it reports bears ours. A code that must have an
// entry and has none is a fault of what is told, and a refused record of what is reported; each names the codes.
func Translate(c connector.Connector, t Table) connector.Connector { return &translated{c, t} }

type translated struct {
	connector.Connector
	table Table
}

// Close closes the connector beneath where there is something to close.
func (t *translated) Close() error {
	if closer, ok := t.Connector.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

// codes gathers what is to be translated, and translates it.
type codes struct {
	table Table
	asked map[Domain]map[string]bool
	known map[Domain]map[string]string
	// taken are codes without an entry that mean something else on the other side: there they are the code of what stands here.
	taken map[Domain]map[string]string
}

func (t Table) codes() *codes { return &codes{table: t, asked: make(map[Domain]map[string]bool)} }

// note takes a code down; it gives it back as it is.
func (c *codes) note(domain Domain, code string) string {
	if _, translated := c.table.Demands[domain]; translated && code != "" {
		if c.asked[domain] == nil {
			c.asked[domain] = make(map[string]bool)
		}
		c.asked[domain][code] = true
	}
	return code
}

// read asks the table for what was taken down. Its error is a *connector.Fault: nothing was sent.
func (c *codes) read(ctx context.Context, out bool) error {
	err := c.table.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if c.known, err = find(ctx, tx, c.table.Tenant, c.table.System, out, c.asked); err != nil {
			return err
		}
		c.taken, err = taken(ctx, tx, c.table.Tenant, c.table.System, out, c.unknown())
		return err
	})
	if err != nil {
		return &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: "target_resting", Text: "the codes of " + c.table.System + " cannot be read from the database",
			Remedy: "It is tried again by itself.", Unasked: true, Err: err}
	}
	return nil
}

// unknown are the codes that were taken down and have no entry.
func (c *codes) unknown() map[Domain]map[string]bool {
	out := make(map[Domain]map[string]bool)
	for domain, asked := range c.asked {
		for code := range asked {
			if _, known := c.known[domain][code]; known {
				continue
			}
			if out[domain] == nil {
				out[domain] = make(map[string]bool)
			}
			out[domain][code] = true
		}
	}
	return out
}

// put gives what stands in the place of a code. Where it must have an entry and has none it goes to missing; so does one that may stand as it is, but
// means something else on the other side.
func (c *codes) put(missing *[]string) replacement {
	return func(domain Domain, code string) string {
		demand, translated := c.table.Demands[domain]
		if !translated || code == "" {
			return code
		}
		if other, known := c.known[domain][code]; known {
			return other
		}
		name := string(domain) + " " + code
		if other, is := c.taken[domain][code]; is {
			name += " (which there is " + other + " here)"
		} else if demand != Required {
			return code
		}
		if !slices.Contains(*missing, name) {
			*missing = append(*missing, name)
		}
		return code
	}
}

// missingText says which codes have no entry.
func (t Table) missingText(out bool, missing []string) string {
	whose := "no code of " + t.System + " is known for our "
	if !out {
		whose = "none of our codes is known for what " + t.System + " calls "
	}
	return whose + sentence(missing)
}

func sentence(list []string) string {
	slices.Sort(list)
	text := list[0]
	for i, more := range list[1:] {
		if i == 9 {
			return text + fmt.Sprintf(" and %d more", len(list)-10)
		}
		text += ", " + more
	}
	return text
}

func (t Table) remedy() string {
	return "Add it to the cross-reference (dockline-collector xref import --tenant " + t.Tenant + " " + t.System + " FILE), then try again."
}

func (t Table) fault(out bool, missing []string) *connector.Fault {
	return &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_DATA, Code: CodeMissing, Text: t.missingText(out, missing), Remedy: t.remedy()}
}

// posting is what the system is told.
func (t *translated) posting(ctx context.Context, p *connector.Posting) (*connector.Posting, error) {
	c := t.table.codes()
	told := *p
	told.Document = proto.CloneOf(p.Document)
	each(told.Document, c.note)
	if err := c.read(ctx, true); err != nil {
		return nil, err
	}
	var missing []string
	each(told.Document, c.put(&missing))
	if len(missing) > 0 {
		return nil, t.table.fault(true, missing)
	}
	return &told, nil
}

// site is a site as the system calls it.
func (t *translated) site(ctx context.Context, site string) (string, error) {
	if site == "" {
		return "", nil
	}
	c := t.table.codes()
	c.note(Warehouse, site)
	if err := c.read(ctx, true); err != nil {
		return "", err
	}
	var missing []string
	theirs := c.put(&missing)(Warehouse, site)
	if len(missing) > 0 {
		return "", t.table.fault(true, missing)
	}
	return theirs, nil
}

// Find looks for the document in the system's codes.
func (t *translated) Find(ctx context.Context, p *connector.Posting) ([]connector.Found, error) {
	told, err := t.posting(ctx, p)
	if err != nil {
		return nil, err
	}
	return t.Connector.Find(ctx, told)
}

// Apply tells the document in the system's codes.
func (t *translated) Apply(ctx context.Context, p *connector.Posting) (connector.Result, error) {
	told, err := t.posting(ctx, p)
	if err != nil {
		return connector.Result{}, err
	}
	return t.Connector.Apply(ctx, told)
}

// Changes are in our codes; a record with one that must have an entry and has none is refused, and kept whole.
func (t *translated) Changes(ctx context.Context, since connector.Cursor) (connector.Changes, error) {
	out, err := t.Connector.Changes(ctx, since)
	if err == nil {
		out.Events, err = t.events(ctx, out.Events)
	}
	if err != nil {
		return connector.Changes{}, err
	}
	return out, nil
}

// Snapshot is in our codes; of a book the lines are refused that have none.
func (t *translated) Snapshot(ctx context.Context, scope connector.Scope) ([]*docklinev1.Event, error) {
	site, err := t.site(ctx, scope.Site)
	if err != nil {
		return nil, err
	}
	events, err := t.Connector.Snapshot(ctx, connector.Scope{Site: site})
	if err != nil {
		return nil, err
	}
	return t.events(ctx, events)
}

func (t *translated) events(ctx context.Context, events []*docklinev1.Event) ([]*docklinev1.Event, error) {
	c := t.table.codes()
	for _, e := range events {
		each(e, c.note)
	}
	if len(c.asked) == 0 {
		return events, nil
	}
	if err := c.read(ctx, false); err != nil {
		return nil, err
	}
	var out []*docklinev1.Event
	for _, e := range events {
		out = append(out, t.event(c, e)...)
	}
	return out, nil
}

// event is what becomes of a reported fact.
func (t *translated) event(c *codes, e *docklinev1.Event) []*docklinev1.Event {
	told := proto.CloneOf(e)
	var refused []*docklinev1.Event
	if s := told.GetStockSnapshot(); s != nil {
		site := s.GetSite()
		s.Lines = slices.DeleteFunc(s.Lines, func(l *docklinev1.Line) bool {
			var missing []string
			each(proto.CloneOf(l), c.put(&missing))
			if len(missing) == 0 {
				return false
			}
			alone := proto.CloneOf(e)
			alone.GetStockSnapshot().Lines = []*docklinev1.Line{l}
			r := t.refusal(alone, missing)
			r.SourceKey += fmt.Sprintf("/%s/%s/%s/%s", l.GetBin(), l.GetItem(), l.GetLot(), l.GetStockStatus())
			refused = append(refused, r)
			return true
		})
		if told.GetSubject() == site {
			told.Subject = c.put(new([]string))(Warehouse, site)
		}
	}
	var missing []string
	each(told, c.put(&missing))
	if len(missing) > 0 {
		return append(refused, t.refusal(e, missing))
	}
	return append([]*docklinev1.Event{told}, refused...)
}

func (t *translated) refusal(e *docklinev1.Event, missing []string) *docklinev1.Event {
	return connector.Refuse(e, docklinev1.FaultClass_FAULT_CLASS_DATA, CodeMissing, t.table.missingText(false, missing)+". "+t.table.remedy())
}

// Lists are those of the connector beneath.
func (t *translated) Lists() []connector.Kind { return connector.Lists(t.Connector) }

// Shape is the system's own.
func (t *translated) Shape(ctx context.Context) (connector.Shape, error) {
	return connector.ShapeOf(ctx, t.Connector)
}

// Records are those of the connector beneath.
func (t *translated) Records() []connector.Kind { return connector.Records(t.Connector) }

// List lists in our codes. One without an entry stands there as the system writes it: who compares sees it.
func (t *translated) List(ctx context.Context, l connector.Listing) (connector.ListedPage, error) {
	lister, ok := t.Connector.(connector.Lister)
	if !ok {
		return connector.ListedPage{}, errListsNothing
	}
	return t.listed(ctx, l, lister.List)
}

// ListRecords likewise.
func (t *translated) ListRecords(ctx context.Context, l connector.Listing) (connector.ListedPage, error) {
	lister, ok := t.Connector.(connector.RecordLister)
	if !ok {
		return connector.ListedPage{}, errListsNothing
	}
	return t.listed(ctx, l, lister.ListRecords)
}

var errListsNothing = &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: "kind_not_described", Text: "it lists nothing of the sort"}

func (t *translated) listed(ctx context.Context, l connector.Listing, list func(context.Context, connector.Listing) (connector.ListedPage, error)) (page connector.ListedPage, err error) {
	if l.Site, err = t.site(ctx, l.Site); err != nil {
		return page, err
	}
	if page, err = list(ctx, l); err != nil {
		return page, err
	}
	c := t.table.codes()
	for i := range page.Documents {
		eachListed(l.Kind, &page.Documents[i], c.note)
	}
	if err := c.read(ctx, false); err != nil {
		return connector.ListedPage{}, err
	}
	for i := range page.Documents {
		eachListed(l.Kind, &page.Documents[i], c.put(new([]string)))
	}
	return page, nil
}

// SettleTime is that of the connector beneath.
func (t *translated) SettleTime() time.Duration { return t.Connector.SettleTime() }
