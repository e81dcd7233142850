package collector

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/dockline/dockline/collector/connector"
	"github.com/dockline/dockline/collector/master"
	"github.com/dockline/dockline/collector/ownership"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// masterStream is what carries master data, beside the road: the feed to the sites, and a loop for each system that tells of it or is told.
type masterStream struct {
	feed  *master.Feed
	loops []func(context.Context) error
}

// presence is told that a site has said what it holds.
func (r *road) presence() {
	r.downlink.Wake()
	r.master.feed.Wake()
}

// streamMaster adds the loop of a system whose configuration names kinds of master data: a system of record is read, any other is told.
func (m *Collector) streamMaster(to *masterStream, s *system) error {
	if len(s.config.Master) == 0 {
		return nil
	}
	kinds, err := s.masterKinds()
	if err != nil {
		return err
	}
	party := master.Party{DB: m.db, Tenant: s.config.Tenant, Name: s.config.Name, Kinds: kinds, Holder: m.name, Cases: m.intakeCases, Share: m.config.Master.SystemShare,
		Every: s.leastPause(m.config.Master.SystemShare), Poll: s.config.Poll, Timeout: s.config.Timeout, Now: m.clock, Log: m.log.With("part", "master")}
	if s.config.Role == string(ownership.SystemOfRecord) {
		to.loops = append(to.loops, (&master.Import{Party: party, Source: s.governed.(connector.MasterSource), Changed: to.feed.Wake}).Run)
		return nil
	}
	to.loops = append(to.loops, (&master.Tell{Party: party, Target: s.governed.(connector.MasterTarget)}).Run)
	return nil
}

// masterKinds are the kinds that the configuration names, in the order in which they are read or told.
func (s *system) masterKinds() (kinds []docklinev1.MasterKind, err error) {
	can, does := []docklinev1.MasterKind(nil), "tells of"
	if source, ok := s.connector.(connector.MasterSource); ok && s.config.Role == string(ownership.SystemOfRecord) {
		can = source.MasterKinds()
	}
	if target, ok := s.connector.(connector.MasterTarget); ok && s.config.Role != string(ownership.SystemOfRecord) {
		can, does = target.ToldKinds(), "takes"
	}
	for _, name := range s.config.Master {
		kind, _ := connector.ParseMasterKind(name)
		if !slices.Contains(can, kind) {
			return nil, fmt.Errorf("connectors: %s: master: it %s no master data of kind %s; its definition has no section for it", s.config.Name, does, name)
		}
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return slices.Compact(kinds), nil
}

// leastPause leaves the rest of an account's rate to the postings.
func (s *system) leastPause(share float64) time.Duration {
	l := s.account.Limits
	if l.Calls == 0 || share <= 0 {
		return 0
	}
	return time.Duration(float64(l.Per) / (float64(l.Calls) * share))
}
