// Package wmshttp connects a warehouse system through HTTP: it listens for events in JSON and for documents of EPCIS 2.0, it polls REST interfaces, and
// it hands work over by requests.
package wmshttp

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/mapping"
	"github.com/dockline/dockline/proto/configfile"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event/epcis"
)

// Config is the plugin's section of agent.yaml; sample.yaml has a sentence on every key.
type Config struct {
	// Zone is the IANA name of the time zone of times that name no offset.
	Zone     string        `yaml:"zone"`
	Remember time.Duration `yaml:"remember"`
	Listen   *Listen       `yaml:"listen"`
	Poll     *Poll         `yaml:"poll"`
	Commands *Commands     `yaml:"commands"`
}

// Listen is the address at which others tell what happened.
type Listen struct {
	Address string `yaml:"address"`
	TLS     *TLS   `yaml:"tls"`
	// Cleartext allows another address than this computer's own without TLS.
	Cleartext bool             `yaml:"cleartext"`
	Tokens    []Token          `yaml:"tokens"`
	MaxBody   configfile.Bytes `yaml:"max_body"`
	// MaxConnections bounds who is connected, AtOnce the requests that are worked on; MinRate is in bytes a second.
	MaxConnections int              `yaml:"max_connections"`
	AtOnce         int              `yaml:"at_once"`
	MinRate        configfile.Bytes `yaml:"min_rate"`
	HeaderTimeout  time.Duration    `yaml:"header_timeout"`
	// BodyPatience is what a body may take beside what it takes at MinRate.
	BodyPatience time.Duration `yaml:"body_patience"`
	// AnswerWithin is how long the journal may take.
	AnswerWithin time.Duration  `yaml:"answer_within"`
	Streams      []ListenStream `yaml:"streams"`
	EPCIS        *EPCIS         `yaml:"epcis"`
}

// TLS names files in PEM.
type TLS struct {
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	// ClientCA signs the certificates of those who may send; without it no certificate is asked for.
	ClientCA string `yaml:"client_ca"`
}

// Token is a secret by which a sender is known, in a file or an environment variable.
type Token struct {
	Name string `yaml:"name"`
	File string `yaml:"file"`
	Env  string `yaml:"env"`
}

// ListenStream is a path at which records of one form come.
type ListenStream struct {
	// Name is a part of every event's key: it is never changed.
	Name string `yaml:"name"`
	Path string `yaml:"path"`
	// Records is the path of the records within what is sent: data.items[].lines[].
	Records string `yaml:"records"`
	// Faulty says what becomes of a request with a record that cannot be read: keep or refuse.
	Faulty string `yaml:"faulty"`

	mapping.Spec `yaml:",inline"`
}

// EPCIS is the capture interface of EPCIS 2.0.
type EPCIS struct {
	// Base stands before /capture.
	Base    string           `yaml:"base"`
	MaxBody configfile.Bytes `yaml:"max_body"`
	GLN     string           `yaml:"gln"`
	Party   string           `yaml:"party"`
	URIs    string           `yaml:"uris"`
	Steps   bool             `yaml:"steps"`
	// Elsewhere are the location numbers of the tenant's other sites.
	Elsewhere map[string]string `yaml:"elsewhere"`
}

const (
	faultyKeep   = "keep"
	faultyRefuse = "refuse"
)

func defaultConfig() Config { return Config{Remember: 30 * 24 * time.Hour} }

// setup is a Config that has been checked.
type setup struct {
	Config
	zone    *time.Location
	listen  []*listenStream
	polls   []*pollStream
	work    map[string]*order
	target  *target // of polls
	sending *target // of commands
}

type listenStream struct {
	ListenStream
	*reader
}

// loader gathers faults with their lines.
type loader struct {
	raw    []byte
	faults []*docklinev1.ConfigFault
}

func (l *loader) fault(path, format string, args ...any) {
	l.faults = append(l.faults, plugins.Fault(l.raw, path, format, args...))
}

