package wmshttp

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	// seenEvery is how often it is told, at most, that the system still answers.
	seenEvery = 5 * time.Second
	// shownFor is how long a sender that was turned away is shown.
	shownFor = 15 * time.Minute
)

// reports is what a person should know.
type reports struct {
	unbound error            // the address cannot be opened
	faults  map[string]error // of polls, by stream
	seen    time.Time
	turned  map[string]turned

	devices   []*docklinev1.DeviceHealth
	devicesAt time.Time
	last      []*docklinev1.Condition
	since     map[string]time.Time
}

// turned counts the requests that were turned away for one reason, and when last.
type turned struct {
	count int64
	at    time.Time
}

// bound is told whether the address could be opened.
func (c *capture) bound(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reports.unbound = err
}

// noteStates keeps how the polls go, for the loop that reports.
func (c *capture) noteStates() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reports.faults, c.reports.seen = map[string]error{}, c.poll.seen
	for _, st := range c.poll.states {
		if st.fault != nil {
			c.reports.faults[st.name] = st.fault
		}
	}
}

// report tells what has changed.
func (c *capture) report() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if devices, changed := c.devices(now); changed {
		if err := c.stream.Devices(devices...); err != nil {
			return err
		}
	}
	conditions := c.conditions(now)
	if slices.EqualFunc(conditions, c.reports.last, func(a, b *docklinev1.Condition) bool { return proto.Equal(a, b) }) {
		return nil
	}
	c.reports.last = conditions
	return c.stream.Report(conditions...)
}

func (c *capture) devices(now time.Time) ([]*docklinev1.DeviceHealth, bool) {
	r := &c.reports
	var out []*docklinev1.DeviceHealth
	if c.server != nil {
		d := &docklinev1.DeviceHealth{Id: "listener", Kind: "http", Reachable: r.unbound == nil, Text: "listens at " + c.setup.Listen.Address}
		if r.unbound != nil {
			d.Text = fmt.Sprintf("the address %s cannot be opened (%v): another program has it, or it is none of this computer's. Senders keep what they have; it is tried again all the time.", c.setup.Listen.Address, r.unbound)
		}
		if at := c.server.lastSeen(); !at.IsZero() {
			d.LastSeenAt = timestamppb.New(at)
		}
		out = append(out, d)
	}
	if c.poll != nil {
		d := &docklinev1.DeviceHealth{Id: "system", Kind: "http", Reachable: true, Text: "asks " + c.setup.target.base.String()}
		for _, err := range r.faults {
			if f := faultOf(err); f.class == faultAway {
				d.Reachable = false
				d.Text = fmt.Sprintf("%s cannot be reached (%s). See whether it runs and whether the network lets this computer through; it is tried again all the time, and what happened meanwhile is told then.", c.setup.target.base, cut(f.err.Error(), 200))
			}
		}
		if !r.seen.IsZero() {
			d.LastSeenAt = timestamppb.New(r.seen)
		}
		out = append(out, d)
	}
	same := slices.EqualFunc(out, r.devices, func(a, b *docklinev1.DeviceHealth) bool {
		return a.GetId() == b.GetId() && a.GetReachable() == b.GetReachable() && a.GetText() == b.GetText()
	})
	stale := slices.EqualFunc(out, r.devices, func(a, b *docklinev1.DeviceHealth) bool { return proto.Equal(a, b) })
	if same && (now.Sub(r.devicesAt) < seenEvery || stale) {
		return nil, false
	}
	r.devices, r.devicesAt = out, now
	return out, true
}

func faultOf(err error) *targetFault {
	var f *targetFault
	if !errors.As(err, &f) {
		return &targetFault{err: err}
	}
	return f
}

// faultWords are what a person reads for each class; one that is away is a device that cannot be reached.
var faultWords = []struct {
	class             faultClass
	severity          docklinev1.Severity
	code, title, text string
}{
	{faultRights, docklinev1.Severity_SEVERITY_ERROR, "http_rights", "The system refuses this user", "Correct user, key or token under auth, or have it given the right; it is tried again all the time."},
	{faultSchema, docklinev1.Severity_SEVERITY_ERROR, "http_schema", "Answers are not as configured", "Nothing behind that place is read until it fits again, and nothing is lost: correct the configuration, or ask who changed the system."},
	{faultOther, docklinev1.Severity_SEVERITY_ERROR, "http_error", "The system reports an error", "It is tried again all the time. Ask who looks after the system."},
	{faultBusy, docklinev1.Severity_SEVERITY_WARNING, "http_busy", "The system is busy", "It took longer than timeout, or asks to be left alone. It is asked less often until it answers."},
}

