package wmshttp

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event/epcis"
)

// capturing is the capture interface of EPCIS 2.0 (section 12.7 of the standard, and its OpenAPI document). A document is answered when the journal has
// what it tells, so that its job is over when its address is known.
type capturing struct {
	*server
	*EPCIS
	tenant *epcis.Tenant
}

// What happens where an event of a document has a flaw.
const (
	rollback = "rollback"
	proceed  = "proceed"
)

// captureJob is what a sender asks for after a document.
type captureJob struct {
	ID         string     `json:"captureID"`
	Created    time.Time  `json:"createdAt"`
	Finished   *time.Time `json:"finishedAt,omitempty"`
	Running    bool       `json:"running"`
	Success    bool       `json:"success"`
	Behaviour  string     `json:"captureErrorBehaviour"`
	Errors     []jobError `json:"errors"`
	Captured   int        `json:"dockline:captured"`
	Kept       int        `json:"dockline:kept"`
	KeptErrors []jobError `json:"dockline:keptBecause,omitempty"`
}

type jobError struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Instance is where the event stood: epcisBody.eventList[3].
	Instance string `json:"instance,omitempty"`
}

const (
	validationException = "epcisException:ValidationException"
	// maxErrors is how many faults a job shows.
	maxErrors = 1000
)

func (c *capturing) headers(w http.ResponseWriter) {
	w.Header().Set("GS1-EPCIS-Version", "2.0.0")
	w.Header().Set("GS1-CBV-Version", "2.0.0")
	w.Header().Set("GS1-Extensions", "")
	w.Header().Set("GS1-EPCIS-Capture-File-Size-Limit", strconv.FormatInt(int64(c.MaxBody), 10))
}

func (c *capturing) discover(w http.ResponseWriter, _ *http.Request) {
	c.headers(w)
	w.Header().Set("Allow", "GET, POST, OPTIONS")
	w.Header().Set("GS1-Vendor-Version", "dockline "+Version)
	w.Header().Set("GS1-Capture-Error-Behaviour", rollback+", "+proceed)
	w.WriteHeader(http.StatusNoContent)
}

func (c *capturing) capture(w http.ResponseWriter, r *http.Request, sender string) error {
	c.headers(w)
	switch kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); {
	case err != nil, kind != "application/json" && kind != "application/ld+json":
		return wrong(http.StatusUnsupportedMediaType, "not JSON-LD", "Content-Type %q; documents come as application/ld+json or application/json", r.Header.Get("Content-Type"))
	}
	behaviour := r.Header.Get("GS1-Capture-Error-Behaviour")
	if behaviour == "" {
		behaviour = rollback
	}
	if behaviour != rollback && behaviour != proceed {
		return wrong(http.StatusBadRequest, "unknown behaviour", "GS1-Capture-Error-Behaviour %q; rollback and proceed are known", behaviour)
	}
	from, err := c.body(w, r, int64(c.MaxBody))
	if err != nil {
		return err
	}
	spool, sum, err := c.spool(from, behaviour)
	if err != nil {
		return err
	}
	defer func() {
		_ = spool.Close()
		_ = os.Remove(spool.Name())
	}()
	return c.once(w, r, c.Base+"/capture", sender, sum, func(_ string, received time.Time) (*response, error) { return c.take(spool, behaviour, received) })
}

// spool keeps a document in a file while it is worked on: memory holds one event at a time. The sum is of all that decides on the answer.
func (c *capturing) spool(from io.Reader, behaviour string) (*os.File, []byte, error) {
	file, err := os.CreateTemp(c.start.DataDir, "capture-*.jsonld")
	if err != nil {
		return nil, nil, err
	}
	hash := sha256.New()
	_, _ = io.WriteString(hash, behaviour+"\n")
	if _, err := io.Copy(io.MultiWriter(file, hash), from); err != nil {
		_ = file.Close()
		_ = os.Remove(file.Name())
		return nil, nil, bodyFault(err)
	}
	return file, hash.Sum(nil), nil
}

