package journal

import (
	"fmt"

	"go.etcd.io/bbolt"
)

// CheckFile reads an epoch file as a journal would, whole, and changes nothing: nil if all of it verifies, ErrDamaged if not. A bad file
// can kill its reader or keep it for ever, so this is for a process that may be lost.
func CheckFile(path string) error {
	file, ok := parseEpochFile(path)
	if !ok {
		return fmt.Errorf("%s is not named like a journal's file", path)
	}
	if err := checkMetas(path); err != nil {
		return err
	}
	e := newEpoch(file)
	return guard(func() (err error) {
		if e.db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: openWait, FreelistType: bbolt.FreelistMapType, ReadOnly: true}); err != nil {
			if isDamage(err) {
				err = fmt.Errorf("%w: %w", ErrDamaged, err)
			}
			return err
		}
		defer e.db.Close()
		if err := e.reload(); err != nil {
			return err
		}
		if _, err := e.cursors(); err != nil {
			return err
		}
		if err := e.checkPacks(); err != nil {
			return err
		}
		return e.db.View(func(tx *bbolt.Tx) error {
			for err := range tx.Check() {
				return fmt.Errorf("%w: %w", ErrDamaged, err)
			}
			return nil
		})
	})
}

// checkPacks reads every pack, and that none is missing between them.
func (e *epoch) checkPacks() error {
	after := uint64(0)
	for {
		packs, _, err := e.scan(after, 256)
		if err != nil {
			return err
		}
		for _, p := range packs {
			if p.envelope.FirstSeq != after+1 && after != 0 || after == 0 && p.envelope.FirstSeq > e.state.acked+1 {
				return fmt.Errorf("%w: nothing between %d and %d", ErrDamaged, after, p.envelope.FirstSeq)
			}
			after = p.envelope.LastSeq
		}
		if len(packs) == 0 {
			break
		}
	}
	if sealed := e.sealed(); after < sealed && sealed > e.state.acked {
		return fmt.Errorf("%w: nothing between %d and %d", ErrDamaged, after, sealed)
	}
	return nil
}
