package uplink_test

import (
	"log/slog"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/agent/uplink"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// Whatever comes down the line, the site goes on, and trims nothing that the collector did not acknowledge by its checksum.
func FuzzTake(f *testing.F) {
	add := func(name string, m proto.Message) {
		body, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(name, body)
	}
	add(wire.AckName, &docklinev1.Answer{Answer: &docklinev1.Answer_HelloReply{HelloReply: &docklinev1.HelloReply{Session: "s", Incarnation: "one", Received: []*docklinev1.EpochRange{{Epoch: "0a", LastSeq: 3}}}}})
	add(wire.AckName, &docklinev1.Answer{Answer: &docklinev1.Answer_Ack{Ack: &docklinev1.Ack{Incarnation: "one", Epoch: "0a", Watermark: 1 << 63, Crc: 7}}})
	add(wire.AckName, &docklinev1.Answer{Answer: &docklinev1.Answer_Refusal{Refusal: &docklinev1.Refusal{Epoch: "0a", FirstSeq: 1, LastSeq: 2, Text: "no"}}})
	add(wire.Command, &docklinev1.CommandList{Commands: []*docklinev1.Command{{Key: "release/SO1", Version: 1}}})
	add(wire.Receipt, &docklinev1.ReceiptList{Receipts: []*docklinev1.EventReceipt{{EventId: "1", Version: 2, Position: 1 << 63}}})
	add(wire.Master, &docklinev1.MasterList{})
	f.Add(wire.AckName, []byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	j := openJournal(f)
	capture(f, j, 0, 20)
	f.Fuzz(func(t *testing.T, name string, body []byte) {
		held := j.Stats().Held
		h := uplink.New(uplink.Config{Tenant: tenant, Site: site, Version: "0.1.0", Journal: store{j}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
			Heartbeat:  func() *docklinev1.Heartbeat { return &docklinev1.Heartbeat{} },
			Positions:  func() (string, uint64, uint64) { return "one", 0, 0 },
			OnCommands: func(*docklinev1.CommandList) error { return nil }, OnReceipts: func(*docklinev1.ReceiptList) error { return nil },
			OnMaster: func(*docklinev1.MasterList) error { return nil }}).ByHand()
		h.Connect()
		h.Up()
		h.Step()
		h.Take(wire.Message{Topic: wire.DownTopic(tenant, site, name), Payload: body})
		for _, out := range h.Step() {
			out.Landed(nil)
		}
		if now := j.Stats().Held; now != held {
			t.Fatalf("of %d events %d are left: nobody has acknowledged any", held, now)
		}
	})
}
