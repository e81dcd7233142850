package wmssql

import (
	"regexp"
	"time"

	"github.com/dockline/dockline/proto/configfile"
)

// Replication is how streams come by logical replication: PostgreSQL's own plugin pgoutput, through a slot that this plugin makes and a publication that
// an administrator made.
type Replication struct {
	// Slot is of this agent alone; the plugin makes and drops it.
	Slot        string `yaml:"slot"`
	Publication string `yaml:"publication"`
	// MostLag is how much of its log the server may hold for the slot until Over says what is done: report (a person is told) or give_up (the slot is
	// dropped, and the tables are read again when that is possible).
	MostLag configfile.Bytes `yaml:"most_lag"`
	Over    string           `yaml:"over"`
}

const (
	fromPolling     = "polling"
	fromReplication = "replication"

	overReport = "report"
	overGiveUp = "give_up"

	deletesTakeBack = "take_back"
	deletesIgnore   = "ignore"

	// mostLag is the default of most_lag, leastLag the least: a slot holds a few segments of 16 MiB in any case.
	mostLag, leastLag = 2 << 30, 64 << 20
)

// slotName is what PostgreSQL takes.
var slotName = regexp.MustCompile(`^[a-z0-9_]{1,63}$`)

func (l *loader) checkReplication(s *setup) {
	r := s.Database.Replication
	if r == nil {
		return
	}
	if s.Database.Driver != driverPostgres {
		l.fault("database.replication", "only PostgreSQL's replication can be followed; leave the section out, and the tables are polled")
	}
	if !slotName.MatchString(r.Slot) {
		l.fault("database.replication.slot", "%q is no name of a slot; choose one of this agent's own, of lower case letters, digits and _, as in dockline_dc_east", r.Slot)
	}
	if r.Publication == "" {
		l.fault("database.replication.publication", "the publication is missing; let an administrator make one (README.md has the statement) and name it")
	}
	if r.MostLag == 0 {
		r.MostLag = mostLag
	}
	if r.MostLag < leastLag {
		l.fault("database.replication.most_lag", "most_lag is %d bytes; choose at least 64MiB", r.MostLag)
	}
	if r.Over == "" {
		r.Over = overReport
	}
	if r.Over != overReport && r.Over != overGiveUp {
		l.fault("database.replication.over", "%q is not known; use report or give_up", r.Over)
	}
}

// replicated says what of a stream that comes by replication cannot be, and fills in what it may leave out.
func (l *loader) replicated(s *setup, path string, f *Stream) {
	switch f.From {
	case "", fromPolling:
		if f.Deletes != "" {
			l.fault(path+".deletes", "only replication tells of deleted rows; use vanished to look for them")
		}
		return
	case fromReplication:
	default:
		l.fault(path+".from", "%q is not known; use polling or replication", f.From)
		return
	}
	if s.Database.Replication == nil {
		l.fault(path+".from", "there is no section database.replication; it names slot and publication")
	}
	if f.Table == "" {
		l.fault(path+".query", "a query is in no publication; name the table, or leave from out to poll the query")
	}
	if f.Outbox != nil || f.Vanished != nil {
		l.fault(path+".from", "outbox and vanished are for tables that are polled; replication tells of every row that comes and goes by itself")
	}
	if f.Deletes == "" {
		f.Deletes = deletesTakeBack
	}
	if f.Deletes != deletesTakeBack && f.Deletes != deletesIgnore {
		l.fault(path+".deletes", "%q is not known; use take_back or ignore", f.Deletes)
	}
	if f.Watermark == "" && len(f.Key) > 0 {
		f.Watermark, f.whole = f.Key[0], true // the order of a copy
	}
}

// slotCursor is how far a slot was followed.
type slotCursor struct {
	Name string `json:"name"`
	// System is the database cluster's identifier: a position of another says nothing.
	System string `json:"system,omitempty"`
	// Done: every transaction whose commit ends there or before was told; "" before the first copy is whole.
	Done string `json:"done,omitempty"`
	// Tx is the position of the commit whose changes are being told, Skip how many of its rows were.
	Tx   string `json:"tx,omitempty"`
	Skip int    `json:"skip,omitempty"`
	// Lost is when the slot was found to be gone, Why for what reason.
	Lost time.Time `json:"lost,omitzero"`
	Why  string    `json:"why,omitempty"`
}

func (s *slotCursor) done() lsn {
	at, _ := parseLSN(s.Done) // zero where there is none
	return at
}

func (s *slotCursor) lost(at time.Time, why string) { s.Lost, s.Why = at, why }

// reached moves on to where everything was told.
func (s *slotCursor) reached(at lsn) {
	if at > s.done() {
		s.Done = at.String()
	}
}
