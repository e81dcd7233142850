package epcis

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// uoms are the codes of UN/ECE Recommendation 20 for units as sources write them, in capitals. Packages have an X before their code of
// Recommendation 21. "" is a piece: EPCIS counts instances of a class without a unit.
var uoms = map[string]string{"": "", "EA": "", "PC": "", "PCE": "", "PCS": "", "ST": "", "STK": "", "UN": "", "UNIT": "", "EACH": "", "C62": "", "H87": "",
	"KG": "KGM", "KGM": "KGM", "G": "GRM", "GR": "GRM", "GRM": "GRM", "T": "TNE", "TO": "TNE", "TNE": "TNE", "LB": "LBR", "LBS": "LBR", "LBR": "LBR", "OZ": "ONZ", "ONZ": "ONZ",
	"L": "LTR", "LT": "LTR", "LTR": "LTR", "ML": "MLT", "MLT": "MLT", "HL": "HLT", "HLT": "HLT", "GAL": "GLL", "GLL": "GLL",
	"M": "MTR", "MTR": "MTR", "CM": "CMT", "CMT": "CMT", "MM": "MMT", "MMT": "MMT", "FT": "FOT", "FOT": "FOT", "IN": "INH", "INH": "INH",
	"M2": "MTK", "QM": "MTK", "MTK": "MTK", "M3": "MTQ", "CBM": "MTQ", "MTQ": "MTQ", "DZ": "DZN", "DZN": "DZN", "PR": "PR",
	"CS": "XCS", "XCS": "XCS", "CT": "XCT", "CTN": "XCT", "XCT": "XCT", "BX": "XBX", "BOX": "XBX", "XBX": "XBX", "PK": "XPK", "PAK": "XPK", "XPK": "XPK",
	"PL": "XPX", "PAL": "XPX", "PLT": "XPX", "XPX": "XPX", "BG": "XBG", "BAG": "XBG", "XBG": "XBG", "RL": "XRO", "RO": "XRO", "XRO": "XRO"}

// uomOf is the code of a unit; ok is false where it has none that we know.
func uomOf(unit string) (string, bool) {
	code, ok := uoms[strings.ToUpper(unit)]
	return code, ok
}

// goods are the things of one event: instances, and quantities of classes.
type goods struct {
	epcs       []any
	quantities []any
	seen       map[string]bool
}

// add takes an instance in once.
func (g *goods) add(uri string) {
	if g.seen == nil {
		g.seen = map[string]bool{}
	}
	if !g.seen[uri] {
		g.seen[uri] = true
		g.epcs = append(g.epcs, uri)
	}
}

// unit is the URI of a handling unit: its SSCC, or the site's own licence plate.
func (t *Tenant) unit(code string) string {
	if isSSCC(code) {
		return digitalLink + "00/" + code
	}
	return t.uri("unit", code)
}

// class is the URI of an item, and of its lot where it has one.
func (t *Tenant) class(l *docklinev1.Line) string {
	gtin, ok := gtin14(l.GetGtin())
	switch {
	case ok && l.GetLot() == "":
		return digitalLink + "01/" + gtin
	case ok && cset82.MatchString(l.GetLot()):
		return digitalLink + "01/" + gtin + "/10/" + escapeLink(l.GetLot())
	}
	return t.ownClass(l)
}

// ownClass is for goods that GS1 has no number for, or whose lot is none of GS1's.
func (t *Tenant) ownClass(l *docklinev1.Line) string {
	parts := []string{"item", l.GetItem()}
	if l.GetItem() == "" {
		parts = []string{"gtin", l.GetGtin()}
	}
	if l.GetLot() != "" {
		parts = append(parts, "lot", l.GetLot())
	}
	return t.uri(parts...)
}

// instance is the URI of one piece by its serial number.
func (t *Tenant) instance(l *docklinev1.Line, serial string) string {
	if gtin, ok := gtin14(l.GetGtin()); ok && cset82.MatchString(serial) {
		return digitalLink + "01/" + gtin + "/21/" + escapeLink(serial)
	}
	if l.GetItem() == "" {
		return t.uri("gtin", l.GetGtin(), "serial", serial)
	}
	return t.uri("item", l.GetItem(), "serial", serial)
}

