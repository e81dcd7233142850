package wmsfile

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/url"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/plugins/mapping"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	// maxRaw is how much of a refused line or file travels with its dead letter.
	maxRaw = 64 << 10
	// maxText bounds the words of one dead letter.
	maxText = 4000
)

// remedy ends the text of every refused line.
const remedy = "; correct it where it comes from and export it again, or correct and give again the file of refused lines in the error folder"

// x12Remedy ends the text of a refused set.
const x12Remedy = "; nothing of the set was taken: have it corrected and sent again under a new control number, or correct the file in the error folder and give it again"

// refusal describes one line, or one file, that could not become an event.
type refusal struct {
	line       int
	raw        []byte
	occurrence int
	faults     []mapping.Fault
	// partial is what could be read of it, nil for nothing.
	partial *docklinev1.Event
}

// deadLetter makes the event that a person sees. Its key comes of the raw line, so that the same line in another file is the same
// case; its content hash covers all that it says, so that no two different bodies have one id.
func (s *stream) deadLetter(c content, r refusal) *docklinev1.Event {
	first := r.faults[0]
	letter := &docklinev1.DeadLetter{
		Class: first.Class, Code: first.Code, Text: s.letterText(c, r),
		File: c.name, Line: uint32(r.line), Column: first.Column, Raw: r.raw[:min(len(r.raw), maxRaw)],
	}
	if r.partial != nil && len(r.raw) <= maxRaw {
		letter.RefusedEvent, _ = proto.MarshalOptions{Deterministic: true}.Marshal(r.partial)
	}
	sum := sha256.Sum256(r.raw)
	key := "refused/" + url.PathEscape(s.Name) + "/" + hex.EncodeToString(sum[:16]) + "/" + strconv.Itoa(r.occurrence)
	if r.line == 0 {
		key = "refused/" + url.PathEscape(s.Name) + "/file/" + hex.EncodeToString(sum[:16])
	}
	stamp := plausible(c.stamp)
	return &docklinev1.Event{
		Kind: docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED, Subject: c.name, SourceKey: key,
		ContentHash: hashOf(letter.GetFile(), strconv.Itoa(r.line), letter.GetColumn(), letter.GetCode(), letter.GetText(), strconv.FormatInt(stamp.UnixMicro(), 10), string(r.raw), string(letter.GetRefusedEvent())),
		OccurredAt:  timestamppb.New(stamp), Origin: s.place(c.name, r.line, ""),
		Payload: &docklinev1.Event_DeadLetter{DeadLetter: letter},
	}
}

func (s *stream) letterText(c content, r refusal) string {
	var texts []string
	for _, f := range r.faults {
		where := "column " + f.Column + ": "
		if f.Column == "" {
			where = ""
		}
		texts = append(texts, where+f.Text)
	}
	text := s.place(c.name, r.line, "") + ": " + strings.Join(texts, "; ")
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "..."
	}
	switch {
	case s.Form == formX12:
		text += x12Remedy
	case r.line > 0:
		text += remedy
	}
	return text
}

// plausible keeps a file with a senseless time from becoming an event with one.
func plausible(stamp time.Time) time.Time {
	if earliest := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC); stamp.Before(earliest) {
		return earliest
	}
	return stamp
}

func hashOf(parts ...string) []byte {
	h := sha256.New()
	for _, p := range parts {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(p)))
		h.Write(size[:])
		h.Write([]byte(p))
	}
	return h.Sum(nil)
}

func fault(class docklinev1.FaultClass, code, column, text string) mapping.Fault {
	return mapping.Fault{Class: class, Code: code, Column: column, Text: text}
}

func dataFault(code, column, text string) mapping.Fault {
	return fault(docklinev1.FaultClass_FAULT_CLASS_DATA, code, column, text)
}
