package service_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/dockline/dockline/agent/service"
)

// fakeManager is a service manager that keeps what it is told, and knows or obeys only some of it.
type fakeManager struct {
	kept    map[service.Aspect]string
	unknown map[service.Aspect]bool
	refused map[service.Aspect]bool
	// mute takes an aspect and does not say it again, bent says something else.
	mute, bent map[service.Aspect]bool
	written    []service.Aspect
}

var errRefused = errors.New("access is denied")

func newManager() *fakeManager {
	none := func() map[service.Aspect]bool { return map[service.Aspect]bool{} }
	return &fakeManager{kept: map[service.Aspect]string{service.StartType: "auto"}, unknown: none(), refused: none(), mute: none(), bent: none()}
}

func (m *fakeManager) Get(a service.Aspect) (string, error) {
	if m.unknown[a] || m.mute[a] {
		return "", service.ErrUnknown
	}
	return m.kept[a], nil
}

func (m *fakeManager) Set(a service.Aspect, value string) error {
	switch {
	case m.unknown[a]:
		return service.ErrUnknown
	case m.refused[a]:
		return errRefused
	case m.bent[a]:
		value += " and more"
	}
	m.kept[a] = value
	m.written = append(m.written, a)
	return nil
}

func outcome(t *testing.T, outcomes []service.Outcome, a service.Aspect) service.Outcome {
	t.Helper()
	i := slices.IndexFunc(outcomes, func(o service.Outcome) bool { return o.Aspect == a })
	if i < 0 {
		t.Fatalf("no outcome for %s", a)
	}
	return outcomes[i]
}

// A service as it was just registered gets everything; the second time nothing is written, and what somebody has changed is put right alone.
//
// Shows: E24
func TestConfigureIsIdempotent(t *testing.T) {
	m := newManager()
	first := service.Configure(m, service.All())
	if !service.Confirmed(first) {
		t.Fatalf("not confirmed: %+v", first)
	}
	want := map[service.Aspect]string{}
	for _, w := range service.All() {
		want[w.Aspect] = w.Value
	}
	if !maps.Equal(m.kept, want) {
		t.Fatalf("kept %v, wanted %v", m.kept, want)
	}
	if got := m.kept[service.RecoveryActions]; strings.Count(got, "restart/") != 3 {
		t.Fatalf("recovery %q is not three restarts", got)
	}
	m.written = nil
	if again := service.Configure(m, service.All()); !service.Confirmed(again) || len(m.written) > 0 {
		t.Fatalf("the second time wrote %v", m.written)
	}
	m.kept[service.RecoveryActions], m.kept[service.FolderRights] = "reset=0 ", "O:BAD:P(A;OICI;FA;;;WD)"
	healed := service.Configure(m, service.All())
	if !service.Confirmed(healed) || !maps.Equal(m.kept, want) || !slices.Equal(m.written, []service.Aspect{service.RecoveryActions, service.FolderRights}) {
		t.Fatalf("wrote %v, kept %v", m.written, m.kept)
	}
	if o := outcome(t, healed, service.FolderRights); !o.Changed || o.Before != "O:BAD:P(A;OICI;FA;;;WD)" {
		t.Fatalf("it does not say what was there: %+v", o)
	}
}

// What one system does not know, refuses, or reads back as something else is told for that aspect alone, and the rest is set.
func TestConfigureSaysWhatItCouldNot(t *testing.T) {
	for name, c := range map[string]struct {
		break_    func(*fakeManager)
		aspect    service.Aspect
		confirmed bool
		changed   bool
	}{
		"delayed start is unknown":       {func(m *fakeManager) { m.unknown[service.StartType] = true }, service.StartType, true, false},
		"recovery is unknown":            {func(m *fakeManager) { m.unknown[service.RecoveryActions] = true }, service.RecoveryActions, false, false},
		"recovery is refused":            {func(m *fakeManager) { m.refused[service.RecoveryActions] = true }, service.RecoveryActions, false, false},
		"recovery can't be read back":    {func(m *fakeManager) { m.mute[service.RecoveryActions] = true }, service.RecoveryActions, false, true},
		"rights read back as other ones": {func(m *fakeManager) { m.bent[service.FolderRights] = true }, service.FolderRights, false, true},
		"somebody has disabled it":       {func(m *fakeManager) { m.kept[service.StartType] = "disabled" }, service.StartType, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := newManager()
			c.break_(m)
			outcomes := service.Configure(m, service.All())
			o := outcome(t, outcomes, c.aspect)
			if o.Err == nil || o.Changed != c.changed || service.Confirmed(outcomes) != c.confirmed {
				t.Fatalf("confirmed %v, %+v", service.Confirmed(outcomes), o)
			}
			for _, other := range outcomes {
				if other.Aspect != c.aspect && (other.Err != nil || m.kept[other.Aspect] != other.Value) {
					t.Errorf("%s suffers too: %v", other.Aspect, other.Err)
				}
			}
		})
	}
	m := newManager()
	m.kept[service.StartType] = "disabled"
	service.Configure(m, service.All())
	if m.kept[service.StartType] != "disabled" {
		t.Error("what an administrator has disabled was enabled")
	}
}

// The identity of a service is worked out here as Windows does it: the one of TrustedInstaller is well known.
func TestSID(t *testing.T) {
	const installer = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
	if got := service.SID("TrustedInstaller"); got != installer {
		t.Fatalf("SID of TrustedInstaller: %s, want %s", got, installer)
	}
	rights := ""
	for _, w := range service.All() {
		if w.Aspect == service.FolderRights {
			rights = w.Value
		}
	}
	if !strings.Contains(rights, "(A;OICI;FA;;;"+service.SID(service.Name)+")") || strings.Count(rights, "(A;") != 3 || !strings.Contains(rights, "D:P(") {
		t.Fatalf("rights %s are not for system, administrators and the service alone", rights)
	}
}
