package downlink

import (
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

func masterKey(kind docklinev1.MasterKind, code string) []byte {
	return append([]byte{byte(kind)}, code...)
}

// MasterState is how far master data has come.
type MasterState struct {
	// Through is the highest version stored, Behind how many changes the centre had behind that when it last said so, Since since when the
	// first of them waits.
	Through, Behind uint64
	Since           time.Time
	// Partial: it has never been whole, so that a code that is not there may be one that is still to come.
	Partial bool
}

// PutMaster returns nil when the list is durable. Of one code the highest version counts. A list that begins behind what is held is
// ignored whole.
func (s *Store) PutMaster(list *docklinev1.MasterList) error {
	taken := false
	err := s.update(func(tx *bbolt.Tx) error {
		taken = false
		meta := tx.Bucket(bucketMeta)
		through := readNumber(meta.Get(keyMaster))
		if list.Previous > through {
			return nil
		}
		if list.Whole {
			if err := emptyMaster(tx); err != nil {
				return err
			}
			through = 0
		}
		partial := meta.Get(keyPartial) != nil
		if list.Through > 0 { // a collector that says how far it has come
			partial = list.Behind > 0 && (partial || through == 0)
		}
		for _, r := range list.Records {
			if r.Version <= through || r.Code == "" || len(r.Code) > maxKey {
				continue
			}
			through = r.Version
			if err := putMaster(tx, r, partial); err != nil {
				return err
			}
		}
		taken = true
		if err := setFlag(meta, keyPartial, partial); err != nil {
			return err
		}
		return meta.Put(keyMaster, number(max(through, list.Through)))
	})
	if err != nil {
		return fmt.Errorf("inbox: master data: %w", err)
	}
	if taken {
		s.counting.Lock()
		defer s.counting.Unlock()
		s.behind, s.behindSince = list.Behind, time.Time{}
		if list.BehindSince.IsValid() && list.Behind > 0 {
			s.behindSince = list.BehindSince.AsTime()
		}
	}
	return nil
}

// putMaster stores one record, and by which GTINs an item is known.
func putMaster(tx *bbolt.Tx, r *docklinev1.MasterRecord, partial bool) error {
	master, index := tx.Bucket(bucketMaster), tx.Bucket(bucketGTINs)
	if partial { // they come in the order of their codes, mostly
		master.FillPercent, index.FillPercent = 0.9, 0.9
	}
	key := masterKey(r.Kind, r.Code)
	if r.Kind == docklinev1.MasterKind_MASTER_KIND_ITEM {
		if err := indexGTINs(index, r, master.Get(key)); err != nil {
			return err
		}
	}
	if r.Removed {
		return master.Delete(key)
	}
	value, err := makeRecord(nil, r)
	if err != nil {
		return err
	}
	return master.Put(key, value)
}

// indexGTINs points an item's GTINs at it, and those that it no longer has at nothing.
func indexGTINs(index *bbolt.Bucket, r *docklinev1.MasterRecord, before []byte) error {
	old := &docklinev1.MasterRecord{}
	if before != nil {
		body, err := openRecord(before)
		if err != nil || proto.Unmarshal(body, old) != nil {
			old = &docklinev1.MasterRecord{} // what is damaged is replaced
		}
	}
	now := itemGTINs(r)
	for _, gtin := range itemGTINs(old) {
		if !slices.Contains(now, gtin) && string(index.Get([]byte(gtin))) == r.Code {
			if err := index.Delete([]byte(gtin)); err != nil {
				return err
			}
		}
	}
	for _, gtin := range now {
		if err := index.Put([]byte(gtin), []byte(r.Code)); err != nil {
			return err
		}
	}
	return nil
}

// itemGTINs are those of an item and of its packs.
func itemGTINs(r *docklinev1.MasterRecord) (all []string) {
	if r.Removed {
		return nil
	}
	add := func(gtin string) {
		if gtin != "" && len(gtin) <= maxKey {
			all = append(all, gtin)
		}
	}
	for _, gtin := range r.GetDetail().GetGtins() {
		add(gtin)
	}
	for _, u := range r.GetDetail().GetUnits() {
		add(u.GetGtin())
	}
	return all
}

// emptyMaster begins anew.
func emptyMaster(tx *bbolt.Tx) error {
	for _, name := range [][]byte{bucketMaster, bucketGTINs} {
		if err := tx.DeleteBucket(name); err != nil {
			return err
		}
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	return setFlag(tx.Bucket(bucketMeta), keyPartial, false)
}

func setFlag(meta *bbolt.Bucket, key []byte, on bool) error {
	switch there := meta.Get(key) != nil; {
	case on && !there:
		return meta.Put(key, []byte{1})
	case !on && there:
		return meta.Delete(key)
	}
	return nil
}

// MasterState says how far master data has come; nothing is known of what the centre has before it has said so in this process.
func (s *Store) MasterState() (m MasterState) {
	err := s.view(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		m.Through, m.Partial = readNumber(meta.Get(keyMaster)), meta.Get(keyPartial) != nil
		return nil
	})
	if err != nil {
		s.o.Log.Error("downlink: read the state of master data", "err", err)
	}
	s.counting.Lock()
	defer s.counting.Unlock()
	m.Behind, m.Since = s.behind, s.behindSince
	return m
}

// MasterThrough is the highest version of master data that is stored; nothing held is always a true answer.
func (s *Store) MasterThrough() (version uint64) {
	err := s.view(func(tx *bbolt.Tx) error {
		version = readNumber(tx.Bucket(bucketMeta).Get(keyMaster))
		return nil
	})
	if err != nil {
		s.o.Log.Error("downlink: read the version of master data", "err", err)
		return 0
	}
	return version
}

// Master looks a code up. any says whether all of this kind is known, and anything at all: else that a code is not known means nothing. A
// GTIN that an item has is known by the item.
func (s *Store) Master(kind docklinev1.MasterKind, code string) (r *docklinev1.MasterRecord, any bool) {
	err := s.view(func(tx *bbolt.Tx) error {
		master, index := tx.Bucket(bucketMaster), tx.Bucket(bucketGTINs)
		first, _ := master.Cursor().Seek([]byte{byte(kind)})
		any = len(first) > 0 && first[0] == byte(kind)
		value := master.Get(masterKey(kind, code))
		if kind == docklinev1.MasterKind_MASTER_KIND_GTIN {
			if first, _ := index.Cursor().First(); first != nil {
				any = true
			}
			if item := index.Get([]byte(code)); value == nil && item != nil && len(code) > 0 {
				value = master.Get(masterKey(docklinev1.MasterKind_MASTER_KIND_ITEM, string(item)))
			}
		}
		any = any && tx.Bucket(bucketMeta).Get(keyPartial) == nil
		if value == nil {
			return nil
		}
		body, err := openRecord(value)
		if err != nil {
			return err
		}
		r = &docklinev1.MasterRecord{}
		return proto.Unmarshal(body, r)
	})
	if err != nil {
		s.o.Log.Error("downlink: read master data", "code", code, "err", err)
		return nil, false
	}
	return r, any
}
