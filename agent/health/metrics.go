package health

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// metricsType is the text exposition format of Prometheus, version 0.0.4:
// https://prometheus.io/docs/instrumenting/exposition_formats/. A client library would cost the agent more than a megabyte of its size.
const metricsType = "text/plain; version=0.0.4; charset=utf-8"

// metrics gathers families in the order in which they are first named; of each all samples stand together.
type metrics struct {
	names    []string
	families map[string]*family
}

type family struct {
	kind, help string
	samples    []string
}

// gauge and counter add a sample; labels are names and values in turn.
func (m *metrics) gauge(name, help string, value float64, labels ...string) {
	m.add("gauge", name, help, value, labels)
}

func (m *metrics) counter(name, help string, value float64, labels ...string) {
	m.add("counter", name, help, value, labels)
}

var (
	labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
)

func (m *metrics) add(kind, name, help string, value float64, labels []string) {
	if m.families == nil {
		m.families = map[string]*family{}
	}
	f := m.families[name]
	if f == nil {
		f = &family{kind: kind, help: help}
		m.families[name] = f
		m.names = append(m.names, name)
	}
	var b strings.Builder
	b.WriteString(name)
	for i := 0; i+1 < len(labels); i += 2 {
		b.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
		b.WriteString(labels[i] + `="` + labelEscapes.Replace(strings.ToValidUTF8(labels[i+1], "?")) + `"`)
	}
	if len(labels) > 0 {
		b.WriteString("}")
	}
	b.WriteString(" " + strconv.FormatFloat(value, 'g', -1, 64) + "\n")
	if line := b.String(); !slices.Contains(f.samples, line) {
		f.samples = append(f.samples, line)
	}
}

// WriteTo writes all families.
func (m *metrics) WriteTo(w io.Writer) (n int64, err error) {
	for _, name := range m.names {
		f := m.families[name]
		wrote, err := fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n%s", name, helpEscapes.Replace(f.help), name, f.kind, strings.Join(f.samples, ""))
		if n += int64(wrote); err != nil {
			return n, err
		}
	}
	return n, nil
}