// load reads a config section and returns every fault; with one, there is no setup.
func load(raw []byte) (*setup, []*docklinev1.ConfigFault) {
	c := defaultConfig()
	l := &loader{raw: raw, faults: plugins.Decode(raw, &c)}
	s := &setup{Config: c, zone: time.UTC, work: map[string]*order{}}
	if s.Zone != "" {
		zone, err := time.LoadLocation(s.Zone)
		if err != nil || s.Zone == "Local" {
			l.fault("zone", "time zone %q is not known; write a name such as Europe/Berlin, America/Chicago or UTC", s.Zone)
		} else {
			s.zone = zone
		}
	}
	l.within("remember", s.Remember, time.Hour, 400*24*time.Hour)
	names := map[string]bool{}
	if s.Listen != nil {
		l.loadListen(s, names)
	}
	if s.Poll != nil {
		l.loadPoll(s, names)
	}
	if s.Commands != nil {
		l.loadCommands(s)
	}
	if s.Listen == nil && s.Poll == nil && s.Commands == nil {
		l.fault("listen", "nothing is to be done; describe what is listened for (listen), what is asked for (poll) or where work goes (commands)")
	}
	if len(l.faults) > 0 {
		return nil, l.faults
	}
	return s, nil
}

func (l *loader) within(key string, is, low, high time.Duration) {
	if is < low || is > high {
		l.fault(key, "%s is %s; choose from %s to %s", key[strings.LastIndexByte(key, '.')+1:], is, low, high)
	}
}

func (l *loader) loadListen(s *setup, names map[string]bool) {
	n := s.Listen
	defaults(&n.Address, "127.0.0.1:8080")
	defaults(&n.MaxBody, 4<<20)
	defaults(&n.MaxConnections, 64)
	defaults(&n.AtOnce, 8)
	defaults(&n.MinRate, 1<<10)
	defaults(&n.HeaderTimeout, 10*time.Second)
	defaults(&n.BodyPatience, 10*time.Second)
	defaults(&n.AnswerWithin, 30*time.Second)
	l.within("listen.body_patience", n.BodyPatience, 100*time.Millisecond, 10*time.Minute)
	l.within("listen.header_timeout", n.HeaderTimeout, 100*time.Millisecond, time.Minute)
	l.within("listen.answer_within", n.AnswerWithin, 100*time.Millisecond, 10*time.Minute)
	if n.MaxBody < 1<<10 || n.MaxBody > 64<<20 {
		l.fault("listen.max_body", "max_body is %d bytes; choose from 1KiB to 64MiB", n.MaxBody)
	}
	if n.MaxConnections < 1 || n.MaxConnections > 10_000 || n.AtOnce < 1 || n.AtOnce > 1000 {
		l.fault("listen.max_connections", "choose max_connections from 1 to 10000, and at_once from 1 to 1000")
	}
	l.checkDoor(n)
	paths := map[string]string{}
	for i, st := range n.Streams {
		at := fmt.Sprintf("listen.streams[%d]", i)
		defaults(&st.Path, "/events/"+st.Name)
		defaults(&st.Faulty, faultyKeep)
		l.checkPath(at+".path", st.Path, paths)
		if st.Faulty != faultyKeep && st.Faulty != faultyRefuse {
			l.fault(at+".faulty", "%q is not known; keep takes the good records and keeps the others as refused ones, refuse takes none of a request", st.Faulty)
		}
		if r := l.reader(s, at, st.Name, st.Records, st.Spec, names, true); r != nil {
			s.listen = append(s.listen, &listenStream{st, r})
		}
	}
	if n.EPCIS != nil {
		l.checkEPCIS(n.EPCIS, paths)
	}
	if len(n.Streams) == 0 && n.EPCIS == nil {
		l.fault("listen", "nothing is listened for; describe at least one of streams, or epcis")
	}
}

