package carrier

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	// maxBody is how many bytes a message may have.
	maxBody = 1 << 20
	// tolerance is how far a message's time may be from ours, as Standard Webhooks has it: what is older is a repetition, whoever sends it.
	tolerance = 5 * time.Minute
	// remembered is how long deliveries are known by their ids; a time that is older than tolerance is refused anyway.
	remembered = 48 * time.Hour
	maxID      = 256
)

// Sender is a carrier that sends webhooks.
type Sender struct {
	Name, Tenant string
	// Secrets gives the keys that it may sign with, read anew each time: two while one takes the place of the other.
	Secrets func() ([]string, error)
	Zone    *time.Location
}

// Hooks takes signed messages of carriers: POST /hooks/carriers/{name}, signed as Standard Webhooks 1.0 says (webhook-id, webhook-timestamp,
// webhook-signature), as JSON or as an X12 interchange of 214 sets (application/edi-x12). A message is taken as a whole, and once.
type Hooks struct {
	DB      *db.DB
	Senders []Sender
	// Bring takes events whose id is new into the event log within the caller's transaction. Taken is called after; it may be nil.
	Bring func(ctx context.Context, tx *db.Tx, events []*docklinev1.Event) (taken int, err error)
	Taken func()
	Now   func() time.Time
	Log   *slog.Logger
}

// Answer says what became of a message.
type Answer struct {
	// Taken are facts that are new; Known says that the delivery was taken before.
	Taken int  `json:"taken"`
	Known bool `json:"known"`
}

// refusal is an answer that says no, as RFC 9457 has it.
type refusal struct {
	Title  string   `json:"title"`
	Status int      `json:"status"`
	Detail string   `json:"detail"`
	Errors []*Fault `json:"errors,omitempty"`
}

func (r *refusal) Error() string { return r.Detail }

func refuse(status int, format string, args ...any) *refusal {
	return &refusal{Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(format, args...)}
}

// ServeHTTP answers one delivery.
func (h *Hooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := h.take(r)
	var no *refusal
	switch {
	case err == nil:
		reply(w, http.StatusOK, "application/json", answer)
	case errors.As(err, &no):
		reply(w, no.Status, "application/problem+json", no)
	case r.Context().Err() != nil:
	default:
		h.Log.Error("take a carrier's message", "path", r.URL.Path, "err", err)
		no = refuse(http.StatusInternalServerError, "The collector could not use its database; its log says why. Send the message again under the same webhook-id.")
		reply(w, no.Status, "application/problem+json", no)
	}
}

func reply(w http.ResponseWriter, status int, kind string, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and numbers
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // who hung up does not want it
}

func (h *Hooks) take(r *http.Request) (*Answer, error) {
	if r.Method != http.MethodPost {
		return nil, refuse(http.StatusMethodNotAllowed, "Use POST here.")
	}
	sender := h.sender(r.PathValue("name"))
	if sender == nil {
		return nil, refuse(http.StatusNotFound, "There is no carrier %q; ask for the address that was given to you.", r.PathValue("name"))
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, refuse(http.StatusBadRequest, "The message broke off; send it again under the same webhook-id.")
	case len(body) > maxBody:
		return nil, refuse(http.StatusRequestEntityTooLarge, "A message has at most 1 MiB; send it in parts.")
	}
	now := h.Now().UTC().Truncate(time.Microsecond)
	id, err := verified(r.Header, body, sender, now)
	if err != nil {
		return nil, err
	}
	events, err := read(r.Header.Get("Content-Type"), body, &Reader{Tenant: sender.Tenant, Source: sender.Name, Zone: sender.Zone, Received: now})
	if err != nil {
		return nil, err
	}
	answer := &Answer{}
	err = h.DB.Write(r.Context(), func(tx *db.Tx) error {
		*answer = Answer{}
		if known, err := remember(r.Context(), tx, sender, id, body, now); err != nil || known {
			answer.Known = known
			return err
		}
		var err error
		answer.Taken, err = h.Bring(r.Context(), tx, events)
		return err
	})
	if err == nil && answer.Taken > 0 && h.Taken != nil {
		h.Taken()
	}
	return answer, err
}

func (h *Hooks) sender(name string) *Sender {
	for i := range h.Senders {
		if h.Senders[i].Name == name {
			return &h.Senders[i]
		}
	}
	return nil
}

