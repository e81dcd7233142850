package health

import (
	"fmt"
	"strings"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// rowsPerPage is how many rows of a list stand on one page; printing asks for more.
const rowsPerPage, rowsPrinted = 25, 2000

// view is what the page shows; everything in it is text of ours or escaped by the template.
type view struct {
	Site, Tenant, Version, Updated string
	// Mark and Word say how the site is without colour; Tone is the class that colours it.
	Mark, Word, Tone, Sentence string
	Tiles                      []tile
	Conditions                 []conditionView
	Orders                     list[orderView]
	Refused                    list[refusedView]
	More                       uint64
	Plugins                    []pluginView
	Devices                    []deviceView
	Facts                      []fact
	Printing                   bool
}

type tile struct{ Label, Number, Note, Tone string }

// Words says that in the place of a number there are words, which need more room.
func (t tile) Words() bool { return strings.Count(t.Number, " ") > 1 }

type fact struct{ Label, Text string }

type conditionView struct{ Mark, Word, Tone, Title, Text, Since string }

type orderView struct{ Subject, What, Where, Since, Ago string }

type refusedView struct{ Subject, What, Kind, Text, Origin, Since string }

type pluginView struct{ ID, Mark, State, Tone, Last, Text string }

type deviceView struct{ Name, Mark, State, Tone, Seen, Battery, Text string }

// list is one page of rows.
type list[R any] struct {
	Rows               []R
	Total, Page, Pages int
	// Earlier and Later are links to the other pages, "" where there is none.
	Earlier, Later string
}

// pageOf cuts a page out of all rows; link makes the address of another one.
func pageOf[R any](rows []R, page, per int, link func(page int) string) list[R] {
	l := list[R]{Total: len(rows), Pages: max(1, (len(rows)+per-1)/per)}
	l.Page = min(max(page, 1), l.Pages)
	l.Rows = rows[(l.Page-1)*per : min(len(rows), l.Page*per)]
	if l.Page > 1 {
		l.Earlier = link(l.Page - 1)
	}
	if l.Page < l.Pages {
		l.Later = link(l.Page + 1)
	}
	return l
}

// look is what a person wants to see: pages of both lists, or all of them for the printer.
type look struct {
	orders, refused int
	print           bool
}

func viewOf(f Facts, h *docklinev1.Heartbeat, p *Pending, at look) view {
	v := view{Site: h.GetSite(), Tenant: h.GetTenant(), Version: h.GetAgentVersion(), Updated: f.Now.Local().Format("2006-01-02 15:04:05 MST"), More: p.More, Printing: at.print}
	v.Mark, v.Word, v.Tone = toneOf(Worst(h.GetConditions()))
	v.Sentence = Sentence(h)
	v.Tiles = tiles(f, h, p)
	for _, c := range h.GetConditions() {
		one := conditionView{Title: upperFirst(c.GetTitle()), Text: c.GetText()}
		one.Mark, one.Word, one.Tone = toneOf(c.GetSeverity())
		if c.GetSince() != nil {
			one.Since = moment(f.Now, c.GetSince().AsTime())
		}
		v.Conditions = append(v.Conditions, one)
	}
	per := rowsPerPage
	if at.print {
		per = rowsPrinted
	}
	orders := make([]orderView, len(p.Orders))
	for i, o := range p.Orders {
		orders[i] = orderView{orNone(o.Subject), o.What(), whereOf(f, o), moment(f.Now, o.Since), Length(f.Now.Sub(o.Since))}
	}
	refused := make([]refusedView, len(p.Refused))
	for i, r := range p.Refused {
		refused[i] = refusedView{orNone(r.Subject), r.What, "refused", r.Text, r.Origin, moment(f.Now, r.Since)}
		if r.Exception > 0 {
			refused[i].Kind = fmt.Sprintf("exception %d", r.Exception)
		}
	}
	v.Orders = pageOf(orders, at.orders, per, func(n int) string { return fmt.Sprintf("?orders=%d&refused=%d#orders", n, max(at.refused, 1)) })
	v.Refused = pageOf(refused, at.refused, per, func(n int) string { return fmt.Sprintf("?orders=%d&refused=%d#refused", max(at.orders, 1), n) })
	for _, plugin := range h.GetPlugins() {
		v.Plugins = append(v.Plugins, pluginOf(f, plugin))
		for _, d := range plugin.GetDevices() {
			v.Devices = append(v.Devices, deviceOf(f, d))
		}
	}
	v.Facts = factsOf(f, h)
	return v
}

// toneOf says how bad something is in a sign, a word and a class.
func toneOf(s docklinev1.Severity) (mark, word, tone string) {
	switch s {
	case failing:
		return "✕", "Trouble", "bad"
	case warning:
		return "!", "Look at this", "warn"
	case info:
		return "i", "Note", "note"
	}
	return "✓", "All is well", "good"
}

// Sentence says how the site is, as one would on the telephone.
func Sentence(h *docklinev1.Heartbeat) string {
	worst := Worst(h.GetConditions())
	var titles []string
	for _, c := range h.GetConditions() {
		if c.GetSeverity() == worst {
			titles = append(titles, lowerFirst(c.GetTitle()))
		}
	}
	switch {
	case worst <= info && !h.GetOnline():
		return "Work goes on. There is no line to the centre at this moment; what is captured waits here."
	case worst <= info && h.GetJournalEvents() > 100:
		return "Work goes on, and what was captured is being sent."
	case worst <= info:
		return "What happens on the dock reaches the centre."
	}
	text := upperFirst(titles[0])
	if more := len(titles) - 1; more == 1 {
		text += ", and " + titles[1]
	} else if more > 1 {
		text += fmt.Sprintf(", and %d more things need somebody", more)
	}
	if worst == failing && !stopsWork(h.GetConditions()) {
		return text + ". Go on working: nothing is lost."
	}
	return text + "."
}

// stopsWork says whether what people do at the dock may not be taken at this moment.
func stopsWork(conditions []*docklinev1.Condition) bool {
	for _, c := range conditions {
		switch c.GetCode() {
		case "journal_full", "journal_failed", "disk_full", "plugin_quarantined":
			return true
		}
	}
	return false
}

func tiles(f Facts, h *docklinev1.Heartbeat, p *Pending) []tile {
	open := uint64(max(f.Waiting, 0)) + f.Open.Logged
	waiting := tile{Label: "Not yet in the ERP", Number: number(open), Tone: "good", Note: "everything is there"}
	if open > 0 {
		waiting.Tone, waiting.Note = "note", fmt.Sprintf("events: %s here, %s at the centre", number(uint64(max(f.Waiting, 0))), number(f.Open.Logged))
	}
	refused := tile{Label: "Refused", Number: number(h.GetRefusedEvents()), Tone: "good", Note: "nothing waits for a person"}
	if h.GetRefusedEvents() > 0 {
		refused.Tone, refused.Note = "warn", "the list below says why"
	}
	room := tile{Label: "Room lasts", Number: "—", Tone: "good", Note: "nothing was captured today"}
	if h.DaysUntilFull != nil {
		room.Number, room.Note = Days(h.GetDaysUntilFull()), "at today's rate, if nothing could be sent"
		if h.GetDaysUntilFull() < 2 {
			room.Tone = "warn"
		}
	}
	line := tile{Label: "Line to the centre", Number: "up", Tone: "good", Note: "the collector answers"}
	switch {
	case !f.Connected:
		line.Number, line.Tone, line.Note = "down", "bad", "since "+moment(f.Now, f.LineChanged)
	case !f.Greeted:
		line.Number, line.Tone, line.Note = "silent", "bad", "the broker is there, the collector does not answer"
	}
	return []tile{waiting, refused, room, line}
}

// whereOf says where an order's events are, and what they wait for.
func whereOf(f Facts, o *Order) string {
	var parts []string
	if o.Here > 0 {
		text := "here, on the way to the centre"
		if !f.Connected || !f.Greeted {
			text = "here, waits for the line"
		}
		parts = append(parts, text)
	}
	if o.Centre > 0 {
		text := "at the centre, not yet posted"
		if o.Text != "" {
			text = "at the centre, waits: " + o.Text
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

func pluginOf(f Facts, p *docklinev1.PluginHealth) pluginView {
	v := pluginView{ID: p.GetId(), Mark: "✕", State: p.GetState(), Tone: "bad", Last: "none yet", Text: p.GetText()}
	switch p.GetState() {
	case "running":
		v.Mark, v.Tone, v.State = "✓", "good", "runs"
	case "starting":
		v.Mark, v.Tone, v.State = "!", "warn", "starts"
	case "quarantined":
		v.State = "does not run"
	}
	if p.GetLastEventAt() != nil {
		v.Last = moment(f.Now, p.GetLastEventAt().AsTime())
	}
	return v
}

func deviceOf(f Facts, d *docklinev1.DeviceHealth) deviceView {
	v := deviceView{Name: nameOf(d), Mark: "✓", State: "reachable", Tone: "good", Seen: "—", Battery: "—", Text: d.GetText()}
	if !d.GetReachable() {
		v.Mark, v.State, v.Tone = "✕", "cannot be reached", "bad"
	}
	if d.GetLastSeenAt() != nil {
		v.Seen = moment(f.Now, d.GetLastSeenAt().AsTime())
	}
	if d.BatteryPercent != nil {
		v.Battery = fmt.Sprintf("%d %%", d.GetBatteryPercent())
		if d.GetBatteryPercent() < lowBattery && d.GetReachable() {
			v.Mark, v.State, v.Tone = "!", "battery is low", "warn"
		}
	}
	return v
}

func factsOf(f Facts, h *docklinev1.Heartbeat) []fact {
	facts := []fact{{"Journal", fmt.Sprintf("%d of %d MB", h.GetJournalBytes()>>20, h.GetJournalLimitBytes()>>20)}}
	if f.DiskKnown {
		facts = append(facts, fact{"Disk", fmt.Sprintf("%s free", size(f.DiskFree))})
	}
	if h.GetOldestEventAt() != nil {
		facts = append(facts, fact{"Oldest event that the centre lacks", moment(f.Now, h.GetOldestEventAt().AsTime())})
	}
	if h.GetOldestUnconfirmedAt() != nil {
		facts = append(facts, fact{"Oldest event that the ERP lacks", moment(f.Now, h.GetOldestUnconfirmedAt().AsTime())})
	}
	if !f.LastAckAt.IsZero() {
		facts = append(facts, fact{"The centre last acknowledged", moment(f.Now, f.LastAckAt)})
	}
	if f.ClockKnown {
		facts = append(facts, fact{"Clock", clockText(f.ClockAhead)})
	}
	if !f.CertificateEnds.IsZero() {
		facts = append(facts, fact{"Certificate", "until " + f.CertificateEnds.Local().Format("2006-01-02")})
	}
	facts = append(facts, fact{"Captured since the journal began", number(h.GetCapturedTotal()) + " events"})
	return append(facts, fact{"Agent", h.GetAgentVersion() + ", since " + moment(f.Now, f.Started)})
}

func clockText(ahead time.Duration) string {
	switch {
	case ahead.Abs() < time.Second:
		return "right"
	case ahead > 0:
		return ahead.Round(time.Second).String() + " ahead"
	}
	return (-ahead).Round(time.Second).String() + " behind"
}

// moment is a time as people at the site read it: without the day where it is today's.
func moment(now, t time.Time) string {
	now, t = now.Local(), t.Local()
	if now.Format(time.DateOnly) == t.Format(time.DateOnly) {
		return t.Format("15:04:05")
	}
	return t.Format("Mon 2 Jan 15:04")
}

// Length says a duration in its largest unit.
func Length(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "under a minute"
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// number groups thousands with a thin space.
func number(n uint64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "\u202f" + text[i:]
	}
	return text
}

func size(bytes uint64) string {
	if bytes >= 10<<30 {
		return fmt.Sprintf("%d GB", bytes>>30)
	}
	return fmt.Sprintf("%d MB", bytes>>20)
}

func orNone(subject string) string {
	if subject == "" {
		return "(without a number)"
	}
	return subject
}

func upperFirst(s string) string {
	if len(s) > 0 && s[0] >= 'a' && s[0] <= 'z' {
		return string(s[0]-'a'+'A') + s[1:]
	}
	return s
}

func lowerFirst(s string) string {
	if len(s) > 1 && s[0] >= 'A' && s[0] <= 'Z' && (s[1] < 'A' || s[1] > 'Z') {
		return string(s[0]-'A'+'a') + s[1:]
	}
	return s
}
