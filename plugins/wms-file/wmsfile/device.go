package wmsfile

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// seenEvery is how often it is told, at most, that files still come.
const seenEvery = 5 * time.Second

// folders says how the folders are through which we speak with the WMS, and whether a person should hear of it again.
func (r *reports) folders(s *setup, now time.Time) ([]*docklinev1.DeviceHealth, bool) {
	var list []*docklinev1.DeviceHealth
	if s.Outbound != "" {
		out := &docklinev1.DeviceHealth{Id: "outbound", Kind: "folder", Reachable: r.folderText == "", Text: cmp.Or(r.shown, s.Outbound)}
		if !out.Reachable {
			out.Text = r.folderText
		}
		if !r.taken.IsZero() {
			out.LastSeenAt = timestamppb.New(r.taken)
		}
		list = append(list, out)
	}
	if s.Inbound != "" {
		in := &docklinev1.DeviceHealth{Id: "inbound", Kind: "folder", Reachable: true, Text: s.Inbound}
		if err := r.reachInbox(); err != nil {
			in.Reachable = false
			in.Text = fmt.Sprintf("Work cannot be written for the WMS (%v). Make the folder available to the agent's service account; what waits is written as soon as it is.", err)
		}
		list = append(list, in)
	}
	same := slices.EqualFunc(list, r.devices, func(a, b *docklinev1.DeviceHealth) bool {
		return a.GetId() == b.GetId() && a.GetReachable() == b.GetReachable() && a.GetText() == b.GetText()
	})
	if same && (now.Sub(r.devicesAt) < seenEvery || !r.taken.After(r.devicesAt)) {
		return nil, false
	}
	r.devices, r.devicesAt = list, now
	return list, true
}

func (r *reports) reachInbox() error {
	if r.inbox == nil {
		return nil
	}
	return r.inbox()
}

func isFolder(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		return fmt.Errorf("%s is a file", path)
	}
	return err
}
