package ingest_test

import (
	"strings"
	"testing"

	"github.com/dockline/dockline/collector/db"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
	"github.com/dockline/dockline/testenv"
)

// A machine whose name or folder is long, and cut within a character, or holds what a database cannot keep, gets its answer: without it its
// site would send nothing.
func TestAMachineOfAnyNameIsAnswered(t *testing.T) {
	testenv.EachDatabase(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		for n, name := range []string{strings.Repeat("ü", 150), "x" + strings.Repeat("ü", 150), "a\x00b", strings.Repeat("倉庫", 80)} {
			answers := w.send(message(t, "dc-east", wire.Hello, &docklinev1.Hello{Tenant: tenant, Site: "dc-east", Session: strings.Repeat("s", n+1),
				Machine: &docklinev1.Machine{Fingerprint: name, Host: name, Folder: name}}))
			if len(answers) != 1 || answers[0].GetHelloReply() == nil {
				t.Errorf("%.20q: %v", name, answers)
			}
		}
	})
}
