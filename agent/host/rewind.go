package host

import (
	"context"
	"sync"
)

// rewinding lets a plugin begin again from an older cursor while it runs.
type rewinding struct {
	// mu is held for reading while an entry goes into the journal, so that none is on its way when the cursor is put back.
	mu sync.RWMutex
	// asked: the cursor was put back; what the session still tells is kept, but its cursors are not.
	asked bool
	end   context.CancelFunc
}

// begin opens a life of the plugin; it ends with ctx, or when the cursor is put back.
func (r *rewinding) begin(ctx context.Context) (context.Context, context.CancelFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	life, end := context.WithCancel(ctx)
	r.asked, r.end = false, end
	return life, end
}

func (r *rewinding) rewound() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.asked
}

func (r *rewinding) putBack(commit func() (bool, error)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	again, err := commit()
	if err != nil || !again {
		return err
	}
	r.asked = true
	if r.end != nil {
		r.end()
	}
	return nil
}

// rewindable is the journal as one life of a plugin sees it.
type rewindable struct {
	Journal
	rewinding *rewinding
}

func (j rewindable) Append(ctx context.Context, entry Entry) error {
	j.rewinding.mu.RLock()
	defer j.rewinding.mu.RUnlock()
	if j.rewinding.asked {
		entry.Cursor, entry.CompleteThrough = nil, nil
		if len(entry.Events) == 0 {
			return nil
		}
	}
	return j.Journal.Append(ctx, entry)
}

// Rewind lets commit put a plugin's cursor back in the journal. Where commit says that it has, the plugin is drained and begins
// again from that cursor; nothing that it tells meanwhile moves it. A plugin that is not configured may be one later.
func (h *Host) Rewind(plugin string, commit func() (again bool, err error)) error {
	for _, s := range h.supervisors {
		if s.plugin.ID == plugin {
			return s.rewinding.putBack(commit)
		}
	}
	_, err := commit()
	return err
}
