package scale_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/fleet"
	"github.com/dockline/dockline/collector/identity"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/world"
)

// memoryBound is what a collector may have had resident at most, whatever came: one site at work leaves it at 60 MB.
const memoryBound = 400 << 20

// hostile is a collector with its own broker, and somebody who has the certificate of a site and speaks the protocol by hand.
type hostile struct {
	*centre
	m      *collector
	addr   string
	tls    *tls.Config
	conn   *wire.Conn
	seq    uint64
	pickNo int
}

const intruder = "dc-01"

func openHostile(t *testing.T) *hostile {
	t.Helper()
	port, err := testenv.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	web, err := testenv.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	dir := testenv.Folder(t)
	h := &hostile{centre: &centre{t: t, dir: dir}, addr: fmt.Sprintf("127.0.0.1:%d", port), m: &collector{name: "1", console: fmt.Sprintf("http://127.0.0.1:%d/", web)}}
	config, data := filepath.Join(dir, "collector.yaml"), filepath.Join(dir, "collector")
	if err := os.WriteFile(config, fmt.Appendf(nil, "data_dir: %q\nmqtt: {listen: %q}\nhttp: {listen: \"127.0.0.1:%d\"}\n", data, h.addr, web), 0o600); err != nil {
		t.Fatal(err)
	}
	h.m.Process = world.NewProcess("collector", dir, filepath.Join(programs.Dir(t), "dockline-collector"), "run", "--config", config)
	h.collectors = []*collector{h.m}
	t.Cleanup(h.m.Stop)
	if err := h.m.Start(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, patience, "the collector answers", func() bool { return h.m.status() == 200 }, h.m.LogTail)
	if h.db, err = db.Open(t.Context(), "sqlite:"+filepath.Join(data, "collector.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.db.Close() })
	if _, err := (&fleet.Fleet{DB: h.db}).AddSite(t.Context(), fleet.Registration{Tenant: tenant, ID: intruder}); err != nil {
		t.Fatal(err)
	}
	h.enrol(filepath.Join(data, "identity"))
	if h.conn, err = wire.Dial(t.Context(), wire.Config{URL: "mqtts://" + h.addr, ClientID: wire.ClientID(tenant, intruder), TLS: h.tls, MaxBackoff: time.Second, TakeoverPause: time.Second}); err != nil {
		t.Fatal(err)
	}
	h.until("a line", h.conn.Connected)
	return h
}

// enrol has the collector's own authority sign a key of the site.
func (h *hostile) enrol(dir string) {
	h.t.Helper()
	authority, err := identity.Open(dir)
	if err != nil {
		h.t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		h.t.Fatal(err)
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: intruder}}, key)
	if err != nil {
		h.t.Fatal(err)
	}
	signed, err := authority.SignSite(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request}), tenant, intruder)
	if err != nil {
		h.t.Fatal(err)
	}
	chain := tls.Certificate{PrivateKey: key}
	for block, rest := pem.Decode(signed); block != nil; block, rest = pem.Decode(rest) {
		chain.Certificate = append(chain.Certificate, block.Bytes)
	}
	h.tls = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: authority.Pool(), Certificates: []tls.Certificate{chain}, ServerName: "127.0.0.1"}
}

// send publishes something on the site's topic of events.
func (h *hostile) send(payload []byte) {
	h.t.Helper()
	h.until("a line", h.conn.Connected) // one that was taken over comes back
	if err := h.conn.Publish(h.t.Context(), wire.Message{Topic: wire.UpTopic(tenant, intruder, wire.Events), Payload: payload}); err != nil {
		h.t.Fatal(err)
	}
}

// envelope is one with a good header and checksum, whatever its pack is.
func (h *hostile) envelope(pack []byte, count uint64) []byte {
	h.t.Helper()
	e := &docklinev1.Envelope{Tenant: tenant, Site: intruder, Epoch: "hostile", EpochOrdinal: 1, FirstSeq: h.seq + 1, LastSeq: h.seq + count, Count: uint32(count), Crc: wire.CRC(pack), Live: true, Pack: pack}
	h.seq += count
	payload, err := proto.Marshal(e)
	if err != nil {
		h.t.Fatal(err)
	}
	return payload
}

