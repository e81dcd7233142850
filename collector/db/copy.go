package db

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"
)

// A copy is a backup in a form that any of the engines can be restored from: every row of every table, as of one moment. Within zstd:
//
//	the line "dockline.copy/1", and one of JSON: CopyHead
//	for each table: 't', its name and its columns (a text each, after their number), then its rows: 'r' and the values; then '.', and how many they were
//	'z', and the SHA-256 of everything before, in hex
//
// A value is 'n' (nothing), 'i' and a varint, 's' and a text, or 'b' and bytes; these two after their length, an unsigned varint.

const copyMagic = "dockline.copy/1\n"

// CopyHead is what stands at the head of a copy.
type CopyHead struct {
	// Engine is that of the database it was made of.
	Engine string `json:"engine"`
	// Version of the tables, by their migrations.
	Version     int64     `json:"version"`
	Incarnation string    `json:"incarnation"`
	At          time.Time `json:"at"`
}

// CopyInfo is what a copy holds.
type CopyInfo struct {
	CopyHead
	// Rows by table.
	Rows map[string]int64 `json:"rows"`
	// SHA256 is over what is within the compression.
	SHA256 string `json:"sha256"`
	// Bytes is the size of the file.
	Bytes int64 `json:"bytes"`
}

// Total is the number of rows of all tables.
func (i *CopyInfo) Total() (n int64) {
	for _, rows := range i.Rows {
		n += rows
	}
	return n
}

// longestValue bounds a value that is read; the longest that the centre keeps is a message of 16 MiB.
const longestValue = 1 << 30

type copyWriter struct {
	out  *bufio.Writer
	sum  hash.Hash
	buf  []byte
	info *CopyInfo
}

func (w *copyWriter) text(s string) {
	w.buf = binary.AppendUvarint(w.buf, uint64(len(s)))
	w.buf = append(w.buf, s...)
}

func (w *copyWriter) value(v any) error {
	switch v := v.(type) {
	case nil:
		w.buf = append(w.buf, 'n')
	case int64:
		w.buf = binary.AppendVarint(append(w.buf, 'i'), v)
	case string:
		w.buf = append(w.buf, 's')
		w.text(v)
	case []byte:
		w.buf = append(w.buf, 'b')
		w.text(string(v))
	default:
		return fmt.Errorf("a value of type %T", v)
	}
	return nil
}

func (w *copyWriter) flush() error {
	w.sum.Write(w.buf)
	_, err := w.out.Write(w.buf)
	w.buf = w.buf[:0]
	return err
}

