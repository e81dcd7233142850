package downlink

import (
	"fmt"

	"go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

func masterKey(kind docklinev1.MasterKind, code string) []byte {
	return append([]byte{byte(kind)}, code...)
}

// PutMaster returns nil when the list is durable. Of one code the highest version counts. A list that begins behind what is held is
// ignored whole.
func (s *Store) PutMaster(list *docklinev1.MasterList) error {
	err := s.update(func(tx *bbolt.Tx) error {
		meta, master := tx.Bucket(bucketMeta), tx.Bucket(bucketMaster)
		through := readNumber(meta.Get(keyMaster))
		if list.Previous > through {
			return nil
		}
		for _, r := range list.Records {
			if r.Version <= through || r.Code == "" || len(r.Code) > maxKey {
				continue
			}
			through = r.Version
			key := masterKey(r.Kind, r.Code)
			if r.Removed {
				if err := master.Delete(key); err != nil {
					return err
				}
				continue
			}
			value, err := makeRecord(nil, r)
			if err != nil {
				return err
			}
			if err := master.Put(key, value); err != nil {
				return err
			}
		}
		return meta.Put(keyMaster, number(through))
	})
	if err != nil {
		return fmt.Errorf("inbox: master data: %w", err)
	}
	return nil
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

// Master looks a code up. any says whether anything of this kind is known at all: else that a code is not known means nothing.
func (s *Store) Master(kind docklinev1.MasterKind, code string) (r *docklinev1.MasterRecord, any bool) {
	err := s.view(func(tx *bbolt.Tx) error {
		master := tx.Bucket(bucketMaster)
		first, _ := master.Cursor().Seek([]byte{byte(kind)})
		any = len(first) > 0 && first[0] == byte(kind)
		value := master.Get(masterKey(kind, code))
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