// pick is a good event of n lines.
func (h *hostile) pick(order string, n int) []byte {
	h.t.Helper()
	h.pickNo++
	key := fmt.Sprintf("P%d", h.pickNo)
	p := &docklinev1.Pick{Task: key}
	for i := range n {
		p.Lines = append(p.Lines, &docklinev1.Line{Order: order, OrderLine: fmt.Sprint(h.pickNo*1000 + i), Item: "SKU-1", Quantity: &docklinev1.Quantity{Value: "1", Unit: "each"}})
	}
	raw, err := proto.Marshal(&docklinev1.Event{Id: "hostile-" + key, Tenant: tenant, Site: intruder, Source: "wms", Kind: docklinev1.EventKind_EVENT_KIND_PICK_CONFIRMED, Subject: order,
		SourceKey: key, SourceRevision: "1", OccurredAt: timestamppb.Now(), CapturedAt: timestamppb.Now(), Payload: &docklinev1.Event_Pick{Pick: p}})
	if err != nil {
		h.t.Fatal(err)
	}
	return raw
}

func (h *hostile) sealed(events ...[]byte) []byte {
	h.t.Helper()
	pack, _, err := wire.SealPack(events)
	if err != nil {
		h.t.Fatal(err)
	}
	return h.envelope(pack, uint64(len(events)))
}

// forget has the kernel measure the most that the collector has resident from now on (proc(5), clear_refs).
func (h *hostile) forget() {
	h.t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", h.m.PID()), []byte("5"), 0); err != nil {
		h.t.Fatal(err)
	}
}

// peak is the most that the collector has had resident since it was last told to forget.
func (h *hostile) peak() int64 {
	h.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.m.PID()))
	if err != nil {
		h.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmHWM:" {
			kilobytes, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				h.t.Fatal(err)
			}
			return kilobytes << 10
		}
	}
	h.t.Fatalf("no VmHWM in %s", text)
	return 0
}

// TestMemoryIsBounded sends one collector what is made to fill its memory: it keeps below a bound, says what it refused, and takes the next
// good message.
//
// Shows: S73
func TestMemoryIsBounded(t *testing.T) {
	h := openHostile(t)
	attack := func(name string, do func(t *testing.T)) {
		t.Run(name, func(t *testing.T) {
			was := h.t
			h.t = t
			defer func() { h.t = was }()
			h.forget()
			do(t)
			good := fmt.Sprintf("hostile-P%d", h.pickNo+1)
			h.send(h.sealed(h.pick("SO-GOOD", 1)))
			h.until("the next good event is in the log", func() bool {
				return h.count(`SELECT count(*) FROM event WHERE id = ? AND log_offset IS NOT NULL`, good) == 1
			})
			testenv.Eventually(t, 10*patience, "nothing waits to be folded", h.folded, h.told)
			peak := h.peak()
			testenv.Figure(t, name+": memory at most, MB", int(peak>>20), "bound", memoryBound>>20)
			if peak > memoryBound {
				t.Errorf("the collector had %d MB resident, %d are allowed", peak>>20, memoryBound>>20)
			}
			if n := h.m.starts(); n != 1 {
				t.Errorf("the collector was started %d times", n)
			}
		})
	}
	attack("ordinary", func(*testing.T) {})
	attack("a zstd bomb", func(*testing.T) {
		h.send(h.envelope(zeros(h.t, 2<<30), 1))
		h.dead(1)
	})
	attack("thirty packs of which each unfolds to all that is allowed", func(*testing.T) {
		for range 30 {
			h.send(h.envelope(zeros(h.t, wire.MaxOpenBytes), 1))
		}
		h.dead(31)
	})
	attack("an event of a million lines", func(*testing.T) {
		h.send(h.sealed(emptyLines(1_000_000)))
		h.dead(32)
	})
	attack("a thousand events of a thousand empty lines", func(*testing.T) {
		events := make([][]byte, 1000)
		for i := range events {
			events[i] = emptyLines(1000)
		}
		h.send(h.sealed(events...))
		h.dead(33)
	})
	attack("a message of 100 MB", func(t *testing.T) {
		before := h.conn.Stats().TakenOver
		h.publishRaw(100 << 20)
		h.until("the broker has told that the site's place was taken", func() bool { return h.conn.Stats().TakenOver > before })
	})
	attack("ten thousand messages of which each is bad in its own way", func(*testing.T) {
		for i := range 10_000 {
			h.send(fmt.Appendf([]byte{0xff}, "%d is no message", i))
		}
		h.until("there is a case", func() bool {
			return h.count(`SELECT count(*) FROM exception WHERE state = 'open' AND code = 'unreadable_message'`) > 0
		})
		if n := h.count(`SELECT count(*) FROM exception WHERE code = 'unreadable_message'`); n > 10 {
			t.Errorf("%d cases of one site's garbage", n)
		}
	})
	attack("an order of a million lines", func(t *testing.T) {
		lines := testenv.Count("scale.order-lines")
		longest := time.Duration(0)
		for sent, part := 0, 0; sent < lines; part++ {
			var events [][]byte
			for range 10 {
				events = append(events, h.pick("SO-LARGE", 500))
				sent += 500
			}
			h.send(h.sealed(events...))
			if part%20 == 10 {
				longest = max(longest, h.another(fmt.Sprintf("SO-OTHER-%d", part)))
			}
		}
		h.until("all of it is in the log", func() bool {
			return h.count(`SELECT count(*) FROM event WHERE subject = 'SO-LARGE' AND log_offset IS NOT NULL`) == lines/500
		})
		testenv.Eventually(t, 10*patience, "it is too large", func() bool {
			return h.count(`SELECT count(*) FROM exception WHERE state = 'open' AND code = 'too_many_lines' AND order_number = 'SO-LARGE' AND text LIKE ?`, fmt.Sprintf("%d lines in %d events%%", lines, lines/500)) == 1
		}, h.told)
		if n := h.count(`SELECT count(*) FROM state WHERE fold_key = 'order/SO-LARGE' AND status = 'too_large' AND fact_count = ?`, lines/500); n != 1 {
			t.Error("its status is not too_large")
		}
		if n := h.count(`SELECT count(*) FROM fact WHERE fold_key = 'order/SO-LARGE'`); n != lines/500 {
			t.Errorf("%d facts of it are kept", n)
		}
		testenv.Figure(t, "lines of one order", lines, "until another order meanwhile was folded, at most", longest.Round(time.Millisecond))
	})
}

