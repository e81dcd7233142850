package health

import (
	"fmt"
	"strings"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

func pluginStarting(f Facts) (all []Finding) {
	for _, p := range f.Plugins {
		if p.GetState() == "starting" {
			all = append(all, Finding{Title: "plugin " + p.GetId() + " does not get ready", Text: "It is being started."})
		}
	}
	return all
}

func pluginSilent(f Facts) (all []Finding) {
	for _, p := range f.Plugins {
		if last := p.GetLastEventAt().AsTime(); p.GetState() == "running" && p.GetLastEventAt() != nil && f.Now.Sub(last) >= silentAfter {
			all = append(all, Finding{Title: "plugin " + p.GetId() + " has told nothing for long", Since: last,
				Text: fmt.Sprintf("Its last event came at %s.", last.UTC().Format("2006-01-02 15:04 MST"))})
		}
	}
	return all
}

// unreachable finds devices of a kind that cannot be reached.
func unreachable(is func(kind string) bool) func(Facts) []Finding {
	return func(f Facts) (all []Finding) {
		for _, p := range f.Plugins {
			for _, d := range p.GetDevices() {
				if d.GetReachable() || !is(d.GetKind()) {
					continue
				}
				one := Finding{Title: fmt.Sprintf("%s of plugin %s cannot be reached", nameOf(d), p.GetId()), Text: sentence(d.GetText())}
				if d.GetChangedAt() != nil {
					one.Since = d.GetChangedAt().AsTime()
				}
				if d.GetLastSeenAt() != nil {
					one.Text = strings.TrimSpace(one.Text + " Last seen at " + d.GetLastSeenAt().AsTime().UTC().Format("2006-01-02 15:04 MST") + ".")
				}
				all = append(all, one)
			}
		}
		return all
	}
}

// nameOf is what people call a device: its kind, and its id where that says more.
func nameOf(d *docklinev1.DeviceHealth) string {
	kind, id := d.GetKind(), d.GetId()
	switch {
	case kind == "wms" && (id == "" || id == "wms"):
		return "The WMS"
	case kind == "wms":
		return "The WMS (" + id + ")"
	case kind == "scanner" && strings.HasPrefix(id, "scanner"):
		return "S" + id[1:]
	case kind == "":
		return id
	}
	return strings.ToUpper(kind[:1]) + kind[1:] + " " + id
}

func batteryLow(f Facts) (all []Finding) {
	for _, p := range f.Plugins {
		for _, d := range p.GetDevices() {
			if d.GetReachable() && d.BatteryPercent != nil && d.GetBatteryPercent() < lowBattery {
				all = append(all, Finding{Title: "The battery of " + d.GetId() + " is low", Text: fmt.Sprintf("It has %d %%.", d.GetBatteryPercent())})
			}
		}
	}
	return all
}
