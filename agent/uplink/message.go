package uplink

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

func (u *Uplink) message(name string, retain bool, body proto.Message) wire.Message {
	payload, err := proto.Marshal(body)
	if err != nil {
		// Only text that is not UTF-8 can be the reason, and that never gets as far as here.
		panic(fmt.Sprintf("uplink: %s: %v", name, err))
	}
	return wire.Message{Topic: u.up(name), Payload: payload, Retain: retain}
}

func (u *Uplink) makeHello(session string) *docklinev1.Hello {
	h := &docklinev1.Hello{
		Tenant: u.c.Tenant, Site: u.c.Site, Session: session, AgentVersion: u.c.Version,
		Epochs: u.c.Journal.Epochs(), SentAt: timestamppb.New(u.c.Now()), Machine: u.c.Machine,
	}
	if u.c.Positions != nil {
		h.Incarnation, h.CommandsThrough, h.ReceiptsThrough = u.c.Positions()
	}
	if u.c.MasterThrough != nil {
		h.MasterThrough = u.c.MasterThrough()
	}
	return h
}

// status is the heartbeat of a session that is up.
func (u *Uplink) status(session string) wire.Message {
	h := &docklinev1.Heartbeat{}
	if u.c.Heartbeat != nil {
		h = u.c.Heartbeat()
	}
	h.Tenant, h.Site, h.AgentVersion = u.c.Tenant, u.c.Site, u.c.Version
	h.Session, h.Online, h.SentAt, h.Number = session, true, timestamppb.New(u.c.Now()), u.nextBeat()
	if u.c.Positions != nil {
		h.Incarnation, h.CommandsThrough, h.ReceiptsThrough = u.c.Positions()
	}
	if u.c.MasterThrough != nil {
		h.MasterThrough = u.c.MasterThrough()
	}
	return u.message(wire.Status, true, h)
}
