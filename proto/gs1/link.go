package gs1

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// LinkOptions are what a reader of Digital Links takes beyond the standard.
type LinkOptions struct {
	// ShortGTIN takes a GTIN of 8, 12 or 13 digits.
	ShortGTIN bool
	// Words takes the words of former versions in place of AIs: gtin, lot, ser.
	Words bool
}

// CanonicalStem is where Digital Links begin that name no domain of a company's own (GS1 Digital Link: URI Syntax 1.2, section 4.11).
const CanonicalStem = "https://id.gs1.org"

// linkWords are the words of Digital Link 1.0.
var linkWords = map[string]string{"gtin": "01", "itip": "8006", "cpid": "8010", "gln": "414", "party": "417", "gsrnp": "8017", "gsrn": "8018", "gcn": "255", "sscc": "00",
	"gdti": "253", "ginc": "401", "gsin": "402", "grai": "8003", "giai": "8004", "gmn": "8013", "cpv": "22", "lot": "10", "ser": "21", "glnx": "254", "refno": "8020",
	"cpsn": "8011", "srin": "8019"}

// IsLink says whether a text begins as a web address does; it may still be no Digital Link.
func IsLink(text string) bool {
	_, ok := withoutScheme(text)
	return ok
}

func withoutScheme(uri string) (string, bool) {
	for _, scheme := range []string{"https://", "http://", "HTTPS://", "HTTP://"} {
		if rest, ok := strings.CutPrefix(uri, scheme); ok {
			return rest, true
		}
	}
	return "", false
}

const (
	domainSet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.:[]"
	uriSet    = domainSet + "_~/?#@!$&'()*+,;=%"
)

// ParseLink reads a GS1 Digital Link: the key and its qualifiers out of the path, then what the query says.
func ParseLink(uri string, o LinkOptions) (Elements, error) {
	rest, ok := withoutScheme(uri)
	if !ok {
		return nil, errors.New("it is no web address: it begins neither with https:// nor with http://")
	}
	if strings.Trim(rest, uriSet) != "" || strings.ContainsFunc(rest, func(r rune) bool { return !strings.ContainsRune(uriSet, r) }) {
		return nil, errors.New("it has a character that no web address has")
	}
	rest, _, _ = strings.Cut(rest, "#")
	rest, query, _ := strings.Cut(rest, "?")
	domain, path, _ := strings.Cut(rest, "/")
	if domain == "" || strings.Trim(domain, domainSet) != "" {
		return nil, errors.New("it has no name of a server")
	}
	found, key, err := parsePath(strings.Split(path, "/"), o)
	if err != nil {
		return nil, err
	}
	return parseQuery(found, key, query, o)
}

// parsePath finds the key nearest to the end, and what qualifies it.
func parsePath(segments []string, o LinkOptions) (Elements, *identifier, error) {
	for at := len(segments) - 2; at >= 0; at -= 2 {
		key := linkIdentifier(segments[at], o)
		if key == nil || !key.key {
			continue
		}
		var found Elements
		var order []string
		for i := at; i < len(segments); i += 2 {
			id := linkIdentifier(segments[i], o)
			if id == nil {
				return nil, nil, fmt.Errorf("%q in its path is no application identifier", shown(segments[i]))
			}
			one, err := linkElement(id, segments[i+1], false, o)
			if err != nil {
				return nil, nil, err
			}
			found, order = append(found, one), append(order, id.ai)
		}
		if !key.takes(order[1:]) {
			return nil, nil, fmt.Errorf("behind AI %s (%s) the AIs %s do not follow in this order", key.ai, key.name, strings.Join(order[1:], ", "))
		}
		return found, key, nil
	}
	return nil, nil, errors.New("it is a web address, but no GS1 Digital Link: its path names no key such as /01/ with a GTIN")
}

func linkIdentifier(segment string, o LinkOptions) *identifier {
	if ai, ok := linkWords[segment]; ok && o.Words {
		segment = ai
	}
	return identifiers()[segment]
}

// takes says whether qualifiers stand in an order that a key allows; some may be left out.
func (id *identifier) takes(order []string) bool {
	if len(order) == 0 {
		return true
	}
	return slices.ContainsFunc(id.qualifiers, func(allowed []string) bool {
		at := 0
		for _, ai := range order {
			next := slices.Index(allowed[at:], ai)
			if next < 0 {
				return false
			}
			at += next + 1
		}
		return true
	})
}

// qualifies says whether an AI is one of a key's qualifiers.
func (id *identifier) qualifies(ai string) bool {
	return slices.ContainsFunc(id.qualifiers, func(order []string) bool { return slices.Contains(order, ai) })
}

