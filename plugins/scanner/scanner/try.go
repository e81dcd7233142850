package scanner

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dockline/dockline/plugins"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Try implements plugins.Trier: a sample holds a scan on each line, as the reader sends it (<GS> stands for the separator); the file is named for the
// input whose reader it is. It gives the events, and as faults what the reader would hear to scans that are refused.
func (p *Plugin) Try(request *docklinev1.TryRequest) (*docklinev1.TryResponse, error) {
	s, faults := load(request.GetConfig())
	if len(faults) > 0 {
		return nil, plugins.FaultsError(request.GetConfig(), faults)
	}
	if len(request.GetSample()) == 0 {
		return nil, errors.New("a sample is needed: a text file with a scan on each line, named for the input (ID.txt)")
	}
	in := s.Inputs[0]
	for _, other := range s.Inputs {
		if other.ID+".txt" == request.GetFileName() {
			in = other
		}
	}
	m := newMachine(in.ID, in, s)
	m.flow.DoubleScan = 0
	out := &docklinev1.TryResponse{}
	number := uint32(0)
	m.newID = func() string { return fmt.Sprintf("line-%d", number) }
	for line := range strings.Lines(string(request.GetSample())) {
		number++
		code := strings.ReplaceAll(strings.TrimRight(line, "\r\n"), "<GS>", "\x1d")
		if code == "" || strings.HasPrefix(code, "#") {
			continue
		}
		switch a := m.scan(p.Now(), code); a.result {
		case whole:
			a.event.Origin = fmt.Sprintf("%s:%d", request.GetFileName(), number)
			out.Events = append(out.Events, a.event)
		case bad:
			out.Faults = append(out.Faults, &docklinev1.DeadLetter{Class: docklinev1.FaultClass_FAULT_CLASS_DATA, Code: "scan_refused", File: request.GetFileName(),
				Line: number, Column: m.work.State, Text: a.text, Raw: []byte(code)})
		}
	}
	return out, nil
}
