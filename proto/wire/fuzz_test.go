package wire_test

import (
	"net/url"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

// Who shows a certificate is who its URI says, and the URI of that identity says the same.
func FuzzParseIdentity(f *testing.F) {
	for _, text := range []string{"dockline://acme/site/dc-east", "dockline://collector/1", "dockline://acme/site/", "https://acme/site/dc", "dockline://a%2fb/site/x", "dockline:"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := url.Parse(text)
		if err != nil {
			return
		}
		id, err := wire.ParseIdentity(u)
		if err != nil {
			return
		}
		again, err := wire.ParseIdentity(id.URI())
		if err != nil || again != id {
			t.Fatalf("%q is %+v, whose own URI %s is %+v (%v)", text, id, id.URI(), again, err)
		}
	})
}

// A token falls apart into what it was joined from.
func FuzzSplitToken(f *testing.F) {
	f.Add("acme.dc-east.secret")
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		if tenant, site, secret, ok := wire.SplitToken(token); ok && wire.JoinToken(tenant, site, secret) != strings.TrimSpace(token) {
			t.Fatalf("%q is %q, %q and %q", token, tenant, site, secret)
		}
	})
}

// An envelope is a header that may lie: it is refused, or its pack can be opened.
func FuzzCheckEnvelope(f *testing.F) {
	pack, crc, _ := wire.SealPack([][]byte{[]byte("one"), []byte("two")})
	good, _ := proto.Marshal(&docklinev1.Envelope{Tenant: "acme", Site: "dc-east", Epoch: "0a", EpochOrdinal: 1, FirstSeq: 7, LastSeq: 8, Count: 2, Crc: crc, Pack: pack})
	f.Add(good)
	f.Add([]byte{0x0a, 0xff})
	topic := wire.Topic{Tenant: "acme", Site: "dc-east", Direction: wire.Up, Name: wire.Events}
	f.Fuzz(func(t *testing.T, body []byte) {
		e := &docklinev1.Envelope{}
		if proto.Unmarshal(body, e) != nil || wire.CheckEnvelope(topic, e) != nil {
			return
		}
		if e.Tenant != "acme" || e.Site != "dc-east" || e.FirstSeq == 0 || e.LastSeq < e.FirstSeq || wire.CRC(e.Pack) != e.Crc {
			t.Fatalf("a header that lies is let in: %v", e)
		}
		if events, err := wire.OpenPack(e.Pack, 1<<20); err == nil && uint64(len(events)) != uint64(e.Count) && uint64(e.Count) != e.LastSeq-e.FirstSeq+1 {
			t.Fatalf("%d events, the header says %d", len(events), e.Count)
		}
	})
}
