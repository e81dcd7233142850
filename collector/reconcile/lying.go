package reconcile

import "time"

// leftAfter is how long another worker's mark may lie before it is taken for left.
const leftAfter = 2 * time.Second

// lying remembers which marks of other workers' keys were there when: those that another collector has left lying, since it is slow or gone,
// are taken in its place by one that has nothing else to do.
type lying struct {
	// old was the highest mark seen at a look that is leftAfter ago, next is that of the present time.
	old, next int64
	since     time.Time
}

// look begins a look at the marks.
func (l *lying) look(now time.Time) {
	if passed := now.Sub(l.since); passed >= leftAfter || passed < 0 {
		l.old, l.next, l.since = l.next, 0, now
	}
}

// left says whether a mark of another's key is one that was left lying: it was seen at a look of before.
func (l *lying) left(mark int64) bool {
	l.next = max(l.next, mark)
	return mark <= l.old
}
