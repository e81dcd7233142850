package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/dockline/dockline/agent/health"
	"github.com/dockline/dockline/agent/service"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Outcome of one examination.
type Outcome string

// What an examination may end with.
const (
	// Fine: nothing to do.
	Fine Outcome = "ok"
	// Hint: it works, and a person should know.
	Hint Outcome = "hint"
	// Ill: something does not work, or will not.
	Ill Outcome = "fault"
	// Skipped: it could not be looked at, and the text says why.
	Skipped Outcome = "skipped"
)

// Examined is what one examination found.
type Examined struct {
	Code    string  `json:"code"`
	Title   string  `json:"title"`
	Outcome Outcome `json:"outcome"`
	// Text is what was found, Remedy what to do about it.
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"`
}

// DoctorOptions say what is examined.
type DoctorOptions struct {
	// ConfigPath is the agent's configuration. BeforeInstall looks at a machine that has none yet: DataDir, URL and Proxy stand for it.
	ConfigPath          string
	BeforeInstall       bool
	DataDir, URL, Proxy string
	// Collector is the URL of the collector's console or API, whose clock this machine's is held against; "" leaves that to a running agent.
	Collector string
}

// patient is what the examinations look at.
type patient struct {
	DoctorOptions
	config *Config // nil where it does not read
	// running is what the agent at work says of itself, nil where none runs.
	running *docklinev1.Heartbeat
	found   []Examined
}

// examination is one thing that is looked at.
type examination struct {
	Code, Title string
	// Before: it makes sense on a machine without an installation. Configured: it needs a configuration that reads.
	Before, Configured bool
	Look               func(ctx context.Context, p *patient, e examination)
}

// examinations is the fixed list, in the order in which one thing rests on another.
var examinations = []examination{
	{"config", "Configuration", false, false, lookConfig},
	{"config_rights", "Who may read and change the configuration", false, false, lookConfigRights},
	{"data_dir", "Data folder", true, true, lookDataDir},
	{"disk_space", "Room on the disk", true, true, lookDiskSpace},
	{"disk_sync", "Speed of synced writes", true, true, lookDiskSync},
	{"identity", "Key, certificate and authority", false, true, lookIdentity},
	{"dns", "Name of the broker", true, true, lookDNS},
	{"proxy", "Proxy", true, true, lookProxy},
	{"port", "Port of the broker", true, true, lookPort},
	{"tls", "TLS to the broker", true, true, lookTLS},
	{"clock", "Clock", true, false, lookClock},
	{"page_port", "Port of the local page", true, true, lookPagePort},
	{"plugins", "Plugins", false, true, lookPlugins},
	{"journal", "Journal", false, true, lookJournal},
	{"inbox", "Inbox", false, true, lookInbox},
	{"centre_config", "Configuration from the centre", false, true, lookSettings},
	{"service", "Service", false, false, lookService},
	{"antivirus", "Virus scanner", true, false, lookAntivirus},
	{"agent", "What the running agent says", false, true, lookRunning},
}

// Examine runs the list. It changes nothing, beyond a file for measuring the disk that it removes again.
func Examine(ctx context.Context, o DoctorOptions) []Examined {
	p := &patient{DoctorOptions: o}
	if o.BeforeInstall {
		p.config = DefaultConfig()
		p.config.DataDir, p.config.MQTT.Proxy = o.DataDir, o.Proxy
		if o.URL != "" {
			p.config.MQTT.URL = o.URL
		}
	}
	for _, e := range examinations {
		switch {
		case o.BeforeInstall && !e.Before:
			continue
		case e.Configured && p.config == nil:
			p.say(e, Skipped, "It needs a configuration that reads.", "")
			continue
		}
		before := len(p.found)
		e.Look(ctx, p, e)
		if len(p.found) == before {
			p.say(e, Fine, "", "")
		}
	}
	return p.found
}

// Sick says whether anything is at fault.
func Sick(found []Examined) bool {
	for _, e := range found {
		if e.Outcome == Ill {
			return true
		}
	}
	return false
}

func (p *patient) say(e examination, o Outcome, text, remedy string) {
	p.found = append(p.found, Examined{e.Code, e.Title, o, text, remedy})
}

// ill adds a fault.
func (p *patient) ill(e examination, remedy, format string, args ...any) {
	p.say(e, Ill, fmt.Sprintf(format, args...), remedy)
}

func lookConfig(ctx context.Context, p *patient, e examination) {
	config, err := LoadConfig(p.ConfigPath)
	if os.IsNotExist(err) {
		p.ill(e, "`dockline-agent init` writes one; --config names another place.", "There is no %s.", p.ConfigPath)
		return
	}
	if err != nil {
		p.ill(e, "Correct the lines named; `dockline-agent config check` looks again.", "%s", err)
		return
	}
	p.config = config
	if running, err := health.Ask(ctx, config.DataDir); err == nil {
		p.running = running
	}
	p.say(e, Fine, fmt.Sprintf("%s: site %s of tenant %s, %d plugins.", p.ConfigPath, config.Site.ID, config.Site.Tenant, len(config.Plugins)), "")
}

