package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// What owners said of an order is shown with who said it, when, why and what it was before.
//
// Shows: S15, S51
func TestOrderShowsWhatItsOwnersSaid(t *testing.T) {
	at := timestamppb.New(time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC))
	s := &docklinev1.OrderState{Number: "SO1", Status: "held", PromisedAt: at, PriceList: "retail", PriceListVersion: "2026-2",
		Verdicts: []*docklinev1.OrderVerdict{{Check: "credit", Outcome: "hold", Reason: "over its limit", Source: "erp", At: at, EventId: "0123456789abcdef"}},
		Changes:  []*docklinev1.FieldChange{{Field: "backorder.lines.quantity", OrderLine: "1", Value: "6", FormerValue: "4", ToldAt: at, Source: "dc-east", Owner: "system_of_record", EventId: "fedcba9876543210"}}}
	var out bytes.Buffer
	if err := printOrder(&out, s); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{"Promised: 2026-11-24 09:00 UTC", "Price list: retail 2026-2", "Checked: credit hold by erp: over its limit, event 0123456789ab",
		"backorder.lines.quantity 1 6 4 2026-11-24 09:00 UTC dc-east system_of_record fedcba987654"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

// An order of which only what is done with it was told is said to be that, not to follow from nothing.
func TestOrderOfWhichNobodyHasToldIsSaidToBeThat(t *testing.T) {
	var out bytes.Buffer
	if err := printOrder(&out, &docklinev1.OrderState{Number: "SO1", Status: "unknown"}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "nobody has told of the order itself yet") {
		t.Errorf("said:\n%s", out.String())
	}
}
