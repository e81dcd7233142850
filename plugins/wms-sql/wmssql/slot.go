package wmssql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// slotState is what the server says of a slot.
type slotState struct {
	there            bool
	plugin, database string
	active           int
	lost             bool
	confirmed        lsn
	// held is how many bytes of log the server keeps for it, lag how many it has not been told are durable at the agent.
	held, lag int64
	// unbounded: nothing ends a slot that keeps too much.
	unbounded bool
}

// The row is read through JSON because versions of PostgreSQL have different columns.
const slotQuery = `SELECT s.slot_name IS NOT NULL, coalesce(s.plugin, ''), coalesce(s.database, ''), coalesce(s.active_pid, 0), coalesce(to_jsonb(s) ->> 'wal_status', ''),
  coalesce(s.confirmed_flush_lsn, '0/0')::text, coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), s.restart_lsn), 0)::bigint, coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), s.confirmed_flush_lsn), 0)::bigint,
  coalesce(current_setting('max_slot_wal_keep_size', true), '')
FROM (SELECT 1) one LEFT JOIN pg_replication_slots s ON s.slot_name = $1`

func slotOf(ctx context.Context, db *sql.DB, name string) (slotState, error) {
	var s slotState
	var status, confirmed, keep string
	err := db.QueryRowContext(ctx, slotQuery, name).Scan(&s.there, &s.plugin, &s.database, &s.active, &status, &confirmed, &s.held, &s.lag, &keep)
	if err != nil {
		return s, postgres.failed("asking for slot "+name, err)
	}
	s.lost, s.unbounded = status == "lost", keep == "" || keep == "-1"
	s.confirmed, err = parseLSN(confirmed)
	return s, err
}

// systemOf asks which cluster it is.
func systemOf(ctx context.Context, session *pgconn.PgConn) (string, error) {
	results, err := session.Exec(ctx, "IDENTIFY_SYSTEM").ReadAll()
	if err != nil {
		return "", postgres.failed("asking which database cluster it is", err)
	}
	if len(results) != 1 || len(results[0].Rows) != 1 {
		return "", errors.New("the server does not say which database cluster it is")
	}
	return string(results[0].Rows[0][0]), nil
}

// dropQuery drops a slot where it is there.
const dropQuery = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1"

func dropSlot(ctx context.Context, session *pgconn.PgConn, name string) error {
	_, err := session.Exec(ctx, "DROP_REPLICATION_SLOT "+doubleQuoted(name)).ReadAll()
	if isCode(err, "42704") {
		return nil // there is none
	}
	return postgres.failed("dropping slot "+name, err)
}

// makeWithin is how long the server may take to make a slot: it waits for every transaction that is open.
const makeWithin = 30 * time.Second

// makeSlot makes a slot, and says where it begins and by which snapshot the database is to be read as of there.
func makeSlot(ctx context.Context, session *pgconn.PgConn, name string) (begin lsn, snapshot string, err error) {
	limited, cancel := context.WithTimeout(ctx, makeWithin)
	defer cancel()
	results, err := session.Exec(limited, "CREATE_REPLICATION_SLOT "+doubleQuoted(name)+" LOGICAL pgoutput").ReadAll()
	switch {
	case limited.Err() != nil && ctx.Err() == nil:
		return 0, "", &databaseFault{faultBusy, "making slot " + name, errors.New("the server waits for transactions that are open; end those that hang (pg_stat_activity, pg_prepared_xacts)")}
	case isCode(err, "53400"):
		return 0, "", setupFault("making slot "+name, "%w; let an administrator raise max_replication_slots, or drop a slot that nobody needs", err)
	case err != nil:
		return 0, "", postgres.failed("making slot "+name, err)
	case len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) < 3:
		return 0, "", fmt.Errorf("making slot %s: the server does not say where it begins", name)
	}
	row := results[0].Rows[0]
	begin, err = parseLSN(string(row[1]))
	return begin, string(row[2]), err
}

// setupFault is what an administrator has to put right before replication can be followed.
func setupFault(what, format string, args ...any) error {
	return &databaseFault{faultSetup, what, fmt.Errorf(format, args...)}
}

