// Package bench measures Dockline beside peers and physical limits of the same machine in the same run. A rate or a time is worth
// nothing by itself on a machine that others use too; its ratio to a peer that ran a moment before is. What is counted in bytes is
// held against a fixed bar. docs/performance.md says how to read the output.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Measure is one line of the output.
type Measure struct {
	// Name begins with the area.
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Beside is the peer or limit of the same run, or the bar; "not available: ..." where a peer could not be had.
	Beside string `json:"beside"`
	// Ratio is Value by that of Beside, 0 where there is none.
	Ratio float64 `json:"ratio"`
	// Gate is what the ratio, or for bytes the value, must keep to.
	Gate string `json:"gate"`
	Pass bool   `json:"pass"`
}

// Suite runs the areas.
type Suite struct {
	// Areas to run; where empty all but those that must be asked for.
	Areas []string
	// Rounds is how often each rate and time is taken, of which the median counts (3).
	Rounds int
	// Sites is how many area scale runs with (10,000).
	Sites int
	// Plots is a folder for pictures of what was measured, "" for none.
	Plots string
	// Dir is an empty folder for everything, on the disk that is to be measured.
	Dir string
	// Bin has Dockline's programs and the bench source (Build); Peers has those of the peers, and is empty for none.
	Bin, Peers string
	// Out is given each measure as it is made; Progress tells what goes on.
	Out      func(Measure)
	Progress io.Writer

	area   string
	made   int
	faults []error
	peers  *peerSet
}

type area struct {
	name string
	help string
	run  func(*Suite, context.Context) error
	// asked: it runs only where it is named, since it takes long and as much of the machine as there is.
	asked bool
}

// areas, cheap ones first.
var areas = []area{
	{"journal", "the journal in process, beside bbolt and the disk", (*Suite).journal, false},
	{"centre", "inbox, event log, fold and duplicates, beside what the databases do at best", (*Suite).centre, false},
	{"plugins", "rows of PostgreSQL, CSV, X12 and scans through plugins to the journal, beside driver, parser and a TCP echo", (*Suite).plugins, false},
	{"fold", "one more fact of a key of 10, of 10,000 and of a million", (*Suite).fold, false},
	{"flow", "from a plugin to the event log, through broker and database", (*Suite).flow, false},
	{"memory", "the agent's memory: idle, with plugins, in full flow", (*Suite).memory, false},
	{"start", "starting offline, over a million events; size of the program", (*Suite).start, false},
	{"live", "latency and processor time at 200 events a second; to the ERP at 100", (*Suite).live, false},
	{"posting", "what systems are told a second, beside what the sandbox ERP takes at best; from capture to the ERP at 10, 100 and 1,000 a second", (*Suite).posting, false},
	{"capture", "durable capture through plugins, beside durable peers", (*Suite).capture, false},
	{"drain", "backlogs of 30,000 singles, 200,000 and a million, and what they leave behind", (*Suite).drain, false},
	{"fleet", "a thousand sites on one collector, and an outage that ends for all at once", (*Suite).fleet, false},
	{"wan", "20,000 events over 40 ms and 20 Mbit/s", (*Suite).wan, false},
	{"erp", "goods issues and invoices a second against a real Tryton, beside what it takes of a bare client; only where it is named", (*Suite).erp, true},
	{"scale", "ten thousand sites with the agent's own journal and uplink on one collector; only where it is named", (*Suite).scale, true},
	{"master", "a million items from the ERP to the centre, a site and the CRM, while shipments go on", (*Suite).masterLoad, true},
}

// AreaNames lists what Suite.Areas may hold.
func AreaNames() []string {
	names := make([]string, len(areas))
	for i, a := range areas {
		names[i] = a.name
	}
	return names
}

// Run runs the chosen areas one after the other. An area in which something could not be measured does not stop the others; the
// error names each.
func (s *Suite) Run(ctx context.Context) error {
	for _, name := range s.Areas {
		if !slices.Contains(AreaNames(), name) {
			return fmt.Errorf("area %q: there are %s", name, strings.Join(AreaNames(), ", "))
		}
	}
	if s.Rounds == 0 {
		s.Rounds = 3
	}
	s.peers = &peerSet{dir: s.Peers}
	for _, a := range areas {
		if len(s.Areas) == 0 && a.asked || len(s.Areas) > 0 && !slices.Contains(s.Areas, a.name) {
			continue
		}
		s.area, s.made = a.name, 0
		began := time.Now()
		s.say("%s", a.help)
		err := a.run(s, ctx)
		if err == nil && s.made == 0 {
			err = errors.New("nothing was measured")
		}
		if err != nil {
			s.faults = append(s.faults, fmt.Errorf("%s: %w", a.name, err))
			s.say("could not be measured: %v", err)
		}
		s.say("%d measures in %s", s.made, time.Since(began).Round(time.Second))
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(s.faults...)
}

func (s *Suite) say(format string, args ...any) {
	if s.Progress != nil {
		fmt.Fprintf(s.Progress, "%s %s: %s\n", time.Now().Format("15:04:05"), s.area, fmt.Sprintf(format, args...))
	}
}

// folder makes an empty folder, which the caller removes.
func (s *Suite) folder(name string) (string, error) {
	dir, err := os.MkdirTemp(s.Dir, name+"-")
	if err != nil {
		return "", err
	}
	return filepath.Abs(dir)
}

// rounds calls f Rounds times and returns the median of each of the values that it returns.
func (s *Suite) rounds(f func() ([]float64, error)) ([]float64, error) {
	var taken [][]float64
	for range s.Rounds {
		values, err := f()
		if err != nil {
			return nil, err
		}
		taken = append(taken, values)
	}
	out := make([]float64, len(taken[0]))
	for i := range out {
		column := make([]float64, len(taken))
		for n := range taken {
			column[n] = taken[n][i]
		}
		out[i] = median(column)
	}
	return out, nil
}

func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	if n%2 == 1 {
		return values[n/2]
	}
	return (values[n/2-1] + values[n/2]) / 2
}
