package host

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

const (
	// maxDevices bounds what one plugin can put into every heartbeat; maxDeviceText its words on one of them.
	maxDevices    = 200
	maxDeviceText = 500
)

// seen keeps what the plugin says of what it talks to; a device that is as it was before keeps the time since when.
func (s *supervisor) seen(devices []*docklinev1.DeviceHealth) {
	s.mu.Lock()
	defer s.mu.Unlock()
	devices = devices[:min(len(devices), maxDevices)]
	for _, d := range devices {
		d.Id, d.Kind, d.Text = short(d.GetId(), maxDeviceText), short(d.GetKind(), maxDeviceText), short(d.GetText(), maxDeviceText)
		if d.ChangedAt != nil {
			continue
		}
		d.ChangedAt = timestamppb.New(s.config.Now())
		for _, old := range s.devices {
			if old.GetId() == d.GetId() && old.GetReachable() == d.GetReachable() {
				d.ChangedAt = old.ChangedAt
			}
		}
	}
	s.devices = devices
}
