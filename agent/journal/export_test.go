package journal

import "go.etcd.io/bbolt"

// What tests of this package see of its inside.
const (
	PackEvents      = packEvents
	TemporarySuffix = temporarySuffix
	DamagedSuffix   = damagedSuffix
	StopName        = stopName
)

// Crash makes the next Close leave out what a crash would leave out.
func Crash(j *Journal) {
	j.write.Lock()
	defer j.write.Unlock()
	for _, e := range j.epochs {
		e.saved = e.state.acked
	}
}

// CheckFiles runs bbolt's own check over every file.
func CheckFiles(j *Journal) error {
	j.view.RLock()
	defer j.view.RUnlock()
	for _, e := range j.epochs {
		err := e.db.View(func(tx *bbolt.Tx) error {
			for err := range tx.Check() {
				return err
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Newest is the database that takes writes.
func Newest(j *Journal) *bbolt.DB { return j.newest().db }

// Unlearn runs f and then makes the journal forget what f committed, as if the last sync had failed although all was written.
func Unlearn(j *Journal, f func()) {
	e := j.newest()
	s, t := e.state, e.tail
	f()
	j.write.Lock()
	defer j.write.Unlock()
	e.state, e.tail = s, t
}

// LimitFor is the limit that a program with addresses of so many bits takes.
var LimitFor = limitFor
