package journal

import (
	"bytes"

	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// GiveBack takes the cursor of a plugin that the collector gave with its answer to Hello, and says whether the plugin must begin again
// from it. It counts only in a folder of which no event was ever acknowledged: there the disk is new, or lost, and a source would not know that
// it had told things before. In any other folder the own cursor is newer, or older, and right in both cases.
//
// A source that has begun from nothing meanwhile goes back: reading twice is harmless, the event ids tell.
func (j *Journal) GiveBack(c *docklinev1.PluginCursor) (again bool, err error) {
	j.write.Lock()
	defer j.write.Unlock()
	if j.closed {
		return false, ErrClosed
	}
	for _, e := range j.epochs {
		if e.state.acked > 0 || e.state.incarnation != "" || len(e.moved) > 0 {
			return false, nil
		}
	}
	if len(c.GetCursor()) == 0 || bytes.Equal(j.cursors[c.GetPlugin()].GetCursor(), c.GetCursor()) {
		return false, nil
	}
	j.options.Log.Warn("journal: a new folder of a site that the collector knows; the source goes on from where the collector has everything", "plugin", c.GetPlugin())
	newest := j.newest()
	return true, j.execute(&plan{tail: newest.tail, last: newest.state.last,
		cursors: map[string]*docklinev1.PluginCursor{c.GetPlugin(): proto.CloneOf(c)}})
}
