package collector

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/connector/remote"
	"github.com/dockline/dockline/collector/db"
)

// newMetrics answers with what the database says and with what this collector has asked of systems since it began.
func (m *Collector) newMetrics(ctx context.Context) (http.Handler, error) {
	out := &metrics{db: m.db, now: m.now, log: m.log}
	var asked asked
	for _, s := range m.connectors {
		of := askedSystem{tenant: s.config.Tenant, name: s.config.Name, requests: func() map[connector.Call]int64 { return connector.Requests(s.governed) }}
		if s.program != nil {
			of.program = s.program.Stats
		}
		asked.systems = append(asked.systems, of)
	}
	err := m.db.Read(ctx, func(tx *db.Tx) (err error) {
		asked.from, err = topOfLog(ctx, tx)
		return err
	})
	out.asked = &asked
	return out, err
}

// asked is what systems were asked since the collector began, when the log reached so far.
type asked struct {
	systems []askedSystem
	from    int64
}

type askedSystem struct {
	tenant, name string
	requests     func() map[connector.Call]int64
	program      func() remote.Stats // nil where it runs on none
}

// topOfLog is the position of the newest event, which is how many there were.
func topOfLog(ctx context.Context, tx *db.Tx) (top int64, err error) {
	err = tx.QueryRow(ctx, `SELECT COALESCE(MAX(log_offset), 0) FROM event`).Scan(&top)
	return top, err
}

// write says how many requests went to each system, and how many that is for a thousand events: what is asked for again and again, and what is pushed.
func (a *asked) write(ctx context.Context, tx *db.Tx, text *strings.Builder, family func(name, kind, help string)) error {
	top, err := topOfLog(ctx, tx)
	if err != nil {
		return err
	}
	family("dockline_collector_events_total", "counter", "Events in the log, of all tenants.")
	fmt.Fprintf(text, "dockline_collector_events_total %d\n", top)
	const name = "dockline_collector_target_requests_total"
	family(name, "counter", "Requests that this collector has made to a system, by what for.")
	var ratio strings.Builder
	for _, s := range a.systems {
		of, sum := s.requests(), int64(0)
		for _, call := range connector.Calls {
			sum += of[call]
			fmt.Fprintf(text, "%s%s %d\n", name, labels("tenant", s.tenant, "target", s.name, "call", string(call)), of[call])
		}
		if events := top - a.from; events > 0 {
			fmt.Fprintf(&ratio, "dockline_collector_target_requests_per_1000_events%s %.1f\n", labels("tenant", s.tenant, "target", s.name), 1000*float64(sum)/float64(events))
		}
	}
	family("dockline_collector_target_requests_per_1000_events", "gauge", "Of these, how many for a thousand events that came into the log since this collector began.")
	text.WriteString(ratio.String())
	a.programs(text, family)
	return nil
}

// programs are the connectors that are programs of their own: whether they run, and how often they were started.
func (a *asked) programs(text *strings.Builder, family func(name, kind, help string)) {
	var up, starts strings.Builder
	for _, s := range a.systems {
		if s.program == nil {
			continue
		}
		of, stats, runs := labels("tenant", s.tenant, "target", s.name), s.program(), 0
		if stats.Pid != 0 {
			runs = 1
		}
		fmt.Fprintf(&up, "dockline_collector_program_up%s %d\n", of, runs)
		fmt.Fprintf(&starts, "dockline_collector_program_starts_total%s %d\n", of, stats.Starts)
	}
	if up.Len() == 0 {
		return
	}
	family("dockline_collector_program_up", "gauge", "1 where the program of a connector runs.")
	text.WriteString(up.String())
	family("dockline_collector_program_starts_total", "counter", "How often this collector has started it: more than once is a program that ends.")
	text.WriteString(starts.String())
}
