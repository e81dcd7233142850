package health_test

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	metricName = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
	sampleLine = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*",?)+)\})? (\S+)$`)
	// units are the base units that Prometheus wants at the end of a name, and what has none.
	units = []string{"_seconds", "_bytes", "_ratio", "_events", "_total", "_info", "_up", "_answers", "_healthy", "_condition", "go_goroutines"}
)

// checkExposition holds text against the rules of the text format: HELP and TYPE before the samples of a family, each once, its samples
// together, none twice, numbers that are numbers, names with a unit, counters that end with _total, and a line feed at the end.
func checkExposition(t *testing.T, text string) map[string]float64 {
	t.Helper()
	if !strings.HasSuffix(text, "\n") {
		t.Error("the last line does not end")
	}
	values, kinds, family := map[string]float64{}, map[string]string{}, ""
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if rest, ok := strings.CutPrefix(line, "# HELP "); ok {
			name, help, _ := strings.Cut(rest, " ")
			if _, twice := kinds[name]; twice || help == "" || !metricName.MatchString(name) {
				t.Errorf("%q: a family begins twice, or without words", line)
			}
			family, kinds[name] = name, ""
			continue
		}
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(rest, " ")
			if name != family || kinds[name] != "" || kind != "gauge" && kind != "counter" {
				t.Errorf("%q does not follow its HELP", line)
			}
			kinds[name] = kind
			continue
		}
		parts := sampleLine.FindStringSubmatch(line)
		if parts == nil {
			t.Errorf("%q is no sample", line)
			continue
		}
		name := parts[1]
		value, err := strconv.ParseFloat(parts[3], 64)
		if err != nil || name != family || kinds[name] == "" {
			t.Errorf("%q: %v, in the family %s", line, err, family)
		}
		key := strings.TrimSuffix(line, " "+parts[3])
		if _, twice := values[key]; twice {
			t.Errorf("%s stands twice", key)
		}
		values[key] = value
		if (kinds[name] == "counter") != strings.HasSuffix(name, "_total") || !slices.ContainsFunc(units, func(u string) bool { return strings.HasSuffix(name, u) }) {
			t.Errorf("%s, a %s, has no unit in its name, or one of another kind", name, kinds[name])
		}
	}
	return values
}

func TestMetrics(t *testing.T) {
	_, text := get(t, serve(t, outage(time.Now()))+"/metrics", "")
	values := checkExposition(t, text)
	for key, want := range map[string]float64{
		`dockline_agent_info{tenant="acme",site="dc-east",version="v1.4.0"}`: 1,
		`dockline_agent_line_up`: 0, `dockline_agent_healthy`: 0, `dockline_agent_journal_waiting_events`: 1834, `dockline_agent_refused_events`: 3,
		`dockline_agent_journal_room_seconds`: 23.5 * 24 * 3600, `dockline_agent_clock_ahead_seconds`: 0.3, `dockline_agent_logged_events`: 212,
		`dockline_agent_plugin_up{plugin="counts",state="restarting"}`:                                     0,
		`dockline_agent_device_up{plugin="dock",device="scanner-03",kind="scanner"}`:                       0,
		`dockline_agent_device_battery_ratio{plugin="dock",device="scanner-02",kind="scanner"}`:            0.09,
		`dockline_agent_condition{code="line_down",severity="error",title="The broker cannot be reached"}`: 1,
	} {
		if got, ok := values[key]; !ok || got != want {
			t.Errorf("%s is %v (%v), want %v", key, got, ok, want)
		}
	}
}
