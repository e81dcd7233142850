package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/goccy/go-yaml"
	"google.golang.org/protobuf/proto"

	"github.com/dockline/dockline/agent/journal"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event"
	"github.com/dockline/dockline/proto/wire"
)

// sitePlugins are the plugins that this area runs, by program and package.
var sitePlugins = [][2]string{
	{sqlProgram, "plugins/wms-sql"}, {fileProgram, "plugins/wms-file"}, {scannerProgram, "plugins/scanner"},
}

const (
	sqlProgram     = "dockline-plugin-wms-sql"
	fileProgram    = "dockline-plugin-wms-file"
	scannerProgram = "dockline-plugin-scanner"
)

// What the gates stand on: two runs (scans: three) of one round on two processors that others used too, at loads of 9 to 25, gave the ratios behind each.
// Agent, plugin and the driver of the load share the processors there, where the limit beside has them for itself; so each gate leaves a factor of two
// below the least that was seen, and tells a way that has become slower by times, not by parts. A quiet machine may ask for more.
const (
	tableGate = 0.05 // 0.12 and 1.7
	// Of the rate of a plugin that reads nothing, CSV and sets of two lines that are mapped four times each: 0.67 to 0.77 and 0.22 to 0.24 at loads of 9 and 10, 0.45 to 2.1
	// and 0.12 to 0.17 at loads of 20 to 25. What a gigabyte asks for was reached there too, by 0.72 MB/s and more.
	csvGate = 0.22
	x12Gate = 0.06
	// A scan waits for two synced writes, an echo for none: 0.0029 to 0.045 of an echo's rate, 0.0032 to 0.039 of the flow's alone.
	echoGate, flowGate = 0.0015, 0.0015
	// The p99 was 7.6 to 790 times that of an echo, 3.2 to 19 times that of the journal alone: the tail of a disk that others flush, too.
	echoWaitGate, journalWaitGate = 1600, 40
)

// plugins measures the way from what warehouses have to the journal: a table, files and readers, each through the plugin's program under a real
// agent whose centre is out of reach, beside the driver or parser alone. What is not reached by one does not stop the others.
func (s *Suite) plugins(ctx context.Context) error {
	for _, p := range sitePlugins { // here, and not with all programs: no other area needs them, and the drivers take long to link
		if err := build(ctx, ".", filepath.Join(s.Bin, p[0]), module+p[1]); err != nil {
			return err
		}
	}
	return errors.Join(s.tables(ctx), s.files(ctx, csvForm), s.files(ctx, x12Form), s.scans(ctx))
}

// pluginSite is an agent with one plugin, which is ready.
type pluginSite struct {
	*station
	folder string
}

// openPlugin starts an agent whose one plugin has a config section, and waits until the plugin reaches all that it talks to. The section is given the
// site's folder, in which the folders out and in are there already.
func (s *Suite) openPlugin(ctx context.Context, program string, section func(folder string) string) (*pluginSite, error) {
	dir, err := s.folder("plugin")
	if err != nil {
		return nil, err
	}
	st, err := s.openStation(ctx, dir, nil)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	p := &pluginSite{st, dir}
	for _, name := range []string{"out", "in"} { // those of a warehouse that speaks files
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			p.close()
			return nil, err
		}
	}
	if err := p.ready(ctx, program, section(dir)); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *pluginSite) ready(ctx context.Context, program, section string) error {
	var config map[string]any
	if err := yaml.Unmarshal([]byte(section), &config); err != nil {
		return err
	}
	if err := p.configure(plugin{id: "wms", program: program, config: config, unlimited: true}); err != nil {
		return err
	}
	if err := p.start(ctx); err != nil {
		return err
	}
	var h *docklinev1.Heartbeat
	err := waitFor(ctx, program+" to be ready", 2*time.Minute, 10*time.Millisecond, func() (_ bool, err error) {
		h, err = p.status(ctx)
		if err != nil || len(h.GetPlugins()) != 1 || len(h.GetPlugins()[0].GetDevices()) == 0 {
			return false, err
		}
		for _, d := range h.GetPlugins()[0].GetDevices() {
			if !d.GetReachable() {
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("%w; it is shown as %v", err, h.GetPlugins())
	}
	return nil
}

func (p *pluginSite) close() {
	p.station.close()
	_ = os.RemoveAll(p.folder)
}

// took waits until the journal has accepted n events, and says how long after began that was.
func (p *pluginSite) took(ctx context.Context, n int, began time.Time) (time.Duration, error) {
	var at time.Time
	err := waitFor(ctx, fmt.Sprintf("%d events in the journal", n), 5*time.Minute, 5*time.Millisecond, func() (bool, error) {
		h, err := p.status(ctx)
		at = time.Now()
		return h.GetCapturedTotal() >= uint64(n), err
	})
	if err != nil {
		return 0, fmt.Errorf("%w; the agent's log ends: %s", err, p.process.LogTail())
	}
	return at.Sub(began), nil
}

// kept stops the agent and holds its journal against what was told: n events of a kind under keys of their own, and nothing else.
func (p *pluginSite) kept(kind docklinev1.EventKind, n int) error {
	p.process.Stop()
	j, err := journal.Open(filepath.Join(p.dataDir(), "journal"), journal.Options{Tenant: tenant, Site: site})
	if err != nil {
		return err
	}
	keys, others := map[string]bool{}, map[string]int{}
	err = eachEvent(j, func(e *docklinev1.Event) {
		if e.GetKind() == kind {
			keys[e.GetSourceKey()] = true
		} else {
			others[event.KindName(e.GetKind())+" "+e.GetDeadLetter().GetText()]++
		}
	})
	if err == nil && (len(keys) != n || len(others) > 0) {
		err = fmt.Errorf("the journal has %d events of kind %s, want %d, and besides %v", len(keys), event.KindName(kind), n, others)
	}
	return errors.Join(err, j.Close())
}

// eachEvent reads a journal from its beginning.
func eachEvent(j *journal.Journal, take func(*docklinev1.Event)) error {
	for at := (journal.Position{}); ; {
		envelopes, err := j.Next(at, 64)
		if err != nil || len(envelopes) == 0 {
			return err
		}
		for _, e := range envelopes {
			at = journal.Position{Epoch: e.Epoch, Seq: e.LastSeq}
			raws, err := wire.OpenPack(e.Pack, 64<<20)
			if err != nil {
				return err
			}
			for _, raw := range raws {
				e := &docklinev1.Event{}
				if err := proto.Unmarshal(raw, e); err != nil {
					return err
				}
				take(e)
			}
		}
	}
}

// repeated calls f until probeTime has passed, and says how often that was a second.
func repeated(f func() error) (perSecond float64, err error) {
	n, began := 0, time.Now()
	for ; time.Since(began) < probeTime; n++ {
		if err := f(); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(began).Seconds(), nil
}
