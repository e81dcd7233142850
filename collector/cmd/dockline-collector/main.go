// Command dockline-collector is the centre: it takes what sites send, folds it, tells the systems of record, and sends work down.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	_ "time/tzdata" // Windows and an empty image have no time zones of their own

	"github.com/alecthomas/kong"
	_ "golang.org/x/crypto/x509roots/fallback" // an empty image has no authorities; where the machine has its own, those count

	"github.com/dockline/dockline/collector"
	"github.com/dockline/dockline/collector/export"
	"github.com/dockline/dockline/collector/people"
	"github.com/dockline/dockline/proto/systemd"
	"github.com/dockline/dockline/proto/wire"
)

type commands struct {
	Config string `help:"The configuration, by default ${config}." type:"path" default:"${config}" placeholder:"FILE"`

	Init       initCommand       `cmd:"" help:"Write a commented collector.yaml."`
	Run        runCommand        `cmd:"" help:"Run in the foreground until interrupted."`
	Members    membersCommand    `cmd:"" help:"List the collectors that are at work with this database, and their builds."`
	Find       findCommand       `cmd:"" help:"Find what a number or name leads to: an order, shipment, return, invoice, tracking number, SSCC."`
	Site       siteCommand       `cmd:"" help:"Make sites known, and say how they are."`
	Master     masterCommand     `cmd:"" help:"Items, customers and bins: what is known, from where, and who has it; have a system read again."`
	Order      orderCommand      `cmd:"" help:"Orders, how far they have come, and what their statuses follow from."`
	Show       showCommand       `cmd:"" help:"Say where a shipment, a return or a supplier's delivery is, and from which facts that is known."`
	Connector  connectorCommand  `cmd:"" help:"Try a system that is configured, and begin the definition of a new one."`
	Xref       xrefCommand       `cmd:"" help:"By which codes systems know our items, units, customers, carriers, reasons and warehouses."`
	Posting    postingCommand    `cmd:"" help:"What systems are told, and how far that is: list, show, retry, waive, pause, resume, timing, cut-off."`
	Event      eventCommand      `cmd:"" help:"Look at an event, and decide where one id came with several contents."`
	Stock      stockCommand      `cmd:"" help:"Say what lies where, and what of it can be promised."`
	Milestone  milestoneCommand  `cmd:"" help:"Say what is due and overdue, and how service levels are kept; tell clocks what happened."`
	Return     returnCommand     `cmd:"" help:"Decide about what comes back: a credit beyond what was disposed of, goods without an RMA."`
	Deadletter deadletterCommand `cmd:"" help:"Records that were refused: look at them, correct and enter them, or discard them."`
	Exceptions exceptionsCommand `cmd:"" help:"What needs a person: see it, say something about it, do something about it."`
	User       userCommand       `cmd:"" help:"Who works with a tenant's collector, and what he may do."`
	Audit      auditCommand      `cmd:"" help:"What people did, and whether the trail of it is whole."`
	Identity   identityCommand   `cmd:"" help:"The authority that signs sites, and its replacement."`
	Broker     brokerCommand     `cmd:"" help:"Set up a broker other than the embedded one."`
	Export     exportCommand     `cmd:"" help:"Write the event log in a form that others read: CloudEvents, EPCIS, JSON; or all there is as tables, for analysis."`
	Import     importCommand     `cmd:"" help:"Take a document of others into the event log: EPCIS."`
	Backup     backupCommand     `cmd:"" help:"Copy the database into a file, also while the collector runs."`
	Restore    restoreCommand    `cmd:"" help:"Put a backup back, or say that the database was put back."`
	Retention  retentionCommand  `cmd:"" help:"Archive what has ended long ago, find it, and put it back."`
	Policy     policyCommand     `cmd:"" help:"The rules of the business: check, explain, compare, approve and activate versions of them."`
	Ownership  ownershipCommand  `cmd:"" help:"Which system is the record for what, and who must act on what goes wrong with it."`
	Rebuild    rebuildCommand    `cmd:"" help:"Compare what is kept with the event log, and put right what differs."`
	Sweep      sweepCommand      `cmd:"" help:"Compare systems with what they should hold: documents, statuses, stock; what was found, and what nothing explains."`
	Replay     replayCommand     `cmd:"" help:"Fold keys again by site, time, order, kind or target, also under another version of the policy; a dry run first."`
	Version    versionCommand    `cmd:"" help:"Print the version."`

	// tenant is the one that the command line names, where it must be known; "" where it names none, or is to make it known.
	tenant string
}

