// Package master keeps what a tenant's systems say of items, units, customers and bins, one row a record with a version, and hands on what
// changes: to the sites that it concerns, to sense a wrong code while the line is down, and to other systems. It is a stream of its own:
// no event, order or posting waits for it. DESIGN.md says how.
package master

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/wire"
)

// MaxText bounds a code, a name and a unit in bytes, MaxRecord a whole record: one must never be a list of its own.
const (
	MaxText   = 256
	MaxRecord = 8 << 10
)

// Fault says why a record cannot be taken, "" where it can.
func Fault(r *docklinev1.MasterRecord) string {
	d := r.GetDetail()
	texts := slices.Concat([]string{r.GetCode(), r.GetName(), d.GetUnit()}, d.GetGtins())
	for _, u := range d.GetUnits() {
		texts = append(texts, u.GetUnit(), u.GetGtin())
	}
	for _, text := range texts {
		if len(text) > MaxText || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return fmt.Sprintf("%q: a text of at most %d bytes is wanted", cut(text), MaxText)
		}
	}
	if r.GetCode() == "" {
		return "it has no code"
	}
	for _, site := range d.GetSites() {
		if !wire.ValidName(site) {
			return fmt.Sprintf("%q is no name of a site", cut(site))
		}
	}
	if fault := unitFault(d); fault != "" {
		return fault
	}
	for _, gtin := range gtins(r) {
		if event.WrongGTIN(gtin) {
			return "the check digit of the GTIN " + gtin + " does not fit its other digits"
		}
	}
	if n := proto.Size(r); n > MaxRecord {
		return fmt.Sprintf("it has %d bytes; at most %d are taken", n, MaxRecord)
	}
	return ""
}

func unitFault(d *docklinev1.MasterDetail) string {
	seen := map[string]bool{d.GetUnit(): true}
	for _, u := range d.GetUnits() {
		if u.GetUnit() == "" || d.GetUnit() == "" {
			return "a unit of it, or the base unit by which that is measured, has no name"
		}
		if seen[u.GetUnit()] {
			return "the unit " + u.GetUnit() + " is there twice"
		}
		seen[u.GetUnit()] = true
		n, err := event.ParseQuantity(u.GetBaseQuantity())
		if err != nil || n <= 0 {
			return fmt.Sprintf("one %s is %q of its base unit: a number above zero is wanted, like 12 or 0.5", u.GetUnit(), cut(u.GetBaseQuantity()))
		}
	}
	return ""
}

// gtins are all that name a record: its own and those of its packs.
func gtins(r *docklinev1.MasterRecord) []string {
	all := slices.Clone(r.GetDetail().GetGtins())
	for _, u := range r.GetDetail().GetUnits() {
		if u.GetGtin() != "" {
			all = append(all, u.GetGtin())
		}
	}
	return all
}

// cut shortens what a person reads of a text that may be anything.
func cut(text string) string {
	text = strings.ToValidUTF8(text, "?")
	if len(text) <= 60 {
		return text
	}
	return text[:60] + "..."
}

// row is a record as its table holds it.
type row struct {
	kind             docklinev1.MasterKind
	code, name       string
	sites, former    string
	hash, source     string
	body             []byte
	version, removed int64
}

// rowOf is the row of a record; its hash covers all that a reader sees. The order of its lists says nothing.
func rowOf(r *docklinev1.MasterRecord) (row, error) {
	out := row{kind: r.GetKind(), code: r.GetCode(), name: r.GetName()}
	if d := r.GetDetail(); d != nil {
		d = proto.CloneOf(d)
		slices.Sort(d.Sites)
		d.Sites = slices.Compact(d.Sites)
		if len(d.Sites) > 0 {
			out.sites = "|" + strings.Join(d.Sites, "|") + "|"
		}
		slices.Sort(d.Gtins)
		slices.SortFunc(d.Units, func(a, b *docklinev1.MasterUnit) int { return strings.Compare(a.Unit, b.Unit) })
		var err error
		if out.body, err = (proto.MarshalOptions{Deterministic: true}).Marshal(d); err != nil {
			return row{}, err
		}
	}
	h := sha256.New()
	for _, text := range []string{out.name, out.sites, string(out.body)} {
		fmt.Fprintf(h, "%d:%s", len(text), text)
	}
	out.hash = hex.EncodeToString(h.Sum(nil)[:16])
	return out, nil
}

// record is what the row says, whole.
func (r row) record() (*docklinev1.MasterRecord, error) {
	out := &docklinev1.MasterRecord{Kind: r.kind, Code: r.code, Name: r.name, Version: uint64(r.version), Removed: r.removed == 1}
	if len(r.body) > 0 {
		out.Detail = &docklinev1.MasterDetail{}
		if err := proto.Unmarshal(r.body, out.Detail); err != nil {
			return nil, fmt.Errorf("%s %s: %w", connector.MasterKindName(r.kind), r.code, err)
		}
	}
	return out, nil
}

// anySite stands for every site among those that a record concerned once.
const anySite = "*"

// follow gives the row of a record that takes the place of an older one the sites that the record no longer concerns.
func (r *row) follow(old row) {
	concerned := func(sites string) []string { return strings.FieldsFunc(sites, func(c rune) bool { return c == '|' }) }
	now := concerned(r.sites)
	if r.removed == 0 && len(now) == 0 {
		return // every site is told
	}
	if old.former == anySite || old.removed == 0 && old.sites == "" {
		r.former = anySite
		return
	}
	var left []string
	for _, site := range slices.Concat(concerned(old.sites), concerned(old.former)) {
		if !slices.Contains(now, site) {
			left = append(left, site)
		}
	}
	if slices.Sort(left); len(left) > 0 {
		r.former = "|" + strings.Join(slices.Compact(left), "|") + "|"
	}
}

// tell is the row as a site is told of it: whole, as a removal where it does not concern the site any longer, or not at all.
func (r row) tell(site string) (*docklinev1.MasterRecord, error) {
	named := "|" + site + "|"
	if r.removed == 0 && (r.sites == "" || strings.Contains(r.sites, named)) {
		out, err := r.record()
		if err == nil && out.Detail != nil {
			out.Detail.Sites = nil
		}
		return out, err
	}
	if r.former == anySite || strings.Contains(r.former, named) {
		return &docklinev1.MasterRecord{Kind: r.kind, Code: r.code, Version: uint64(r.version), Removed: true}, nil
	}
	return nil, nil
}
