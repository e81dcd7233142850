package epcis

import (
	"regexp"
	"strings"
)

// keyForm is how one kind of EPC URI becomes a Digital Link: how many digits company prefix and reference have together (0: as they are),
// what is put before and after them, and how a further part is attached.
type keyForm struct {
	digits int
	// indicator: the first digit of the reference goes before the prefix (GTIN, SSCC).
	indicator bool
	path      string
	before    string
	// serial attaches the last part; "" joins it directly. none: there is no further part.
	serial string
	none   bool
	// parts are further parts joined directly before the serial one (ITIP's piece and total).
	parts int
}

// epcForms are the schemes of EPC Tag Data Standard 2.0, section 6.3.
var epcForms = map[string]keyForm{
	"urn:epc:id:sgtin":    {digits: 13, indicator: true, path: "01/", serial: "/21/"},
	"urn:epc:id:sscc":     {digits: 17, indicator: true, path: "00/", none: true},
	"urn:epc:id:sgln":     {digits: 12, path: "414/", serial: "/254/"},
	"urn:epc:id:grai":     {digits: 12, path: "8003/", before: "0"},
	"urn:epc:id:giai":     {path: "8004/"},
	"urn:epc:id:gsrn":     {digits: 17, path: "8018/", none: true},
	"urn:epc:id:gsrnp":    {digits: 17, path: "8017/", none: true},
	"urn:epc:id:gdti":     {digits: 12, path: "253/"},
	"urn:epc:id:cpi":      {path: "8010/", serial: "/8011/"},
	"urn:epc:id:sgcn":     {digits: 12, path: "255/"},
	"urn:epc:id:ginc":     {path: "401/"},
	"urn:epc:id:gsin":     {digits: 16, path: "402/", none: true},
	"urn:epc:id:itip":     {digits: 13, indicator: true, path: "8006/", serial: "/21/", parts: 2},
	"urn:epc:id:upui":     {digits: 13, indicator: true, path: "01/", serial: "/235/"},
	"urn:epc:id:pgln":     {digits: 12, path: "417/", none: true},
	"urn:epc:class:lgtin": {digits: 13, indicator: true, path: "01/", serial: "/10/"},
	"urn:epc:idpat:sgtin": {digits: 13, indicator: true, path: "01/", serial: "/21/"},
	"urn:epc:idpat:grai":  {digits: 12, path: "8003/", before: "0"},
	"urn:epc:idpat:gdti":  {digits: 12, path: "253/"},
	"urn:epc:idpat:sgcn":  {digits: 12, path: "255/"},
	"urn:epc:idpat:cpi":   {path: "8010/", serial: "/8011/"},
	"urn:epc:idpat:itip":  {digits: 13, indicator: true, path: "8006/", serial: "/21/", parts: 2},
	"urn:epc:idpat:upui":  {digits: 13, indicator: true, path: "01/", serial: "/235/"},
	"urn:epc:class:itip":  {digits: 13, indicator: true, path: "8006/", none: true, parts: 2},
}

// webEscapes are characters that an EPC URI may hold bare and a Digital Link may not (GS1 Digital Link, table 7-1).
var webEscapes = strings.NewReplacer("!", "%21", "(", "%28", ")", "%29", "*", "%2A", "+", "%2B", ",", "%2C", ":", "%3A")

// CanonicalURI is the constrained canonical GS1 Digital Link of an EPC URI, an EPC class or pattern URI or another Digital Link, by which
// the same thing has one name (CBV 2.0, section 8.9). Any other text comes back as it is.
func CanonicalURI(uri string) string {
	switch {
	case strings.HasPrefix(uri, "urn:epc:"):
		if link, ok := linkOfURN(uri); ok {
			return link
		}
	case strings.HasPrefix(uri, "https://"), strings.HasPrefix(uri, "http://"):
		if link, ok := constrainLink(uri); ok {
			return link
		}
	}
	return uri
}