// serverFits says what of the server and the publication keeps them from being followed.
func serverFits(ctx context.Context, db *sql.DB, r Replication) error {
	var level string
	var there, insert, update, remove sql.NullBool
	err := db.QueryRowContext(ctx, `SELECT current_setting('wal_level'), p.pubname IS NOT NULL, p.pubinsert, p.pubupdate, p.pubdelete FROM (SELECT 1) one LEFT JOIN pg_publication p ON p.pubname = $1`,
		r.Publication).Scan(&level, &there, &insert, &update, &remove)
	switch {
	case err != nil:
		return postgres.failed("asking for publication "+r.Publication, err)
	case level != "logical":
		return setupFault("the server's wal_level", "it is %s; let an administrator run: ALTER SYSTEM SET wal_level = logical, and restart the server", level)
	case !there.Bool:
		return setupFault("publication "+r.Publication, "there is none in this database; let the tables' owner run: CREATE PUBLICATION %s FOR TABLE ... (the tables of the streams)", doubleQuoted(r.Publication))
	case !insert.Bool || !update.Bool || !remove.Bool:
		return setupFault("publication "+r.Publication, "it does not publish everything; let its owner run: ALTER PUBLICATION %s SET (publish = 'insert, update, delete, truncate')", doubleQuoted(r.Publication))
	}
	return nil
}

const relationQuery = `SELECT c.oid, n.nspname, c.relname, c.relkind::text, c.relreplident::text,
  ARRAY(SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey)
    WHERE i.indrelid = c.oid AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END)::text[],
  coalesce((SELECT coalesce(to_jsonb(t) ->> 'attnames', '*') FROM pg_publication_tables t WHERE t.pubname = $2 AND t.schemaname = n.nspname AND t.tablename = c.relname LIMIT 1), ''),
  EXISTS (SELECT FROM pg_publication_tables t WHERE t.pubname = $2 AND t.schemaname = n.nspname AND t.tablename = c.relname AND to_jsonb(t) ->> 'rowfilter' IS NOT NULL)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass($1)`

// fits looks at a stream's columns and at how its table is published.
func (f *follower) fits(ctx context.Context, st *state) error {
	if err := serverFits(ctx, f.c.db, f.set); err != nil {
		return err
	}
	t, err := inspect(ctx, f.c.db, postgres, st.stream)
	if err != nil {
		return err
	}
	binding, faults := st.mapping.Bind(t.names())
	if len(faults) > 0 {
		return schemaFault(st.what(), "column %s: %s", faults[0].Column, faults[0].Text)
	}
	r, err := relationOf(ctx, f.c.db, f.set, st.stream, t)
	if err != nil {
		return err
	}
	if r.entry, err = entryOf(ctx, f.c.db, f.set, r); err != nil {
		return err
	}
	if was := st.progress.Published; was != "" && was != r.entry && st.progress.Copied {
		st.progress.Copied = false
		f.c.log.Warn("the table was not published for a time, or is another one under its name: it is read anew", "stream", st.Name)
	}
	st.progress.Published = r.entry
	st.table, st.binding, st.published = t, binding, r
	return nil
}

// published is a table as its publication names it. entry is the same for as long as nobody has changed how: what was written to a table while it was not
// published comes by no slot, also where it was published again before anybody looked.
type published struct {
	oid              uint32
	schema, relation string
	entry            string
}

// entryQuery tells a table and what publishes it apart from all that may take their names later: the rows of the catalogue, with the transactions that wrote
// them. A table may be in a publication by itself or by what it is a part of.
const entryQuery = `SELECT concat_ws(' ', $1::text, p.oid, p.xmin, (WITH RECURSIVE over (oid) AS (SELECT $1::text::oid UNION SELECT i.inhparent FROM pg_inherits i JOIN over ON i.inhrelid = over.oid)
  SELECT string_agg(r.oid || ':' || r.xmin, ' ' ORDER BY r.oid) FROM pg_publication_rel r JOIN over ON r.prrelid = over.oid WHERE r.prpubid = p.oid))
FROM pg_publication p WHERE p.pubname = $2`

// schemaEntryQuery is the same of publications of whole schemas, which PostgreSQL has from 15 on.
const schemaEntryQuery = `SELECT coalesce(string_agg(s.oid || ':' || s.xmin, ' ' ORDER BY s.oid), '') FROM pg_publication_namespace s JOIN pg_publication p ON p.oid = s.pnpubid
WHERE p.pubname = $1 AND s.pnnspid = $2::regnamespace`

// entryOf asks what publishes a table.
func entryOf(ctx context.Context, db *sql.DB, r Replication, p published) (string, error) {
	var entry, ofSchema string
	var schemas bool
	oid := strconv.FormatUint(uint64(p.oid), 10)
	err := db.QueryRowContext(ctx, entryQuery, oid, r.Publication).Scan(&entry)
	if err == nil {
		err = db.QueryRowContext(ctx, "SELECT to_regclass('pg_catalog.pg_publication_namespace') IS NOT NULL").Scan(&schemas)
	}
	if err == nil && schemas {
		err = db.QueryRowContext(ctx, schemaEntryQuery, r.Publication, doubleQuoted(p.schema)).Scan(&ofSchema)
	}
	return strings.TrimSpace(entry + " " + ofSchema), postgres.failed("asking what publishes "+p.schema+"."+p.relation, err)
}

