package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/dockline/dockline/proto/configfile"
)

// given is a configuration that the centre gave, as a file of the data folder keeps it.
type given struct {
	// Key and Version are those of the command that brought it.
	Key     string `json:"key"`
	Version uint64 `json:"version"`
	YAML    string `json:"yaml"`
	// Begun says that an agent has been opened with it to try it: one that is found so after a start has ended its agent.
	Begun bool `json:"begun,omitempty"`
	// Reason is why it was refused, or taken back after it had been in force.
	Reason    string `json:"reason,omitempty"`
	TakenBack bool   `json:"taken_back,omitempty"`
	// Desired and SHA256 are number and hash by which the centre knows it; 0 where a person sent it to this site alone. Trial is for how
	// long it is watched.
	Desired uint64        `json:"desired,omitempty"`
	SHA256  string        `json:"sha256,omitempty"`
	Trial   time.Duration `json:"trial,omitempty"`
	// Before is how the site was when it came.
	Before standing `json:"before,omitzero"`
	// At is when it was accepted, refused or taken back.
	At time.Time `json:"at,omitzero"`
}

func (g *given) is(key string, version uint64) bool {
	return g != nil && g.Key == key && g.Version == version
}

// The files of the folder: the last one known to be good, the one on trial, and the last one refused. Each is replaced as a whole.
const (
	acceptedFile = "accepted.json"
	trialFile    = "trial.json"
	refusedFile  = "refused.json"
	watchFile    = "watch.json"
)

// settings is what the centre gave of a site's configuration.
type settings struct {
	dir   string
	trial *given

	mu                sync.Mutex // guards what follows: health looks at it too
	accepted, refused *given
	watching          *watch
}

// last is what was accepted and what was refused last, nil where nothing was.
func (s *settings) last() (accepted, refused *given) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted, s.refused
}

func openSettings(dir string) (*settings, error) {
	s := &settings{dir: dir}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	for name, into := range map[string]any{acceptedFile: &s.accepted, trialFile: &s.trial, refusedFile: &s.refused, watchFile: &s.watching} {
		if err := readGiven(filepath.Join(dir, name), into); err != nil {
			return nil, fmt.Errorf("%w; remove it, and the centre's configuration is sent again", err)
		}
	}
	if err := s.mendWatch(); err != nil {
		return nil, err
	}
	if s.trial != nil && s.trial.Begun {
		return s, s.refuse(s.trial, "the agent ended while it tried this configuration; if that was a power cut, send it again")
	}
	return s, nil
}

// mendWatch deals with a machine that stopped before what it was to watch was in force, or after that was taken back. What is in force is then
// known to be good, or was itself under watch: then it still is.
func (s *settings) mendWatch() error {
	w := s.watching
	if w == nil || s.accepted.is(w.Key, w.Version) {
		return nil
	}
	if s.accepted == nil || w.Former != nil && s.accepted.is(w.Former.Key, w.Former.Version) {
		s.watching = nil
		return nil
	}
	s.watching = &watch{Key: s.accepted.Key, Version: s.accepted.Version, Former: w.Former, Until: w.Until, Before: s.accepted.Before}
	return s.put(watchFile, s.watching)
}

