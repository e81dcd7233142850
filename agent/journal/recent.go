package journal

import (
	"slices"
	"time"

	"go.etcd.io/bbolt"
	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// maxRecent bounds the packs that Recent reads.
const maxRecent = 200

// Recent shows events that were captured since a time and are packed, those of earlier processes among them, from the oldest to the newest. It
// is for what only needs a look back: of a file that does not read it shows nothing. Recover must have returned.
func (j *Journal) Recent(since time.Time, show func(*docklinev1.Event)) {
	for _, pack := range slices.Backward(j.recentPacks(since)) {
		packed, err := wire.OpenPack(pack.envelope.GetPack(), 64<<20)
		if err != nil {
			continue
		}
		for _, data := range packed {
			e := &docklinev1.Event{}
			if proto.Unmarshal(data, e) == nil && !e.GetCapturedAt().AsTime().Before(since) {
				show(e)
			}
		}
	}
}

// recentPacks begins with the newest.
func (j *Journal) recentPacks(since time.Time) (packs []storedPack) {
	j.view.RLock()
	defer j.view.RUnlock()
	for _, e := range slices.Backward(j.epochs) {
		older := false
		// What is damaged is found and declared by those who must have all of it.
		_ = guard(func() error {
			return e.db.View(func(tx *bbolt.Tx) error {
				cursor := tx.Bucket(bucketPacks).Cursor()
				for key, value := cursor.Last(); key != nil && len(packs) < maxRecent && !older; key, value = cursor.Prev() {
					p, err := openPack(value)
					if err != nil {
						return err
					}
					older = p.at.Before(since) // its first event is; others may not be
					packs = append(packs, p)
				}
				return nil
			})
		})
		if older || len(packs) >= maxRecent {
			break
		}
	}
	return packs
}
