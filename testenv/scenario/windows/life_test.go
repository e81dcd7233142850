package windows_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/dockline/dockline/testenv"
	"github.com/dockline/dockline/testenv/enroltest"
)

// powerCut kills the whole Windows while rows are written, three times; each time the service is up with the machine, and goes on where it was.
func (s *site) powerCut() {
	for range 3 {
		before := s.promised()
		testenv.Eventually(s.t, patience, "rows are being captured", func() bool { return s.promised() > before+20 }, s.log)
		s.Cut(s.t)
		if s.promised() == 0 {
			s.t.Fatal("no row was promised: the cut shows nothing")
		}
		s.Boot(s.t)
		s.awaitState("RUNNING")
		s.grows("rows after the cut", 20)
		s.complete()
	}
}

// upgrade meets a site whose line is down, with a backlog in its journal, and a configuration that somebody has edited.
func (s *site) upgrade() {
	text, err := os.ReadFile(s.Path(config))
	if err != nil {
		s.t.Fatal(err)
	}
	edited := "# seen by the night shift\n" + string(text)
	if err := os.WriteFile(s.Path(config), []byte(edited), 0o644); err != nil {
		s.t.Fatal(err)
	}
	s.centre.Line.Cut(true)
	before := s.promised()
	testenv.Eventually(s.t, patience, "a backlog", func() bool { return s.promised() > before+50 }, s.log)
	s.must("/i")
	s.awaitState("RUNNING")
	if is := strings.TrimSpace(s.agent("version")); is != newVersion {
		s.t.Errorf("after the upgrade it is %s, want %s", is, newVersion)
	}
	if after, err := os.ReadFile(s.Path(config)); err != nil || string(after) != edited {
		s.t.Errorf("the edited configuration is another one now (%v):\n%s", err, after)
	}
	if list, _ := s.Run(s.t, "uninstaller", "--list"); strings.Count(list, "Dockline") != 1 {
		s.t.Errorf("not one Dockline is installed: %s", list)
	}
	s.centre.Line.Cut(false)
	s.grows("rows after the upgrade", 50)
	s.complete()
	s.command()
}

// command has the simulated dock, the plugin that the package brought, count a bin: work that came from the centre, answered by an event.
func (s *site) command() {
	s.centre.Must("site", "command", "recount", "main/"+siteName, "--number", "RC-1", "--bin", "A-01,SKU-1")
	testenv.Eventually(s.t, patience, "the count that was asked for", func() bool {
		return s.centre.Count(`SELECT count(*) FROM event WHERE site = ? AND source = 'dock' AND subject = 'RC-1'`, siteName) == 1
	}, s.log)
}

// downgrade is refused, and the newer one goes on.
func (s *site) downgrade() {
	if said, code := s.Run(s.t, "msiexec", "/i", s.file(oldPackage), "/qn"); code != refused {
		s.t.Errorf("an older version over a newer one: %d, want %d: %s", code, refused, said)
	}
	if is := strings.TrimSpace(s.agent("version")); is != newVersion {
		s.t.Errorf("after a refused downgrade it is %s, want %s", is, newVersion)
	}
	s.awaitState("RUNNING")
	s.grows("rows after the refused downgrade", 20)
}

// again installs the same version over the one that runs.
func (s *site) again() {
	s.must("/i")
	s.awaitState("RUNNING")
	s.grows("rows after the same version again", 20)
}

