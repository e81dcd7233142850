package wmshttp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dockline/dockline/plugins"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/event/epcis"
)

// tryItems is how many items of an answer are shown.
const tryItems = 20

// Try implements plugins.Trier. A sample is what would be sent, or answered, to the stream that its file is named for, or a document of EPCIS; without one
// the system is asked once.
func (p *Plugin) Try(r *docklinev1.TryRequest) (*docklinev1.TryResponse, error) {
	s, faults := load(r.GetConfig())
	if len(faults) > 0 {
		return nil, plugins.FaultsError(r.GetConfig(), faults)
	}
	out := &docklinev1.TryResponse{}
	if sample := r.GetSample(); len(bytes.TrimSpace(sample)) > 0 {
		return out, s.trySample(sample, strings.TrimSuffix(strings.TrimSuffix(r.GetFileName(), ".jsonld"), ".json"), out)
	}
	if len(s.polls) == 0 {
		return nil, errors.New("nothing is asked for by this configuration; give a sample of what is sent: a file that is named for its stream, as picks.json, or a document of EPCIS")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, st := range s.polls {
		if err := s.ask(ctx, st, p.Now(), out); err != nil {
			return nil, fmt.Errorf("stream %s: %w", st.name, err)
		}
	}
	return out, nil
}

func (s *setup) trySample(sample []byte, name string, out *docklinev1.TryResponse) error {
	if s.Listen != nil && s.Listen.EPCIS != nil && bytes.Contains(sample, []byte(`"EPCISDocument"`)) {
		return s.tryDocument(sample, out)
	}
	whole, err := decode(sample)
	if err != nil {
		return fmt.Errorf("the sample is no JSON: %w", err)
	}
	readers := map[string]*reader{}
	for _, l := range s.listen {
		readers[l.name] = l.reader
	}
	polls := map[string]*pollStream{}
	for _, st := range s.polls {
		readers[st.name], polls[st.name] = st.reader, st
	}
	if len(readers) == 1 {
		for only := range readers {
			name = only
		}
	}
	r := readers[name]
	if r == nil {
		return fmt.Errorf("no stream is named %q; name the file for a stream", name)
	}
	if st := polls[name]; st != nil {
		items, err := st.items.list(context.Background(), values{"body": plain(whole), "headers": map[string]string{}, "page": ""})
		if err != nil {
			return err
		}
		return tryAll(r, items, out)
	}
	return tryAll(r, []any{whole}, out)
}

func tryAll(r *reader, items []any, out *docklinev1.TryResponse) error {
	for _, item := range items {
		all, err := r.read(item, request{key: "sample", received: time.Now()})
		if err != nil {
			return err
		}
		for _, t := range all {
			switch letter := t.event.GetDeadLetter(); {
			case letter != nil:
				out.Faults = append(out.Faults, letter)
			case t.event != nil:
				out.Events = append(out.Events, t.event)
			}
		}
	}
	return nil
}

// tryDocument reads a document as it would be captured, at a site that has no name yet.
func (s *setup) tryDocument(sample []byte, out *docklinev1.TryResponse) error {
	start := plugins.Start{Tenant: "tenant", Site: "site", ID: "http"}
	c := &capturing{server: &server{setup: s, start: start}, EPCIS: s.Listen.EPCIS, tenant: s.Listen.EPCIS.tenant(start.Tenant, start.Site, s.zone)}
	job := &captureJob{Success: true, Behaviour: proceed}
	if p, err := c.look(bytes.NewReader(sample), job); err != nil {
		return err
	} else if p != nil {
		return errors.New(p.Detail)
	}
	im := &epcis.Importer{Tenant: c.tenant, Source: start.ID, File: "sample", Received: time.Now()}
	return epcis.Read(bytes.NewReader(sample), func(e *epcis.Captured) error {
		for _, made := range c.events(im, e, job) {
			if letter := made.GetDeadLetter(); letter != nil {
				out.Faults = append(out.Faults, letter)
			} else {
				out.Events = append(out.Events, made)
			}
		}
		return nil
	})
}

// ask asks the system for a stream once, from the beginning.
func (s *setup) ask(ctx context.Context, st *pollStream, now time.Time, out *docklinev1.TryResponse) error {
	p := &polling{setup: s, target: s.target, now: func() time.Time { return now }}
	v := values{"page": ""}
	if st.clock != nil {
		v["since"] = st.clock.from
	}
	if st.pages != nil && st.pages.Style != pageNext {
		v["page"] = fmt.Sprint(st.pages.first)
	}
	state := &state{pollStream: st, progress: &progress{}}
	_, _, items, err := p.ask(ctx, state, v, nil)
	if err != nil {
		return err
	}
	for _, item := range items[:min(len(items), tryItems)] {
		whole, here, err := p.detailed(ctx, state, item)
		if err != nil || !here {
			return err
		}
		if st.clock != nil {
			if _, _, err := st.clock.place(ctx, item); err != nil {
				return err
			}
		}
		if err := tryAll(st.reader, []any{whole}, out); err != nil {
			return err
		}
	}
	return nil
}
