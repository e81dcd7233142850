package http

import (
	"fmt"
	"maps"
	nethttp "net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/dockline/dockline/collector/connector"
)

// Scaffold says what a definition is to begin with.
type Scaffold struct {
	// System is its name, Kinds what is to be posted; none is whatever operations are found for.
	System string
	Kinds  []connector.Kind
	// Operations are operation ids by what they are for: probe, goods_issue.find, goods_issue.create. What is absent is chosen by its name.
	Operations map[string]string
}

// scaffoldWords are what the operations of a kind are called, the best first.
var scaffoldWords = map[connector.Kind][]string{
	connector.GoodsIssue:      {"goodsissue", "shipment", "delivery", "fulfil", "ship"},
	connector.InvoiceTrigger:  {"invoice"},
	connector.StockAdjustment: {"adjustment", "inventorychange", "changeinventory", "inventory", "stock"},
	connector.OrderCreate:     {"salesorder", "order"},
	connector.OrderStatus:     {"orderstatus", "opportunit", "deal", "order"},
	connector.ServiceCase:     {"case", "ticket", "incident"},
	connector.ReturnReceipt:   {"returnreceipt", "return"},
	connector.CreditRequest:   {"creditmemo", "credit", "refund"},
}

// usualKinds are tried where none is named.
var usualKinds = []connector.Kind{connector.OrderCreate, connector.GoodsIssue, connector.InvoiceTrigger, connector.StockAdjustment}

// Write makes a definition out of an OpenAPI 3 document, in JSON or YAML. It loads; each place that says CHECK is a guess, or cannot be known
// from the document, and is safe as it stands: what is not mapped is a fault at once, or a document that a person looks at.
func (s Scaffold) Write(name string, text []byte) ([]byte, error) {
	d, err := parseOpenAPI(name, text)
	if err != nil {
		return nil, err
	}
	w := &scaffolding{Scaffold: s, doc: d, operations: d.operations()}
	if err := w.known(); err != nil {
		return nil, err
	}
	if err := w.write(name); err != nil {
		return nil, err
	}
	out := []byte(w.out.String())
	if _, err := Parse(s.System+".yaml", out); err != nil {
		return nil, fmt.Errorf("the definition made of %s does not load, which is a defect of Dockline: %w", name, err)
	}
	return out, nil
}

type scaffolding struct {
	Scaffold
	doc        *openAPI
	operations []operation
	out        strings.Builder
}

func (w *scaffolding) line(indent int, format string, args ...any) {
	w.out.WriteString(strings.Repeat("  ", indent) + fmt.Sprintf(format, args...) + "\n")
}

// quoted is a value in single quotes of YAML.
func quoted(expression string) string { return "'" + strings.ReplaceAll(expression, "'", "''") + "'" }

func celText(s string) string { return strconv.Quote(s) }

// known refuses kinds and uses that there are not, and operations that the document does not have.
func (w *scaffolding) known() error {
	uses := []string{"probe"}
	for _, kind := range slices.Sorted(maps.Keys(documentOf)) {
		uses = append(uses, string(kind)+".find", string(kind)+".create")
	}
	for _, kind := range w.Kinds {
		if documentOf[kind].message == nil {
			return fmt.Errorf("%q is no kind of posting; there are %v", kind, slices.Sorted(maps.Keys(documentOf)))
		}
	}
	for _, use := range slices.Sorted(maps.Keys(w.Operations)) {
		if !slices.Contains(uses, use) {
			return fmt.Errorf("%q is nothing that an operation is for; write probe, or a kind with .find or .create: goods_issue.create", use)
		}
		if kind, _, of := strings.Cut(use, "."); of && len(w.Kinds) > 0 && !slices.Contains(w.Kinds, connector.Kind(kind)) {
			return fmt.Errorf("%q: the kind %s is not among those asked for", use, kind)
		}
		if w.named(w.Operations[use]) == nil {
			return fmt.Errorf("%s: the document has no operation %q; it has %s", use, w.Operations[use], w.names())
		}
	}
	return nil
}

func (w *scaffolding) names() string {
	var names []string
	for _, o := range w.operations {
		names = append(names, o.id)
	}
	if len(names) > 60 {
		names = append(names[:60], fmt.Sprintf("and %d more", len(names)-60))
	}
	return strings.Join(names, ", ")
}

func (w *scaffolding) named(id string) *operation {
	for i, o := range w.operations {
		if o.id == id {
			return &w.operations[i]
		}
	}
	return nil
}

// chosen is the operation for a use: the one that was named, else the one whose name fits best, nil for none.
func (w *scaffolding) chosen(kind connector.Kind, use string, fits func(operation) int) *operation {
	if id := w.Operations[strings.TrimPrefix(string(kind)+"."+use, ".")]; id != "" {
		return w.named(id)
	}
	var best *operation
	most := 0
	for i, o := range w.operations {
		if n := fits(o); n > most && !o.deprecated {
			best, most = &w.operations[i], n
		}
	}
	return best
}