func lookConfigRights(_ context.Context, p *patient, e examination) {
	info, err := os.Stat(p.ConfigPath)
	if err != nil || runtime.GOOS == "windows" {
		return // lookConfig has said so; Windows keeps rights elsewhere
	}
	if info.Mode().Perm()&0o022 != 0 {
		p.ill(e, "Take the right to write from others: chmod go-w "+p.ConfigPath, "%s can be changed by others than its owner (mode %04o): who changes it decides which programs run.", p.ConfigPath, info.Mode().Perm())
	}
}

func lookSettings(_ context.Context, p *patient, e examination) {
	dir := p.config.Path("config")
	if _, err := os.Stat(dir); os.IsNotExist(err) {
		p.say(e, Fine, "The centre has given none.", "")
		return
	}
	for _, name := range []string{acceptedFile, trialFile, refusedFile} {
		if err := readGiven(filepath.Join(dir, name), new(*given)); err != nil {
			p.ill(e, "Remove the file; the centre's configuration is sent again.", "%s", err)
		}
	}
}

func lookService(_ context.Context, p *patient, e examination) {
	i, err := service.Inspect()
	if err != nil {
		p.say(e, Skipped, err.Error()+".", "")
	}
	switch {
	case !i.Installed:
		p.say(e, Hint, "No service is installed.", "`dockline-agent install` installs one; without it, whoever starts the agent must start it again.")
	case !i.Running && err == nil:
		p.ill(e, "`dockline-agent start` starts it; the log says why it ended.", "The service does not run.")
	}
	for _, fault := range i.Faults {
		p.ill(e, "", "%s", fault)
	}
}

func lookAntivirus(_ context.Context, p *patient, e examination) {
	folder := "data_dir"
	if p.config != nil {
		folder = p.config.DataDir
	}
	if scanner := virusScanner(); scanner != "" {
		p.say(e, Hint, scanner+" is at work on this machine.", "Exclude "+folder+" and the folder of the plugins from its scan on access: it delays synced writes and the start of plugins.")
		return
	}
	p.say(e, Fine, "None was recognised.", "")
}

func lookRunning(_ context.Context, p *patient, e examination) {
	if p.running == nil {
		p.say(e, Skipped, "No agent runs on "+p.config.DataDir+".", "")
		return
	}
	for _, c := range p.running.GetConditions() {
		outcome := Ill
		if c.GetSeverity() < docklinev1.Severity_SEVERITY_WARNING {
			outcome = Hint
		}
		p.say(examination{Code: e.Code + "/" + c.GetCode(), Title: c.GetTitle()}, outcome, c.GetText(), "")
	}
}

func lookJournal(ctx context.Context, p *patient, e examination) {
	reports, err := VerifyJournal(ctx, p.config)
	if err != nil {
		if os.IsNotExist(errors.Unwrap(err)) || errors.Is(err, os.ErrNotExist) {
			p.say(e, Fine, "There is none yet.", "")
			return
		}
		p.ill(e, "See that its folder can be read.", "%s", err)
		return
	}
	var bytes int64
	for _, r := range reports {
		bytes += r.Bytes
		if r.Fault != "" {
			p.ill(e, "Nothing needs to be done for the events; look at the disk, for a healthy one does not damage files.", "%s: %s.", r.File, r.Fault)
		}
	}
	if len(p.found) == 0 || p.found[len(p.found)-1].Code != e.Code {
		p.say(e, Fine, fmt.Sprintf("%d files, %d MB, all read as they were written.", len(reports), bytes>>20), "")
	}
}

// clockTolerance is how far a clock may be off before somebody should set it.
const clockTolerance = 10 * time.Second

func lookClock(ctx context.Context, p *patient, e examination) {
	ahead, from, err := p.clock(ctx)
	switch {
	case err != nil:
		p.ill(e, "Give the URL of the collector's console with --collector.", "The collector's clock could not be read: %s.", err)
	case from == "":
		p.say(e, Skipped, "There is nothing to hold it against: no agent runs, and --collector names no URL.", "")
	case ahead.Abs() >= clockTolerance:
		way := "ahead of"
		if ahead < 0 {
			way = "behind"
		}
		p.ill(e, "Set the clock, and see why it is not kept right (NTP). Events stay in order all the same; the times that people read are wrong.", "It is %s %s %s.", ahead.Abs().Round(time.Second), way, from)
	default:
		p.say(e, Fine, "It agrees with "+from+".", "")
	}
}
