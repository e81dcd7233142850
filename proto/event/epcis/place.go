package epcis

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Tenant says how a tenant and its sites are known to the world.
type Tenant struct {
	Name string
	// Base is what Dockline's own URIs begin with; "" is "dockline://" and the tenant's name.
	Base string
	// Party is the global location number by which the operator is known as a party; "" has none.
	Party string
	// Sites that have something to say. Others are known by Dockline's own URIs, in UTC.
	Sites map[string]Site
}

// Site says how a site is known to the world.
type Site struct {
	// GLN is its global location number; "" has none.
	GLN string
	// Steps tells each step by itself (staging, loading, departing; arriving, accepting) and not shipping and receiving as a whole. CBV has
	// a site do one or the other, never both.
	Steps bool
	// Zone is whose time the site's clocks show; nil is UTC.
	Zone *time.Location
}

// Validate returns every fault.
func (t *Tenant) Validate() []error {
	var faults []error
	if t.Base != "" {
		if u, err := url.Parse(t.Base); err != nil || u.Scheme == "" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(t.Base, "/") {
			faults = append(faults, fmt.Errorf("base: %q is no URI such as https://id.example.com, without a slash at its end", t.Base))
		}
	}
	if t.Party != "" && !isGLN(t.Party) {
		faults = append(faults, fmt.Errorf("party: %q is no global location number: 13 digits, the last of them the check digit", t.Party))
	}
	of := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(t.Sites)) {
		gln := t.Sites[name].GLN
		if gln == "" {
			continue
		}
		if !isGLN(gln) {
			faults = append(faults, fmt.Errorf("sites.%s.gln: %q is no global location number: 13 digits, the last of them the check digit", name, gln))
		}
		if other, ok := of[gln]; ok {
			faults = append(faults, fmt.Errorf("sites.%s.gln: %s is the number of %s too; a place has one of its own", name, gln, other))
		}
		of[gln] = name
	}
	return faults
}

func (t *Tenant) base() string {
	if t.Base != "" {
		return t.Base
	}
	return "dockline://" + t.Name
}

// uri is Dockline's own URI of something, from pairs of a noun and a code.
func (t *Tenant) uri(nounsAndCodes ...string) string {
	var b strings.Builder
	b.WriteString(t.base())
	for _, part := range nounsAndCodes {
		b.WriteByte('/')
		b.WriteString(escapeSegment(part))
	}
	return b.String()
}

// escapeSegment also keeps "." and "..", which would be taken for steps of a path.
func escapeSegment(s string) string {
	if strings.Trim(s, ".") == "" {
		return strings.ReplaceAll(s, ".", "%2E")
	}
	return escapeLink(s)
}

// parts takes Dockline's own URI apart into nouns and codes; nil where it is none.
func (t *Tenant) parts(uri string) []string {
	rest, ok := strings.CutPrefix(uri, t.base()+"/")
	if !ok {
		return nil
	}
	var found []string
	for segment := range strings.SplitSeq(rest, "/") {
		part, err := url.PathUnescape(segment)
		if err != nil {
			return nil
		}
		found = append(found, part)
	}
	return found
}

// code is the code behind a noun in Dockline's own URI.
func (t *Tenant) code(uri, noun string) (string, bool) {
	parts := t.parts(uri)
	for i := 0; i+1 < len(parts); i += 2 {
		if parts[i] == noun {
			return parts[i+1], true
		}
	}
	return "", false
}

// location is the URI of a site, or of a bin or other place within.
func (t *Tenant) location(site, noun, code string) string {
	gln := t.Sites[site].GLN
	switch {
	case gln == "" && code == "":
		return t.uri("site", site)
	case gln == "":
		return t.uri("site", site, noun, code)
	case code == "":
		return digitalLink + "414/" + gln
	case noun == "bin" && cset82.MatchString(code):
		return digitalLink + "414/" + gln + "/254/" + escapeLink(code)
	}
	return t.uri("site", site, noun, code)
}

// placed finds the site of a location and the bin within; ok is false where it is none of ours.
func (t *Tenant) placed(uri string) (site, bin string, ok bool) {
	if site, ok := t.code(uri, "site"); ok {
		bin, _ := t.code(uri, "bin")
		return site, bin, true
	}
	rest, isLink := strings.CutPrefix(CanonicalURI(uri), digitalLink+"414/")
	if !isLink {
		return "", "", false
	}
	gln, extension, _ := strings.Cut(rest, "/254/")
	for name, s := range t.Sites {
		if s.GLN != "" && s.GLN == gln {
			bin, err := url.PathUnescape(extension)
			return name, bin, err == nil
		}
	}
	return "", "", false
}

// party is the URI of the operator as a party.
func (t *Tenant) party() string {
	if t.Party != "" {
		return digitalLink + "417/" + t.Party
	}
	return t.uri("party", t.Name)
}

// transaction is the URI of a document whose number the operator gives itself (CBV 2.0, section 8.5), or of another's.
func (t *Tenant) transaction(noun, number string, ownNumber bool) string {
	if ownNumber && t.Party != "" {
		return "urn:epcglobal:cbv:bt:" + t.Party + ":" + escapeLink(number)
	}
	return t.uri(noun, number)
}
