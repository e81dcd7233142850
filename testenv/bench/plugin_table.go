package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver that wms-sql has

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

const (
	// tableRows is how many rows one transaction of the warehouse writes, tablePage how many a statement reads: the plugin's default.
	tableRows = 20_000
	tablePage = 500
)

const pickTable = `CREATE TABLE pick (pick_id bigint PRIMARY KEY, order_no text, order_line text, sku text, qty numeric, uom text, lot text, bin text, lpn text, operator text,
  picked_at timestamptz, changed_at timestamptz NOT NULL);
CREATE INDEX pick_changed ON pick (changed_at, pick_id)`

// pickColumns are those that are read, in the order of the table.
var pickColumns = []string{"pick_id", "order_no", "order_line", "sku", "qty", "uom", "lot", "bin", "lpn", "operator", "picked_at", "changed_at"}

const tableSection = `
database: {driver: postgres, host: %s, port: %d, name: %s, user: %s, tls: "off"}
zone: UTC
poll: 100ms
streams:
  - name: picks
    table: pick
    watermark: changed_at
    tie: [pick_id]
    kind: pick.confirmed
    key: [pick_id]
    columns: {pick_id: task, order_no: order, order_line: order_line, sku: item, qty: quantity, uom: unit, lot: lot, bin: bin, lpn: handling_unit, operator: actor, picked_at: occurred_at}
`

// tables measures rows from PostgreSQL to the journal, from the commit that shows them until the last is accepted; the plugin looks every 100 ms. Each
// round has a database and a site of its own: within a minute a reading goes over the former rows again, as the overlap wants.
func (s *Suite) tables(ctx context.Context) error {
	postgres, err := testenv.StartPostgres(true)
	if err != nil {
		return fmt.Errorf("postgresql: %w", err)
	}
	defer postgres.Stop()
	v, err := s.rounds(func() ([]float64, error) {
		url, err := postgres.CreateDatabase(ctx)
		if err != nil {
			return nil, err
		}
		through, err := s.tableThrough(ctx, url)
		if err != nil {
			return nil, err
		}
		alone, err := tableAlone(ctx, url)
		s.say("%.0f rows a second to the journal, %.0f by the driver alone", through, alone)
		return []float64{through, alone}, err
	})
	if err != nil {
		return fmt.Errorf("wms-sql: %w", err)
	}
	s.beside("rows of PostgreSQL through wms-sql to the journal", v[0], "rows/s", reference{name: "the same rows read by the driver alone", value: v[1]}, atLeast(tableGate))
	return nil
}

func (s *Suite) tableThrough(ctx context.Context, url string) (perSecond float64, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	if _, err := conn.Exec(ctx, pickTable); err != nil {
		return 0, err
	}
	c := conn.Config()
	p, err := s.openPlugin(ctx, sqlProgram, func(string) string {
		return fmt.Sprintf(tableSection, c.Host, c.Port, c.Database, c.User)
	})
	if err != nil {
		return 0, err
	}
	defer p.close()
	began, err := writePicks(ctx, conn)
	if err != nil {
		return 0, err
	}
	took, err := p.took(ctx, tableRows, began)
	if err != nil {
		return 0, err
	}
	return tableRows / took.Seconds(), p.kept(docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, tableRows)
}

// writePicks writes the rows in one transaction, with the statistics that a table in use has, and says when others could see them.
func writePicks(ctx context.Context, conn *pgx.Conn) (seen time.Time, err error) {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return seen, err
	}
	defer func() { _ = tx.Rollback(ctx) }() // nothing after a commit
	now := time.Now()
	_, err = tx.CopyFrom(ctx, pgx.Identifier{"pick"}, pickColumns, pgx.CopyFromSlice(tableRows, func(n int) ([]any, error) {
		f := factsOf("wms", uint64(n))
		quantity, err := strconv.Atoi(f.Quantity)
		return []any{int64(n), f.Order, f.Line, f.Item, quantity, f.Unit, f.Lot, f.Bin, f.LPN, f.Operator, now, now.Add(time.Duration(n) * time.Microsecond)}, err
	}))
	if err != nil {
		return seen, err
	}
	if _, err := tx.Exec(ctx, `ANALYZE pick`); err != nil {
		return seen, err
	}
	return time.Now(), tx.Commit(ctx)
}

// tableAlone reads the same rows by the same statements, page by page, and does nothing with them.
func tableAlone(ctx context.Context, url string) (perSecond float64, err error) {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	passes, err := repeated(func() error {
		var mark, tie any
		for rows := 0; ; {
			n, err := readPage(ctx, db, &mark, &tie)
			if err != nil {
				return err
			}
			if rows += n; n < tablePage {
				if rows != tableRows {
					return fmt.Errorf("the driver read %d rows, want %d", rows, tableRows)
				}
				return nil
			}
		}
	})
	return passes * tableRows, err
}

// readPage reads the rows behind mark and tie, which are moved on; the beginning is behind nil.
func readPage(ctx context.Context, db *sql.DB, mark, tie *any) (n int, err error) {
	where, args := "changed_at IS NOT NULL", []any(nil)
	if *mark != nil {
		where, args = "changed_at >= $1 AND (changed_at > $2 OR pick_id > $3)", []any{*mark, *mark, *tie}
	}
	rows, err := db.QueryContext(ctx, "SELECT "+strings.Join(pickColumns, ", ")+" FROM pick WHERE "+where+" AND pick_id IS NOT NULL ORDER BY changed_at, pick_id LIMIT "+fmt.Sprint(tablePage), args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	values, places := make([]any, len(pickColumns)), make([]any, len(pickColumns))
	for i := range values {
		places[i] = &values[i]
	}
	for ; rows.Next(); n++ {
		if err := rows.Scan(places...); err != nil {
			return n, err
		}
		*mark, *tie = values[len(values)-1], values[0]
	}
	return n, rows.Err()
}
