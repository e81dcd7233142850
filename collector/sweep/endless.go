package sweep

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/db"
)

// CodeEndless is that of the exception of a target whose sweep does not end.
const CodeEndless = "sweep_endless"

const (
	// idlePages is how many pages in a row may have nothing new. A list that others write to meanwhile repeats some documents, and a system that sorts out
	// after it has cut its pages may give empty ones; one that does not heed the page which it is asked for repeats them all.
	idlePages = 50
	// defaultPages is how many pages of one kind are read at most: ten thousand of a hundred documents are a million in the time that is looked at.
	defaultPages = 10_000
	// defaultGiveUp is after how long a run that cannot go on is given up: the next one may be luckier, and until then somebody should know.
	defaultGiveUp = 24 * time.Hour
)

func (s *Sweep) mostPages() int64 {
	if s.MostPages > 0 {
		return int64(s.MostPages)
	}
	return defaultPages
}

func (s *Sweep) giveUpAfter() time.Duration {
	if s.GiveUp > 0 {
		return s.GiveUp
	}
	return defaultGiveUp
}

// turned goes on to the next page of a list and says how it shows that the list has no end, "" where it does not. fresh is how many of the page's
// documents were not listed before.
func (r *Run) turned(page connector.ListedPage, fresh int, most int64) string {
	same := r.pages > 0 && page.Next == r.page
	r.page, r.pages, r.idle = page.Next, r.pages+1, r.idle+1
	if fresh > 0 {
		r.idle = 0
	}
	switch {
	case same:
		return fmt.Sprintf("after page %d comes the same page again", r.pages)
	case r.idle >= idlePages:
		return fmt.Sprintf("the last %d pages had nothing that was not listed before", r.idle)
	case r.pages >= most:
		return fmt.Sprintf("after %d pages there are still more", r.pages)
	}
	return ""
}

// listedWithoutEnd drops what was listed of a kind: each of its postings is asked for instead, so that the run comes to its end all the same.
func (r *Run) listedWithoutEnd(ctx context.Context, tx *db.Tx, t *Target, kind connector.Kind, why string) error {
	r.Endless = append(r.Endless, fmt.Sprintf("%s lists %s without end: %s.", t.Name, several(kind), why))
	r.NotListed = append(r.NotListed, string(kind))
	r.fromTheBeginning()
	if r.Phase, r.afterPlace = asking, 0; isRecord(kind) {
		r.next() // nothing was posted of it
	}
	return r.forgetDocuments(ctx, tx)
}

// giveUp ends a run that could not go on for too long, and says so. What earlier runs found stays as it is.
func (s *Sweep) giveUp(ctx context.Context, tx *db.Tx, t *Target, r *Run) error {
	now := s.now().Truncate(time.Microsecond)
	why := fmt.Sprintf("It began %s and could not go on; it was given up after %s. The last step failed: %s", r.StartedAt.Format("2006-01-02 15:04 MST"), now.Sub(r.StartedAt).Round(time.Minute), r.Fault)
	r.Phase, r.EndedAt = done, now
	if err := r.forgetDocuments(ctx, tx); err != nil {
		return err
	}
	return s.Centre.Unended(ctx, tx, r.Tenant, t, append(slices.Clone(r.Endless), why))
}
