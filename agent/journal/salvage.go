package journal

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// The few facts of bbolt's file format that salvage needs. Numbers are little endian on every machine that the agent is built for.
const (
	pageHeader  = 16 // id (8 bytes), flags (2), count (2), overflow (4)
	pageElement = 16 // flags, position from the element, key size, value size (4 each)
	pageLeaf    = 0x02
	leafBucket  = 0x01
	bucketRoot  = 16 // of a bucket's value: root page (8), sequence (8); with root 0 a page follows in the value itself
	metaAt      = 16 // of a meta in its page
	metaSize    = 56 // which FNV-1a sums, in the 8 bytes behind it
	metaPageAt  = 24 // in a meta page: the page size
)

// wreck is what the pages of a damaged file still tell. They are read one by one, not by the tree, without bbolt and without a mapping:
// nothing that stands in them can hurt the reader, and a wild page hides nothing but itself. Pages that bbolt has freed and not
// used again are read too; what they hold was captured once, and the log refuses what it has by event id.
type wreck struct {
	file     epochFile
	cause    error
	identity *docklinev1.EpochRange
	// state is the newest that was found; a later one may have been in a page that is gone.
	state state
	// endless says that nothing tells the last Seq for certain.
	endless bool
	packs   []place // by first Seq
	rows    []tail  // by first Seq; behind the last pack
	moved   []*docklinev1.EpochRange
	// cursors are those of the newest pack: never ahead of what was captured.
	cursors map[string]*docklinev1.PluginCursor
}

// place is where a whole pack lies in a file.
type place struct {
	first, last uint64
	crc         uint32
	at          int64
	size        int
}

