package epcis

import "strings"

// Namespaces of the standard and ours.
const (
	// ContextURL is the context of EPCIS 2.0.0 at GS1.
	ContextURL = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"
	// Prefix and Namespace are those of what EPCIS and CBV have no word for.
	Prefix    = "own"
	Namespace = "https://github.com/dockline/dockline/epcis/"

	cbvNamespace = "https://ref.gs1.org/cbv/"
	gs1Namespace = "https://gs1.org/voc/"
	mdaNamespace = "urn:epcglobal:cbv:mda"
)

// Context says what the prefixes of a document mean.
type Context map[string]string

// standardContext are the prefixes that EPCIS's own context declares.
func standardContext() Context {
	return Context{"cbv": cbvNamespace, "gs1": gs1Namespace, "epcis": "https://ref.gs1.org/epcis/", "cbvmda": mdaNamespace,
		"rdfs": "http://www.w3.org/2000/01/rdf-schema#", "owl": "http://www.w3.org/2002/07/owl#", "xsd": "http://www.w3.org/2001/XMLSchema#",
		"dcterms": "http://purl.org/dc/terms/"}
}

// with is the context with what an @context adds to it: a URL, an object of prefixes, or a list of such. What stands behind a URL other
// than EPCIS's own is not fetched.
func (c Context) with(value any) Context {
	switch v := value.(type) {
	case []any:
		for _, part := range v {
			c = c.with(part)
		}
	case *Object:
		wider := Context{}
		for name, meaning := range c {
			wider[name] = meaning
		}
		for _, m := range v.all() {
			if meaning := text(m.value); meaning != "" && !strings.HasPrefix(m.name, "@") {
				wider[m.name] = meaning
			}
		}
		return wider
	}
	return c
}

// key is the name of an extension as the event hash writes it: the namespace in braces before the local name. What has no known prefix
// stays as it is.
func (c Context) key(name string) string {
	if prefix, local, ok := strings.Cut(name, ":"); ok {
		if namespace, known := c[prefix]; known && !strings.HasPrefix(local, "//") {
			return "{" + namespace + "}" + local
		}
	}
	return name
}

// expand writes a compact URI of GS1's own namespaces in full. Those of others stay, as the reference implementation leaves them.
func (c Context) expand(value string) string {
	prefix, local, ok := strings.Cut(value, ":")
	if !ok || strings.HasPrefix(local, "//") {
		return value
	}
	namespace := c[prefix]
	if strings.HasPrefix(namespace, "https://ref.gs1.org/") || strings.HasPrefix(namespace, "https://gs1.org/") {
		return namespace + local
	}
	return value
}

// own is whether a name is one of ours.
func (c Context) own(name, local string) bool {
	return c.key(name) == "{"+Namespace+"}"+local || name == Namespace+local
}

// find is the value of our extension of that name, under whatever prefix the document has for our namespace.
func (c Context) find(o *Object, local string) any {
	if v := o.Get(Prefix + ":" + local); v != nil && c.own(Prefix+":"+local, local) {
		return v
	}
	for _, m := range o.all() {
		if c.own(m.name, local) {
			return m.value
		}
	}
	return nil
}