// another tells of another order, and says how long it was until that was folded.
func (h *hostile) another(order string) time.Duration {
	h.t.Helper()
	began := time.Now()
	h.send(h.sealed(h.pick(order, 1)))
	h.until(order+" is folded", func() bool { return h.count(`SELECT count(*) FROM state WHERE fold_key = ?`, "order/"+order) == 1 })
	return time.Since(began)
}

// folded tells whether nothing waits for its fold.
func (h *hostile) folded() bool {
	return h.count(`SELECT count(*) FROM dirty WHERE due_at <= 1`) == 0 && h.count(`SELECT count(*) FROM large_key WHERE since > 0`) == 0
}

// dead waits until so many envelopes are kept as dead letters, each with its case.
func (h *hostile) dead(n int) {
	h.t.Helper()
	h.until(fmt.Sprintf("%d envelopes are kept as dead letters", n), func() bool {
		return h.count(`SELECT count(*) FROM inbox WHERE state = 1`) == n && h.count(`SELECT count(*) FROM exception WHERE state = 'open' AND code = 'unreadable_envelope'`) == n
	})
}

// zeros is a pack that unfolds to so many of them.
func zeros(t *testing.T, n int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 1<<20)
	for range n / len(block) {
		if _, err := w.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// emptyLines is an event with a pick of so many empty lines: two bytes each.
func emptyLines(n int) []byte {
	empty, err := proto.Marshal(&docklinev1.Pick{Lines: []*docklinev1.Line{{}}})
	if err != nil {
		panic(err) // it is a constant
	}
	event := &docklinev1.Event{}
	field := event.ProtoReflect().Descriptor().Fields().ByName("pick").Number()
	return protowire.AppendBytes(protowire.AppendTag(nil, field, protowire.BytesType), bytes.Repeat(empty, n))
}

// publishRaw sends a PUBLISH of so many bytes past every check of our own, on a connection of its own, until the broker ends that.
func (h *hostile) publishRaw(size int) {
	h.t.Helper()
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", h.addr, h.tls)
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute)) // a fault of it shows as one of what follows
	id := wire.ClientID(tenant, intruder)
	body := append([]byte{0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 60, 0}, text(id)...) // MQTT 5, section 3.1: clean start, keep alive 60 s, no properties
	if _, err := conn.Write(append([]byte{0x10, byte(len(body))}, body...)); err != nil {
		h.t.Fatal(err)
	}
	answer := make([]byte, 4)
	if _, err := io.ReadFull(conn, answer); err != nil || answer[0] != 0x20 {
		h.t.Fatalf("CONNACK %x, %v", answer, err)
	}
	head := append(text(wire.UpTopic(tenant, intruder, wire.Events)), 0, 1, 0)                                         // packet id 1, no properties
	if _, err := conn.Write(append(binary.AppendUvarint([]byte{0x32}, uint64(len(head)+size)), head...)); err != nil { // a remaining length is coded like a uvarint
		return
	}
	block := make([]byte, 64<<10)
	for sent := 0; sent < size; sent += len(block) {
		if _, err := conn.Write(block); err != nil {
			return // the broker has hung up
		}
	}
	h.t.Errorf("the broker took %d MB in one message", size>>20)
}

func text(s string) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...) }
