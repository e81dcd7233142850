package wmshttp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/plugins"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// taken is the answer to a request whose records are in the journal.
type taken struct {
	// Events are how many the request gave, Kept those among its records that could not be read and are kept under an exception.
	Events int           `json:"events"`
	Kept   int           `json:"kept"`
	Errors []recordFault `json:"errors,omitempty"`
	// Warnings are what a rule of the site finds odd in events that were taken.
	Warnings []recordFault `json:"warnings,omitempty"`
}

// response is an answer that can be given again.
type response struct {
	status   int
	location string
	body     []byte
}

func (p *response) write(w http.ResponseWriter, again bool) {
	w.Header().Set("Content-Type", "application/json")
	if p.status/100 != 2 {
		w.Header().Set("Content-Type", "application/problem+json")
	}
	if p.location != "" {
		w.Header().Set("Location", p.location)
	}
	if again {
		w.Header().Set("Idempotency-Replayed", "true")
	}
	w.WriteHeader(p.status)
	_, _ = w.Write(p.body)
}

// maxKey bounds an Idempotency-Key.
const maxKey = 200

// once works on a request under its Idempotency-Key: the same again is answered as it was, another body under the key is refused. A key is its sender's:
// two who count from 1 do not take each other's for their own. What it was first received at is given to work, so that a request that is worked on twice
// tells the same.
func (s *server) once(w http.ResponseWriter, r *http.Request, place, sender string, body []byte, work func(key string, received time.Time) (*response, error)) error {
	key := r.Header.Get("Idempotency-Key")
	if key == "" {
		got, err := work("", s.now().UTC().Truncate(time.Microsecond))
		if err == nil {
			got.write(w, false)
		}
		return err
	}
	if len(key) > maxKey {
		return wrong(http.StatusBadRequest, "Idempotency-Key too long", "it has %d bytes, %d are allowed", len(key), maxKey)
	}
	if sender != "" {
		place += " " + sender // no path has a blank
	}
	in := place + "\x00" + key
	s.mu.Lock()
	busy := s.inHand[in]
	s.inHand[in] = true
	s.mu.Unlock()
	if busy {
		p := wrong(http.StatusConflict, "request in hand", "a request with this Idempotency-Key is being worked on; ask again for its answer")
		p.retry = time.Second
		return p
	}
	defer func() {
		s.mu.Lock()
		delete(s.inHand, in)
		s.mu.Unlock()
	}()
	a, err := s.store.begin(s.life, place, key, body, s.now())
	if err != nil {
		return err
	}
	if !bytes.Equal(a.body, body) {
		return wrong(http.StatusUnprocessableEntity, "Idempotency-Key used before", "this key was sent before with another body; give each request a key of its own")
	}
	if a.status != 0 {
		(&response{a.status, a.location, a.answer}).write(w, true)
		return nil
	}
	got, err := work(key, a.received)
	if err != nil {
		return err
	}
	if err := s.store.finish(s.life, place, key, got.status, got.location, got.body); err != nil {
		return err
	}
	got.write(w, false)
	return nil
}

// events takes records in JSON.
func (s *server) events(w http.ResponseWriter, r *http.Request, st *listenStream, sender string) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Header.Get("Content-Type") != "" && (err != nil || !strings.Contains(kind, "json")) {
		return wrong(http.StatusUnsupportedMediaType, "not JSON", "Content-Type %q; records come as application/json or application/x-ndjson", r.Header.Get("Content-Type"))
	}
	from, err := s.body(w, r, int64(s.setup.Listen.MaxBody))
	if err != nil {
		return err
	}
	raw, err := io.ReadAll(from)
	if err != nil {
		return bodyFault(err)
	}
	if r.Header.Get("Idempotency-Key") == "" && st.needsKey() {
		return wrong(http.StatusBadRequest, "Idempotency-Key is missing", "records of %s have no key of their own, so each request needs the header Idempotency-Key: the same whenever it is sent again", st.Name)
	}
	sum := sha256.Sum256(raw)
	return s.once(w, r, st.Path, sender, sum[:], func(key string, received time.Time) (*response, error) {
		whole, err := decode(raw)
		if err != nil {
			return nil, wrong(http.StatusBadRequest, "not JSON", "%v; nothing of it was taken", err)
		}
		all, err := st.read(whole, request{key: key, sender: sender, received: received, named: true})
		if err != nil {
			return nil, wrong(http.StatusUnprocessableEntity, "no records", "%v; nothing of it was taken", err)
		}
		return s.keep(st, all)
	})
}

// needsKey: records are told apart by the request's key.
func (l *listenStream) needsKey() bool {
	for _, column := range l.columns {
		if column == ownKey {
			return true
		}
	}
	return false
}

