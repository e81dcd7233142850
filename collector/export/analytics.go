package export

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// AnalyticsSchema names the form of an analytics export. Columns are only added to it; a column that means something else gets another name, and a
// form in which one is gone another schema.
const AnalyticsSchema = "dockline.analytics/1"

// Analytics writes what a tenant has into a folder, one file a table, all of it as of one moment, for a warehouse of data or a notebook.
type Analytics struct {
	Tenant string
	// Tables to write, by name; none: all.
	Tables []string
	// Kinds of events; none: all. Since and Before bound when they happened.
	Kinds         []docklinev1.EventKind
	Since, Before time.Time
	// After is where the export before ended: events behind its offset, and of the other tables what has changed since.
	After Mark
	// CSV in the place of JSON lines. Compressed: zstd.
	CSV, Compressed bool
	// Now is when it is.
	Now time.Time
}

// Mark is up to where an export has everything.
type Mark struct {
	// Offset of the event log.
	Offset int64 `json:"offset"`
	// ChangedAt is a little before the moment of the export, in Unix microseconds: what was under way then comes with the next one, perhaps again.
	ChangedAt int64 `json:"changed_at"`
}

// overlap is how long a transaction that was under way may have taken to become visible.
const overlap = 5 * time.Minute

// AnalyticsManifest says what an export has. Rows are told from each other by their key: one that comes again replaces the former.
type AnalyticsManifest struct {
	Schema string           `json:"schema"`
	Tenant string           `json:"tenant"`
	At     time.Time        `json:"at"`
	After  Mark             `json:"after"`
	Next   Mark             `json:"next"`
	Tables []AnalyticsTable `json:"tables"`
}

// AnalyticsTable is one file of an export, with its columns.
type AnalyticsTable struct {
	Name    string   `json:"name"`
	File    string   `json:"file"`
	Rows    int64    `json:"rows"`
	Bytes   int64    `json:"bytes"`
	SHA256  string   `json:"sha256"`
	Key     []string `json:"key"`
	Columns []Column `json:"columns"`
}

// Column of a table. Type is text, integer, decimal (as a text), time (RFC 3339, UTC; empty for none), boolean, or json.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Help string `json:"help"`
}

