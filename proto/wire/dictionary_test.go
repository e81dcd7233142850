package wire_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

var update = flag.Bool("update", false, "write the packs of dictionaries that are new")

// single is a pick as it lies in a journal.
func single(t *testing.T, n int) []byte {
	t.Helper()
	data, err := proto.Marshal(&docklinev1.Event{Tenant: "main", Site: "dc-east", Source: "wms", Kind: docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED,
		Subject: fmt.Sprintf("SO%07d", n), SourceKey: fmt.Sprintf("pick/%09d", n), SourceRevision: "1", OccurredAt: &timestamppb.Timestamp{Seconds: 1_793_606_400 + int64(n)},
		CapturedAt: &timestamppb.Timestamp{Seconds: 1_793_606_401 + int64(n), Nanos: 4711_000}, Actor: "anna", Device: "gun-07",
		Payload: &docklinev1.Event_Pick{Pick: &docklinev1.Pick{Task: fmt.Sprintf("PK%08d", n), Lines: []*docklinev1.Line{{Order: fmt.Sprintf("SO%07d", n), OrderLine: "1", Item: "SCREW-M8",
			Quantity: &docklinev1.Quantity{Value: "12", Unit: "ea"}, Bin: "A-01-02", HandlingUnit: "00340123450000000017"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestEachDictionaryMakesSmallPacksSmallerAndReadable(t *testing.T) {
	plain := 0
	for n := range 50 {
		pack, _, err := wire.SealPack([][]byte{single(t, n)})
		if err != nil {
			t.Fatal(err)
		}
		plain += len(pack)
	}
	for _, id := range wire.Dictionaries() {
		with := 0
		for n := range 50 {
			event := single(t, n)
			pack, crc, err := wire.SealPackWith(id, [][]byte{event})
			if err != nil || crc != wire.CRC(pack) {
				t.Fatalf("seal with %d: %v", id, err)
			}
			events, err := wire.OpenPack(pack, 0)
			if err != nil || len(events) != 1 || !bytes.Equal(events[0], event) {
				t.Fatalf("open with %d: %d events, %v", id, len(events), err)
			}
			with += len(pack)
		}
		if with > plain*7/8 {
			t.Errorf("with dictionary %d a single event takes %d bytes, without %d", id, with/50, plain/50)
		}
	}
}

func TestAPackOfManyTakesNoDictionary(t *testing.T) {
	var events [][]byte
	for n := range 100 {
		events = append(events, single(t, n))
	}
	pack, _, err := wire.SealPackWith(wire.Dictionaries()[0], events)
	var header zstd.Header
	if err := errors.Join(err, header.Decode(pack)); err != nil || header.DictionaryID != 0 {
		t.Errorf("dictionary %d, %v", header.DictionaryID, err)
	}
}

// A pack that was made with a released dictionary is readable for ever: these were written when it was.
func TestPacksOfEveryReleaseAreReadable(t *testing.T) {
	for _, id := range wire.Dictionaries() {
		path := filepath.Join("testdata", fmt.Sprintf("pack-%d.bin", id))
		if *update {
			pack, _, err := wire.SealPackWith(id, [][]byte{single(t, 4711), single(t, 4712)})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) { // what was released stays
				err = os.WriteFile(path, pack, 0o644)
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		pack, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var header zstd.Header
		if err := header.Decode(pack); err != nil || header.DictionaryID != id {
			t.Errorf("%s names dictionary %d, %v", path, header.DictionaryID, err)
		}
		events, err := wire.OpenPack(pack, 0)
		if err != nil || len(events) != 2 || !bytes.Equal(events[0], single(t, 4711)) {
			t.Errorf("%s: %d events, %v", path, len(events), err)
		}
	}
}

func TestAPackWithAnUnknownDictionaryIsUnreadable(t *testing.T) {
	text := bytes.Repeat([]byte("all that a pick says "), 20)
	z, err := zstd.NewWriter(nil, zstd.WithEncoderDictRaw(65000, text))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wire.OpenPack(z.EncodeAll(text, nil), 0); !errors.Is(err, wire.ErrPack) {
		t.Errorf("opened with %v", err)
	}
}

func TestTheBestDictionaryThatBothKnow(t *testing.T) {
	known := wire.Dictionaries()
	best := known[len(known)-1]
	for _, test := range []struct {
		other []uint32
		want  uint32
	}{{nil, 0}, {[]uint32{65000}, 0}, {append([]uint32{65000}, known...), best}, {known[:1], known[0]}} {
		if got := wire.CommonDictionary(test.other); got != test.want {
			t.Errorf("with %v: %d, want %d", test.other, got, test.want)
		}
	}
}
