// Package downlink keeps what the centre sent to a site, commands and receipts, and carries the commands out once.
package downlink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
	"google.golang.org/protobuf/proto"
)

// The buckets of inbox.db. Every value but those of the indexes is a record: CRC-32C (4 bytes, big endian), body.
var (
	// meta: "incarnation"; "commands", "receipts" (positions), "master" (version), "kept" (receipts) and "began" (the last place of a receipt
	// of earlier incarnations), 8 bytes big endian; "partial" is there while master data is not whole.
	bucketMeta = []byte("meta")
	// commands: key -> state (1), place in waiting (8), Command. A command that is done keeps key and version only.
	bucketCommands = []byte("commands")
	// waiting: place -> key of a command that is not done, in the order in which they came.
	bucketWaiting = []byte("waiting")
	// results: key -> Event that says what became of a command, until the journal has it.
	bucketResults = []byte("results")
	// applied: number of an order -> hash of key and work (32), CommandResult; what was applied last to it.
	bucketApplied = []byte("applied")
	// receipts: event id -> time of storing in Unix microseconds (8), place (8), EventReceipt.
	bucketReceipts = []byte("receipts")
	// order: place -> event id. subjects: subject, 0, place -> event id.
	bucketOrder    = []byte("order")
	bucketSubjects = []byte("subjects")
	// open: when it happened in Unix microseconds (8), place (8) -> level and heldFlag (1), event id. Receipts of what is not done with.
	bucketOpen = []byte("open")
	// master: kind (1), code -> MasterRecord.
	bucketMaster = []byte("master")
	// gtins: GTIN -> code of the item that has it.
	bucketGTINs = []byte("gtins")

	buckets = [][]byte{bucketMeta, bucketCommands, bucketWaiting, bucketResults, bucketApplied, bucketReceipts, bucketOrder, bucketSubjects, bucketOpen, bucketMaster, bucketGTINs}
)

// Options of a store. The zero value of each number takes the default in its comment.
type Options struct {
	// KeepReceipts (30 days) and MaxReceipts (100,000) bound what is known of events; the oldest go first.
	KeepReceipts time.Duration
	MaxReceipts  int
	// Now is the clock (time.Now).
	Now func() time.Time
	Log *slog.Logger
}

// Store is the site's inbox, one bbolt file. All methods may be called at the same time.
type Store struct {
	o    Options
	path string
	db   *bbolt.DB
	// arrived has room for one sign that there is a new command.
	arrived chan struct{}

	counting sync.Mutex
	counted  *OpenStats // nil where receipts have come since
	// behind and behindSince are what the centre last said of what it has behind what it sent.
	behind      uint64
	behindSince time.Time
}

var errDamaged = errors.New("damaged")

// Open opens the inbox, or makes a new one. A damaged file is renamed, and a new one begins at position 0: the centre then
// sends again all that is open.
func Open(path string, o Options) (*Store, error) {
	if o.KeepReceipts <= 0 {
		o.KeepReceipts = 30 * 24 * time.Hour
	}
	if o.MaxReceipts <= 0 {
		o.MaxReceipts = 100_000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{o: o, path: path, arrived: make(chan struct{}, 1)}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("open inbox: %w", err)
	}
	err := s.open()
	if errors.Is(err, errDamaged) {
		aside := fmt.Sprintf("%s.%s.damaged", path, o.Now().UTC().Format("20060102T150405.000000"))
		o.Log.Error("downlink: the inbox is damaged and was set aside; the centre sends all that is open again", "file", aside, "err", err)
		if err := os.Rename(path, aside); err != nil {
			return nil, fmt.Errorf("open inbox: %w", err)
		}
		err = s.open()
	}
	if err != nil {
		return nil, fmt.Errorf("open inbox: %w", err)
	}
	return s, nil
}