// take works on a document: first it is looked through to its end, then it is told.
func (c *capturing) take(document io.ReadSeeker, behaviour string, received time.Time) (*response, error) {
	var id [12]byte
	_, _ = rand.Read(id[:]) // it never fails
	job := &captureJob{ID: hex.EncodeToString(id[:]), Created: received, Running: true, Success: true, Behaviour: behaviour, Errors: []jobError{}}
	if p, err := c.look(document, job); err != nil {
		return nil, err
	} else if p != nil {
		return asResponse(p)
	}
	if err := c.put(job); err != nil {
		return nil, err
	}
	if err := c.tell(document, job, received); err != nil {
		// Whoever brought it hears that it was not taken, and not where the job is.
		if drop := c.store.dropJob(context.WithoutCancel(c.life), job.ID); drop != nil {
			c.log.Warn("a job that came to no end stays", "err", drop)
		}
		return nil, err
	}
	now := c.now().UTC().Truncate(time.Millisecond)
	job.Running, job.Finished = false, &now
	if err := c.put(job); err != nil {
		return nil, err
	}
	return &response{status: http.StatusAccepted, location: c.Base + "/capture/" + job.ID, body: []byte("{}")}, nil
}

func (c *capturing) put(job *captureJob) error {
	text, err := json.Marshal(job)
	if err != nil {
		return err
	}
	var finished time.Time
	if job.Finished != nil {
		finished = *job.Finished
	}
	return c.store.putJob(c.life, job.ID, job.Created, finished, text)
}

// look reads a document to its end. A problem is of the document as a whole: then no event of it is taken.
func (c *capturing) look(document io.ReadSeeker, job *captureJob) (*problem, error) {
	refuse := func(format string, args ...any) *problem {
		p := wrong(http.StatusBadRequest, "not a valid EPCIS document", format, args...)
		p.Type = validationException
		return p
	}
	if _, err := document.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	flaws, err := epcis.CheckDocument(document)
	if err != nil {
		return refuse("%v; nothing of it was taken", err), nil
	}
	if len(flaws) > 0 {
		return refuse("%v (and %d more); nothing of it was taken", flaws[0], len(flaws)-1), nil
	}
	if _, err := document.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	if err := epcis.Read(document, func(e *epcis.Captured) error {
		for _, f := range epcis.Check(e) {
			job.Success = false
			if len(job.Errors) < maxErrors {
				job.Errors = append(job.Errors, jobError{validationException, "not a valid EPCIS event", http.StatusBadRequest, f.String(), e.Where})
			}
		}
		return nil
	}); err != nil {
		return refuse("%v; nothing of it was taken", err), nil
	}
	return nil, nil
}

// tell gives a document's events to the journal and waits until they are there.
func (c *capturing) tell(document io.ReadSeeker, job *captureJob, received time.Time) error {
	if _, err := document.Seek(0, io.SeekStart); err != nil {
		return err
	}
	im := &epcis.Importer{Tenant: c.tenant, Source: c.start.ID, File: "capture", Received: received} // not the job: the same flaw brought again is the same letter
	var batch []*docklinev1.Event
	flush := func() error {
		acks, err := c.durable(batch)
		for _, ack := range acks {
			job.Captured, job.Kept = job.Captured-len(ack.GetRefused()), job.Kept+len(ack.GetRefused())
			for _, f := range ack.GetRefused() {
				job.kept("the site refuses it", f.GetText(), "")
			}
		}
		batch = nil
		return err
	}
	if err := epcis.Read(document, func(e *epcis.Captured) error {
		batch = append(batch, c.events(im, e, job)...)
		if len(batch) < 200 {
			return nil
		}
		return flush()
	}); err != nil {
		return err
	}
	batch = append(batch, own(im.Close())...)
	return flush()
}