// keep gives what records tell to the journal, and answers when it is there.
func (s *server) keep(st *listenStream, all []statement) (*response, error) {
	out := taken{}
	var events []*docklinev1.Event
	var index []int
	for _, t := range all {
		events, index = append(events, t.event), append(index, t.index)
		if t.event.GetDeadLetter() == nil {
			out.Events++
			continue
		}
		out.Kept++
		for _, f := range t.faults {
			out.Errors = append(out.Errors, recordFault{t.index, f.Code, f.Column, f.Text})
		}
	}
	if out.Kept > 0 && st.Faulty == faultyRefuse {
		p := wrong(http.StatusUnprocessableEntity, "records cannot be read", "%d of %d; none of the request was taken. Correct them and send it again", out.Kept, len(all))
		p.Errors = out.Errors
		return asResponse(p)
	}
	acks, err := s.durable(events)
	if err != nil {
		return nil, err
	}
	for at, ack := range acks {
		for _, f := range ack.GetRefused() {
			out.Events, out.Kept = out.Events-1, out.Kept+1
			out.Errors = append(out.Errors, recordFault{Index: index[at+int(f.GetIndex())], Code: "refused", Detail: f.GetText()})
		}
		for _, f := range ack.GetWarnings() {
			out.Warnings = append(out.Warnings, recordFault{Index: index[at+int(f.GetIndex())], Code: f.GetCode(), Detail: f.GetText()})
		}
	}
	body, err := json.Marshal(out)
	return &response{status: http.StatusOK, body: body}, err
}

func asResponse(p *problem) (*response, error) {
	body, err := json.Marshal(p)
	return &response{status: p.Status, body: body}, err
}

// durable gives events to the host in batches and waits until the journal has them all. The acks are by the place of the batch's first event.
func (s *server) durable(events []*docklinev1.Event) (map[int]*docklinev1.CaptureAck, error) {
	ctx, cancel := context.WithTimeout(s.life, s.setup.Listen.AnswerWithin)
	defer cancel()
	type part struct {
		at int
		*sent
	}
	var parts []part
	for at := 0; at < len(events); {
		n := batchOf(events[at:])
		waits, err := s.out.emit(ctx, &docklinev1.CaptureBatch{Events: events[at : at+n]})
		if err != nil {
			return nil, err
		}
		parts, at = append(parts, part{at, waits}), at+n
	}
	acks := map[int]*docklinev1.CaptureAck{}
	for _, p := range parts {
		ack, err := p.wait(ctx)
		if err != nil {
			return nil, err
		}
		acks[p.at] = ack
	}
	return acks, nil
}

// batchOf is how many events go into one batch: at least one.
func batchOf(events []*docklinev1.Event) int {
	n, size := 0, 0
	for _, e := range events {
		if size += proto.Size(e); n > 0 && (size > plugins.MaxBatchBytes/2 || n >= 200) {
			break
		}
		n++
	}
	return n
}

// byteOrderMark is what some programs write before a text in UTF-8; RFC 8259 (section 8.1) lets a reader pass over it.
const byteOrderMark = "\uFEFF"

// decode reads one JSON value, or several one behind the other: these are a list. Numbers keep their digits. What is not UTF-8 is none (RFC 8259, section
// 8.1): encoding/json would put the same sign for each byte that it cannot read, and two keys that differ in one would be one record.
func decode(raw []byte) (any, error) {
	if bytes.HasPrefix(raw, []byte("\xff\xfe")) || bytes.HasPrefix(raw, []byte("\xfe\xff")) {
		return nil, errors.New("it is written in UTF-16; JSON is sent in UTF-8")
	}
	if !utf8.Valid(raw) {
		at := foreign(raw)
		return nil, fmt.Errorf("byte %d is 0x%x, which is no UTF-8 (is it windows-1252?); JSON is sent in UTF-8", at, raw[at])
	}
	raw = bytes.TrimPrefix(raw, []byte(byteOrderMark))
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var all []any
	for {
		var v any
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) && len(all) > 0 {
			break
		}
		if err != nil {
			return nil, broken(raw, d.InputOffset(), err)
		}
		all = append(all, v)
	}
	if len(all) == 1 {
		return all[0], nil
	}
	return all, nil
}

// foreign is where the first byte stands that is no UTF-8.
func foreign(raw []byte) (at int) {
	for at < len(raw) {
		r, size := utf8.DecodeRune(raw[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	return at
}

// broken says where a text stops being JSON.
func broken(raw []byte, at int64, err error) error {
	switch {
	case len(bytes.TrimSpace(raw)) == 0:
		return errors.New("there is nothing in it")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("it breaks off after %d bytes, in the middle of a value", len(raw))
	}
	return fmt.Errorf("behind byte %d: %w", at, err)
}