// Write writes the files into a folder that is not there yet; it has its name when all are whole.
func (a *Analytics) Write(ctx context.Context, d *db.DB, folder string) (*AnalyticsManifest, error) {
	if _, err := os.Stat(folder); err == nil {
		return nil, fmt.Errorf("%s: %w; each export is a folder of its own", folder, os.ErrExist)
	}
	unfinished := folder + ".part"
	if err := errors.Join(os.RemoveAll(unfinished), os.MkdirAll(unfinished, 0o750)); err != nil {
		return nil, err
	}
	m := &AnalyticsManifest{Schema: AnalyticsSchema, Tenant: a.Tenant, At: a.Now.UTC(), After: a.After, Next: Mark{ChangedAt: a.Now.Add(-overlap).UnixMicro()}}
	err := d.Read(ctx, func(tx *db.Tx) error {
		m.Tables = nil
		if err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(log_offset), 0) FROM event`).Scan(&m.Next.Offset); err != nil {
			return err
		}
		for _, t := range analyticsTables {
			if !a.wants(t.name) {
				continue
			}
			done, err := a.table(ctx, tx, t, unfinished, m)
			if err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			m.Tables = append(m.Tables, done)
		}
		return nil
	})
	if err == nil {
		err = writeJSON(filepath.Join(unfinished, "manifest.json"), m)
	}
	if err == nil {
		err = os.Rename(unfinished, folder)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("analytics: %w", err), os.RemoveAll(unfinished))
	}
	return m, nil
}

func (a *Analytics) wants(table string) bool {
	for _, name := range a.Tables {
		if name == table {
			return true
		}
	}
	return len(a.Tables) == 0
}

func writeJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	_, err = file.Write(append(text, '\n'))
	return errors.Join(err, file.Sync(), file.Close())
}

// sheet is one file that is being written.
type sheet struct {
	columns []Column
	out     *bufio.Writer
	csv     *csv.Writer
	rows    int64
}

func (a *Analytics) table(ctx context.Context, tx *db.Tx, t analyticsTable, folder string, m *AnalyticsManifest) (done AnalyticsTable, err error) {
	done = AnalyticsTable{Name: t.name, File: t.name + ".jsonl", Key: t.key, Columns: t.columns}
	if a.CSV {
		done.File = t.name + ".csv"
	}
	if a.Compressed {
		done.File += ".zst"
	}
	file, err := os.OpenFile(filepath.Join(folder, done.File), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	counted := &counter{Writer: file, sum: sha256.New()}
	var to io.Writer = counted
	var zip *zstd.Encoder
	if a.Compressed {
		if zip, err = zstd.NewWriter(counted, zstd.WithEncoderConcurrency(1)); err != nil {
			return done, err
		}
		to = zip
	}
	s := &sheet{columns: t.columns, out: bufio.NewWriterSize(to, 1<<16)}
	if a.CSV {
		s.csv = csv.NewWriter(s.out)
		header := make([]string, len(t.columns))
		for i, c := range t.columns {
			header[i] = c.Name
		}
		if err := s.csv.Write(header); err != nil {
			return done, err
		}
	}
	if err := t.read(ctx, tx, a, m, s); err != nil {
		return done, err
	}
	if s.csv != nil {
		s.csv.Flush()
		err = s.csv.Error()
	}
	if err = errors.Join(err, s.out.Flush()); err == nil && zip != nil {
		err = zip.Close()
	}
	done.Rows, done.Bytes, done.SHA256 = s.rows, counted.n, hex.EncodeToString(counted.sum.Sum(nil))
	return done, errors.Join(err, file.Sync())
}

type counter struct {
	io.Writer
	sum hash.Hash
	n   int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.sum.Write(p[:n])
	c.n += int64(n)
	return n, err
}

// row writes one row: values in the order of the columns.
func (s *sheet) row(values ...any) error {
	s.rows++
	if s.csv != nil {
		cells := make([]string, len(values))
		for i, v := range values {
			switch v := v.(type) {
			case json.RawMessage:
				cells[i] = string(v)
			case string:
				cells[i] = v
			default:
				cells[i] = fmt.Sprint(v)
			}
		}
		return s.csv.Write(cells)
	}
	s.out.WriteByte('{')
	for i, v := range values {
		if i > 0 {
			s.out.WriteByte(',')
		}
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		s.out.WriteString(`"` + s.columns[i].Name + `":`)
		s.out.Write(text)
	}
	_, err := s.out.WriteString("}\n")
	return err
}

// instant is a time column of the database as text, "" for none.
func instant(micros int64) string {
	if micros == 0 {
		return ""
	}
	return time.UnixMicro(micros).UTC().Format(time.RFC3339Nano)
}

// words is a message as JSON in one line.
func words(body []byte, m proto.Message) (json.RawMessage, error) {
	if err := proto.Unmarshal(body, m); err != nil {
		return nil, err
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, err
	}
	var plain bytes.Buffer // protojson puts blanks as it likes
	err = json.Compact(&plain, text)
	return plain.Bytes(), err
}

// AnalyticsNames are the tables of an analytics export.
func AnalyticsNames() []string {
	names := make([]string, len(analyticsTables))
	for i, t := range analyticsTables {
		names[i] = t.name
	}
	return names
}

// columnsOf reads "name type: help" a line.
func columnsOf(text string) (columns []Column) {
	for line := range strings.Lines(strings.TrimSpace(text)) {
		head, help, _ := strings.Cut(strings.TrimSpace(line), ": ")
		name, typ, _ := strings.Cut(head, " ")
		columns = append(columns, Column{name, typ, help})
	}
	return columns
}

// AnalyticsTables are the tables of an analytics export with their columns.
func AnalyticsTables() []AnalyticsTable {
	tables := make([]AnalyticsTable, len(analyticsTables))
	for i, t := range analyticsTables {
		tables[i] = AnalyticsTable{Name: t.name, Key: t.key, Columns: t.columns}
	}
	return tables
}
