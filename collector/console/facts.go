package console

import (
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

// facts are those behind a status, the newest first, as a page links to them.
type facts struct {
	*frame
	IDs []string
	// More is how many there are beside these.
	More  uint32
	kinds map[string]docklinev1.EventKind
}

// mostFacts is how many a page links to.
const mostFacts = 3

func factsOf(f *frame, ids []string, all uint32) facts {
	found := facts{frame: f}
	for i := len(ids) - 1; i >= max(0, len(ids)-mostFacts); i-- {
		found.IDs = append(found.IDs, ids[i])
	}
	found.More = all - uint32(len(found.IDs))
	if data, ok := f.Data.(*trackData); ok {
		found.kinds = data.Kinds
	}
	return found
}

// Name is what a fact is called: its kind, or its id where the page does not show it.
func (f facts) Name(id string) string {
	if kind, ok := f.kinds[id]; ok {
		return event.KindName(kind)
	}
	return short(id)
}
