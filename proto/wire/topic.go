// Package wire is the agreement about MQTT: topics, identities, the envelope's codec, and one way to dial a broker.
package wire

import (
	"fmt"
	"strings"
)

// root is the first two levels of every topic.
const root = "dockline/v1"

// Direction of a topic: Up from a site, Down to it.
type Direction string

const (
	Up   Direction = "up"
	Down Direction = "down"
)

// Names of topics. Up: Hello opens a connection, Events carries envelopes, Status is presence, the only retained topic.
const (
	Hello  = "hello"
	Events = "events"
	Status = "status"
)

// Names of topics. Down: AckName carries an Answer, Receipt a ReceiptList, Command a CommandList.
const (
	AckName    = "ack"
	Receipt    = "receipt"
	Command    = "command"
	ConfigName = "config"
	Master     = "master"
)

// SharedUp is the subscription that collectors share: everything that comes up from any site, each message to one of them.
const SharedUp = "$share/collector/" + root + "/+/+/up/#"

// AllTopics is the filter of everything that is ours.
const AllTopics = root + "/#"

// Topic is a topic taken apart.
type Topic struct {
	Tenant, Site string
	Direction    Direction
	Name         string
}

func (t Topic) String() string {
	return root + "/" + t.Tenant + "/" + t.Site + "/" + string(t.Direction) + "/" + t.Name
}

// UpTopic is the topic of this name from a site: dockline/v1/{tenant}/{site}/up/{name}.
func UpTopic(tenant, site, name string) string { return Topic{tenant, site, Up, name}.String() }

// DownTopic is the topic of this name to a site: dockline/v1/{tenant}/{site}/down/{name}.
func DownTopic(tenant, site, name string) string { return Topic{tenant, site, Down, name}.String() }

// ParseTopic takes a topic apart and refuses what is not of this protocol.
func ParseTopic(topic string) (Topic, error) {
	rest, ours := strings.CutPrefix(topic, root+"/")
	parts := strings.Split(rest, "/")
	if !ours || len(parts) != 4 {
		return Topic{}, fmt.Errorf("topic %q: not of the form %s/tenant/site/up/name", topic, root)
	}
	t := Topic{parts[0], parts[1], Direction(parts[2]), parts[3]}
	if !ValidName(t.Tenant) || !ValidName(t.Site) || !ValidName(t.Name) || t.Direction != Up && t.Direction != Down {
		return Topic{}, fmt.Errorf("topic %q: bad tenant, site, direction or name", topic)
	}
	return t, nil
}

// ValidName says whether s can name a tenant, a site or a topic: 1 to 64 letters of ASCII, digits, '-' and '_'. Dots, slashes and
// MQTT's wildcards are left out, so that names can be joined by them.
func ValidName(s string) bool {
	if len(s) < 1 || len(s) > 64 {
		return false
	}
	for _, c := range s {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}
