package wmsfile

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
)

func advise(version uint64, change func(*docklinev1.AdviseInbound)) *docklinev1.Command {
	at := time.Date(2026, 7, 6, 0, 0, 0, 0, time.UTC)
	a := &docklinev1.AdviseInbound{FromSite: "dc-west", Inbound: &docklinev1.Inbound{Advice: "TR-88", PurchaseOrder: "UL-7", Carrier: "Nordlog * Spedition", Trailer: "B-TR 8", ExpectedAt: timestamppb.New(at),
		Lines: []*docklinev1.Line{
			{OrderLine: "1", Item: "KAKAO-200", Gtin: "04012345678901", Lot: "L8", Description: "Kakao, 200 g", HandlingUnit: "340123450000000018", Quantity: &docklinev1.Quantity{Value: "24", Unit: "PCE"}},
			{OrderLine: "2", Item: "TEE-50", Quantity: &docklinev1.Quantity{Value: "1.5", Unit: "KGM"}},
		}}}
	if change != nil {
		change(a)
	}
	return &docklinev1.Command{Key: "advise/TR-88", Version: version, CreatedAt: timestamppb.New(time.Date(2026, 7, 4, 9, 0, 0, 0, time.UTC)), Work: &docklinev1.Command_AdviseInbound{AdviseInbound: a}}
}

const adviceSection = "  advise_inbound: {form: x12, file: \"943-{number}-{version}.edi\"}\n"

// What is on its way to a partner's warehouse goes out as a 943. Whoever reads it here reads the same advice; the partner's acknowledgement closes it, and a rejection is told.
//
// Shows: S38, A18
func TestAdvicesAreSent(t *testing.T) {
	s := newSite(t, x12Config+adviceSection)
	p := s.sender()
	deliver(t, p, advise(1, nil), docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED)
	deliver(t, p, advise(1, nil), docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED)
	if files := strings.Join(s.list("in"), " "); files != "943-TR-88-1.edi" {
		t.Fatalf("files %s", files)
	}
	text := s.read("in/943-TR-88-1.edi")
	golden(t, "x12/943-out.golden", text)

	// The warehouse is another site of ours, and reads what was written for it.
	other := newSite(t, strings.NewReplacer("DOCKLINE}", "NORDLAGER}", "NORDLAGER}", "DOCKLINE}").Replace(x12Config))
	other.drop("943.edi", text)
	other.mustStep()
	if got := summary(other.host); got != "inbound.advised 1" {
		t.Fatalf("read: %s", got)
	}
	sent, read := advise(1, nil).GetAdviseInbound(), other.host.events[0].GetInbound()
	want := &docklinev1.Inbound{Advice: "TR-88", PurchaseOrder: "UL-7", Supplier: sent.FromSite, ExpectedAt: read.GetExpectedAt(), Carrier: "Nordlog Spedition", Lines: read.GetLines()}
	if !proto.Equal(read, want) || read.GetExpectedAt().AsTime().In(time.FixedZone("", 7200)).Format("2006-01-02") != "2026-07-06" || len(read.GetLines()) != 2 {
		t.Errorf("read %v\nwant %v", read, want)
	}
	for _, l := range read.GetLines() {
		for _, w := range sent.GetInbound().GetLines() {
			if l.GetItem() == w.GetItem() && (l.GetQuantity().GetValue() != w.GetQuantity().GetValue() || l.GetGtin() != w.GetGtin() || l.GetLot() != w.GetLot() || l.GetHandlingUnit() != w.GetHandlingUnit()) {
				t.Errorf("line %v was sent as %v", l, w)
			}
		}
	}

	s.drop("997.edi", s.ackOf("943-TR-88-1.edi", "AR", "1AK2*943*0001~\nAK3*W04*9**8~\nAK4*5**7*KAKAO-200~\nAK5*R*5~\nAK9*R*1*1*0~\n"))
	s.mustStep()
	if got := conditionCodes(s); got != "x12_rejected" || summary(s.host) != "command.completed 1" {
		t.Fatalf("rejected: conditions %q, %s", got, summary(s.host))
	}
	if r := s.host.events[0].GetCommandResult(); r.GetKey() != "advise/TR-88" || r.GetOutcome() != docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED || event.Validate(s.host.events[0]) != nil {
		t.Errorf("result %v", r)
	}
	deliver(t, p, advise(2, func(a *docklinev1.AdviseInbound) { a.Inbound.Lines[0].Item = "KAKAO-201" }), docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED)
	s.drop("997b.edi", s.ackOf("943-TR-88-2.edi", "AR", "2AK2*943*0001~\nAK5*A~\nAK9*A*1*1*1~\n"))
	s.mustStep()
	if got := conditionCodes(s); got != "" {
		t.Errorf("after the correction: conditions %q", got)
	}
}

// What a 943 cannot say is refused in words that say what to add.
func TestAdvicesThatCannotBeSent(t *testing.T) {
	for want, change := range map[string]func(*docklinev1.AdviseInbound){
		"has no lines":                     func(a *docklinev1.AdviseInbound) { a.Inbound.Lines = nil },
		"line 2 of TR-88 has no item":      func(a *docklinev1.AdviseInbound) { a.Inbound.Lines[1].Item = "" },
		`has the quantity "0"`:             func(a *docklinev1.AdviseInbound) { a.Inbound.Lines[0].Quantity.Value = "0" },
		"names no number":                  func(a *docklinev1.AdviseInbound) { a.Inbound.Advice = "" },
		"W0405: \"A~B\" holds a separator": func(a *docklinev1.AdviseInbound) { a.Inbound.Lines[0].Item = "A~B" },
	} {
		s := newSite(t, x12Config+adviceSection)
		if r := deliver(t, s.sender(), advise(1, change), docklinev1.CommandOutcome_COMMAND_OUTCOME_REFUSED); !strings.Contains(r.GetText(), want) {
			t.Errorf("refused with %q, want %q", r.GetText(), want)
		}
	}
}

// A WMS that speaks files without X12 is told of what is on its way by a row for each line.
func TestAdvicesAsRows(t *testing.T) {
	s := newSite(t, testConfig+`inbound: ROOT/in
commands:
  advise_inbound:
    file: advice-{number}-{version}.csv
    columns: [{header: advice, field: number, required: true}, {header: order, field: purchase_order}, {header: from, field: from_site}, {header: due, field: expected_at}, {header: sku, field: item},
      {header: qty, field: quantity}, {header: unit, field: unit}, {header: lot, field: lot}, {header: lpn, field: handling_unit}]
`)
	deliver(t, s.sender(), advise(1, nil), docklinev1.CommandOutcome_COMMAND_OUTCOME_APPLIED)
	want := "advice;order;from;due;sku;qty;unit;lot;lpn\r\nTR-88;UL-7;dc-west;2026-07-06T00:00:00Z;KAKAO-200;24;PCE;L8;340123450000000018\r\nTR-88;UL-7;dc-west;2026-07-06T00:00:00Z;TEE-50;1.5;KGM;;\r\n"
	if got := s.read("in/advice-TR-88-1.csv"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
