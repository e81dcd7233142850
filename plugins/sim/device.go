package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dockline/dockline/plugins"
	"github.com/dockline/dockline/plugins/sim/day"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	// switchFile in the plugin's data folder names what is switched off, a line each: scanner-03, or wms. It is how a drill takes a scanner
	// or the warehouse system away.
	switchFile = "off"
	// wmsDevice is the simulated warehouse system itself.
	wmsDevice = "wms"
	// tellEvery is how often the devices are told of at most.
	tellEvery = time.Second
	// emptyAt is the charge at which a simulated scanner is changed for a full one.
	emptyAt = 12
)

// devices are the scanners of the dock's operators, and the warehouse system that they work on.
type devices struct {
	dir    string
	last   map[string]time.Time
	scans  map[string]int
	off    []string
	looked time.Time
	told   []*docklinev1.DeviceHealth
}

func newDevices(dataDir string) *devices {
	return &devices{dir: dataDir, last: map[string]time.Time{}, scans: map[string]int{}}
}

// scannerOf is the scanner in an operator's hand.
func scannerOf(operator string) string { return "scanner-" + strings.TrimPrefix(operator, "op-") }

// used takes note of who scanned.
func (d *devices) used(movements []day.Movement) {
	for _, m := range movements {
		if m.Operator != "" {
			id := scannerOf(m.Operator)
			d.last[id] = m.At
			d.scans[id]++
		}
	}
}

// down says whether the warehouse system is switched off.
func (d *devices) down() bool { return slices.Contains(d.off, wmsDevice) }

// tell reads the switches and says how everything is, where that has changed.
func (d *devices) tell(now time.Time, out plugins.Stream) error {
	if now.Sub(d.looked) < tellEvery {
		return nil
	}
	d.looked = now
	text, err := os.ReadFile(filepath.Join(d.dir, switchFile))
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	d.off = strings.Fields(string(text))
	list := d.list()
	if slices.EqualFunc(list, d.told, func(a, b *docklinev1.DeviceHealth) bool { return proto.Equal(a, b) }) {
		return nil
	}
	d.told = list
	return out.Devices(list...)
}

func (d *devices) list() []*docklinev1.DeviceHealth {
	wms := &docklinev1.DeviceHealth{Id: wmsDevice, Kind: "wms", Reachable: !d.down(), Text: "simulated warehouse system"}
	if d.down() {
		wms.Text = "Its database does not answer. See that the warehouse system's server runs; the dock goes on where it was."
	}
	list := []*docklinev1.DeviceHealth{wms}
	for id, last := range d.last {
		one := &docklinev1.DeviceHealth{Id: id, Kind: "scanner", Reachable: !slices.Contains(d.off, id), LastSeenAt: timestamppb.New(last),
			BatteryPercent: proto.Uint32(uint32(100 - d.scans[id]%(100-emptyAt)))}
		if !one.Reachable {
			one.Text = fmt.Sprintf("%s gives no sign of life. Is it switched on, charged, and within reach of the wireless network?", id)
		}
		list = append(list, one)
	}
	slices.SortFunc(list[1:], func(a, b *docklinev1.DeviceHealth) int { return strings.Compare(a.GetId(), b.GetId()) })
	return list
}