// relationOf holds a table against its publication.
func relationOf(ctx context.Context, db *sql.DB, r Replication, st *stream, t *table) (published, error) {
	var p published
	var kind, identity, columns string
	var keys textArray
	var filtered bool
	err := db.QueryRowContext(ctx, relationQuery, st.Table, r.Publication).Scan(&p.oid, &p.schema, &p.relation, &kind, &identity, &keys, &columns, &filtered)
	full := doubleQuoted(p.schema) + "." + doubleQuoted(p.relation)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return p, schemaFault(st.what(), "there is no such table")
	case err != nil:
		return p, postgres.failed("asking how "+st.what()+" is published", err)
	case kind != "r" && kind != "p":
		return p, setupFault(st.what(), "it is no table, and only tables are published; name the table, or leave from out to poll it")
	case columns == "" && kind == "p":
		return p, setupFault(st.what(), "it is partitioned, and publication %s has not got it as a whole; let its owner run: ALTER PUBLICATION %s ADD TABLE %s and SET (publish_via_partition_root = true)", r.Publication, doubleQuoted(r.Publication), full)
	case columns == "":
		return p, setupFault(st.what(), "publication %s has not got it; let its owner run: ALTER PUBLICATION %s ADD TABLE %s", r.Publication, doubleQuoted(r.Publication), full)
	case filtered:
		return p, setupFault(st.what(), "publication %s has only some rows of it (WHERE), so that the others would never be told; let its owner publish the whole table, and leave rows out by the condition when", r.Publication)
	}
	for _, c := range t.columns {
		if columns != "*" && !strings.Contains(columns, `"`+c.actual+`"`) {
			return p, setupFault(st.what(), "publication %s leaves out its column %s; let its owner add it", r.Publication, c.actual)
		}
	}
	if identity == "f" {
		return p, nil
	}
	if len(keys) == 0 {
		return p, setupFault(st.what(), "it has no replica identity: rows that change cannot be told apart, and the server refuses to change them while the table is published; let its owner run: ALTER TABLE %s REPLICA IDENTITY FULL (or USING INDEX, with a unique index of the key)", full)
	}
	for _, at := range t.key {
		if c := t.columns[at]; !slices.Contains(keys, c.actual) {
			return p, setupFault(st.what(), "its replica identity (%s) lacks key column %s, so that a deleted row would not say which it was; take the primary key as key, or let its owner run: ALTER TABLE %s REPLICA IDENTITY FULL",
				strings.Join(keys, ", "), c.actual, full)
		}
	}
	return p, nil
}

// textArray reads an array of names.
type textArray []string

// Scan implements sql.Scanner: {a,"b c"}.
func (a *textArray) Scan(value any) error {
	text, ok := value.(string)
	if !ok {
		return fmt.Errorf("%T is no array as text", value)
	}
	*a = nil
	if text = strings.Trim(text, "{}"); text == "" {
		return nil
	}
	for _, part := range strings.Split(text, ",") {
		*a = append(*a, strings.ReplaceAll(strings.Trim(part, `"`), `\"`, `"`))
	}
	return nil
}

// checkReplicated holds what comes by replication against the database; false where the database is away.
func (l *loader) checkReplicated(ctx context.Context, db *sql.DB, s *setup) bool {
	r := s.Database.Replication
	if r == nil || !slices.ContainsFunc(s.streams, func(st *stream) bool { return st.From == fromReplication }) {
		return true
	}
	err := serverFits(ctx, db, *r)
	if err == nil {
		session, sessionErr := connectWAL(ctx, s.Database)
		if err = sessionErr; err == nil {
			_ = session.Close(ctx) // it was only to be seen that it opens
		}
	}
	if class, _ := classOf(err); err != nil && class == faultRights {
		l.fault("database.user", "%s: %s; let an administrator run: ALTER ROLE %s REPLICATION", what(err), cause(err), doubleQuoted(s.Database.User))
		return true
	}
	if err != nil {
		return l.databaseFault("database.replication", s, err)
	}
	for _, st := range s.streams {
		if st.From != fromReplication {
			continue
		}
		t, err := inspect(ctx, db, postgres, st)
		if err != nil {
			continue // said with the columns
		}
		if _, err := relationOf(ctx, db, *r, st, t); err != nil && !l.databaseFault(st.path, s, err) {
			return false
		}
	}
	return true
}
