package wire_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/dockline/dockline/proto/wire"
)

func TestTopics(t *testing.T) {
	want := wire.Topic{Tenant: "acme", Site: "dc-east", Direction: wire.Up, Name: wire.Events}
	if got, err := wire.ParseTopic(wire.UpTopic("acme", "dc-east", wire.Events)); err != nil || got != want {
		t.Errorf("%v %v, want %v", got, err, want)
	}
	if topic := wire.DownTopic("acme", "dc-east", wire.AckName); topic != "dockline/v1/acme/dc-east/down/ack" {
		t.Error(topic)
	}
	for _, topic := range []string{
		"", "dockline/v1", "dockline/v1/acme/dc-east/up", "dockline/v1/acme/dc-east/up/", "dockline/v1/acme/dc-east/sideways/ack", "dockline/v2/acme/dc-east/up/hello",
		"dockline/v1/ac.me/dc-east/up/hello", "dockline/v1/+/dc-east/up/hello", "dockline/v1/acme//up/hello", "dockline/v1/acme/dc-east/up/hello/x", "/dockline/v1/acme/dc-east/up/hello",
	} {
		if got, err := wire.ParseTopic(topic); err == nil {
			t.Errorf("ParseTopic(%q) = %v", topic, got)
		}
	}
}

func FuzzParseTopic(f *testing.F) {
	f.Add("dockline/v1/acme/dc-east/up/hello")
	f.Add("dockline/v1/a/b/down/#")
	f.Fuzz(func(t *testing.T, topic string) {
		if got, err := wire.ParseTopic(topic); err == nil && got.String() != topic {
			t.Fatalf("%q is %v", topic, got)
		}
	})
}

func TestValidName(t *testing.T) {
	for name, want := range map[string]bool{
		"dc-east": true, "A_1": true, "x": true, strings.Repeat("x", 64): true, strings.Repeat("x", 65): false, "": false, "a.b": false, "a/b": false, "+": false, "#": false, "ä": false, "a b": false,
	} {
		if got := wire.ValidName(name); got != want {
			t.Errorf("ValidName(%q) = %v", name, got)
		}
	}
}

func TestIdentity(t *testing.T) {
	site := wire.Identity{Tenant: "acme", Site: "dc-east"}
	collector := wire.Identity{Collector: "1"}
	for text, want := range map[string]wire.Identity{"dockline://acme/site/dc-east": site, "dockline://collector/1": collector} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := wire.ParseIdentity(u); err != nil || got != want || got.URI().String() != text {
			t.Errorf("%s is %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"https://acme/site/dc-east", "dockline://acme/dc-east", "dockline://acme/site/", "dockline://acme/site/a.b", "dockline://acme/site/a/b", "dockline://collector/", "dockline://collector/1/2",
		"dockline:///site/x", "dockline://acme/site/%2e", "dockline://acme/site/x?y", "dockline://u@acme/site/x", "dockline://ac.me/site/x", "dockline://acme:1/site/x",
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := wire.ParseIdentity(u); err == nil {
			t.Errorf("%s is %+v", text, got)
		}
	}
}

func TestIdentityMay(t *testing.T) {
	site := wire.Identity{Tenant: "acme", Site: "dc-east"}
	// A tenant may be called collector; its sites are still only sites.
	odd := wire.Identity{Tenant: "collector", Site: "site"}
	collector := wire.Identity{Collector: "1"}
	for _, c := range []struct {
		what      string
		got, want bool
	}{
		{"own up", site.MayPublish("dockline/v1/acme/dc-east/up/events"), true},
		{"own down", site.MayPublish("dockline/v1/acme/dc-east/down/ack"), false},
		{"foreign up", site.MayPublish("dockline/v1/acme/dc-west/up/events"), false},
		{"foreign tenant", site.MayPublish("dockline/v1/evil/dc-east/up/events"), false},
		{"longer name", site.MayPublish("dockline/v1/acme/dc-east2/up/events"), false},
		{"$SYS", collector.MayPublish("$SYS/broker"), false},
		{"collector down", collector.MayPublish("dockline/v1/acme/dc-east/down/ack"), true},
		{"subscribe own down", site.MaySubscribe("dockline/v1/acme/dc-east/down/#"), true},
		{"subscribe own up", site.MaySubscribe("dockline/v1/acme/dc-east/up/#"), false},
		{"subscribe all", site.MaySubscribe("#"), false},
		{"subscribe any site", site.MaySubscribe("dockline/v1/acme/+/down/ack"), false},
		{"subscribe shared", site.MaySubscribe("$share/x/dockline/v1/acme/dc-east/down/#"), false},
		{"collector shared", collector.MaySubscribe(wire.SharedUp), true},
		{"collector all", collector.MaySubscribe(wire.AllTopics), true},
		{"collector $SYS", collector.MaySubscribe("$SYS/#"), false},
		{"collector shared #", collector.MaySubscribe("$share/x/#"), false},
		{"own id", site.MayUse("acme.dc-east"), true},
		{"other id", site.MayUse("acme.dc-west"), false},
		{"id with a word", site.MayUse("acme.dc-east-2"), false},
		{"collector id", collector.MayUse("collector-1"), true},
		{"second connection", collector.MayUse("collector-1-downlink"), true},
		{"other collector", collector.MayUse("collector-12"), false},
		{"site's id", collector.MayUse("acme.dc-east"), false},
		{"odd tenant", odd.MayPublish("dockline/v1/acme/dc-east/down/ack"), false},
		{"odd tenant's id", odd.MayUse("collector-site"), false},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.what, c.got, c.want)
		}
	}
}