// read makes events of a body; what is wrong with any of it refuses all of it, since the sender is there to correct it.
func read(contentType string, body []byte, r *Reader) ([]*docklinev1.Event, error) {
	kind, _, _ := mime.ParseMediaType(contentType)
	var events []*docklinev1.Event
	var faults []*Fault
	switch strings.ToLower(kind) {
	case "application/json":
		events, faults = r.JSON(body)
	case "application/edi-x12":
		var refused []Refused
		events, refused = r.X12(string(body))
		for _, each := range refused {
			faults = append(faults, each.Fault)
		}
	default:
		return nil, refuse(http.StatusUnsupportedMediaType, "Send the body as application/json or application/edi-x12.")
	}
	if len(faults) == 0 {
		return events, nil
	}
	no := refuse(http.StatusUnprocessableEntity, "The message cannot be taken: %s. Nothing of it was taken; correct it, and send it under a new webhook-id.", strings.TrimSuffix(faults[0].Error(), "."))
	no.Errors = faults
	return nil, no
}

// verified is the delivery's id, where it is signed with one of the sender's keys and its time is now.
func verified(header http.Header, body []byte, sender *Sender, now time.Time) (string, error) {
	id, stamp, signatures := header.Get("webhook-id"), header.Get("webhook-timestamp"), header.Get("webhook-signature")
	if id == "" || stamp == "" || signatures == "" || len(id) > maxID {
		return "", refuse(http.StatusUnauthorized, "Sign the message: webhook-id (at most %d bytes), webhook-timestamp and webhook-signature are needed, as Standard Webhooks describes them.", maxID)
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return "", refuse(http.StatusUnauthorized, "webhook-timestamp is %q: give the seconds since 1970.", stamp)
	}
	secrets, err := sender.Secrets()
	if err != nil {
		return "", fmt.Errorf("secret of carrier %s: %w", sender.Name, err)
	}
	if !Signed(secrets, id, stamp, body, signatures) {
		return "", refuse(http.StatusUnauthorized, "None of the signatures is right: sign \"id.timestamp.body\" with HMAC-SHA256 and the key that was given to you, as v1,BASE64.")
	}
	// After the signature: a stranger learns nothing of our clock.
	if age := now.Sub(time.Unix(seconds, 0)); age > tolerance || age < -tolerance {
		return "", refuse(http.StatusUnauthorized, "webhook-timestamp is %s away from the time here, which is more than %s: sign the message anew when you send it again, and see that your clock is right.", age.Abs().Round(time.Second), tolerance)
	}
	return id, nil
}

// Signed says whether one of the signatures ("v1,BASE64", separated by blanks) was made with one of the secrets ("whsec_BASE64", the prefix may be left out).
func Signed(secrets []string, id, timestamp string, body []byte, signatures string) bool {
	ok := false
	for _, secret := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(strings.TrimSpace(secret), "whsec_"))
		if err != nil || len(key) == 0 {
			continue
		}
		mac := hmac.New(sha256.New, key)
		_, _ = mac.Write(append([]byte(id+"."+timestamp+"."), body...)) // a hash takes everything
		want := mac.Sum(nil)
		for _, each := range strings.Fields(signatures) {
			text, isV1 := strings.CutPrefix(each, "v1,")
			got, err := base64.StdEncoding.DecodeString(text)
			ok = isV1 && err == nil && hmac.Equal(got, want) || ok
		}
	}
	return ok
}

// remember keeps a delivery by its id, and says whether it was taken before. The same id with another body is refused.
func remember(ctx context.Context, tx *db.Tx, sender *Sender, id string, body []byte, now time.Time) (known bool, err error) {
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if _, err := tx.Exec(ctx, `DELETE FROM carrier_delivery WHERE tenant = ? AND carrier = ? AND received_at < ?`, sender.Tenant, sender.Name, now.Add(-remembered).UnixMicro()); err != nil {
		return false, err
	}
	fresh, err := tx.CountAbsent(ctx, db.Insert{Table: "carrier_delivery", Columns: []string{"tenant", "carrier", "delivery_id", "body_hash", "received_at"},
		Rows: [][]any{{sender.Tenant, sender.Name, id, hash, now.UnixMicro()}}, Conflict: []string{"tenant", "carrier", "delivery_id"}})
	if err != nil || fresh == 1 {
		return false, err
	}
	had, err := tx.Texts(ctx, `SELECT body_hash FROM carrier_delivery WHERE tenant = ? AND carrier = ? AND delivery_id = ?`, sender.Tenant, sender.Name, id)
	if err != nil {
		return false, err
	}
	if len(had) > 0 && had[0] != hash {
		return false, refuse(http.StatusConflict, "webhook-id %q was another message before; give each message an id of its own.", id)
	}
	return true, nil
}