// readWreck collects every record that verifies in the pages of a file.
func readWreck(file epochFile, cause error) (*wreck, error) {
	w := &wreck{file: file, cause: cause, endless: true, identity: &docklinev1.EpochRange{Epoch: file.id, Ordinal: file.ordinal}}
	f, err := os.Open(file.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size := pageSize(f)
	for at := int64(0); ; at += size {
		header := make([]byte, pageHeader)
		if n, err := f.ReadAt(header, at); n < pageHeader {
			if errors.Is(err, io.EOF) {
				break
			}
			continue // a sector that can't be read hides only itself
		}
		if binary.LittleEndian.Uint16(header[8:]) != pageLeaf {
			continue
		}
		// A value that is larger than a page goes on in those behind it.
		pages := 1 + min(int64(binary.LittleEndian.Uint32(header[12:])), packBytes*4/size)
		page := make([]byte, pages*size)
		n, _ := f.ReadAt(page, at)
		w.leaf(page[:n], at)
	}
	w.order()
	return w, w.readCursors(f)
}

func pageSize(f *os.File) int64 {
	meta := make([]byte, metaPageAt+4)
	if _, err := f.ReadAt(meta, 0); err == nil {
		if size := int64(binary.LittleEndian.Uint32(meta[metaPageAt:])); size >= 1<<10 && size <= 64<<10 && size&(size-1) == 0 {
			return size
		}
	}
	return int64(os.Getpagesize())
}

// checkMetas says whether both meta pages of a file verify. bbolt makes do with one, and so would not tell that the last commit is
// gone with the other.
func checkMetas(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	size := pageSize(f)
	for at := range int64(2) {
		meta := make([]byte, metaSize+8)
		if _, err := f.ReadAt(meta, at*size+metaAt); err != nil {
			return fmt.Errorf("%w: meta page %d: %w", ErrDamaged, at, err)
		}
		sum := fnv.New64a()
		sum.Write(meta[:metaSize])
		if binary.LittleEndian.Uint64(meta[metaSize:]) != sum.Sum64() {
			return fmt.Errorf("%w: meta page %d", ErrDamaged, at)
		}
	}
	return nil
}

// leaf takes what verifies of a leaf page that begins at a place of the file, and of small buckets that lie within it.
func (w *wreck) leaf(page []byte, at int64) {
	if len(page) < pageHeader {
		return
	}
	for i := range int(binary.LittleEndian.Uint16(page[10:])) {
		element := pageHeader + i*pageElement
		if element+pageElement > len(page) {
			return
		}
		field := func(n int) int64 { return int64(binary.LittleEndian.Uint32(page[element+4*n:])) }
		key := int64(element) + field(1)
		value := key + field(2)
		end := value + field(3)
		if end > int64(len(page)) {
			continue
		}
		if field(0)&leafBucket != 0 {
			if value+bucketRoot < end && binary.LittleEndian.Uint64(page[value:]) == 0 {
				w.leaf(page[value+bucketRoot:end], at+value+bucketRoot)
			}
			continue
		}
		w.record(page[key:value], page[value:end], at+value)
	}
}

// record takes note of one record, if it verifies and belongs to this epoch.
func (w *wreck) record(key, value []byte, at int64) {
	stamp, body, err := openRecord(value)
	if err != nil {
		return
	}
	switch {
	case bytes.Equal(key, keyState):
		if s, err := readState(value); err == nil && s.last >= w.state.last {
			s.acked, s.days = max(s.acked, w.state.acked), w.state.days
			w.state = s
		}
	case bytes.HasPrefix(key, []byte(dayPrefix)):
		if n, ok := readDay(value); ok {
			w.state.days = w.state.days.atLeast(dayCounts{string(key[len(dayPrefix):]): n})
		}
	case bytes.Equal(key, keyIdentity):
		if r := (&docklinev1.EpochRange{}); proto.Unmarshal(body, r) == nil && r.Epoch == w.file.id {
			w.identity = r
		}
	case bytes.HasPrefix(key, []byte(movedPrefix)):
		if r := (&docklinev1.EpochRange{}); proto.Unmarshal(body, r) == nil {
			w.moved = slices.DeleteFunc(w.moved, func(m *docklinev1.EpochRange) bool { return m.Epoch == r.Epoch })
			w.moved = append(w.moved, r)
		}
	case len(key) == 8:
		w.events(keySeq(key), stamp, value, body, at)
	}
}

// events takes a pack, whose key is its last Seq, or a row of the tail, whose key is its first.
func (w *wreck) events(seq uint64, stamp time.Time, value, body []byte, at int64) {
	if p, err := openPack(value); err == nil && p.envelope.Epoch == w.file.id {
		if p.envelope.LastSeq == seq && p.envelope.FirstSeq > 0 && p.envelope.FirstSeq <= seq {
			w.packs = append(w.packs, place{first: p.envelope.FirstSeq, last: seq, crc: p.envelope.Crc, at: at, size: len(value)})
		}
		return
	}
	if items, err := openRow(body); err == nil && len(items) > 0 {
		row := tail{}
		row.add(seq, items, stamp)
		w.rows = append(w.rows, row)
	}
}

// order sorts what was found and leaves out what is there twice.
func (w *wreck) order() {
	slices.SortFunc(w.packs, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.last, b.last), cmp.Compare(a.crc, b.crc))
	})
	w.packs = slices.CompactFunc(w.packs, func(a, b place) bool { return a.first == b.first && a.last == b.last && a.crc == b.crc })
	packed := uint64(0)
	for _, p := range w.packs {
		packed = max(packed, p.last)
	}
	w.rows = slices.DeleteFunc(w.rows, func(r tail) bool { return r.first <= packed })
	slices.SortStableFunc(w.rows, func(a, b tail) int { return cmp.Compare(a.first, b.first) })
	w.rows = slices.CompactFunc(w.rows, func(a, b tail) bool {
		return a.first == b.first && slices.EqualFunc(a.events, b.events, func(x, y item) bool { return bytes.Equal(x.data, y.data) })
	})
}

func (w *wreck) readCursors(f io.ReaderAt) error {
	newest := place{}
	for _, p := range w.packs {
		if p.last > newest.last {
			newest = p
		}
	}
	if newest.last == 0 {
		return nil
	}
	pack, err := newest.read(f)
	if err != nil {
		return err
	}
	w.cursors = map[string]*docklinev1.PluginCursor{}
	for _, c := range pack.envelope.Cursors {
		w.cursors[c.Plugin] = c
	}
	return nil
}