func (s *Store) open() error {
	var db *bbolt.DB
	err := guard(func() (err error) {
		db, err = bbolt.Open(s.path, 0o600, &bbolt.Options{Timeout: 2 * time.Second, FreelistType: bbolt.FreelistMapType})
		return err
	})
	if err != nil {
		for _, other := range []error{bbolterrors.ErrTimeout, fs.ErrPermission} {
			if errors.Is(err, other) {
				return err
			}
		}
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	s.db = db
	err = s.update(func(tx *bbolt.Tx) error {
		indexed := tx.Bucket(bucketOpen) != nil
		for _, name := range buckets {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		if !indexed {
			if err := indexOpen(tx); err != nil {
				return err
			}
		}
		return verify(tx)
	})
	if err != nil {
		guard(db.Close)
	}
	return err
}

// verify reads what has consequences: commands and results. Receipts are for people, and verified when they are read.
func verify(tx *bbolt.Tx) error {
	err := tx.Bucket(bucketCommands).ForEach(func(key, value []byte) error {
		_, err := readCommand(value)
		return err
	})
	if err != nil {
		return err
	}
	err = tx.Bucket(bucketWaiting).ForEach(func(_, key []byte) error {
		if tx.Bucket(bucketCommands).Get(key) == nil {
			return fmt.Errorf("command %s: %w", key, errDamaged)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return tx.Bucket(bucketResults).ForEach(func(_, value []byte) error {
		_, err := openRecord(value)
		return err
	})
}

// Close closes the file.
func (s *Store) Close() error { return guard(s.db.Close) }

// guard turns what damage to the file does, a panic or a fault on a mapped page, into errDamaged.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errDamaged, r)
		}
	}()
	return f()
}

func (s *Store) update(f func(*bbolt.Tx) error) error {
	return guard(func() error { return s.db.Update(f) })
}

func (s *Store) view(f func(*bbolt.Tx) error) error {
	return guard(func() error { return s.db.View(f) })
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func makeRecord(head []byte, body proto.Message) ([]byte, error) {
	r, err := proto.MarshalOptions{}.MarshalAppend(append(make([]byte, 4, 64), head...), body)
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint32(r, crc32.Checksum(r[4:], castagnoli))
	return r, nil
}

func openRecord(r []byte) ([]byte, error) {
	if len(r) < 4 || binary.BigEndian.Uint32(r) != crc32.Checksum(r[4:], castagnoli) {
		return nil, errDamaged
	}
	return r[4:], nil
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func readNumber(b []byte) uint64 {
	if len(b) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

var (
	keyIncarnation = []byte("incarnation")
	keyCommands    = []byte("commands")
	keyReceipts    = []byte("receipts")
	keyKept        = []byte("kept")
	keyMaster      = []byte("master")
	keyBegan       = []byte("began")
	keyPartial     = []byte("partial")
)

// Through says which incarnation of the collector's database the positions belong to, and the highest ones stored.
func (s *Store) Through() (incarnation string, commands, receipts uint64) {
	err := s.view(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		incarnation = string(meta.Get(keyIncarnation))
		commands, receipts = readNumber(meta.Get(keyCommands)), readNumber(meta.Get(keyReceipts))
		return nil
	})
	if err != nil {
		// Nothing held is always a true answer: what is there already is not done twice.
		s.o.Log.Error("downlink: read positions", "err", err)
		return "", 0, 0
	}
	return incarnation, commands, receipts
}

// SetIncarnation takes the incarnation of a HelloReply. In a new one the positions begin at 0; commands that are known stay
// known by key and version, which a database that was put back gives higher ones; receipts count until the new one says otherwise.
func (s *Store) SetIncarnation(incarnation string) error {
	err := s.update(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		if string(meta.Get(keyIncarnation)) == incarnation {
			return nil
		}
		for _, key := range [][]byte{keyCommands, keyReceipts, keyMaster} {
			if err := meta.Delete(key); err != nil {
				return err
			}
		}
		// What this database does not know must not stay for ever; what it knows comes again.
		if err := emptyMaster(tx); err != nil {
			return err
		}
		if err := meta.Put(keyBegan, number(tx.Bucket(bucketOrder).Sequence())); err != nil {
			return err
		}
		return meta.Put(keyIncarnation, []byte(incarnation))
	})
	if err != nil {
		return fmt.Errorf("inbox: new incarnation: %w", err)
	}
	return nil
}