func yes(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// seconds since the epoch, as Prometheus wants a moment.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// measure puts everything into numbers.
func measure(f Facts, h *docklinev1.Heartbeat) *metrics {
	m := &metrics{}
	m.gauge("dockline_agent_info", "Who this agent is; always 1.", 1, "tenant", h.GetTenant(), "site", h.GetSite(), "version", h.GetAgentVersion())
	m.gauge("dockline_agent_healthy", "1 where no condition of severity error is in force.", yes(Healthy(h.GetConditions())))
	for _, c := range h.GetConditions() {
		m.gauge("dockline_agent_condition", "A condition in force; always 1.", 1, "code", c.GetCode(), "severity", severityWord(c.GetSeverity()), "title", c.GetTitle())
	}
	measureLine(m, f, h)
	measureJournal(m, f, h)
	for _, p := range h.GetPlugins() {
		measurePlugin(m, p)
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	m.gauge("process_start_time_seconds", "When this agent began, in seconds since 1970.", seconds(f.Started))
	m.gauge("go_goroutines", "Goroutines.", float64(runtime.NumGoroutine()))
	m.gauge("go_memstats_heap_alloc_bytes", "Heap in use.", float64(memory.HeapAlloc))
	m.gauge("go_memstats_sys_bytes", "Memory taken from the system.", float64(memory.Sys))
	return m
}

func measureLine(m *metrics, f Facts, h *docklinev1.Heartbeat) {
	m.gauge("dockline_agent_line_up", "1 while there is a link to the broker.", yes(f.Connected))
	m.gauge("dockline_agent_collector_answers", "1 while the collector has answered on this link.", yes(f.Greeted))
	if !f.LastAckAt.IsZero() {
		m.gauge("dockline_agent_last_ack_timestamp_seconds", "When the collector last acknowledged events.", seconds(f.LastAckAt))
	}
	if f.ClockKnown {
		m.gauge("dockline_agent_clock_ahead_seconds", "How far this clock is ahead of the collector's.", f.ClockAhead.Seconds())
	}
	if !f.CertificateEnds.IsZero() {
		m.gauge("dockline_agent_certificate_expiry_timestamp_seconds", "When the site's certificate ends.", seconds(f.CertificateEnds))
	}
	m.counter("dockline_agent_envelopes_sent_total", "Envelopes given to the broker since the start.", float64(f.Counts.Sent))
	m.counter("dockline_agent_envelopes_resent_total", "Envelopes that were sent again.", float64(f.Counts.Resent))
	m.counter("dockline_agent_acks_total", "Acknowledgements of the collector.", float64(f.Counts.Acks))
	m.counter("dockline_agent_connections_total", "Connections made to the broker.", float64(f.Counts.Connections))
}

func measureJournal(m *metrics, f Facts, h *docklinev1.Heartbeat) {
	m.gauge("dockline_agent_journal_waiting_events", "Events that the collector has not acknowledged.", float64(h.GetJournalEvents()))
	m.gauge("dockline_agent_journal_size_bytes", "What the journal's files take.", float64(h.GetJournalBytes()))
	m.gauge("dockline_agent_journal_limit_bytes", "What they may take.", float64(h.GetJournalLimitBytes()))
	m.counter("dockline_agent_captured_events_total", "Events accepted since the journal's folder began.", float64(h.GetCapturedTotal()))
	if f.Master.Behind > 0 && !f.Master.Since.IsZero() {
		m.gauge("dockline_agent_master_behind_seconds", "For how long the newest change of master data has waited at the centre; absent where nothing waits.", max(0, f.Now.Sub(f.Master.Since).Seconds()))
	}
	if h.DaysUntilFull != nil {
		m.gauge("dockline_agent_journal_room_seconds", "How long the journal's room lasts at today's rate.", h.GetDaysUntilFull()*24*3600)
	}
	if h.GetOldestEventAt() != nil {
		m.gauge("dockline_agent_oldest_waiting_event_timestamp_seconds", "When the oldest event was captured that the collector lacks.", seconds(h.GetOldestEventAt().AsTime()))
	}
	if h.GetOldestUnconfirmedAt() != nil {
		m.gauge("dockline_agent_oldest_unconfirmed_event_timestamp_seconds", "When the oldest event happened that the ERP has not confirmed.", seconds(h.GetOldestUnconfirmedAt().AsTime()))
	}
	m.gauge("dockline_agent_logged_events", "Events that are at the centre and not yet in the ERP.", float64(f.Open.Logged))
	m.gauge("dockline_agent_held_events", "Those of them whose posting is tried in vain.", float64(f.Open.Held))
	m.gauge("dockline_agent_refused_events", "Events refused, or with an exception.", float64(h.GetRefusedEvents()))
	if f.DiskKnown {
		m.gauge("dockline_agent_disk_free_bytes", "Free space where data_dir is.", float64(f.DiskFree))
	}
}

func measurePlugin(m *metrics, p *docklinev1.PluginHealth) {
	plugin := []string{"plugin", p.GetId()}
	m.gauge("dockline_agent_plugin_up", "1 while the plugin runs.", yes(p.GetState() == "running"), "plugin", p.GetId(), "state", p.GetState())
	m.counter("dockline_agent_plugin_restarts_total", "How often it was started again unasked.", float64(p.GetRestarts()), plugin...)
	m.counter("dockline_agent_plugin_accepted_events_total", "Events taken from it since the agent started.", float64(p.GetAcceptedTotal()), plugin...)
	m.counter("dockline_agent_plugin_refused_events_total", "Events of it kept as dead letters.", float64(p.GetRefusedTotal()), plugin...)
	m.gauge("dockline_agent_plugin_resident_memory_bytes", "What its processes take.", float64(p.GetMemoryBytes()), plugin...)
	m.gauge("dockline_agent_plugin_cpu_ratio", "CPU of its processes, 1 being one core.", p.GetCpuPercent()/100, plugin...)
	if p.GetLastEventAt() != nil {
		m.gauge("dockline_agent_plugin_last_event_timestamp_seconds", "When it last told an event.", seconds(p.GetLastEventAt().AsTime()), plugin...)
	}
	for _, d := range p.GetDevices() {
		device := []string{"plugin", p.GetId(), "device", d.GetId(), "kind", d.GetKind()}
		m.gauge("dockline_agent_device_up", "1 while the plugin can reach it.", yes(d.GetReachable()), device...)
		if d.GetLastSeenAt() != nil {
			m.gauge("dockline_agent_device_last_seen_timestamp_seconds", "Its last sign of life.", seconds(d.GetLastSeenAt().AsTime()), device...)
		}
		if d.BatteryPercent != nil {
			m.gauge("dockline_agent_device_battery_ratio", "Charge of its battery.", float64(d.GetBatteryPercent())/100, device...)
		}
	}
}

func severityWord(s docklinev1.Severity) string {
	switch s {
	case failing:
		return "error"
	case warning:
		return "warning"
	}
	return "info"
}
