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
	// saidFor is how long it is said that something has happened that cannot be made good here.
	saidFor = 24 * time.Hour
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
		if err := c.board.device(devices); err != nil {
			return err
		}
	}
	conditions, changed := c.reports.conditions(c, c.now())
	if !changed {
		return nil
	}
	return c.board.conditions(conditions)
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
	faultSetup:  {"replication_setup", "Replication is not set up", "Nothing is read of it until that is done, and nothing is lost: then the tables are read whole first."},
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
	for _, class := range []faultClass{faultRights, faultSchema, faultSetup, faultOther, faultBusy} {
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
	for _, st := range c.states {
		if at := st.progress.Truncated; !at.IsZero() && now.Sub(at) < saidFor {
			add("table_truncated", "A table was emptied", docklinev1.Severity_SEVERITY_WARNING,
				fmt.Sprintf("%s was emptied by TRUNCATE at about %s. That names no rows, so what was told of them stays told. If it was to take them back, a person must.", st.what(), at.UTC().Format(time.RFC3339)))
			break
		}
	}
	if s := c.cursor.Slot; s != nil && !s.Lost.IsZero() && now.Sub(s.Lost) < saidFor {
		add("slot_lost", "The slot was lost", docklinev1.Severity_SEVERITY_WARNING,
			fmt.Sprintf("Slot %s could not be followed on at %s: %s. It is begun anew, and its tables are read again: every row that stands there is told, and what was told of rows that are gone is taken back. Rows that came and went in between, and what a row was in between, are not known.",
				s.Name, s.Lost.UTC().Format(time.RFC3339), s.Why))
	}
	if c.leaveFault != nil {
		add("slot_left", "A slot is left at the server", docklinev1.Severity_SEVERITY_ERROR,
			fmt.Sprintf("No stream comes by replication any more, but slot %s could not be dropped (%v), and the server keeps its log for it until the disk is full. Let an administrator run: SELECT pg_drop_replication_slot(%s)", c.cursor.Slot.Name, c.leaveFault, literal(c.cursor.Slot.Name)))
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
