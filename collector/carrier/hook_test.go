package carrier_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dockline/dockline/collector/carrier"
	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/testenv"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func sign(secret, id, stamp, body string) string {
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + stamp + "." + body))
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

const arrived = `{"statuses":[{"tracking":"JJD0001","status":"arrived","at":"2026-11-26T07:00:00Z","place":"Bremen","eta":"2026-11-27T10:00:00Z"}]}`

// A signed message is taken once, whatever is sent again; what is not signed, old, too large or wrong is answered with what to do, and leaves nothing.
//
// Shows: S49, S68
func TestSignedMessagesAreTakenOnce(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		now := received
		var taken []*docklinev1.Event
		mux := http.NewServeMux()
		mux.Handle("/hooks/carriers/{name}", &carrier.Hooks{DB: d, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
			Senders: []carrier.Sender{{Name: "nordwind", Tenant: "acme", Secrets: func() ([]string, error) {
				return []string{"whsec_" + base64.StdEncoding.EncodeToString([]byte("the next key")), secret}, nil
			}}},
			Bring: func(_ context.Context, _ *db.Tx, events []*docklinev1.Event) (int, error) {
				taken = append(taken, events...)
				return len(events), nil
			}})
		send := func(id, body string, change func(h http.Header)) *httptest.ResponseRecorder {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/hooks/carriers/nordwind", strings.NewReader(body))
			stamp := strconv.FormatInt(now.Unix(), 10)
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("webhook-id", id)
			r.Header.Set("webhook-timestamp", stamp)
			r.Header.Set("webhook-signature", "v1,AAAA "+sign(secret, id, stamp, body))
			if change != nil {
				change(r.Header)
			}
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			return w
		}
		old := strconv.FormatInt(now.Add(-6*time.Minute).Unix(), 10)
		ahead := strconv.FormatInt(now.Add(6*time.Minute).Unix(), 10)
		for _, c := range []struct {
			name, body string
			change     func(h http.Header)
			status     int
			says       string
		}{
			{"no id", arrived, func(h http.Header) { h.Del("webhook-id") }, 401, "Sign the message"},
			{"no signature", arrived, func(h http.Header) { h.Del("webhook-signature") }, 401, "Sign the message"},
			{"another key", arrived, func(h http.Header) {
				h.Set("webhook-signature", sign("whsec_"+base64.StdEncoding.EncodeToString([]byte("stolen")), "bad", h.Get("webhook-timestamp"), arrived))
			}, 401, "None of the signatures"},
			{"another body", arrived, func(h http.Header) { h.Set("webhook-signature", sign(secret, "bad", h.Get("webhook-timestamp"), "{}")) }, 401, "None of the signatures"},
			{"old", arrived, func(h http.Header) {
				h.Set("webhook-timestamp", old)
				h.Set("webhook-signature", sign(secret, "bad", old, arrived))
			}, 401, "6m0s away"},
			{"ahead", arrived, func(h http.Header) {
				h.Set("webhook-timestamp", ahead)
				h.Set("webhook-signature", sign(secret, "bad", ahead, arrived))
			}, 401, "6m0s away"},
			{"no time", arrived, func(h http.Header) { h.Set("webhook-timestamp", "noon") }, 401, "seconds since 1970"},
			{"too large", strings.Repeat(" ", 1<<20) + arrived, nil, 413, "1 MiB"},
			{"another kind", arrived, func(h http.Header) { h.Set("Content-Type", "text/plain") }, 415, "application/edi-x12"},
			{"no JSON", "{", nil, 422, "is not the JSON"},
			{"an unknown field", `{"statuses":[],"more":1}`, nil, 422, "more"},
			{"nothing in it", `{"statuses":[]}`, nil, 422, "statuses: is empty"},
			{"an unknown status", strings.Replace(arrived, `"arrived"`, `"teleported"`, 1), nil, 422, `statuses[0].status: \"teleported\" is none`},
			{"no goods", strings.Replace(arrived, `"tracking":"JJD0001",`, "", 1), nil, 422, "say of which goods"},
			{"no time of what happened", strings.Replace(arrived, `"at":"2026-11-26T07:00:00Z",`, "", 1), nil, 422, "statuses[0].at: is missing"},
			{"half a 214", "ISA*00", func(h http.Header) { h.Set("Content-Type", "application/EDI-X12") }, 422, "segment 1, ISA"},
		} {
			w := send("bad", c.body, c.change)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) || w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s: %d %s; want %d, and %q", c.name, w.Code, w.Body, c.status, c.says)
			}
		}
		if len(taken) > 0 {
			t.Fatalf("something of it was taken: %v", taken)
		}
		for i, want := range []string{`{"taken":1,"known":false}`, `{"taken":0,"known":true}`} {
			if w := send("m1", arrived, nil); w.Code != 200 || strings.TrimSpace(w.Body.String()) != want {
				t.Errorf("time %d: %d %s, want %s", i+1, w.Code, w.Body, want)
			}
		}
		if w := send("m1", strings.Replace(arrived, "Bremen", "Hamburg", 1), nil); w.Code != 409 {
			t.Errorf("another message under the same id: %d %s", w.Code, w.Body)
		}
		if w := send("m2", small, func(h http.Header) { h.Set("Content-Type", "application/edi-x12") }); w.Code != 200 {
			t.Errorf("a 214: %d %s", w.Code, w.Body)
		}
		if len(taken) != 2 || taken[0].GetTransport().GetMilestone() != "arrived" || taken[0].GetTransport().GetEta() == nil || taken[1].GetTransport().GetCode() != "AF" {
			t.Errorf("taken are %v", taken)
		}
	})
}

// The published vectors of Standard Webhooks are met.
func TestPublishedSignatures(t *testing.T) {
	specs := os.Getenv("DOCKLINE_SPECS")
	if specs == "" {
		specs = "../../../shared/specs"
	}
	text, err := os.ReadFile(filepath.Join(specs, "events", "standard-webhooks", "vectors.json"))
	if err != nil {
		t.Skipf("there are no vectors below %s (DOCKLINE_SPECS)", specs)
	}
	var vectors struct {
		Sign []struct {
			Secret, ID, Payload, Signature string
			Timestamp                      int64
		}
	}
	if err := json.Unmarshal(text, &vectors); err != nil || len(vectors.Sign) == 0 {
		t.Fatalf("%v: %d vectors", err, len(vectors.Sign))
	}
	for _, v := range vectors.Sign {
		stamp := strconv.FormatInt(v.Timestamp, 10)
		if !carrier.Signed([]string{v.Secret}, v.ID, stamp, []byte(v.Payload), v.Signature) {
			t.Errorf("%s is not taken", v.Signature)
		}
		if carrier.Signed([]string{v.Secret}, v.ID+"x", stamp, []byte(v.Payload), v.Signature) {
			t.Errorf("%s is taken for another id", v.Signature)
		}
	}
}