// defaults fills in what was not written.
func defaults[T comparable](value *T, otherwise T) {
	var none T
	if *value == none {
		*value = otherwise
	}
}

// reader compiles the mapping of a stream.
func (l *loader) reader(s *setup, at, name, records string, spec mapping.Spec, names map[string]bool, pushed bool) *reader {
	switch {
	case name == "":
		l.fault(at+".name", "the stream has no name; it becomes a part of every key and must never change")
	case names[name]:
		l.fault(at+".name", "name %s is used twice", name)
	}
	names[name] = true
	if spec.Zone == "" {
		spec.Zone = s.Zone
	}
	if spec.Deleted != "" && pushed {
		l.fault(at+".deleted", "what was told is taken back only where it is asked for (poll); have the sender tell a correction by its key and revision")
	}
	if pushed {
		l.checkOwnKeys(at, spec)
	}
	r, faults := newReader(name, records, spec)
	for _, f := range faults {
		l.fault(at+"."+f.Path, "%s", f.Text)
	}
	return r
}

// checkOwnKeys: what only the request knows must be the same when it is sent again.
func (l *loader) checkOwnKeys(at string, spec mapping.Spec) {
	keyed := slices.Contains(spec.Key, ownKey)
	if _, uses := spec.Columns[ownReceived]; uses && !keyed {
		l.fault(at+".columns."+ownReceived, "the time of a request sent again would be another, and its events other ones; have senders give an Idempotency-Key, and make %s a part of the key", ownKey)
	}
	if keyed && !spec.Group && !slices.Contains(spec.Key, ownIndex) && len(spec.Key) == 1 {
		l.fault(at+".key", "several records of one request would have one key; add %s, or group: true", ownIndex)
	}
}

func (l *loader) checkPath(at, path string, paths map[string]string) {
	switch {
	case !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "{} ?#"):
		l.fault(at, "%q is no path such as /events/picks", path)
	case paths[path] != "":
		l.fault(at, "%s is the path of %s too", path, paths[path])
	}
	paths[path] = at
}

func (l *loader) checkEPCIS(e *EPCIS, paths map[string]string) {
	defaults(&e.MaxBody, 64<<20)
	if e.Base != "" && (!strings.HasPrefix(e.Base, "/") || strings.HasSuffix(e.Base, "/")) {
		l.fault("listen.epcis.base", "%q is no path such as /epcis, without a slash at its end", e.Base)
		return
	}
	l.checkPath("listen.epcis.base", e.Base+"/capture", paths)
	if e.MaxBody < 1<<10 || e.MaxBody > 1<<30 {
		l.fault("listen.epcis.max_body", "max_body is %d bytes; choose from 1KiB to 1GiB", e.MaxBody)
	}
	for _, f := range e.tenant("tenant", "site", time.UTC).Validate() {
		l.fault("listen.epcis", "%v", f)
	}
	if e.GLN == "" && e.URIs == "" {
		l.fault("listen.epcis.gln", "is missing: the site's global location number, by which events say that they happened here")
	}
}

// tenant is how the world knows the site and its sisters.
func (e *EPCIS) tenant(tenant, site string, zone *time.Location) *epcis.Tenant {
	t := &epcis.Tenant{Name: tenant, Base: e.URIs, Party: e.Party, Sites: map[string]epcis.Site{}}
	for name, gln := range e.Elsewhere {
		t.Sites[name] = epcis.Site{GLN: gln}
	}
	t.Sites[site] = epcis.Site{GLN: e.GLN, Steps: e.Steps, Zone: zone}
	return t
}

// secret reads a file that holds a secret, and only that.
func secret(path string) (string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("the secret cannot be read (%w); let the agent's service account read the file", err)
	}
	value := strings.TrimSpace(string(raw))
	if value == "" {
		return "", fmt.Errorf("%s is empty; it is to hold the secret, and only that", path)
	}
	return value, nil
}