func (p place) read(f io.ReaderAt) (storedPack, error) {
	value := make([]byte, p.size)
	if _, err := f.ReadAt(value, p.at); err != nil {
		return storedPack{}, err
	}
	return openPack(value)
}

// salvaged is what became of the events of an epoch that was taken over.
type salvaged struct {
	moved, lost []*docklinev1.SeqRange
	next        uint64 // the first Seq that is in neither
}

// found takes note that first to last could be read; what is between them and the last ones is lost.
func (s *salvaged) found(first, last uint64) {
	s.missed(first - 1)
	if n := len(s.moved); n > 0 && s.moved[n-1].Last+1 >= first {
		s.moved[n-1].Last = max(last, s.moved[n-1].Last)
	} else {
		s.moved = append(s.moved, &docklinev1.SeqRange{First: first, Last: last})
	}
	s.next = max(s.next, last+1)
}

func (s *salvaged) missed(last uint64) {
	if last >= s.next {
		s.lost = append(s.lost, &docklinev1.SeqRange{First: s.next, Last: last})
		s.next = last + 1
	}
}

// salvage puts what a wreck holds behind from into the newest epoch, under new numbers and otherwise as it is.
func (j *Journal) salvage(w *wreck, from uint64) (*salvaged, error) {
	f, err := os.Open(w.file.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := &salvaged{next: from + 1}
	for places := range slices.Chunk(slices.DeleteFunc(slices.Clone(w.packs), func(p place) bool { return p.last <= from }), 64) {
		var packs []storedPack
		for _, p := range places {
			pack, err := p.read(f)
			if err != nil {
				continue // It read a moment ago: a dying disk. It is declared lost.
			}
			packs = append(packs, pack)
			s.found(p.first, p.last)
		}
		if err := j.adopt(packs); err != nil {
			return nil, err
		}
	}
	for _, row := range w.rows {
		if err := j.adoptTail(row, w.cursors); err != nil {
			return nil, err
		}
		s.found(row.first, row.first+uint64(len(row.events))-1)
	}
	s.missed(w.state.last)
	if w.endless {
		s.lost = append(s.lost, &docklinev1.SeqRange{First: s.next})
	}
	return s, nil
}

// setAside takes what can be read of a damaged file over into the newest epoch, declares the rest as a gap and renames the
// file. Only then does the journal let go of it, so that a crash on the way begins again. The caller holds write. e is the
// file where it is open.
func (j *Journal) setAside(w *wreck, e *epoch, from uint64) error {
	taken, err := j.salvage(w, from)
	if err != nil {
		return fmt.Errorf("salvage epoch %s: %w", w.file.id, err)
	}
	if err := j.declareLost(w, taken.lost); err != nil {
		return err
	}
	if err := j.markMoved(w.identity, w.moved, max(w.state.last, taken.next-1), taken.moved); err != nil {
		return err
	}
	if e != nil {
		j.forget(e)
		e.closeDamaged()
	}
	_, err = moveAside(w.file.path)
	return err
}

// setAsideOpen does so with a file that is open: what is known of it in memory counts more than what its pages say.
func (j *Journal) setAsideOpen(e *epoch, cause error, all bool) error {
	if e == j.newest() {
		if err := j.begin(e.ended(), e.state); err != nil {
			return err
		}
	}
	w, err := readWreck(epochFile{path: e.path, ordinal: e.ordinal(), id: e.id()}, cause)
	if err != nil {
		return fmt.Errorf("salvage epoch %s: %w", e.id(), err)
	}
	if !e.endless {
		w.state, w.endless, w.identity, w.moved, w.rows = e.state, false, e.identity, e.moved, nil
		if len(e.tail.events) > 0 {
			w.rows = []tail{e.tail}
		}
	}
	from := w.state.acked
	if all && len(w.packs) > 0 {
		from = min(from, w.packs[0].first-1)
	}
	return j.setAside(w, e, from)
}
