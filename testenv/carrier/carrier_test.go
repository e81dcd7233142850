package carrier_test

import (
	"encoding/json"
	"net/http/httptest"
	"testing"

	connectorhttp "github.com/dockline/dockline/collector/connector/http"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/testenv/carrier"
)

// TestACarrierTellsOfEveryParcel: each goes its way, the connector makes an event of each station, and nothing is told twice; also by a
// carrier that was started again.
func TestACarrierTellsOfEveryParcel(t *testing.T) {
	dir := t.TempDir()
	s, err := carrier.New(carrier.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	fates := []string{carrier.Delivered, carrier.Late, carrier.Lost, carrier.Found, carrier.Refused, carrier.Damaged}
	for _, fate := range fates {
		for range 2 { // handed over twice is one parcel
			if err := s.Take("T-"+fate, "C-1001", fate); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := s.Work(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = carrier.New(carrier.Config{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for {
		moved, err := s.Work()
		if err != nil {
			t.Fatal(err)
		}
		if moved == 0 {
			break
		}
	}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	c, err := connectorhttp.New(connectorhttp.Config{URL: web.URL, Definition: "sandbox-carrier"})
	if err != nil {
		t.Fatal(err)
	}
	changes, err := c.Changes(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	last, told := map[string]string{}, 0
	for _, e := range changes.Events {
		if e.GetKind() == docklinev1.EventKind_EVENT_KIND_RECORD_REFUSED {
			t.Errorf("refused: %v", e.GetDeadLetter().GetText())
			continue
		}
		told++
		last[e.GetSubject()] = event.KindName(e.GetKind()) + " " + e.GetTransport().GetMilestone()
	}
	want := map[string]string{"T-delivered": "delivery.proved ", "T-late": "delivery.proved ", "T-lost": "transport.lost ", "T-found": "delivery.proved ",
		"T-refused": "transport.milestone returned_to_sender", "T-damaged": "delivery.proved "}
	if got, _ := json.Marshal(last); string(got) != string(mustJSON(want)) || told != 4+5+3+5+6+4 {
		t.Errorf("%d told, the last of each: %s", told, got)
	}
	if again, err := c.Changes(t.Context(), changes.Cursor); err != nil || len(again.Events) != 0 || again.More {
		t.Errorf("told again: %v, %v", again.Events, err)
	}
}

func mustJSON(v any) []byte {
	text, _ := json.Marshal(v)
	return text
}
