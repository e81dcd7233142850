package windows_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// emptyPrograms is a folder with what is to be packed, without anything in it that runs.
func emptyPrograms(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"dockline-agent.exe", "dockline-plugin-sim.exe", "dockline-plugin-wms-file.exe"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// table is one of a package, as Windows Installer reads it: the rows by their first column, each with its columns by name.
func table(t *testing.T, msi, name string) map[string]map[string]string {
	t.Helper()
	out, err := exec.Command("msiinfo", "export", msi, name).Output()
	if err != nil {
		t.Fatalf("msiinfo export %s: %v", name, err)
	}
	lines := strings.Split(strings.TrimRight(strings.ReplaceAll(string(out), "\r", ""), "\n"), "\n")
	columns := strings.Split(lines[0], "\t")
	rows := map[string]map[string]string{}
	for _, line := range lines[3:] {
		row := map[string]string{}
		for i, cell := range strings.Split(line, "\t") {
			row[columns[i]] = cell
		}
		key := row[columns[0]]
		if name == "Upgrade" {
			key = row["ActionProperty"]
		}
		rows[key] = row
	}
	return rows
}

func (h *held) row(name, key string, wanted map[string]string) {
	h.t.Helper()
	row, there := table(h.t, h.msi, name)[key]
	if !there {
		h.t.Errorf("%s has no row %s", name, key)
	}
	for column, value := range wanted {
		if row[column] != value {
			h.t.Errorf("%s, %s: %s is %q, want %q", name, key, column, row[column], value)
		}
	}
}

// held is a package that is held against what it should say.
type held struct {
	t   *testing.T
	msi string
}

// TestPackageTables reads in the package what Windows Installer will do with it, most of which Wine does not act on.
//
// Shows: E24
func TestPackageTables(t *testing.T) {
	needTools(t)
	h := &held{t, filepath.Join(t.TempDir(), "agent.msi")}
	programs := emptyPrograms(t)
	if err := pack("1.4.2+7.gabcdef0", programs, h.msi); err != nil {
		t.Fatal(err)
	}
	// As the system, in its own process (16), with the machine (2), and an error at its start fails the installation.
	h.row("ServiceInstall", "Service", map[string]string{"Name": "dockline-agent", "ServiceType": "16", "StartType": "2", "StartName": "", "Arguments": `service-run --config "[CONFIGFOLDER]agent.yaml"`, "Component_": "Agent"})
	// Started at an installation (1), stopped at both (2 and 32), deleted at a removal (128), each waited for.
	h.row("ServiceControl", "Service", map[string]string{"Name": "dockline-agent", "Event": "163", "Wait": "1"})
	// An older one and the same version are replaced (512: up to and with), a newer one is only seen (2), and refused.
	h.row("Upgrade", "WIX_UPGRADE_DETECTED", map[string]string{"VersionMin": "", "VersionMax": "1.4.2", "Attributes": "513"})
	h.row("Upgrade", "WIX_DOWNGRADE_DETECTED", map[string]string{"VersionMin": "1.4.2", "VersionMax": "", "Attributes": "2"})
	h.row("LaunchCondition", "NOT WIX_DOWNGRADE_DETECTED", nil)
	for name, row := range table(t, h.msi, "Component") {
		if row["Attributes"] != "256" { // of a 64 bit Windows
			t.Errorf("component %s has the attributes %s", name, row["Attributes"])
		}
	}
	// The old version goes inside the transaction, settings and enrolment come between making and starting the service, as the system.
	for action, sequence := range map[string]string{"InstallInitialize": "1500", "RemoveExistingProducts": "1501", "InstallServices": "5800", "ClaimFolder": "5805", "ConfigureService": "5810", "EnrolSite": "5820", "StartServices": "5900"} {
		h.row("InstallExecuteSequence", action, map[string]string{"Sequence": sequence})
	}
	h.row("InstallExecuteSequence", "RemoveData", map[string]string{"Condition": `REMOVE = "ALL" AND REMOVEDATA = "1" AND NOT UPGRADINGPRODUCTCODE`})
	h.row("InstallExecuteSequence", "StopProgram", map[string]string{"Condition": `REMOVE = "ALL"`, "Sequence": "1899"})
	h.row("CustomAction", "StopProgram", map[string]string{"Type": "3154", "Target": "stop"})
	h.row("CustomAction", "ConfigureService", map[string]string{"Type": "3154", "Target": `service configure --config "[CONFIGFOLDER]agent.yaml"`})
	h.row("CustomAction", "ClaimFolder", map[string]string{"Type": "3090", "Target": `service claim --config "[CONFIGFOLDER]agent.yaml"`}) // no 64: its failure is the installation's
	// 18: a program of the package; 1024 and 2048: in the transaction, as the system; 8192: its command is not in the log.
	h.row("CustomAction", "EnrolSite", map[string]string{"Type": "11282"})
	h.row("Property", "MsiHiddenProperties", map[string]string{"Value": "TOKEN"})
	secure := table(t, h.msi, "Property")["SecureCustomProperties"]["Value"]
	for _, name := range []string{"COLLECTOR", "FINGERPRINT", "TOKEN", "SITE", "TENANT", "REMOVEDATA"} {
		if !strings.Contains(";"+secure+";", ";"+name+";") {
			t.Errorf("%s does not reach the installing service: %s", name, secure)
		}
	}
	for _, row := range table(t, h.msi, "Registry") {
		if row["Name"] == "EventMessageFile" && row["Value"] != `#%%SystemRoot%\System32\EventCreate.exe` {
			t.Errorf("the event source's file is %s", row["Value"])
		}
	}
	if names := table(t, h.msi, "File"); len(names) != 3 || !strings.HasSuffix(names["Plugin_wms_file_exe"]["FileName"], "|dockline-plugin-wms-file.exe") {
		t.Errorf("files: %v", names)
	}
	for name := range table(t, h.msi, "File") {
		if strings.Contains(name, "yaml") {
			t.Errorf("%s: the configuration must not be the installer's", name)
		}
	}
	sameBytes(t, programs, h.msi)
}

// sameBytes packs the same once more, in another folder: the numbers, times and order in the package come from what is in it.
func sameBytes(t *testing.T, programs, first string) {
	t.Helper()
	again := filepath.Join(t.TempDir(), "other.msi")
	if err := pack("1.4.2+7.gabcdef0", programs, again, "TZ=Asia/Tokyo", "TMPDIR="+t.TempDir()); err != nil {
		t.Fatal(err)
	}
	one, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(again)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one, other) {
		t.Error("the same programs made another package")
	}
	if err := os.WriteFile(filepath.Join(programs, "dockline-plugin-sim.exe"), []byte("changed"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := pack("1.4.2+7.gabcdef0", programs, again); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ProductCode"} {
		if is, was := table(t, again, "Property")[name]["Value"], table(t, first, "Property")[name]["Value"]; is == was {
			t.Errorf("another plugin, and the same %s %s: Windows would refuse it", name, is)
		}
	}
}

// TestPackageVersion: Windows Installer compares three numbers, and has no room for large ones.
func TestPackageVersion(t *testing.T) {
	needTools(t)
	programs, msi := emptyPrograms(t), filepath.Join(t.TempDir(), "agent.msi")
	for version, want := range map[string]string{"1.4.2": "1.4.2", "v2.0.11-rc1": "2.0.11", "0.0.0+20261126204218.f4c3e81": "0.0.0", "f4c3e81": "0.0.0", "255.255.65535": "255.255.65535"} {
		if err := pack(version, programs, msi); err != nil {
			t.Fatal(err)
		}
		if is := table(t, msi, "Property")["ProductVersion"]["Value"]; is != want {
			t.Errorf("%s became %s, want %s", version, is, want)
		}
	}
	if err := pack("256.0.0", programs, msi); err == nil || !strings.Contains(err.Error(), "255.255.65535") {
		t.Errorf("a version that does not fit: %v", err)
	}
}
