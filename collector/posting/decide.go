package posting

import (
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/collector/connector"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// deciding works out what becomes of a posting from what was heard. It asks neither clock nor target; times are microseconds.
type deciding struct {
	now             int64
	settle, recheck time.Duration
	// wait is how long a posting waits after a technical fault, as worked out for its attempts.
	wait time.Duration
	// turn is when it was to be looked at before it was claimed.
	turn int64
	// redated: the target refused the day as closed, and the posting bears another one now.
	redated bool
}

func (d deciding) decide(r *row, h heard) error {
	r.leaseHolder, r.leaseUntil = "", 0
	r.touch()
	if h.unsent {
		return d.putBack(r)
	}
	switch r.State {
	case Sending:
		return d.sending(r, h)
	case Unknown:
		return d.unknown(r, h)
	case Blocked:
		return d.blocked(r, h)
	case Diverged:
		return d.diverged(r, h)
	}
	return nil
}

// putBack leaves a posting as it was before it was claimed: it had no call.
func (d deciding) putBack(r *row) error {
	r.Attempts--
	r.readyAt = d.turn
	if r.State != Sending {
		return nil
	}
	return r.wait()
}

// wait makes ready what had no effect and is to be sent later, or supersedes it where nobody has wanted it any more since it was claimed: else it
// would never be sent, and hold back what comes after it.
func (r *row) wait() error {
	if err := r.move(Ready); err != nil || r.Wanted {
		return err
	}
	r.say(Fault{})
	return r.move(Superseded)
}

func (d deciding) sending(r *row, h heard) error {
	switch {
	case h.applied && h.newer > 0:
		return d.overtaken(r, h.newer)
	case h.applied:
		return d.confirm(r, h.documents)
	case h.fault != nil:
		return d.fault(r, h)
	case reversedFound(h.found):
		return d.anew(r)
	case len(h.found) > 1:
		return d.block(r, h.found, Rejected)
	case h.found[0].Complete:
		return d.confirm(r, references(h.found))
	}
	return d.differs(r, h.found)
}

// fault decides what a posting does after an error of a call that could have had an effect.
func (d deciding) fault(r *row, h heard) error {
	r.say(faultText(h.fault))
	switch {
	case d.redated:
		r.say(Fault{})
		r.readyAt = d.now
		return r.wait()
	case h.fault.Unknown && h.applying:
		r.unknownSince, r.readyAt = d.now, d.now
		return r.move(Unknown)
	case h.fault.Class == docklinev1.FaultClass_FAULT_CLASS_TECHNICAL:
		r.readyAt = d.now + max(d.wait, min(h.fault.RetryAfter, longestPause)).Microseconds()
		return r.wait()
	}
	if err := r.move(Rejected); err != nil || r.Wanted {
		return err
	}
	r.say(Fault{}) // nobody has to put right what nobody wants
	return r.move(Superseded)
}

// unknown decides by what was read back. Before the settle time is over only a complete document, or too many, settle it: a
// lost call may still be at work.
func (d deciding) unknown(r *row, h heard) error {
	if h.fault != nil {
		r.say(faultText(h.fault))
		r.readyAt = d.now + max(d.wait, min(h.fault.RetryAfter, longestPause)).Microseconds()
		return nil
	}
	one := len(h.found) == 1
	settledAt := r.unknownSince + d.settle.Microseconds()
	switch {
	case reversedFound(h.found):
		return d.anew(r)
	case len(h.found) > 1 && !draftsOnly(r.Style, h.found):
		return d.block(r, h.found, Ready)
	case one && !h.found[0].Complete && r.Style == connector.Level && r.sentVersion > 0 && h.found[0].SourceVersion > r.sentVersion:
		return d.overtaken(r, h.found[0].SourceVersion)
	case one && h.found[0].Complete,
		one && r.Style == connector.Level && r.sentVersion > 0 && h.found[0].SourceVersion >= r.sentVersion:
		return d.confirm(r, references(h.found))
	case h.at.UnixMicro() < settledAt:
		r.readyAt = min(settledAt, d.now+d.wait.Microseconds())
		return nil
	case one && r.Style == connector.CreateOnce && !h.found[0].Draft:
		return d.differs(r, h.found)
	}
	// Most answers are lost once. A target that again and again takes nothing, and does not say so, is given time as after any other fault, from when the
	// call was lost.
	next := r.unknownSince + d.wait.Microseconds()
	if err := d.again(r); err != nil || r.Attempts <= unpaced {
		return err
	}
	r.readyAt = max(r.readyAt, next)
	return nil
}

// unpaced is how many calls, looks among them, may follow one another after lost answers without a wait of their own.
const unpaced = 8

// overtaken states once more, above the version that the target keeps. Nobody else sends this posting meanwhile, so this database does not know
// that version: it was put back to an older state, and whether anybody has told it so or not, what the target shows is not true any more.
func (d deciding) overtaken(r *row, version int64) error {
	r.SourceVersion = max(r.SourceVersion, version+1)
	return d.again(r)
}

// anew makes a posting ready under the next reference: what stands under the present one was taken back.
func (d deciding) anew(r *row) error {
	r.Generation++
	r.PostingDate = ""
	return d.again(r)
}

// again makes a posting ready whose effect is known to be absent, or supersedes it when nobody wants it any more.
func (d deciding) again(r *row) error {
	r.unknownSince, r.readyAt = 0, d.now
	r.say(Fault{})
	return r.wait()
}

func (d deciding) blocked(r *row, h heard) error {
	r.readyAt = d.now + d.recheck.Microseconds()
	switch {
	case h.fault != nil:
		return nil
	case len(h.found) > 1 && !draftsOnly(r.Style, h.found):
		r.say(duplicates(r, h.found))
		return nil
	case len(h.found) == 1 && !r.Wanted:
		r.documents, r.Documents = packed(references(h.found)), references(h.found)
		r.say(noLongerWanted(r))
		return nil
	}
	return d.again(r)
}

func (d deciding) diverged(r *row, h heard) error {
	r.readyAt = d.now + d.recheck.Microseconds()
	switch {
	case h.fault != nil:
		return nil
	case reversedFound(h.found):
		return r.usedUp(d.now)
	case len(h.found) == 0 && !r.Wanted:
		return d.again(r)
	case len(h.found) == 1 && h.found[0].Complete && r.Wanted:
		if !isChain(r) {
			r.sentBody, r.sentHash, r.sentVersion, r.Sent = r.body, r.hash, r.SourceVersion, r.Document
		}
		return d.confirm(r, references(h.found))
	}
	return nil
}

// confirm notes what the target has, and compares it with what is wanted by now.
func (d deciding) confirm(r *row, documents []*docklinev1.DocumentReference) error {
	if err := r.move(Confirmed); err != nil {
		return err
	}
	r.documents, r.Documents = packed(documents), documents
	r.confirmedHash, r.ConfirmedVersion, r.confirmedBody, r.Booked = r.sentHash, r.sentVersion, r.sentBody, r.Sent
	r.confirmedAt, r.ConfirmedAt, r.unknownSince, r.Attempts, r.readyAt = d.now, at(d.now), 0, 0, 0
	r.say(Fault{})
	if isChain(r) {
		return nil // the chain as a whole is compared
	}
	if r.Wanted && r.hash == r.confirmedHash {
		return nil
	}
	return diverge(r, d.now)
}

// differs is for a document under our reference that is not what we sent.
func (d deciding) differs(r *row, found []connector.Found) error {
	if err := r.move(Confirmed); err != nil {
		return err
	}
	if err := r.move(Diverged); err != nil {
		return err
	}
	r.documents, r.Documents = packed(references(found)), references(found)
	r.confirmedHash, r.confirmedBody, r.Booked = "", nil, nil
	r.confirmedAt, r.ConfirmedAt, r.unknownSince, r.Attempts = d.now, at(d.now), 0, 0
	r.readyAt = d.now + d.recheck.Microseconds()
	what := found[0].Difference
	if what == "" {
		what = "its content is another"
	}
	r.say(Fault{Class: docklinev1.FaultClass_FAULT_CLASS_PROCESS, Code: "document_differs",
		Text:   r.Target + " has " + documentNames(r.Documents) + " under the reference " + r.Key + ", but: " + what + ".",
		Remedy: "Correct the document in " + r.Target + "; it is read back every few minutes."})
	return nil
}

// block is for more than one document under our reference.
func (d deciding) block(r *row, found []connector.Found, through State) error {
	if err := r.move(through); err != nil {
		return err
	}
	if err := r.move(Blocked); err != nil {
		return err
	}
	r.unknownSince = 0
	r.readyAt = d.now + d.recheck.Microseconds()
	r.documents, r.Documents = packed(references(found)), references(found)
	r.say(duplicates(r, found))
	return nil
}

func duplicates(r *row, found []connector.Found) Fault {
	return Fault{Class: docklinev1.FaultClass_FAULT_CLASS_PROCESS, Code: "duplicate_document",
		Text:   r.Target + " has more than one document under the reference " + r.Key + ": " + documentNames(references(found)) + ".",
		Remedy: "Cancel all but one in " + r.Target + "; it is read back every few minutes."}
}

func references(found []connector.Found) []*docklinev1.DocumentReference {
	var out []*docklinev1.DocumentReference
	for _, f := range found {
		if f.Document != nil {
			out = append(out, f.Document)
		}
	}
	return out
}

func packed(documents []*docklinev1.DocumentReference) []byte {
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(&docklinev1.DocumentReferences{Documents: documents})
	if err != nil {
		panic("posting: a list of references that cannot be marshalled: " + err.Error()) // invalid UTF-8 was refused by the connector
	}
	return body
}

func faultText(f *connector.Fault) Fault {
	text := f.Text
	if f.Err != nil && f.Class == docklinev1.FaultClass_FAULT_CLASS_TECHNICAL {
		text += ": " + f.Err.Error()
	}
	const longest = 2000
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return Fault{Class: f.Class, Code: f.Code, Text: strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "�"), Remedy: f.Remedy}
}