func parseQuery(found Elements, key *identifier, query string, o LinkOptions) (Elements, error) {
	for part := range strings.SplitSeq(query, "&") {
		name, value, paired := strings.Cut(part, "=")
		if !paired || !AllDigits(name) {
			continue // it is the web server's own
		}
		id := identifiers()[name]
		switch {
		case id == nil:
			return nil, fmt.Errorf("%s in its query is no application identifier", shown(name))
		case !id.query || key.qualifies(name):
			return nil, fmt.Errorf("AI %s (%s) must not stand in the query", id.ai, id.name)
		case found.Get(name) != "":
			return nil, fmt.Errorf("AI %s (%s) is there twice", id.ai, id.name)
		}
		one, err := linkElement(id, value, true, o)
		if err != nil {
			return nil, err
		}
		found = append(found, one)
	}
	return found, nil
}

func linkElement(id *identifier, text string, inQuery bool, o LinkOptions) (Element, error) {
	value, err := unescape(text, inQuery)
	if err != nil {
		return Element{}, fmt.Errorf("AI %s (%s): %w", id.ai, id.name, err)
	}
	if id.ai == "01" && o.ShortGTIN && (len(value) == 8 || len(value) == 12 || len(value) == 13) {
		value = strings.Repeat("0", 14-len(value)) + value
	}
	return Element{id.ai, value}, id.judge(value)
}

func unescape(s string, plusIsBlank bool) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '%':
			if i+2 >= len(s) || unhex(s[i+1]) < 0 || unhex(s[i+2]) < 0 {
				return "", errors.New("after % two hexadecimal digits must follow")
			}
			b.WriteByte(byte(unhex(s[i+1])<<4 | unhex(s[i+2])))
			i += 2
		case s[i] == '+' && plusIsBlank:
			b.WriteByte(' ')
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), nil
}

func unhex(c byte) int {
	return strings.IndexByte("0123456789abcdef", c|0x20)
}

// Escape writes a lot, a serial number or other data as a part of a Digital Link.
func Escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		const hex = "0123456789ABCDEF"
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}

// Link writes the elements as a Digital Link below stem (CanonicalStem where it is empty): the first that can be is the key, those that qualify it
// stand in the path in their order, all others in the query.
func (e Elements) Link(stem string) (string, error) {
	if stem == "" {
		stem = CanonicalStem
	}
	var once Elements
	for _, one := range e {
		if !slices.Contains(once, one) {
			once = append(once, one)
		}
	}
	at := slices.IndexFunc(once, func(one Element) bool { id := identifiers()[one.AI]; return id != nil && id.key })
	if at < 0 {
		return "", errors.New("none of the application identifiers can be the key of a Digital Link")
	}
	key := identifiers()[once[at].AI]
	uri := strings.TrimSuffix(stem, "/") + "/" + key.ai + "/" + Escape(once[at].Value)
	path, err := once.path(key)
	if err != nil {
		return "", err
	}
	query, err := once.query(key)
	if err != nil {
		return "", err
	}
	return uri + path + query, nil
}

// path is what qualifies a key, in one of the orders that it allows.
func (e Elements) path(key *identifier) (string, error) {
	var there []string
	for _, one := range e {
		if key.qualifies(one.AI) {
			there = append(there, one.AI)
		}
	}
	if len(there) == 0 {
		return "", nil
	}
	for _, order := range key.qualifiers {
		if slices.ContainsFunc(there, func(ai string) bool { return !slices.Contains(order, ai) }) {
			continue
		}
		path := ""
		for _, ai := range order {
			if value := e.Get(ai); value != "" {
				path += "/" + ai + "/" + Escape(value)
			}
		}
		return path, nil
	}
	return "", fmt.Errorf("AI %s (%s) cannot be qualified by %s together", key.ai, key.name, strings.Join(there, ", "))
}

// query is all other elements, those of a fixed length first.
func (e Elements) query(key *identifier) (string, error) {
	var fixed, others []string
	for _, one := range e {
		id := identifiers()[one.AI]
		switch {
		case one.AI == key.ai || key.qualifies(one.AI):
			continue
		case id == nil || !id.query:
			return "", fmt.Errorf("AI %s cannot stand in the query of a Digital Link", one.AI)
		case id.fixed:
			fixed = append(fixed, one.AI+"="+Escape(one.Value))
		default:
			others = append(others, one.AI+"="+Escape(one.Value))
		}
	}
	if all := append(fixed, others...); len(all) > 0 {
		return "?" + strings.Join(all, "&"), nil
	}
	return "", nil
}
