package wmsfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// FormsConfig reads every form, and files of up to 8 GB.
var FormsConfig = strings.ReplaceAll(formsConfig, "ROOT", filepath.ToSlash(os.TempDir())) + "  - {name: edi, pattern: \"*.edi\", form: x12, zone: UTC}\nx12: {acknowledge: false}\n"

// ReadFile reads a file as the plugin does, and gives its faults.
func ReadFile(config, path string, each func(*docklinev1.Event)) ([]LineFault, error) {
	set, faults := load([]byte(config))
	if len(faults) > 0 {
		return nil, fmt.Errorf("%v", faults)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	for _, s := range set.streams {
		if !matches(s.Pattern, info.Name()) {
			continue
		}
		body, err := loadFile(localStore{}, path, found{name: info.Name(), size: info.Size(), mod: info.ModTime(), stream: s})
		if err != nil {
			return nil, err
		}
		var res Result
		for e := range s.read(body, &res) {
			each(e)
		}
		return res.Faults, res.broken
	}
	return nil, errors.New("no pattern fits")
}

// Site is a WMS's folders with the plugin on them, for tests that bring a world of their own.
type Site struct{ *site }

// PickHeader begins a file of picks.
const PickHeader = pickHeader

// SiteAt is a site whose folders lie within root and whose own data lie elsewhere.
func SiteAt(t testing.TB, config, root string) Site {
	s := newSite(t, config)
	s.config = strings.ReplaceAll(config, "ROOT", filepath.ToSlash(root))
	s.root = root
	return Site{s}
}

// OnMountpoint has the outbound folder be the mount point itself.
func (s Site) OnMountpoint() { s.config = strings.Replace(s.config, s.root+"/out", s.root, 1) }

// Start begins a run with the cursor that the host holds, as after a crash.
func (s Site) Start() { s.capture = nil }

// Step lets time pass and the plugin look once. It is false where the host crashed.
func (s Site) Step(pass time.Duration) error {
	s.clock = s.clock.Add(pass)
	if s.capture == nil {
		s.begin()
	}
	return s.capture.step(context.Background())
}

// Crash lets the host's next batch but so many end the run, before or after it is durable.
func (s Site) Crash(after int, durable bool) {
	s.host.failAt, s.host.durable = s.host.batches+1+after, durable
}

// Now is the site's clock; Told are the events; Conditions and Devices what was reported last.
func (s Site) Now() time.Time                      { return s.clock }
func (s Site) Told() []*docklinev1.Event           { return s.host.events }
func (s Site) Conditions() []*docklinev1.Condition { return s.host.conditions }
func (s Site) Devices() []*docklinev1.DeviceHealth { return s.host.devices }
func (s Site) Through(stream string) time.Time     { return s.host.through[stream].GetTime().AsTime() }
func (s Site) ID(e *docklinev1.Event) string       { return idOf(e) }