// line takes the goods of a line in: each piece that has a serial number, and what is left as a quantity of the class. A quantity below zero
// is written without its sign: the action says which way it went.
func (g *goods) line(t *Tenant, l *docklinev1.Line) {
	for _, serial := range l.GetSerials() {
		g.add(t.instance(l, serial))
	}
	element := &Object{}
	element.Set("epcClass", t.class(l))
	uom, known := uomOf(l.GetQuantity().GetUnit())
	millionths, err := event.ParseQuantity(l.GetQuantity().GetValue())
	if known && err == nil {
		millionths = max(millionths, -millionths)
		if n := int64(len(l.GetSerials())); n > 0 {
			if uom != "" || millionths <= n*event.Scale {
				return
			}
			millionths -= n * event.Scale
		}
		if uom == "" && millionths%event.Scale != 0 {
			uom = "C62" // without a unit EPCIS counts whole instances
		}
		element.Set("quantity", json.Number(event.FormatQuantity(millionths)))
		element.setText("uom", uom)
	} else if len(l.GetSerials()) > 0 {
		return
	}
	g.quantities = append(g.quantities, element)
}

// goodsOf reads the instances and classes of an event back into lines and handling units. What it does not know is told by why.
func (t *Tenant) goodsOf(epcs, quantities []any) (lines []*docklinev1.Line, units []string, why string) {
	byClass := map[string]*docklinev1.Line{}
	for _, v := range epcs {
		uri := text(v)
		if code, ok := t.unitCode(uri); ok {
			units = append(units, code)
			continue
		}
		l, serial := t.lineOf(uri)
		if l == nil || serial == "" {
			return nil, nil, strconv.Quote(uri) + " is neither a handling unit nor a piece with a serial number"
		}
		key := l.GetItem() + "\x00" + l.GetGtin()
		if byClass[key] == nil {
			byClass[key] = l
			lines = append(lines, l)
		}
		of := byClass[key]
		of.Serials = append(of.Serials, serial)
		of.Quantity = &docklinev1.Quantity{Value: strconv.Itoa(len(of.Serials))}
	}
	for _, v := range quantities {
		element := object(v)
		l, serial := t.lineOf(text(element.Get("epcClass")))
		if l == nil || serial != "" {
			return nil, nil, strconv.Quote(text(element.Get("epcClass"))) + " names no item and no GTIN"
		}
		number, ok := element.Get("quantity").(json.Number)
		if !ok {
			return nil, nil, "how much of " + text(element.Get("epcClass")) + " it is, is not said"
		}
		value, ok := plainNumber(number)
		if !ok {
			return nil, nil, "the quantity " + number.String() + " is no decimal number with six decimals at most"
		}
		l.Quantity = &docklinev1.Quantity{Value: value, Unit: text(element.Get("uom"))}
		lines = append(lines, l)
	}
	return lines, units, ""
}

// plainNumber writes a JSON number as a quantity: no exponent, no needless zeros.
func plainNumber(n json.Number) (string, bool) {
	s := n.String()
	if strings.ContainsAny(s, "eE") {
		f, err := n.Float64()
		if err != nil {
			return "", false
		}
		s = strconv.FormatFloat(f, 'f', -1, 64)
	}
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	millionths, err := event.ParseQuantity(s)
	return event.FormatQuantity(millionths), err == nil
}

func (t *Tenant) unitCode(uri string) (string, bool) {
	if code, ok := t.code(uri, "unit"); ok {
		return code, true
	}
	return strings.CutPrefix(CanonicalURI(uri), digitalLink+"00/")
}

// lineOf reads item or GTIN, lot and serial number out of a URI; nil where it names neither.
func (t *Tenant) lineOf(uri string) (l *docklinev1.Line, serial string) {
	if parts := t.parts(uri); len(parts) > 0 && len(parts)%2 == 0 {
		l = &docklinev1.Line{}
		for i := 0; i < len(parts); i += 2 {
			switch code := parts[i+1]; parts[i] {
			case "item":
				l.Item = code
			case "gtin":
				l.Gtin = code
			case "lot":
				l.Lot = code
			case "serial":
				serial = code
			}
		}
		if l.Item == "" && l.Gtin == "" {
			return nil, ""
		}
		return l, serial
	}
	rest, ok := strings.CutPrefix(CanonicalURI(uri), digitalLink+"01/")
	if !ok {
		return nil, ""
	}
	segments := strings.Split(rest, "/")
	l = &docklinev1.Line{Gtin: segments[0]}
	if len(segments) == 3 {
		code, err := url.PathUnescape(segments[2])
		if err != nil {
			return nil, ""
		}
		switch segments[1] {
		case "10":
			l.Lot = code
		case "21", "235":
			serial = code
		}
	}
	return l, serial
}