// readGiven reads a file where there is one.
func readGiven(path string, into any) error {
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// put replaces a file durably: written beside it, synced, renamed.
func (s *settings) put(name string, g any) error {
	text, err := json.Marshal(g)
	if err != nil {
		return err
	}
	path := filepath.Join(s.dir, name)
	file, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return syncFolder(s.dir)
}

// try puts a configuration on trial. begun: this process tries it at once, without opening again.
func (s *settings) try(g *given, begun bool) error {
	g.Begun = begun
	if err := s.put(trialFile, g); err != nil {
		return fmt.Errorf("put a configuration on trial: %w", err)
	}
	s.trial = g
	return nil
}

// accept puts what is on trial in force, and under watch: the last one known to be good is kept beside it.
func (s *settings) accept() error {
	g := *s.trial
	g.Begun, g.At = false, now().UTC()
	w := &watch{Key: g.Key, Version: g.Version, Former: s.accepted, Until: now().Add(g.Trial).UTC(), Before: g.Before}
	if s.watching != nil { // the one before is not known to be good
		w.Former = s.watching.Former
	}
	if err := errors.Join(s.put(watchFile, w), s.put(acceptedFile, &g)); err != nil {
		return fmt.Errorf("accept a configuration: %w", err)
	}
	s.mu.Lock()
	s.accepted, s.watching = &g, w
	s.mu.Unlock()
	return s.endTrial()
}

// refuse notes why a configuration is not taken; the last good one stays.
func (s *settings) refuse(g *given, reason string) error {
	refused := *g
	refused.Begun, refused.Reason, refused.At = false, reason, now().UTC()
	if err := s.put(refusedFile, &refused); err != nil {
		return fmt.Errorf("refuse a configuration: %w", err)
	}
	s.mu.Lock()
	s.refused = &refused
	s.mu.Unlock()
	return s.endTrial()
}

func (s *settings) endTrial() error {
	s.trial = nil
	err := os.Remove(filepath.Join(s.dir, trialFile))
	if os.IsNotExist(err) {
		return nil
	}
	return errors.Join(err, syncFolder(s.dir))
}

// centreName is what faults call the file that the centre gave.
const centreName = "the centre's configuration"

// centreConfig is what the centre may set: nothing of who the site is, how it reaches the broker, where it keeps its data, and which
// programs run on it.
type centreConfig struct {
	Journal JournalConfig  `yaml:"journal"`
	Uplink  UplinkConfig   `yaml:"uplink"`
	Plugins []centrePlugin `yaml:"plugins"`
	Rules   RulesConfig    `yaml:"rules"`
	Log     LogConfig      `yaml:"log"`
}

type centrePlugin struct {
	ID     string          `yaml:"id"`
	Config yaml.RawMessage `yaml:"config"`
}

// with is the site's own configuration with what the centre gave laid over it, and the ids of the plugins that it gives a section. Every
// fault is a configfile.Faults with its line in the centre's text.
func (c *Config) with(text string) (*Config, []string, error) {
	if blank(text) {
		return c, nil, nil
	}
	centre := centreConfig{Journal: c.Journal, Uplink: c.Uplink, Rules: c.Rules.clone(), Log: c.Log}
	file, err := configfile.Decode(centreName, []byte(text), &centre)
	if err != nil {
		return nil, nil, err
	}
	over := *c
	over.file, over.Journal, over.Uplink, over.Rules, over.Log, over.Plugins = file, centre.Journal, centre.Uplink, centre.Rules, centre.Log, slices.Clone(c.Plugins)
	var faults configfile.Faults
	var ids []string
	for i, p := range centre.Plugins {
		at := slices.IndexFunc(over.Plugins, func(own PluginConfig) bool { return own.ID == p.ID })
		switch {
		case at < 0:
			faults = append(faults, file.Fault(fmt.Sprintf("plugins[%d].id", i), "%q: the site has no such plugin; its programs are chosen there, in agent.yaml", p.ID))
		case slices.Contains(ids, p.ID):
			faults = append(faults, file.Fault(fmt.Sprintf("plugins[%d].id", i), "%q is there twice", p.ID))
		default:
			over.Plugins[at].Config = p.Config
			ids = append(ids, p.ID)
		}
	}
	if err := append(faults, over.validate()...).Err(); err != nil {
		return nil, nil, err
	}
	return &over, ids, nil
}

// blank says whether a text has nothing but comments.
func blank(text string) bool {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			return false
		}
	}
	return true
}

// only is c with the named plugins alone, in this order, which is that of the file that names them.
func (c *Config) only(ids []string) *Config {
	some := *c
	some.Plugins = nil
	for _, id := range ids {
		at := slices.IndexFunc(c.Plugins, func(p PluginConfig) bool { return p.ID == id })
		some.Plugins = append(some.Plugins, c.Plugins[at])
	}
	return &some
}