// fault starts a service whose configuration does not read, long before there is a log: the file says which line it is. Mended, it starts.
func (s *site) fault() {
	text, err := os.ReadFile(s.Path(config))
	if err != nil {
		s.t.Fatal(err)
	}
	write := func(text string) {
		if err := os.WriteFile(s.Path(config), []byte(text), 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
	s.agent("stop")
	write("uplinc: {}\n" + string(text))
	if said, code := s.Run(s.t, agentExe, "start"); code != 1 {
		s.t.Errorf("a service with a faulty configuration starts: %d: %s", code, said)
	}
	if log := s.log(); !strings.Contains(log, "uplinc") {
		s.t.Errorf("its log does not name the fault:\n%s", log)
	}
	write(string(text))
	s.agent("start")
	s.awaitState("RUNNING")
	s.grows("rows after the fault", 20)
}

// remove takes the program away and leaves the data, with which another installation goes on without a token; then it takes that away too.
func (s *site) remove() {
	s.must("/x")
	if is := s.state(); is != "" {
		s.t.Errorf("the service is still there: %s", is)
	}
	if _, err := os.Stat(s.Path(agentExe)); err == nil {
		s.t.Error("the program is still there")
	}
	for _, name := range []string{config, home + `\data\identity\site.key`, home + `\data\journal`} {
		if _, err := os.Stat(s.Path(name)); err != nil {
			s.t.Errorf("data was not kept: %v", err)
		}
	}
	s.must("/i")
	s.awaitState("RUNNING")
	s.grows("rows of the agent that came back to its data", 20)
	s.complete()
	s.must("/x", "REMOVEDATA=1")
	for _, name := range []string{home, `C:\Program Files\Dockline`} {
		if left, err := os.ReadDir(s.Path(name)); err == nil {
			s.t.Errorf("%s is still there, with %v", name, left)
		}
	}
}

// wrongToken fails the installation, so that whoever rolls it out sees that; nothing stays but what the next attempt needs.
func (s *site) wrongToken(i enroltest.Invitation) {
	said, code := s.Run(s.t, "msiexec", "/i", s.file(oldPackage), "/qn", "COLLECTOR="+i.Collector, "FINGERPRINT="+i.Fingerprint, "TOKEN="+enroltest.Tenant+"."+siteName+".nobodyhasgiventhistoken")
	if code == 0 {
		s.t.Errorf("a token that nobody has given installs: %s", said)
	}
	if is := s.state(); is != "" {
		s.t.Errorf("there is a service all the same: %s", is)
	}
	if _, err := os.Stat(s.Path(config)); err == nil {
		s.t.Error("there is a configuration all the same")
	}
}

// planted: an ordinary user can make folders in C:\ProgramData, and has put a configuration there before the agent comes, which is run as the system. The
// installation fails, with nothing installed, and reads nothing of his. Wine shows the files of another user of this machine as another's.
func (s *site) planted(i enroltest.Invitation) {
	if os.Getuid() != 0 {
		s.t.Skip("only root can make files of somebody else")
	}
	const nobody = 65534
	folder, ran := s.Path(home), s.Path(`C:\ran`)
	for _, of := range []struct {
		what, path string
	}{{"a file in a folder of an administrator's", config}, {"a folder deep in it", home + `\data\identity`}, {"the folder itself", home}} {
		if err := os.MkdirAll(s.Path(home+`\data\identity`), 0o755); err != nil {
			s.t.Fatal(err)
		}
		text := fmt.Sprintf("site: {tenant: main, id: dc-evil}\ndata_dir: 'C:\\windows'\nplugins: [{id: evil, path: 'C:\\windows\\system32\\cmd.exe', args: [/c, 'echo > %s']}]\n", `C:\ran`)
		if err := os.WriteFile(s.Path(config), []byte(text), 0o644); err != nil {
			s.t.Fatal(err)
		}
		if err := os.Chown(s.Path(of.path), nobody, nobody); err != nil {
			s.t.Fatal(err)
		}
		if said, code := s.Run(s.t, "msiexec", "/i", s.file(oldPackage), "/qn", "COLLECTOR="+i.Collector, "FINGERPRINT="+i.Fingerprint, "TOKEN="+i.Token); code == 0 || !strings.Contains(said, "not taken into use") {
			s.t.Errorf("%s is another's, and msiexec ends with %d: %s", of.what, code, said)
		}
		if is := s.state(); is != "" {
			s.t.Errorf("%s is another's, and there is a service: %s", of.what, is)
		}
		if now, err := os.ReadFile(s.Path(config)); err != nil || string(now) != text {
			s.t.Errorf("%s is another's, and the configuration was touched (%v): %s", of.what, err, now)
		}
		if _, err := os.Stat(ran); err == nil {
			s.t.Errorf("%s is another's, and what it says was run", of.what)
		}
		if err := os.RemoveAll(folder); err != nil {
			s.t.Fatal(err)
		}
	}
}

// uninstall is not for what a package brought: it would leave Windows a package without its service.
func (s *site) uninstall() {
	said, code := s.Run(s.t, agentExe, "uninstall")
	if code != 1 || !strings.Contains(said, "msiexec /x {") {
		s.t.Errorf("uninstall beside the package: %d: %s", code, said)
	}
	s.awaitState("RUNNING")
}

// enrolledLater installs a machine of which nothing is known yet: its service runs, and takes up what enrolling writes.
func (s *site) enrolledLater() {
	s.must("/i")
	s.awaitState("RUNNING")
	i := s.centre.Invite(siteName)
	token := filepath.Join(s.t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(i.Token+"\r\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	arguments := []string{"enrol", "--collector", i.Collector, "--fingerprint", i.Fingerprint, "--token-file", windowsPath(token)}
	if said, code := s.Run(s.t, append([]string{agentExe, "--config", config}, append(arguments, "--site", "dc-other")...)...); code != 1 || !strings.Contains(said, "take the token of this site") {
		s.t.Errorf("the token of another site: %d: %s", code, said)
	}
	s.agent(arguments...)
	testenv.Eventually(s.t, patience, "the service that waited has a line", func() bool { return s.centre.Site(siteName).State == "online" }, s.log)
	s.must("/x", "REMOVEDATA=1")
}

// must installs or removes the newer version, unattended.
func (s *site) must(what string, more ...string) {
	s.t.Helper()
	if said, code := s.Run(s.t, append([]string{"msiexec", what, s.file(newPackage), "/qn"}, more...)...); code != 0 {
		s.t.Fatalf("msiexec %s %v: %d: %s\n%s", what, more, code, said, s.log())
	}
}
