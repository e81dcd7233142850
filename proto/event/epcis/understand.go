package epcis

import (
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// scene is what the standard fields of an event say, as far as they are in words of ours.
type scene struct {
	tenant                               *Tenant
	eventType, action, step, disposition string
	set                                  map[string]bool
	// site is where it was, of our own; bin and toBin are within. from and toward are those of a transfer.
	site, bin, toBin, from, toward string
	papers                         []paper
	lines, outputs                 []*docklinev1.Line
	units                          []string
	parent, trailer                string
	supplier, customer, carrier    string
	place                          string
}

type paper struct{ kind, number, noun string }

// understand makes of an event of others what its standard fields say.
func (im *Importer) understand(c *Captured, context Context) (*docklinev1.Event, *fault) {
	e := &docklinev1.Event{Tenant: im.Tenant.Name, Source: im.Source}
	at, f := im.times(c.Event, e)
	if f != nil {
		return nil, f
	}
	e.OccurredAt = at
	e.SourceKey = im.key(c)
	e.Id = ImportedID(e.Tenant, e.Source, e.SourceKey)
	s, f := im.look(c.Event, context)
	if f != nil {
		return nil, f
	}
	e.Site = s.site
	if f := s.tell(e); f != nil {
		return nil, f
	}
	if id := text(c.Event.Get("eventID")); IsEventHash(id) && !Matches(id, c.Event, c.Context, c.Ignore...) {
		e.Warnings = append(e.Warnings, &docklinev1.SiteWarning{Code: "epcis_id_differs", Text: "its eventID is not the hash of what it says: it was changed after it had its id, or the id is of another version of the algorithm"})
	}
	if f := event.Validate(e); f != nil {
		what, _, _ := strings.Cut(f.Text, "; ") // what to do is said for mappings of columns
		return nil, wrong("epcis_incomplete", "", "as %s, %s; nothing that EPCIS has a field for says it", event.KindName(e.Kind), what)
	}
	return e, nil
}

// look reads the standard fields.
func (im *Importer) look(o *Object, context Context) (*scene, *fault) {
	t := im.Tenant
	expand := func(v any) string { return context.expand(strings.TrimSpace(text(v))) }
	s := &scene{tenant: t, set: map[string]bool{}, eventType: text(o.Get("type")), action: text(o.Get("action")),
		step: bizSteps.word(expand(o.Get("bizStep"))), disposition: dispositions.word(expand(o.Get("disposition")))}
	for _, v := range list(object(o.Get("persistentDisposition")).Get("set")) {
		s.set[dispositions.word(expand(v))] = true
	}
	readPoint, bizLocation := expand(object(o.Get("readPoint")).Get("id")), expand(object(o.Get("bizLocation")).Get("id"))
	if site, bin, ok := t.placed(readPoint); ok {
		s.site, s.bin = site, bin
	} else {
		s.place, _ = t.code(readPoint, "place")
		s.place = firstOf(s.place, readPoint)
	}
	if site, bin, ok := t.placed(bizLocation); ok {
		s.site, s.toBin = site, bin
	}
	for _, v := range list(o.Get("bizTransactionList")) {
		number, noun := t.numberOf(expand(object(v).Get("bizTransaction")))
		s.papers = append(s.papers, paper{transactionTypes.word(expand(object(v).Get("type"))), number, noun})
	}
	s.transfer(o, expand)
	f := s.things(o)
	if f == nil {
		s.born(object(o.Get("ilmd")), context)
	}
	return s, f
}

// born reads what holds for goods from where they come into being: their lot, and when it expires.
func (s *scene) born(master *Object, context Context) {
	lines := s.lines
	if s.eventType == TransformationEvent {
		lines = s.outputs
	}
	for _, m := range master.all() {
		switch context.key(m.name) {
		case "{" + mdaNamespace + "}lotNumber":
			for _, l := range lines {
				l.Lot = firstOf(l.GetLot(), text(m.value))
			}
		case "{" + mdaNamespace + "}itemExpirationDate":
			day, err := time.Parse(time.DateOnly, text(m.value))
			for _, l := range lines {
				if err == nil {
					l.ExpiresAt = timestamppb.New(day)
				}
			}
		}
	}
}

// transfer reads who hands over and who takes over.
func (s *scene) transfer(o *Object, expand func(any) string) {
	for _, list := range []struct {
		values []any
		field  string
		site   *string
	}{{list(o.Get("sourceList")), "source", &s.from}, {list(o.Get("destinationList")), "destination", &s.toward}} {
		for _, v := range list.values {
			uri := expand(object(v).Get(list.field))
			switch partyTypes.word(expand(object(v).Get("type"))) {
			case "location":
				if site, _, ok := s.tenant.placed(uri); ok {
					*list.site = site
				}
			case "possessing_party":
				s.partner(uri, list.field == "source")
			}
		}
	}
}

// partner is a party that is not the operator itself.
func (s *scene) partner(uri string, hands bool) {
	if uri == s.tenant.party() {
		return
	}
	for noun, into := range map[string]*string{"supplier": &s.supplier, "customer": &s.customer, "carrier": &s.carrier} {
		if code, ok := s.tenant.code(uri, noun); ok {
			*into = code
			return
		}
	}
	code := strings.TrimPrefix(CanonicalURI(uri), digitalLink+"417/")
	if hands {
		s.supplier, s.customer = code, code
	} else {
		s.carrier = code
	}
}

// things reads the goods.
func (s *scene) things(o *Object) *fault {
	read := func(name string, epcs []any, quantities string) ([]*docklinev1.Line, []string, *fault) {
		lines, units, why := s.tenant.goodsOf(epcs, list(o.Get(quantities)))
		if why != "" {
			return nil, nil, wrong("epcis_goods", name+"/"+quantities, "%s", why)
		}
		return lines, units, nil
	}
	var f *fault
	switch s.eventType {
	case ObjectEvent, TransactionEvent:
		epcs := slices.DeleteFunc(slices.Clone(list(o.Get("epcList"))), func(v any) bool {
			trailer, ok := s.tenant.code(text(v), "trailer")
			s.trailer = firstOf(trailer, s.trailer)
			return ok
		})
		s.lines, s.units, f = read("epcList", epcs, "quantityList")
	case AggregationEvent:
		if parent := text(o.Get("parentID")); parent != "" {
			code, ok := s.tenant.unitCode(parent)
			if trailer, isTrailer := s.tenant.code(parent, "trailer"); isTrailer {
				code, ok = trailer, true
			}
			if !ok {
				return wrong("epcis_goods", "parentID", "%q is no handling unit", parent)
			}
			s.parent = code
		}
		s.lines, s.units, f = read("childEPCs", list(o.Get("childEPCs")), "childQuantityList")
	case TransformationEvent:
		if s.lines, s.units, f = read("inputEPCList", list(o.Get("inputEPCList")), "inputQuantityList"); f == nil {
			s.outputs, _, f = read("outputEPCList", list(o.Get("outputEPCList")), "outputQuantityList")
		}
		if number, ok := s.tenant.code(text(o.Get("transformationID")), "transformation"); ok {
			s.papers = append(s.papers, paper{"transformation", number, ""})
		}
	default:
		return wrong("epcis_type", "type", "Dockline has no event for the type %s", firstOf(s.eventType, "of an event that names none"))
	}
	return f
}

// number is the number of the first paper of a type; noun narrows it to those of ours that are called so.
func (s *scene) number(kind string, nouns ...string) string {
	for _, p := range s.papers {
		if p.kind == kind && (len(nouns) == 0 || p.noun == "" || slices.Contains(nouns, p.noun)) {
			return p.number
		}
	}
	return ""
}

// ordered gives every line the one order that the event names; a fault where it names several and does not say which goods are for which.
func (s *scene) ordered(noun string) *fault {
	order := ""
	for _, p := range s.papers {
		if p.kind != "po" && p.kind != "poc" || p.noun != "" && p.noun != noun {
			continue
		}
		if order != "" && order != p.number {
			return wrong("epcis_orders", "bizTransactionList", "it names the orders %s and %s, and not which goods are for which; have one event told for each", order, p.number)
		}
		order = p.number
	}
	for _, l := range append(s.lines, s.outputs...) {
		l.Order = order
	}
	return nil
}

// binned puts the goods into the bin that they were seen in, and the one that they went to.
func (s *scene) binned() {
	for _, l := range s.lines {
		l.Bin = firstOf(s.bin, s.toBin)
		if s.toBin != "" && s.toBin != l.Bin {
			l.ToBin = s.toBin
		}
	}
}

// carried names the handling unit on lines where there is but one.
func (s *scene) carried() {
	if len(s.units) == 1 {
		for _, l := range s.lines {
			l.HandlingUnit = s.units[0]
		}
	}
}

// here is a fault where the event was at none of our sites.
func (s *scene) here() *fault {
	if s.site != "" {
		return nil
	}
	return wrong("epcis_place", "readPoint", "%s is none of the sites; name the site's location number under epcis in collector.yaml, or leave the event out", firstOf(s.place, "no place, which"))
}
