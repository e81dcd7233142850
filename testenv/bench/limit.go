package bench

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
)

// probeTime is how long each probe and each in-process measure runs.
const probeTime = time.Second

// appendsPerSecond is what the disk does: blocks of a size appended to a growing file, each synced.
func appendsPerSecond(dir string, size int) (float64, error) {
	file, err := os.CreateTemp(dir, "append-")
	if err != nil {
		return 0, err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	block, n, begin := make([]byte, size), 0, time.Now()
	for ; time.Since(begin) < probeTime; n++ {
		if _, err := file.Write(block); err != nil {
			return 0, err
		}
		if err := file.Sync(); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(begin).Seconds(), nil
}

// groupCommits is what bbolt does at best: callers of batch values of 380 bytes each, of whom one commits for all that wait.
func groupCommits(dir string, callers, batch int) (perSecond float64, err error) {
	db, err := bbolt.Open(filepath.Join(dir, "limit.db"), 0o600, &bbolt.Options{FreelistType: bbolt.FreelistMapType, NoFreelistSync: true})
	if err != nil {
		return 0, err
	}
	defer os.Remove(db.Path())
	defer db.Close()
	bucket := []byte("b")
	if err := db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket(bucket); return err }); err != nil {
		return 0, err
	}
	queue, stop := make(chan chan error, callers), make(chan struct{})
	value, next := JSON("limit", 1), uint64(0)
	var ended sync.WaitGroup
	ended.Go(func() {
		for {
			var group []chan error
			select {
			case first := <-queue:
				group = append(group, first)
			case <-stop:
				return
			}
			for more := true; more; {
				select {
				case c := <-queue:
					group = append(group, c)
				default:
					more = false
				}
			}
			err := db.Update(func(tx *bbolt.Tx) error {
				b := tx.Bucket(bucket)
				b.FillPercent = 1
				for range len(group) * batch {
					next++
					if err := b.Put(binary.BigEndian.AppendUint64(nil, next), value); err != nil {
						return err
					}
				}
				return nil
			})
			for _, c := range group {
				c <- err
			}
		}
	})
	events, _, took, err := callersDo(callers, func(int, int) error {
		answer := make(chan error, 1)
		queue <- answer
		return <-answer
	})
	close(stop)
	ended.Wait()
	return float64(events*int64(batch)) / took.Seconds(), err
}

// callersDo lets callers call f one time after the other for probeTime, and returns how many calls there were and what each took in
// milliseconds.
func callersDo(callers int, f func(caller, n int) error) (calls int64, took []float64, lasted time.Duration, err error) {
	var failed atomic.Pointer[error]
	var wait sync.WaitGroup
	times := make([][]float64, callers)
	begin := time.Now()
	for caller := range callers {
		wait.Go(func() {
			for n := 0; time.Since(begin) < probeTime && failed.Load() == nil; n++ {
				called := time.Now()
				if err := f(caller, n); err != nil {
					failed.Store(&err)
					return
				}
				times[caller] = append(times[caller], time.Since(called).Seconds()*1000)
			}
		})
	}
	wait.Wait()
	lasted = time.Since(begin)
	for _, t := range times {
		took = append(took, t...)
	}
	if f := failed.Load(); f != nil {
		err = *f
	}
	return int64(len(took)), took, lasted, err
}