// turnedWords are what a person reads of requests that were turned away.
var turnedWords = map[string]struct{ title, text string }{
	"http_strangers": {"Unknown senders", "requests came without a token that is known. If a scanner or partner is new or its token was exchanged, give it one; otherwise see who it is."},
	"http_slow":      {"A sender is too slow", "requests brought their body more slowly than min_rate and were ended. See the sender's line; it has to send again."},
	"http_large":     {"A sender brings too much at once", "requests were larger than max_body and were refused. Have the sender divide what it brings."},
	"http_crowded":   {"Too many connections", "more than max_connections were open at once: idle ones were ended, and new ones waited. Have senders close their connections or keep one each, or raise max_connections; where it goes on, see who opens them."},
	"http_handshake": {"Connections cannot be secured", "a TLS handshake failed, and nothing of such a sender was taken. Where it speaks plain HTTP, have it use https; where it refuses the certificate, see whether that has expired or its authority is unknown there. The last one: "},
	"http_full":      {"The journal takes nothing more", "requests were told to come back later, because the journal is full or behind. Senders keep what they have. Restore the line to the collector, or raise journal.limit."},
}

func (c *capture) conditions(now time.Time) []*docklinev1.Condition {
	r := &c.reports
	var out []*docklinev1.Condition
	since := map[string]time.Time{}
	add := func(code, title string, severity docklinev1.Severity, text string) {
		if since[code] = r.since[code]; since[code].IsZero() {
			since[code] = now
		}
		out = append(out, &docklinev1.Condition{Code: code, Title: title, Severity: severity, Text: text, Since: timestamppb.New(since[code])})
	}
	for _, words := range faultWords {
		var texts []string
		for name, err := range r.faults {
			if f := faultOf(err); f.class == words.class {
				texts = append(texts, "stream "+name+", "+cut(f.Error(), 400))
			}
		}
		if slices.Sort(texts); len(texts) > 0 {
			add(words.code, words.title, words.severity, strings.Join(texts, "; ")+". "+words.text)
		}
	}
	if c.server != nil {
		if r.turned == nil {
			r.turned = map[string]turned{}
		}
		for code, count := range c.server.turnedAway() {
			if was := r.turned[code]; count > was.count {
				r.turned[code] = turned{count, now}
			}
		}
		for _, code := range []string{"http_crowded", "http_full", "http_handshake", "http_large", "http_slow", "http_strangers"} {
			if at := r.turned[code].at; !at.IsZero() && now.Sub(at) < shownFor {
				text := turnedWords[code].text
				if code == "http_handshake" {
					_, last := c.server.handshakes.seen()
					text += last + "."
				}
				add(code, turnedWords[code].title, docklinev1.Severity_SEVERITY_WARNING, text)
			}
		}
	}
	if c.poll != nil && c.poll.teller.Deaf() {
		add("cannot_take_back", "Corrections are not taken back", docklinev1.Severity_SEVERITY_WARNING, "Records were corrected or deleted, but this agent is too old for a plugin to take back what it told. Update the agent.")
	}
	r.since = since
	return out
}

func (s *server) lastSeen() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

func (s *server) turnedAway() map[string]int64 {
	failed, _ := s.handshakes.seen()
	var crowded int64
	if c := s.crowd.Load(); c != nil {
		crowded = c.turned.Load()
	}
	return map[string]int64{"http_crowded": crowded, "http_handshake": failed, "http_strangers": s.strangers.Load(), "http_slow": s.slow.Load(), "http_large": s.large.Load(), "http_full": s.full.Load()}
}

// sweepSpool removes documents that an earlier life was working on: their senders had no answer.
func sweepSpool(dir string, log *slog.Logger) {
	left, _ := filepath.Glob(filepath.Join(dir, "capture-*.jsonld")) // the pattern is sound
	for _, path := range left {
		if err := os.Remove(path); err != nil {
			log.Warn("what an earlier run left stays", "err", err)
		}
	}
}
