package wmsfile

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/dockline/dockline/plugins"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// maxTried is how many events and faults of a sample are shown.
const maxTried = 500

// Try implements plugins.Trier: it reads a sample as the configuration says, or proposes a mapping where none fits.
func (p *Plugin) Try(request *docklinev1.TryRequest) (*docklinev1.TryResponse, error) {
	if request.GetFileName() == "" {
		return nil, errors.New("which file? Name one as the WMS writes it: --sample PICK0001.csv")
	}
	body := newContent(request.GetFileName(), request.GetSample(), p.Now())
	if strings.TrimSpace(string(request.GetConfig())) != "" {
		s, faults := load(request.GetConfig())
		if len(faults) > 0 && len(sections(request.GetConfig())) > 0 {
			return nil, plugins.FaultsError(request.GetConfig(), faults)
		}
		if s != nil {
			for _, st := range s.streams {
				if !matches(st.Pattern, body.name) {
					continue
				}
				out := try(st, body)
				if len(out.GetEvents()) == 0 && len(out.GetFaults()) > 0 && out.Faults[0].GetLine() == 0 {
					// The file as a whole does not fit: show what would.
					if guessed, err := propose(body); err == nil {
						out.Proposal = guessed.yaml()
					}
				}
				return out, nil
			}
		}
	}
	if strings.HasPrefix(strings.TrimPrefix(strings.TrimSpace(string(body.data)), "\ufeff"), "ISA") {
		return tryX12(body)
	}
	guessed, err := propose(body)
	if err != nil {
		return nil, err
	}
	if len(sections(request.GetConfig())) > 0 {
		guessed.notes = append([]string{"no pattern of the configuration fits " + body.name + ", so its mappings were not tried: name the sample as the WMS names its files"}, guessed.notes...)
	}
	out := &docklinev1.TryResponse{}
	if st := guessed.stream(); st != nil {
		out = try(st, body)
	}
	out.Proposal = guessed.yaml()
	return out, nil
}

// x12Proposal reads any partner's interchanges by the built-in mappings.
const x12Proposal = `# the zone is a guess: write that of the partner's warehouse
files:
  - name: edi
    pattern: "*%s"
    form: x12
    zone: UTC
`

// tryX12 reads a sample in X12 that no configuration names.
func tryX12(body content) (*docklinev1.TryResponse, error) {
	proposal := fmt.Sprintf(x12Proposal, filepath.Ext(body.name))
	s, faults := load([]byte("outbound: /srv/edi/out\nx12: {acknowledge: false}\n" + proposal))
	if len(faults) > 0 {
		return nil, plugins.FaultsError([]byte(proposal), faults)
	}
	out := try(s.streams[0], body)
	out.Proposal = proposal
	return out, nil
}

// sections are the files that a config describes, even one with faults.
func sections(config []byte) []File {
	var c Config
	plugins.Decode(config, &c)
	return c.Files
}

func try(s *stream, body content) *docklinev1.TryResponse {
	out := &docklinev1.TryResponse{}
	var res Result
	for e := range s.read(body, &res) {
		switch letter := e.GetDeadLetter(); {
		case letter != nil && len(out.Faults) < maxTried:
			letter.Text = strings.TrimSuffix(letter.GetText(), remedy) // nothing lies in the error folder
			out.Faults = append(out.Faults, letter)
		case letter == nil && len(out.Events) < maxTried:
			out.Events = append(out.Events, e)
		}
	}
	return out
}
