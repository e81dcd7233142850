package connector

import "time"

// places and calls are what this collector may use, and whether that is limited at all; the account's lock is held.
func (a *Account) places() (n int, limited bool) {
	if a.Share != nil {
		return a.part.places, a.Limits.Parallel > 0
	}
	return a.Limits.Parallel, a.Limits.Parallel > 0
}

func (a *Account) calls() (n int, limited bool) {
	limited = a.Limits.Calls > 0 && a.Limits.Per > 0
	if a.Share != nil {
		return a.part.calls, limited
	}
	return a.Limits.Calls, limited
}

// lower takes up a smaller part at once, and returns what of the part that it had is still in use, or its new part where that is more.
func (a *Account) lower(to, had part, now time.Time) (kept part) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.part = part{min(a.part.calls, to.calls), min(a.part.places, to.places)}
	a.forget(now)
	return part{max(to.calls, min(len(a.begun), had.calls)), max(to.places, min(int(a.stats.UnderWay), had.places))}
}

// raise takes up a part that nobody else has, and has those look again who wait.
func (a *Account) raise(to part) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.part = to
	a.stats.most = int(a.stats.UnderWay)
	a.freed()
}
