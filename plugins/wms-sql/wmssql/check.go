package wmssql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// checkWithDatabase holds a sound configuration against the database.
func checkWithDatabase(ctx context.Context, s *setup, raw []byte, log *slog.Logger) []*docklinev1.ConfigFault {
	l := &loader{raw: raw}
	db, err := s.open(false)
	if err != nil {
		l.fault("database", "%v", err)
		return l.faults
	}
	defer db.Close()
	if l.cannotLogIn(ctx, db, s) {
		return l.faults
	}
	if s.Horizon == horizonDatabase && len(s.streams) > 0 {
		if _, err := s.dialect.horizon(ctx, db); err != nil {
			err = s.dialect.failed("asking which transactions are open", err)
			if !l.databaseFault("database", s, err) {
				log.Warn("the configuration cannot be held against the database now", "err", err)
				return nil
			}
		}
	}
	for _, st := range s.streams {
		t, err := inspect(ctx, db, s.dialect, st)
		if err != nil {
			if !l.databaseFault(st.path, s, err) {
				log.Warn("the configuration cannot be held against the database now", "stream", st.Name, "err", err)
				break
			}
			continue
		}
		l.checkColumns(s, st, t)
		l.checkStatements(ctx, db, s, st, t)
	}
	if !l.checkReplicated(ctx, db, s) {
		log.Warn("replication cannot be held against the database now")
	}
	l.checkCommands(ctx, s, log)
	return l.faults
}

// cannotLogIn says, once, that nobody is let in: whatever is asked then fails for that alone. One that is away is no fault.
func (l *loader) cannotLogIn(ctx context.Context, db *sql.DB, s *setup) bool {
	err := s.dialect.failed("logging in", db.PingContext(ctx))
	class, _ := classOf(err)
	var encrypted *tlsFault
	switch {
	case errors.As(err, &encrypted):
		l.fault("database.tls", "%s", cause(err))
	case class == faultRights && s.Database.PasswordFile == "":
		l.fault("database.user", "the database does not let %s in: %s; write password_file, or let an administrator give this user the right to log in", s.Database.User, cause(err))
	case class == faultRights:
		l.fault("database.user", "the database does not let %s in: %s; correct user and password_file, or let an administrator give this user the right to log in", s.Database.User, cause(err))
	default:
		return false
	}
	return true
}

// databaseFault tells a person what the database says against the configuration; false where it says nothing because it is away or busy.
func (l *loader) databaseFault(path string, s *setup, err error) bool {
	class, _ := classOf(err)
	switch {
	case errors.Is(err, errRights):
		l.fault("horizon", "%v; %s", errRights, s.dialect.rights)
	case errors.Is(err, errReplica):
		l.fault("horizon", "%v; name the database itself, or write horizon: overlap with an overlap longer than the copy lags and any transaction lasts", errReplica)
	case class == faultRights && path == "database":
		l.fault(path, "the database refuses it: %s; correct user and password_file, or %s", cause(err), s.dialect.rights)
	case class == faultRights:
		l.fault(path, "%s: %s; give the user the right to read it", what(err), cause(err))
	case class == faultAway, class == faultBusy:
		return false
	default:
		l.fault(path, "%s: %s", what(err), cause(err))
	}
	return true
}

// checkColumns says what of the columns cannot work.
func (l *loader) checkColumns(s *setup, st *stream, t *table) {
	mark := t.columns[t.watermark]
	if mark.typ == typeUUID {
		l.fault(st.path+".watermark", "%s is a %s, which does not grow; name a time of change, a rowversion or a serial number", mark.name, mark.kind)
	}
	if st.Zone == "" && (mark.typ == typeWall || mark.typ == typeTick) {
		l.fault(st.path+".zone", "%s is a %s, a time without an offset; write zone: Europe/Berlin or what the database's clocks show", mark.name, mark.kind)
	}
	for _, name := range append([]string(nil), st.Tie...) {
		if c := t.columns[t.at(name)]; c.typ == typeText && t.dialect == sqlServer && c.kind == "TEXT" {
			l.fault(st.path+".tie", "%s is a %s, which cannot be compared; name another column", c.name, c.kind)
		}
	}
}

// rewind makes a cursor from which everything of a time and later is told again.
func rewind(s *setup, raw []byte, since time.Time) ([]byte, string, error) {
	c, err := parseCursor(raw)
	if err != nil {
		return nil, "", err
	}
	c.Again = since.UTC()
	if c.Slot != nil {
		c.Slot.Done, c.Slot.Tx, c.Slot.Skip = "", "", 0 // what the slot told it does not tell again: the tables are read
	}
	for _, st := range s.streams {
		p := c.progress(st.Name)
		p.Now, p.Row = nil, ""
		if st.Outbox != nil {
			continue
		}
		p.Open, p.Seen = earlier(p.Open, since), earlier(p.Seen, since)
	}
	return c.encode(), fmt.Sprintf("rows that the database has written since %s, of %d streams, as they are now; rows that left an outbox do not come again", since.Format(time.RFC3339), len(s.streams)), nil
}

// checkStatements tries what a reading asks: a column may be one that the database cannot order or give the highest of, and a condition may be wrong.
func (l *loader) checkStatements(ctx context.Context, db *sql.DB, s *setup, st *stream, t *table) {
	try := func(path, what, text string, args []any) {
		rows, err := db.QueryContext(ctx, text, args...)
		if err == nil {
			err = errors.Join(rows.Close(), rows.Err())
		}
		if err != nil {
			l.databaseFault(st.path+path, s, s.dialect.failed(what, err))
		}
	}
	if t.pending != "" {
		text, args := t.page(nil, 1)
		try(".outbox.pending", "trying pending", text, args)
		return
	}
	text, args := t.page(nil, 1)
	try("", "reading the first row of "+st.what(), text, args)
	if !t.columns[t.watermark].typ.isTime() {
		try(".watermark", "reading the newest row of "+st.what(), t.newest(), nil)
	}
}
