package posting

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// heard is what the target said about one posting.
type heard struct {
	// at is when it was asked; looked says that found is an answer.
	at     time.Time
	looked bool
	found  []connector.Found
	// applied: Apply was answered with these documents.
	applied   bool
	documents []*docklinev1.DocumentReference
	// newer is the version that the target keeps in place of what was sent, 0 for none.
	newer int64
	// fault is what went wrong, applying whether Apply was begun.
	fault    *connector.Fault
	applying bool
	// unsent: it was claimed and no call was begun.
	unsent bool
}

// call looks and applies as state and style of the posting want it.
func (s *Sender) call(ctx context.Context, j job) heard {
	h := heard{at: s.Now()}
	if claimedAt := j.row.leaseUntil - s.Lease.Microseconds(); h.at.UnixMicro()-claimedAt >= s.CallTimeout.Microseconds() {
		// The machine slept between commit and call: the lease may soon be another's.
		h.fault = &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: "too_late", Text: "the lease is running out", Unasked: true}
		return h
	}
	first := j.row.State == Sending
	if first {
		s.count(func(st *Stats) { st.Sent++ })
	}
	if !first || j.row.Style == connector.CreateOnce || j.row.Style == connector.Advance && (j.row.Attempts > 1 || j.row.confirmedHash != "") {
		found, err := s.Connector.Find(ctx, j.posting)
		if err != nil {
			h.fault = faultOf(err, false)
			return h
		}
		h.looked, h.found = true, inForce(found)
		if !first || !mayApply(j.row.Style, h.found) {
			return h
		}
	}
	if err := ctx.Err(); err != nil {
		h.fault = faultOf(err, false)
		return h
	}
	h.applying = true
	wanted := *j.posting
	wanted.Absent = h.looked && len(h.found) == 0
	result, err := s.Connector.Apply(ctx, &wanted)
	if err != nil {
		h.fault = faultOf(err, true)
		return h
	}
	h.applied, h.documents, h.newer = true, result.Documents, result.Newer
	return h
}

// mayApply says whether what was found leaves something to apply. Drafts that are too many the connector deletes.
func mayApply(style connector.Style, found []connector.Found) bool {
	if draftsOnly(style, found) {
		return true
	}
	switch len(found) {
	case 0:
		return true
	case 1:
		return !found[0].Reversed && !found[0].Complete && (style != connector.CreateOnce || found[0].Draft)
	}
	return false
}

// draftsOnly tells that there are several documents, and that all but one of them are drafts, which have no effect.
func draftsOnly(style connector.Style, found []connector.Found) bool {
	_, ok := connector.SpareDrafts(found)
	return style == connector.CreateOnce && len(found) > 1 && ok
}

// inForce leaves out what was taken back where something else is there; where nothing is, one of what was taken back says so.
func inForce(found []connector.Found) []connector.Found {
	left := slices.DeleteFunc(slices.Clone(found), func(f connector.Found) bool { return f.Reversed })
	if len(left) == 0 && len(found) > 0 {
		return found[:1]
	}
	return left
}

// faultOf classifies what a connector returned. What is not a Fault is technical, and of an Apply unknown.
func faultOf(err error, applying bool) *connector.Fault {
	if f, ok := errors.AsType[*connector.Fault](err); ok {
		if f.Class == docklinev1.FaultClass_FAULT_CLASS_UNSPECIFIED {
			c := *f
			c.Class, c.Unknown = docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, applying
			return &c
		}
		return f
	}
	code := "connector_error"
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		code = "timeout"
	}
	return &connector.Fault{Class: docklinev1.FaultClass_FAULT_CLASS_TECHNICAL, Code: code, Text: "no answer that can be used",
		Unknown: applying, Err: err}
}
