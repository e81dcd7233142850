package wmssql

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	// seenEvery is how often it is told, at most, that the database still answers.
	seenEvery = 5 * time.Second
	// longTransaction is how long one may be open until a person is told.
	longTransaction = 15 * time.Minute
)

// reports is what a person should know about the database.
type reports struct {
	seen      time.Time // its last answer
	told      time.Time // when the last word on completeness went out
	devices   []*docklinev1.DeviceHealth
	devicesAt time.Time
	last      []*docklinev1.Condition
	since     map[string]time.Time
}

func (r *reports) reached(now time.Time) { r.seen = now }

// report tells what has changed.
func (c *capture) report() error {
	if devices, changed := c.reports.device(c, c.now()); changed {
		if err := c.stream.Devices(devices...); err != nil {
			return err
		}
	}
	conditions, changed := c.reports.conditions(c, c.now())
	if !changed {
		return nil
	}
	return c.stream.Report(conditions...)
}

func (r *reports) device(c *capture, now time.Time) ([]*docklinev1.DeviceHealth, bool) {
	d := &docklinev1.DeviceHealth{Id: "database", Kind: "database", Reachable: true, Text: c.setup.Database.String()}
	for _, st := range c.states {
		if class, ok := classOf(st.fault); ok && class == faultAway {
			d.Reachable = false
			d.Text = fmt.Sprintf("%s cannot be reached (%v). See whether it runs and whether the network lets this computer through; it is tried again all the time, and what was written meanwhile is told then.",
				c.setup.Database.String(), cause(st.fault))
		}
	}
	if !r.seen.IsZero() {
		d.LastSeenAt = timestamppb.New(r.seen)
	}
	same := len(r.devices) == 1 && r.devices[0].GetReachable() == d.GetReachable() && r.devices[0].GetText() == d.GetText()
	if same && (now.Sub(r.devicesAt) < seenEvery || !r.seen.After(r.devicesAt)) {
		return nil, false
	}
	r.devices, r.devicesAt = []*docklinev1.DeviceHealth{d}, now
	return r.devices, true
}

// String says which database it is, without any secret.
func (d Database) String() string {
	if d.Driver == driverSQLite {
		return "the database " + d.File
	}
	return fmt.Sprintf("the database %s at %s:%d", d.Name, d.Host, d.Port)
}

// cause is the database's own words, shortened.
func cause(err error) string {
	var f *databaseFault
	if errors.As(err, &f) {
		err = f.err
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	if runes := []rune(text); len(runes) > 300 {
		text = string(runes[:300]) + "..."
	}
	return text
}

// faultWords are what a person reads for each class; one that is away is a device that cannot be reached.
var faultWords = map[faultClass]struct{ code, title, text string }{
	faultBusy:   {"database_busy", "Database is busy", "It took longer than statement_timeout, or somebody else holds it. It is asked less often until it answers. Is there an index on the watermark and tie columns?"},
	faultRights: {"database_rights", "Database refuses this user", "Give the user the right, or correct user and password_file; it is tried again all the time."},
	faultSchema: {"database_schema", "Tables are not as configured", "Nothing is read of it until that fits again, and nothing is lost: correct the configuration, or bring the column back."},
	faultOther:  {"database_error", "Database reports an error", "It is tried again all the time. Ask who looks after the database."},
}

func (r *reports) conditions(c *capture, now time.Time) ([]*docklinev1.Condition, bool) {
	var out []*docklinev1.Condition
	since := map[string]time.Time{}
	add := func(code, title string, severity docklinev1.Severity, text string) {
		if since[code] = r.since[code]; since[code].IsZero() {
			since[code] = now
		}
		out = append(out, &docklinev1.Condition{Code: code, Title: title, Severity: severity, Text: text, Since: timestamppb.New(since[code])})
	}
	for _, class := range []faultClass{faultRights, faultSchema, faultOther, faultBusy} {
		var texts []string
		for _, st := range c.states {
			if is, ok := classOf(st.fault); ok && is == class {
				texts = append(texts, what(st.fault)+": "+cause(st.fault))
			}
		}
		if words := faultWords[class]; len(texts) > 0 {
			severity := docklinev1.Severity_SEVERITY_ERROR
			if class == faultBusy {
				severity = docklinev1.Severity_SEVERITY_WARNING
			}
			text := strings.Join(slices.Compact(texts), "; ") + ". " + words.text
			if errorsAre(c.states, errRights) {
				text += " That is: " + c.setup.dialect.rights + "."
			}
			if errorsAre(c.states, errReplica) {
				text += " Name the database itself, or write horizon: overlap with an overlap longer than the copy lags and any transaction lasts."
			}
			add(words.code, words.title, severity, text)
		}
	}
	var unmarked, long []string
	for _, st := range c.states {
		if st.unmarked {
			unmarked = append(unmarked, st.what())
		}
		if st.lag >= longTransaction && len(long) == 0 {
			long = append(long, strings.TrimSpace(st.who))
		}
	}
	if len(unmarked) > 0 {
		add("rows_without_watermark", "Rows that are never read", docklinev1.Severity_SEVERITY_WARNING,
			strings.Join(unmarked, ", ")+": there are rows whose watermark or tie column is NULL. They are not told until it is filled; correct them, or leave them out by a query.")
	}
	if len(long) > 0 {
		add("long_transaction", "A transaction does not end", docklinev1.Severity_SEVERITY_WARNING,
			fmt.Sprintf("A transaction in the database has been open for a long time (%s). What it writes is told when it ends, and until then counts wait. See who holds it.", long[0]))
	}
	if c.out.deaf {
		add("cannot_take_back", "Corrections are not taken back", docklinev1.Severity_SEVERITY_WARNING,
			"Rows were corrected or deleted, but this agent is too old for a plugin to take back what it told. Update the agent.")
	}
	r.since = since
	changed := !slices.EqualFunc(out, r.last, func(a, b *docklinev1.Condition) bool { return proto.Equal(a, b) })
	r.last = out
	return out, changed
}

func what(err error) string {
	var f *databaseFault
	if errors.As(err, &f) {
		return f.what
	}
	return "the database"
}

func errorsAre(states []*state, target error) bool {
	return slices.ContainsFunc(states, func(st *state) bool { return errors.Is(st.fault, target) })
}