// WriteCopy writes all rows as of one moment, while the database is at work.
func (d *DB) WriteCopy(ctx context.Context, to io.Writer) (*CopyInfo, error) {
	version, err := d.version(ctx)
	if err != nil {
		return nil, err
	}
	zip, err := zstd.NewWriter(to, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer zip.Close()
	w := &copyWriter{out: bufio.NewWriterSize(zip, 1<<16), sum: sha256.New(), info: &CopyInfo{Rows: make(map[string]int64)}}
	err = d.Read(ctx, func(tx *Tx) error {
		name, _, err := tx.Incarnation(ctx, false)
		if err != nil {
			return err
		}
		w.info.CopyHead = CopyHead{Engine: d.Engine(), Version: version, Incarnation: name, At: d.clock().UTC()}
		head, err := json.Marshal(w.info.CopyHead)
		if err != nil {
			return err
		}
		w.buf = append(append(append(w.buf, copyMagic...), head...), '\n')
		tables, err := tx.tables(ctx)
		if err != nil {
			return err
		}
		for _, table := range tables {
			if err := w.table(ctx, tx, table); err != nil {
				return fmt.Errorf("%s: %w", table, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("copy: %w", err)
	}
	w.buf = append(w.buf, 'z')
	if err := w.flush(); err != nil {
		return nil, err
	}
	w.info.SHA256 = hex.EncodeToString(w.sum.Sum(nil))
	w.out.WriteString(w.info.SHA256)
	return w.info, errors.Join(w.out.Flush(), zip.Close())
}

func (w *copyWriter) table(ctx context.Context, tx *Tx, table string) error {
	rows, err := tx.Query(ctx, `SELECT * FROM `+table)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	w.buf = append(w.buf, 't')
	w.text(table)
	w.buf = binary.AppendUvarint(w.buf, uint64(len(columns)))
	for _, column := range columns {
		w.text(column)
	}
	n := int64(0)
	for rows.Next() {
		values, err := scanAny(rows, len(columns))
		if err != nil {
			return err
		}
		w.buf = append(w.buf, 'r')
		for _, v := range values {
			if err := w.value(v); err != nil {
				return err
			}
		}
		n++
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.info.Rows[table] = n
	w.buf = binary.AppendVarint(append(w.buf, '.'), n)
	return rows.Err()
}

// tables are those of the centre, sorted, without the one that says which migrations have run.
func (tx *Tx) tables(ctx context.Context) (names []string, err error) {
	query := `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`
	if tx.d.postgres {
		query = `SELECT tablename FROM pg_tables WHERE schemaname = current_schema()`
	}
	rows, err := tx.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		if name != migrationTable {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, rows.Err()
}

type copyReader struct {
	in  *bufio.Reader
	sum hash.Hash
}

// ReadByte reads one byte, and counts it to the sum.
func (r *copyReader) ReadByte() (byte, error) {
	b, err := r.in.ReadByte()
	if err == nil {
		r.sum.Write([]byte{b})
	}
	return b, err
}

func (r *copyReader) text() ([]byte, error) {
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	if n > longestValue {
		return nil, fmt.Errorf("%w: a value of %d bytes", ErrDamaged, n)
	}
	b := make([]byte, n)
	if _, err = io.ReadFull(r.in, b); err == nil {
		r.sum.Write(b)
	}
	return b, err
}

func (r *copyReader) value() (any, error) {
	kind, err := r.ReadByte()
	if err != nil {
		return nil, err
	}
	switch kind {
	case 'n':
		return nil, nil
	case 'i':
		return binary.ReadVarint(r)
	case 's':
		b, err := r.text()
		return string(b), err
	case 'b':
		return r.text()
	}
	return nil, fmt.Errorf("%w: a value of kind %q", ErrDamaged, kind)
}

func (r *copyReader) line() (string, error) {
	text, err := r.in.ReadString('\n')
	r.sum.Write([]byte(text))
	return text, err
}

// rowsTogether is how many rows of a copy are handed over together, or fewer where they are long.
const rowsTogether, bytesTogether = 5000, 8 << 20

// ReadCopy reads a copy and checks it to its end. begin is told what it is, and put is given the rows of each table in portions, once with none;
// either may be nil. What is put is not to be believed before ReadCopy has returned.
func ReadCopy(path string, begin func(CopyHead) error, put func(table string, columns []string, rows [][]any) error) (*CopyInfo, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	unzip, err := zstd.NewReader(file, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(128<<20))
	if err != nil {
		return nil, err
	}
	defer unzip.Close()
	r := &copyReader{in: bufio.NewReaderSize(undamaged{unzip}, 1<<16), sum: sha256.New()}
	info, err := r.read(begin, put)
	if err != nil {
		if !errors.Is(err, ErrDamaged) && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return nil, fmt.Errorf("copy %s: %w", path, err)
	}
	if at, err := file.Stat(); err == nil {
		info.Bytes = at.Size()
	}
	return info, nil
}

func (r *copyReader) read(begin func(CopyHead) error, put func(string, []string, [][]any) error) (*CopyInfo, error) {
	info := &CopyInfo{Rows: make(map[string]int64)}
	magic, err := r.line()
	if errors.Is(err, ErrDamaged) {
		return nil, err
	}
	if err != nil || magic != copyMagic {
		return nil, fmt.Errorf("%w: no copy of a collector's database", ErrDamaged)
	}
	head, err := r.line()
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(head), &info.CopyHead); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if begin != nil {
		if err := begin(info.CopyHead); err != nil {
			return nil, err
		}
	}
	for {
		kind, err := r.ReadByte()
		if err != nil {
			return nil, err
		}
		switch kind {
		case 't':
			if err := r.table(info, put); err != nil {
				return nil, err
			}
		case 'z':
			info.SHA256 = hex.EncodeToString(r.sum.Sum(nil))
			said := make([]byte, len(info.SHA256))
			if _, err := io.ReadFull(r.in, said); err != nil {
				return nil, err
			}
			if _, err := r.in.ReadByte(); string(said) != info.SHA256 || err != io.EOF {
				return nil, fmt.Errorf("%w: its SHA-256 is not the one that it says", ErrDamaged)
			}
			return info, nil
		default:
			return nil, fmt.Errorf("%w: %q where a table should be", ErrDamaged, kind)
		}
	}
}

func (r *copyReader) table(info *CopyInfo, put func(string, []string, [][]any) error) error {
	name, err := r.text()
	if err != nil {
		return err
	}
	n, err := binary.ReadUvarint(r)
	if err != nil || n > 1000 {
		return errors.Join(fmt.Errorf("%w: %d columns of %s", ErrDamaged, n, name), err)
	}
	columns := make([]string, n)
	for i := range columns {
		column, err := r.text()
		if err != nil {
			return err
		}
		columns[i] = string(column)
	}
	table, count, size := string(name), int64(0), 0
	var rows [][]any
	flush := func() error {
		if put == nil {
			rows = nil
			return nil
		}
		err := put(table, columns, rows)
		rows, size = nil, 0
		return err
	}
	for {
		kind, err := r.ReadByte()
		if err != nil {
			return err
		}
		if kind == '.' {
			said, err := binary.ReadVarint(r)
			if err != nil {
				return err
			}
			if said != count {
				return fmt.Errorf("%w: %s has %d rows and says %d", ErrDamaged, table, count, said)
			}
			info.Rows[table] = count
			return flush()
		}
		if kind != 'r' {
			return fmt.Errorf("%w: %q where a row of %s should be", ErrDamaged, kind, table)
		}
		row := make([]any, n)
		for i := range row {
			if row[i], err = r.value(); err != nil {
				return err
			}
			switch v := row[i].(type) {
			case string:
				size += len(v)
			case []byte:
				size += len(v)
			}
		}
		count++
		if rows = append(rows, row); len(rows) == rowsTogether || size > bytesTogether {
			if err := flush(); err != nil {
				return err
			}
		}
	}
}
