package wire_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

func TestPackRoundTrip(t *testing.T) {
	for _, events := range [][][]byte{{}, {[]byte("one")}, {[]byte("a"), nil, []byte("c")}, {bytes.Repeat([]byte("x"), 300_000)}} {
		pack, crc, err := wire.SealPack(events)
		if err != nil || crc != wire.CRC(pack) {
			t.Fatalf("seal: crc %08x, %v", crc, err)
		}
		got, err := wire.OpenPack(pack, 0)
		if err != nil || len(got) != len(events) {
			t.Fatalf("open: %d of %d events, %v", len(got), len(events), err)
		}
		for i := range events {
			if !bytes.Equal(got[i], events[i]) {
				t.Errorf("event %d is %q, was %q", i, got[i], events[i])
			}
		}
	}
}

func TestOpenPackRefusesWhatIsTooLarge(t *testing.T) {
	pack, _, err := wire.SealPack([][]byte{make([]byte, 100_000)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wire.OpenPack(pack, 50_000); !errors.Is(err, wire.ErrPack) {
		t.Errorf("a pack of 100,000 bytes was opened with a limit of 50,000: %v", err)
	}
	// A stream of zeros without a content size in its header: 57 kB that would fill half a gigabyte.
	var bomb bytes.Buffer
	z, err := zstd.NewWriter(&bomb)
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range 128 {
		if _, err := z.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := wire.OpenPack(bomb.Bytes(), 0); !errors.Is(err, wire.ErrPack) {
		t.Errorf("128 MiB out of %d bytes: %v", bomb.Len(), err)
	}
}

func TestOpenPackOfRandomBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	good, _, _ := wire.SealPack([][]byte{[]byte(strings.Repeat("pick", 100)), []byte("two")})
	for range 2000 {
		bad := bytes.Clone(good)
		for range 1 + r.IntN(4) {
			bad[r.IntN(len(bad))] = byte(r.Uint32())
		}
		if bytes.Equal(bad, good) {
			continue
		}
		if wire.CRC(bad) == wire.CRC(good) {
			t.Fatalf("the CRC does not see %x", bad)
		}
		if _, err := wire.OpenPack(bad[:r.IntN(len(bad)+1)], 0); err != nil && !errors.Is(err, wire.ErrPack) {
			t.Fatalf("%v is no ErrPack", err)
		}
	}
}

func FuzzOpenPack(f *testing.F) {
	good, _, _ := wire.SealPack([][]byte{[]byte("one"), []byte("two")})
	f.Add(good)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, pack []byte) {
		events, err := wire.OpenPack(pack, 1<<20)
		if err != nil && !errors.Is(err, wire.ErrPack) {
			t.Fatalf("%v is no ErrPack", err)
		}
		if err != nil && events != nil {
			t.Fatal("an error and events")
		}
	})
}

func TestCheckEnvelope(t *testing.T) {
	pack, crc, err := wire.SealPack([][]byte{[]byte("a"), []byte("b")})
	if err != nil {
		t.Fatal(err)
	}
	topic := wire.Topic{Tenant: "acme", Site: "dc-east", Direction: wire.Up, Name: wire.Events}
	good := func() *docklinev1.Envelope {
		return &docklinev1.Envelope{Tenant: "acme", Site: "dc-east", Epoch: "0a0b", FirstSeq: 7, LastSeq: 8, Count: 2, Crc: crc, Pack: pack}
	}
	if r := wire.CheckEnvelope(topic, good()); r != nil {
		t.Fatalf("a good envelope: %v", r)
	}
	for name, c := range map[string]struct {
		lie    func(*docklinev1.Envelope)
		reason docklinev1.RefusalReason
	}{
		"another site":   {func(e *docklinev1.Envelope) { e.Site = "dc-west" }, docklinev1.RefusalReason_REFUSAL_REASON_WRONG_SITE},
		"another tenant": {func(e *docklinev1.Envelope) { e.Tenant = "evil" }, docklinev1.RefusalReason_REFUSAL_REASON_WRONG_SITE},
		"no epoch":       {func(e *docklinev1.Envelope) { e.Epoch = "" }, docklinev1.RefusalReason_REFUSAL_REASON_RANGE},
		"seq 0":          {func(e *docklinev1.Envelope) { e.FirstSeq = 0 }, docklinev1.RefusalReason_REFUSAL_REASON_RANGE},
		"backwards":      {func(e *docklinev1.Envelope) { e.LastSeq = 6 }, docklinev1.RefusalReason_REFUSAL_REASON_RANGE},
		"far too many":   {func(e *docklinev1.Envelope) { e.LastSeq = 7 + 10_000; e.Count = 10_001 }, docklinev1.RefusalReason_REFUSAL_REASON_RANGE},
		"beyond numbers": {func(e *docklinev1.Envelope) { e.FirstSeq, e.LastSeq = 1<<64-2, 1<<64-1 }, docklinev1.RefusalReason_REFUSAL_REASON_RANGE},
		"count":          {func(e *docklinev1.Envelope) { e.Count = 3 }, docklinev1.RefusalReason_REFUSAL_REASON_COUNT_MISMATCH},
		"crc":            {func(e *docklinev1.Envelope) { e.Crc++ }, docklinev1.RefusalReason_REFUSAL_REASON_CRC_MISMATCH},
		"pack":           {func(e *docklinev1.Envelope) { e.Pack = e.Pack[1:] }, docklinev1.RefusalReason_REFUSAL_REASON_CRC_MISMATCH},
	} {
		env := good()
		c.lie(env)
		r := wire.CheckEnvelope(topic, env)
		if r == nil || r.Reason != c.reason || r.Text == "" || r.FirstSeq != env.FirstSeq || r.LastSeq != env.LastSeq || r.Epoch != env.Epoch {
			t.Errorf("%s: %v, want %v", name, r, c.reason)
		}
	}
}
