package sandbox

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"
)

// Call is one request that wanted to change something and reached the sandbox, also a refused one: what it was told.
type Call struct {
	Seq    int64     `json:"seq"`
	At     time.Time `json:"at"`
	Method string    `json:"method"`
	Path   string    `json:"path"`
	// Operator: a person or a check did it, not an integration.
	Operator bool `json:"operator,omitempty"`
	// Reference is the external reference in the body.
	Reference   string          `json:"reference,omitempty"`
	Traceparent string          `json:"traceparent,omitempty"`
	Body        json.RawMessage `json:"body,omitempty"`
	// Status and Code are the answer; Code is empty for success.
	Status int    `json:"status"`
	Code   string `json:"code,omitempty"`
	// Made is the number of the document that it made or changed.
	Made string `json:"made,omitempty"`
	// Fault is what happened to the answer.
	Fault Mode `json:"fault,omitempty"`
}

// CallsOf keeps the calls that the query asks for by "external_reference".
func CallsOf(r *http.Request, calls []Call) []Call {
	var kept []Call
	for _, c := range calls {
		if Matches(r, "external_reference", c.Reference) {
			kept = append(kept, c)
		}
	}
	return kept
}

// MaxBody is the largest request that a sandbox takes.
const MaxBody = 4 << 20

// Record does one call with the body that it was sent, keeps it in the journal with its outcome, and returns the answer or a
// *Refusal.
type Record func(call Call, r *http.Request, body []byte) (answer any, err error)

// Told makes a handler that journals the call before it answers.
func Told(now func() time.Time, record Record) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
		if err != nil {
			WriteError(w, http.StatusBadRequest, "bad_request", err.Error())
			return
		}
		call := Call{At: now().UTC(), Method: r.Method, Path: r.URL.Path, Operator: r.Header.Get(OperatorHeader) != "",
			Traceparent: r.Header.Get("Traceparent"), Fault: FaultOf(r.Context()), Status: SuccessStatus(r.Method)}
		var head struct {
			Reference string `json:"external_reference"`
		}
		if json.Valid(body) {
			call.Body = body
			_ = json.Unmarshal(body, &head) // a body of another shape has no reference; record refuses it
		}
		call.Reference = head.Reference
		answer, err := record(call, r, body)
		if err != nil {
			refusal := AsRefusal(err)
			Write(w, refusal.Status, map[string]*Refusal{"error": refusal})
			return
		}
		Write(w, call.Status, answer)
	}
}

// SuccessStatus is 201 for a POST, else 200.
func SuccessStatus(method string) int {
	if method == http.MethodPost {
		return http.StatusCreated
	}
	return http.StatusOK
}

// AsRefusal turns any error into a Refusal; one that is none becomes a 500.
func AsRefusal(err error) *Refusal {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return refusal
	}
	return Refuse(http.StatusInternalServerError, "internal", "%v", err)
}

// Guard asks for the bearer token below /api/ where one is set.
func Guard(token string, next http.Handler) http.Handler {
	if token == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+token)) != 1 {
			WriteError(w, http.StatusUnauthorized, "not_authorised", "no or a wrong token")
			return
		}
		next.ServeHTTP(w, r)
	})
}
