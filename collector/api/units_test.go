package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/api"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Quantities of states are decimal numbers; whatever else a state says is as protobuf writes it, in its order.
func TestQuantitiesOfStatesAreDecimal(t *testing.T) {
	s := &docklinev1.ReturnState{Number: "R1", Status: "received", ExpiresAt: timestamppb.New(timestamppb.Now().AsTime().Truncate(1e9)), Receipts: []string{"5000000"},
		Lines:         []*docklinev1.ReturnLineState{{Item: "5000000", Received: 12_500_000, Authorised: -1, EventIds: []string{"a", "b"}}, {Item: "B", Unexpected: true}},
		Discrepancies: []*docklinev1.Discrepancy{{Kind: "over", Quantity: 3_000_000}},
		CreditMemos:   []*docklinev1.CreditMemo{{Number: "CM1", Lines: []*docklinev1.Line{{Item: "A", Quantity: &docklinev1.Quantity{Value: "2"}}}}}}
	text, err := json.Marshal(api.Message{Message: s})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"received":"12.5"`, `"authorised":"-0.000001"`, `"quantity":"3"`, `"item":"5000000"`, `"receipts":["5000000"]`, `"unexpected":true`, `{"value":"2"}`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
	if at := strings.Index(string(text), `"number"`); at < 0 || at > strings.Index(string(text), `"status"`) {
		t.Errorf("its fields are in another order: %s", text)
	}
	plain, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var a, b map[string]any
	if json.Unmarshal(text, &a) != nil || json.Unmarshal(plain, &b) != nil || len(a) != len(b) {
		t.Errorf("%s\n%s", text, plain)
	}
	// What is no state stays: an event's numbers of 64 bits are no quantities.
	e := &docklinev1.Event{Id: "x", Movement: 5_000_000}
	if text, err := json.Marshal(api.Message{Message: e}); err != nil || !strings.Contains(string(text), `"5000000"`) {
		t.Errorf("%s %v", text, err)
	}
}