// called says how well an operation is called by the words of a kind.
func called(o operation, words []string) int {
	name := plainName(o.id)
	last := plainName(o.path[strings.LastIndex(o.path, "/")+1:])
	for i, word := range words {
		if strings.Contains(name, word) || strings.Contains(last, word) {
			return 20 * (len(words) - i)
		}
	}
	return 0
}

func plainName(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return -1
	}, s)
}

func (w *scaffolding) finder(kind connector.Kind) *operation {
	return w.chosen(kind, "find", func(o operation) int {
		n := called(o, scaffoldWords[kind])
		if n == 0 || !o.reads() || o.answer == nil {
			return 0
		}
		if _, list := itemsOf(w.doc, o.answer); list {
			n += 10
		}
		return n - 8*len(o.placeholders()) - len(o.path)/20
	})
}

func (w *scaffolding) creator(kind connector.Kind) *operation {
	return w.chosen(kind, "create", func(o operation) int {
		n := called(o, scaffoldWords[kind])
		if n == 0 || o.reads() && !strings.HasPrefix(plainName(o.id), "create") || o.method != nethttp.MethodPost || o.body == nil {
			return 0
		}
		if strings.Contains(plainName(o.id), "create") || strings.HasPrefix(plainName(o.id), "post") || strings.Contains(plainName(o.id), "change") {
			n += 10
		}
		return n - 8*len(o.placeholders()) - len(o.path)/20
	})
}

func (w *scaffolding) prober() *operation {
	return w.chosen("", "probe", func(o operation) int {
		if o.method != nethttp.MethodGet || o.answer == nil {
			return 0
		}
		n := 20 - 6*len(o.placeholders()) - len(o.path)/10
		for _, word := range []string{"version", "about", "status", "info", "compan", "location", "me"} {
			if strings.Contains(plainName(o.id), word) {
				return max(1, n+10)
			}
		}
		return max(1, n)
	})
}

func (w *scaffolding) write(name string) error {
	probe := w.prober()
	if probe == nil {
		return fmt.Errorf("%s has no operation that could tell whether the system answers: it has %s", name, w.names())
	}
	kinds := w.Kinds
	if len(kinds) == 0 {
		kinds = slices.DeleteFunc(slices.Clone(usualKinds), func(k connector.Kind) bool { return w.finder(k) == nil || w.creator(k) == nil })
		for use := range w.Operations {
			if kind, _, of := strings.Cut(use, "."); of && !slices.Contains(kinds, connector.Kind(kind)) {
				kinds = append(kinds, connector.Kind(kind))
			}
		}
		slices.Sort(kinds)
	}
	if len(kinds) == 0 {
		return fmt.Errorf("no operation of %s is called like one that makes orders, shipments, invoices or adjustments; name some with --operation KIND.find=ID and KIND.create=ID: it has %s", name, w.names())
	}
	w.line(0, "# %s, as %s describes it. Each place that says CHECK is a guess, or is not in that file: see to it, then try the", oneLine(first(w.doc.Info.Title, w.System)), oneLine(name))
	w.line(0, "# definition with `dockline-collector connector try`. The README beside the connector package explains every key.")
	w.line(0, "system: %s", w.System)
	w.line(0, "title: %s", quoted(oneLine(first(w.doc.Info.Title, w.System))))
	w.line(0, "timeout: 10s")
	w.line(0, "# CHECK how long after a lost answer a document may still appear.")
	w.line(0, "settle_time: 1m")
	w.auth()
	w.line(0, "\nprobe: # %s", oneLine(probe.id))
	w.request(1, *probe, "", nil)
	w.line(0, "\n# CHECK what the system answers to errors; what stands in no row goes by its status.")
	w.line(0, "errors:")
	w.line(1, "- {status: [429], class: technical, code: busy, remedy: it is tried again by itself}")
	w.line(0, "\nkinds:")
	for _, kind := range kinds {
		find, create := w.finder(kind), w.creator(kind)
		if find == nil || create == nil {
			return fmt.Errorf("%s has no operation that is called like one for %s; name them with --operation %s.find=ID and --operation %s.create=ID: it has %s", name, kind, kind, kind, w.names())
		}
		w.kind(kind, *find, *create)
	}
	w.line(0, "\n# What else there is:")
	for _, o := range w.operations {
		w.line(0, "#   %-6s %s   %s   %s", o.method, o.path, oneLine(o.id), oneLine(o.summary))
	}
	return nil
}

// oneLine keeps a text of the document from ending a comment or a value.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