func main() { os.Exit(run(os.Args[1:])) }

// newParser reads command lines into c.
func newParser(c *commands) *kong.Kong {
	return kong.Must(c, kong.Name("dockline-collector"), kong.Description("Takes what happens at the docks to the systems that run the business, exactly once."),
		kong.UsageOnError(), kong.Vars{"config": defaultConfig(), "scopes": strings.Join(people.Scopes, ", "), "formats": strings.Join(export.Names(), ","), "analyticsTables": strings.Join(export.AnalyticsNames(), ","), "orderStatuses": strings.Join(orderStatuses(), ", ")})
}

// run does what a command line says and returns the exit code.
func run(args []string) int {
	var c commands
	parser := newParser(&c)
	ctx, err := parser.Parse(args)
	if err != nil {
		parser.Errorf("%s", err)
		return exitWrong
	}
	c.tenant = tenantOf(ctx)
	err = ctx.Run(&c, milestoneVerb(ctx.Selected().Name))
	if missing := (*fs.PathError)(nil); errors.As(err, &missing) && missing.Path == c.Config && errors.Is(err, fs.ErrNotExist) {
		err = wrong("there is no configuration %s: `dockline-collector init` writes one; --config names another place", c.Config)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "dockline-collector:", err)
	}
	return exitCode(err)
}

func defaultConfig() string {
	if runtime.GOOS == "windows" {
		return filepath.Join(os.Getenv("ProgramData"), "Dockline", "collector.yaml")
	}
	return "/etc/dockline/collector.yaml"
}

// interruptible is a context that ends when the process is asked to stop.
func interruptible() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
}

type versionCommand struct {
	JSON bool `name:"json" help:"Print everything, for scripts: the commit that it was built from too."`
}

// Run says what runs here.
func (c versionCommand) Run() error {
	if c.JSON {
		return printJSON(wire.ThisBuild())
	}
	fmt.Println(wire.Version)
	return nil
}

type runCommand struct{}

// Run runs the collector in the foreground, also as what a service manager runs: systemd is told when its ports answer, and that it lives.
func (runCommand) Run(all *commands) error {
	manager := systemd.Open()
	defer manager.Close()
	config, err := collector.LoadConfig(all.Config)
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	c, err := collector.Open(ctx, config)
	if err != nil {
		return err
	}
	manager.Tell("READY=1\nSTATUS=at work")
	living, end := context.WithCancel(context.WithoutCancel(ctx))
	var group sync.WaitGroup
	group.Go(func() { manager.KeepAlive(living, func() { c.Alive(living) }) })
	defer group.Wait()
	defer end()
	defer context.AfterFunc(ctx, func() { manager.Tell("STOPPING=1\nSTATUS=stopping") })()
	err = c.Run(ctx)
	if closed := c.Close(); err == nil {
		err = closed
	}
	return err
}

type initCommand struct {
	DataDir string `help:"Folder for everything the collector keeps; by default beside the configuration." type:"path"`
}

// Run writes the configuration; one that is there stays.
func (c *initCommand) Run(all *commands) error {
	if c.DataDir == "" {
		c.DataDir = filepath.Join(filepath.Dir(all.Config), "data")
	}
	if err := os.MkdirAll(filepath.Dir(all.Config), 0o750); err != nil {
		return err
	}
	file, err := os.OpenFile(all.Config, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if os.IsExist(err) {
		fmt.Printf("%s is there and stays as it is\n", all.Config)
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := file.WriteString(strings.ReplaceAll(collector.ExampleConfig, "/var/lib/dockline-collector", filepath.ToSlash(c.DataDir))); err != nil {
		return err
	}
	fmt.Printf("wrote %s\nNext: say under mqtt by which address and names sites reach it (listen, hosts), add your systems under connectors, then: dockline-collector run --config %s\n", all.Config, all.Config)
	return file.Close()
}