func linkOfURN(uri string) (string, bool) {
	end := strings.LastIndexByte(uri, ':')
	// A serial number may hold a colon: the scheme is the first four parts.
	if parts := strings.SplitN(uri, ":", 5); len(parts) == 5 {
		end = len(uri) - len(parts[4]) - 1
	}
	form, known := epcForms[uri[:end]]
	if !known || form.path == "" {
		return "", false
	}
	prefix, rest, ok := strings.Cut(uri[end+1:], ".")
	if !ok || !allDigits(prefix) || len(prefix) < 6 || len(prefix) > 12 {
		return "", false
	}
	if form.digits == 0 {
		return linkOfFree(form, prefix, rest)
	}
	reference, rest, further := strings.Cut(rest, ".")
	digits := prefix + reference
	if form.indicator && reference != "" {
		digits = reference[:1] + prefix + reference[1:]
	}
	if len(digits) != form.digits || !allDigits(digits) || further == form.none && form.parts == 0 {
		return "", false
	}
	link := digitalLink + form.path + checked(form.before+digits)
	for range form.parts {
		var part string
		part, rest, _ = strings.Cut(rest, ".")
		if len(part) != 2 || !allDigits(part) {
			return "", false
		}
		link += part
	}
	switch {
	case form.none || rest == "*":
		return link, rest == "" || rest == "*"
	case rest == "":
		return "", false
	case form.serial == "/254/" && rest == "0": // the location itself
		return link, true
	}
	return link + form.serial + webEscapes.Replace(rest), true
}

// linkOfFree is for keys whose reference is no number: it may hold points itself, but the last one parts the serial number.
func linkOfFree(form keyForm, prefix, rest string) (string, bool) {
	if rest == "" {
		return "", false
	}
	if form.serial == "" {
		return digitalLink + form.path + prefix + webEscapes.Replace(rest), true
	}
	point := strings.LastIndexByte(rest, '.')
	if point <= 0 {
		return "", false
	}
	link := digitalLink + form.path + prefix + webEscapes.Replace(rest[:point])
	if serial := rest[point+1:]; serial != "*" {
		link += form.serial + serial
	}
	return link, true
}

// shortNames of keys and qualifiers in Digital Links, and what they are now.
var shortNames = map[string]string{"gtin": "01", "itip": "8006", "cpid": "8010", "gln": "414", "party": "417", "gsrnp": "8017", "gsrn": "8018", "gcn": "255",
	"sscc": "00", "gdti": "253", "ginc": "401", "gsin": "402", "grai": "8003", "giai": "8004", "cpv": "22", "lot": "10", "ser": "21"}

// linkKeys are the keys by which a Digital Link is known, what they look like, and the qualifiers that may follow, the finest first.
var linkKeys = map[string]struct {
	form       *regexp.Regexp
	qualifiers []string
}{
	"00":   {regexp.MustCompile(`^\d{18}$`), nil},
	"01":   {regexp.MustCompile(`^(\d{8}|\d{12,14})$`), []string{"21", "235", "10"}},
	"253":  {regexp.MustCompile(`^\d{13}.{0,51}$`), nil},
	"255":  {regexp.MustCompile(`^\d{13}\d{0,12}$`), nil},
	"401":  {regexp.MustCompile(`^\d{4}.{0,86}$`), nil},
	"402":  {regexp.MustCompile(`^\d{17}$`), nil},
	"414":  {regexp.MustCompile(`^\d{13}$`), []string{"254"}},
	"417":  {regexp.MustCompile(`^\d{13}$`), nil},
	"8003": {regexp.MustCompile(`^\d{14}.{0,48}$`), nil},
	"8004": {regexp.MustCompile(`^\d{4}.{0,86}$`), nil},
	"8006": {regexp.MustCompile(`^\d{18}$`), []string{"21", "10"}},
	"8010": {regexp.MustCompile(`^\d{4}.{0,86}$`), []string{"8011"}},
	"8017": {regexp.MustCompile(`^\d{18}$`), nil},
	"8018": {regexp.MustCompile(`^\d{18}$`), nil},
}

// constrainLink gives a Digital Link GS1's own domain and leaves nothing but the key and its finest qualifier.
func constrainLink(uri string) (string, bool) {
	_, path, _ := strings.Cut(uri, "://")
	path, _, _ = strings.Cut(path, "#")
	path, _, _ = strings.Cut(path, "?")
	segments := strings.Split(strings.TrimSuffix(path, "/"), "/")[1:]
	for i, segment := range segments {
		if ai, ok := shortNames[segment]; ok {
			segments[i] = ai
		}
	}
	for i := 0; i+1 < len(segments); i++ {
		key, known := linkKeys[segments[i]]
		if !known || !key.form.MatchString(segments[i+1]) || (len(segments)-i)%2 != 0 {
			continue
		}
		value := segments[i+1]
		if segments[i] == "01" {
			value = strings.Repeat("0", 14-len(value)) + value
		}
		link := digitalLink + segments[i] + "/" + value
		for _, qualifier := range key.qualifiers {
			for j := i + 2; j < len(segments); j += 2 {
				if segments[j] == qualifier {
					return link + "/" + qualifier + "/" + segments[j+1], true
				}
			}
		}
		return link, true
	}
	return "", false
}