// events is what one EPCIS event becomes. One with a flaw is kept, under a rollback too, so that somebody sees it although its sender never asks for
// the job.
func (c *capturing) events(im *epcis.Importer, e *epcis.Captured, job *captureJob) []*docklinev1.Event {
	if flaws := epcis.Check(e); len(flaws) > 0 {
		job.Kept++
		text := flaws[0].Text
		if len(flaws) > 1 {
			text += fmt.Sprintf(" (and %d more)", len(flaws)-1)
		}
		if job.Behaviour == rollback {
			text += "; nothing of the document was taken, so that its sender can bring it again when this is corrected"
		}
		return own([]*docklinev1.Event{im.Refuse(e, "epcis_form", flaws[0].Field, text)})
	}
	if !job.Success && job.Behaviour == rollback {
		return nil
	}
	made := c.understood(im, e)
	for _, m := range made {
		if letter := m.GetDeadLetter(); letter != nil {
			job.Kept++
			job.kept("kept, and not understood", letter.GetText(), e.Where)
		} else {
			job.Captured++
		}
	}
	return own(made)
}

func (c *capturing) understood(im *epcis.Importer, e *epcis.Captured) []*docklinev1.Event {
	if epcis.IsOwn(e) {
		return []*docklinev1.Event{im.Refuse(e, "epcis_own", epcis.Prefix+":event", "a Dockline wrote this event and has told it by itself; import it at the centre (dockline-collector import) if it is missing there")}
	}
	made := im.Take(e)
	for i, m := range made {
		if site := m.GetSite(); site != "" && site != c.start.Site {
			made[i] = im.Refuse(e, "epcis_place", "readPoint", fmt.Sprintf("it happened at the site %s and was brought to %s; bring it there, or import it at the centre", site, c.start.Site))
		}
	}
	return made
}

// kept notes why an event is kept and not told.
func (j *captureJob) kept(title, detail, where string) {
	if len(j.KeptErrors) < maxErrors {
		j.KeptErrors = append(j.KeptErrors, jobError{"dockline:kept", title, http.StatusOK, detail, where})
	}
}

// own takes from events what the host fills in itself.
func own(events []*docklinev1.Event) []*docklinev1.Event {
	for _, e := range events {
		e.Tenant, e.Site, e.Source, e.CapturedAt, e.Warnings = "", "", "", nil, nil
	}
	return events
}

func (c *capturing) job(w http.ResponseWriter, r *http.Request) {
	c.headers(w)
	document, err := c.store.job(r.Context(), r.PathValue("job"))
	switch {
	case err != nil:
		answer(w, c.explain(err))
	case document == nil:
		p := wrong(http.StatusNotFound, "no such capture job", "%q is none, or it was longer ago than jobs are kept", r.PathValue("job"))
		p.Type = "epcisException:NoSuchResourceException"
		answer(w, p)
	default:
		(&response{status: http.StatusOK, body: document}).write(w, false)
	}
}

// list is every job, the newest first, in pages.
func (c *capturing) list(w http.ResponseWriter, r *http.Request) {
	c.headers(w)
	most, err := strconv.Atoi(r.FormValue("perPage"))
	if r.FormValue("perPage") == "" {
		most, err = 30, nil
	}
	if err != nil || most < 1 {
		answer(w, wrong(http.StatusBadRequest, "perPage is no number", "%q; write a number from 1", r.FormValue("perPage")))
		return
	}
	most = min(most, 1000)
	below, _ := strconv.ParseInt(r.FormValue("nextPageToken"), 10, 64) // one that is none begins at the newest
	documents, last, err := c.store.jobs(r.Context(), below, most)
	if err != nil {
		answer(w, c.explain(err))
		return
	}
	all := make([]json.RawMessage, len(documents))
	for i, d := range documents {
		all[i] = d
	}
	body, err := json.Marshal(all)
	if err != nil {
		answer(w, c.explain(err))
		return
	}
	if len(documents) == most {
		next := url.Values{"perPage": {strconv.Itoa(most)}, "nextPageToken": {strconv.FormatInt(last, 10)}}
		w.Header().Set("Link", fmt.Sprintf("<%s/capture?%s>; rel=\"next\"", c.Base, next.Encode()))
	}
	(&response{status: http.StatusOK, body: body}).write(w, false)
}
