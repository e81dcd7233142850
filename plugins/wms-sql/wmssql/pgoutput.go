package wmssql

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// lsn is a position in PostgreSQL's write-ahead log.
type lsn uint64

// String writes it as PostgreSQL does: 16/B374D848.
func (l lsn) String() string { return fmt.Sprintf("%X/%X", uint32(l>>32), uint32(l)) }

func parseLSN(text string) (lsn, error) {
	var high, low uint32
	if n, err := fmt.Sscanf(text, "%X/%X", &high, &low); err != nil || n != 2 {
		return 0, fmt.Errorf("%q is no position in a write-ahead log", text)
	}
	return lsn(high)<<32 | lsn(low), nil
}

// What the plugin pgoutput says, in version 1 of its protocol (PostgreSQL 10 and later; "Logical Replication Message Formats" of its manual). What
// is of no use here (origins, types, messages) is walBegin's nil.
type (
	walBegin struct {
		final lsn
		xid   uint32
	}
	walCommit struct{ end lsn }
	// walRelation says what a table's columns are for the changes that follow.
	walRelation struct {
		id           uint32
		schema, name string
		columns      []walColumn
	}
	walColumn struct {
		name string
		typ  uint32
	}
	// walChange is a row that is new, changed or gone. old is there where the key changed, or where the table's replica identity is full; whole says
	// that it has all columns.
	walChange struct {
		op       byte // I, U, D
		relation uint32
		old, new []walCell
		whole    bool
	}
	walTruncate struct{ relations []uint32 }
	// walKeepalive says up to where everything was sent.
	walKeepalive struct{ end lsn }
)

// walCell is a column's text. An unchanged one is not sent: it is wide, and stands as it stood.
type walCell struct {
	text            string
	null, unchanged bool
}

var errShort = errors.New("a message of pgoutput ends too early")

// decodeWAL reads a message; nil for one that says nothing of rows.
func decodeWAL(raw []byte) (any, error) {
	d := &walReader{rest: raw}
	var out any
	switch kind := d.byte(); kind {
	case 'B':
		begin := walBegin{final: lsn(d.u64())}
		d.skip(8)
		begin.xid = d.u32()
		out = begin
	case 'C':
		d.skip(9)
		out = walCommit{end: lsn(d.u64())}
		d.skip(8)
	case 'R':
		out = d.relation()
	case 'I', 'U', 'D':
		out = d.change(kind)
	case 'T':
		n := int(d.u32())
		d.skip(1)
		t := walTruncate{}
		for range min(n, len(d.rest)/4) {
			t.relations = append(t.relations, d.u32())
		}
		d.short = d.short || len(t.relations) != n
		out = t
	case 'O', 'Y', 'M':
		return nil, nil
	default:
		return nil, fmt.Errorf("pgoutput sent a message of the unknown kind %q", kind)
	}
	if d.short {
		return nil, errShort
	}
	return out, nil
}

// walReader takes a message apart. Beyond its end everything is zero, and short.
type walReader struct {
	rest  []byte
	short bool
}

func (d *walReader) take(n int) []byte {
	if n < 0 || n > len(d.rest) {
		d.short, d.rest = true, nil
		return nil
	}
	out := d.rest[:n]
	d.rest = d.rest[n:]
	return out
}

func (d *walReader) skip(n int) { d.take(n) }

func (d *walReader) byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *walReader) u16() uint16 {
	if b := d.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (d *walReader) u32() uint32 {
	if b := d.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (d *walReader) u64() uint64 {
	if b := d.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (d *walReader) text() string {
	for i, b := range d.rest {
		if b == 0 {
			out := string(d.rest[:i])
			d.rest = d.rest[i+1:]
			return out
		}
	}
	d.short, d.rest = true, nil
	return ""
}

func (d *walReader) relation() walRelation {
	r := walRelation{id: d.u32(), schema: d.text(), name: d.text()}
	d.skip(1)
	for range d.u16() {
		if d.short {
			break
		}
		d.skip(1)
		c := walColumn{name: d.text(), typ: d.u32()}
		d.skip(4)
		r.columns = append(r.columns, c)
	}
	return r
}

func (d *walReader) change(op byte) walChange {
	c := walChange{op: op, relation: d.u32()}
	part := d.byte()
	if op != 'I' && (part == 'K' || part == 'O') {
		c.old, c.whole = d.cells(), part == 'O'
		if op == 'D' {
			return c
		}
		part = d.byte()
	}
	d.short = d.short || op == 'D' || part != 'N'
	c.new = d.cells()
	return c
}

func (d *walReader) cells() (out []walCell) {
	for range d.u16() {
		if d.short {
			return nil
		}
		switch kind := d.byte(); kind {
		case 'n':
			out = append(out, walCell{null: true})
		case 'u':
			out = append(out, walCell{unchanged: true})
		case 't':
			out = append(out, walCell{text: string(d.take(int(d.u32())))})
		default:
			d.short = true
		}
	}
	return out
}
