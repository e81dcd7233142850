package console

import (
	"embed"
	"fmt"
	"html/template"
	"net/url"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/milestone"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

//go:embed pages
var pages embed.FS

var templates = parse("failure", "sites", "wall", "site", "days", "orders", "track", "goods", "shipment", "return", "inbound", "stock", "postings", "exceptions", "events", "event", "find", "drill")

func parse(names ...string) map[string]*template.Template {
	layout := template.Must(template.New("").Funcs(template.FuncMap{
		"esc":       url.PathEscape,
		"several":   event.Several[int64],
		"cause":     cause,
		"goodsPath": goodsPath,
		"words":     words,
		"kind":      event.KindName,
		"clockWrong": func(e *docklinev1.Event) string {
			switch wrong := event.ClockWrong(e).Round(time.Second); {
			case wrong > 0:
				return wrong.String() + " ahead"
			case wrong < 0:
				return (-wrong).String() + " behind"
			}
			return ""
		},
		"quantity": event.FormatQuantity,
		"class":    func(c docklinev1.FaultClass) string { return lower(c.String(), "FAULT_CLASS_") },
		"severity": func(s docklinev1.Severity) string { return lower(s.String(), "SEVERITY_") },
		"level":    func(l docklinev1.ReceiptLevel) string { return words(lower(l.String(), "RECEIPT_LEVEL_")) },
		"time":     moment,
		"stamp":    func(t interface{ AsTime() time.Time }) string { return moment(t.AsTime()) },
		"iso":      func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
		"short":    short,
		"stands":   func(e milestone.Entry) string { return e.Stands() },
		"facts":    factsOf,
		"counters": view.Counters,
		"tone":     tone,
		"sign":     sign,
		"age":      age,
		"number":   number,
		"bytes":    bytesText,
	}).ParseFS(pages, "pages/layout.html"))
	found := make(map[string]*template.Template)
	for _, name := range names {
		found[name] = template.Must(template.Must(layout.Clone()).ParseFS(pages, "pages/"+name+".html"))
	}
	return found
}

func lower(name, prefix string) string { return strings.ToLower(strings.TrimPrefix(name, prefix)) }

// words makes a name of tables and types readable: "partially_shipped" is "partially shipped".
func words(name any) string { return strings.ReplaceAll(fmt.Sprint(name), "_", " ") }

// moment is a time for people, in UTC; a zero one is a dash.
func moment(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

// short is the beginning of an id.
func short(id string) string { return id[:min(len(id), 10)] }

// tones are what a status, state, severity or level means to whoever looks: well, on its way, to be looked at, or wrong.
var tones = map[string]string{
	"online": "good", "info": "good", "confirmed": "good", "shipped": "good", "closed": "good", "resolved": "good", "no document": "good", "no_document": "good",
	"warning": "warn", "unknown": "warn", "partially_shipped": "warn", "held": "warn", "backordered": "warn", "partially_packed": "warn", "correcting": "warn",
	"blocked": "warn", "never seen": "warn", "open": "warn", "exception": "warn", "delivered": "good", "credited": "good", "matched": "good", "partially_delivered": "warn",
	"delayed": "warn", "damaged": "bad", "lost": "bad", "partially_lost": "bad", "partially_damaged": "bad", "partially_refused": "bad", "returning": "warn",
	"met": "good", "late": "bad", "breached": "bad", "paused": "warn",
	"returned_to_sender": "warn", "voided": "warn", "quarantined": "warn", "partially_received": "warn", "denied": "bad",
	"error": "bad", "offline": "bad", "difference": "bad", "waiting": "warn", "rejected": "bad", "diverged": "bad", "refused": "bad",
}

func tone(status any) string { return tones[fmt.Sprint(status)] }
