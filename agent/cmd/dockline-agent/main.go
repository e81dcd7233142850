// Command dockline-agent is the agent of one site: it captures what plugins report, keeps it, and sends it to the collector.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/alecthomas/kong"

	"github.com/dockline/dockline/proto/wire"
)

type commands struct {
	Config string `help:"The configuration, by default ${config}." type:"path" default:"${config}" placeholder:"FILE"`

	Init       initCommand       `cmd:"" help:"Write a commented agent.yaml, the site's key and its certificate request."`
	Enrol      enrolCommand      `cmd:"" help:"Fetch the site's certificate with a one-time token of the collector, and write what is missing of agent.yaml."`
	Run        runCommand        `cmd:"" help:"Run in the foreground until interrupted."`
	ServiceRun serviceRunCommand `cmd:"" hidden:"" help:"Run as the service manager starts it."`
	CheckFile  checkFileCommand  `cmd:"" hidden:"" name:"journal-check" help:"Read one journal file whole; for the agent itself."`
	Check      configCommand     `cmd:"" name:"config" help:"Look at the configuration."`
	Status     statusCommand     `cmd:"" help:"Say how the agent is. Exit code 0 healthy, 1 unhealthy, 3 stopped, 4 not installed."`
	Doctor     doctorCommand     `cmd:"" help:"Look at everything that can be wrong here, and say what to do. Exit code 1 where anything is at fault."`
	Bundle     bundleCommand     `cmd:"" help:"Write a file for support: configuration, state and logs without secrets, under 10 MB. Works without a line, and with the agent stopped."`
	Journal    journalCommand    `cmd:"" help:"Look at the journal, beside the running agent or without it."`
	Checks     checksCommand     `cmd:"" help:"List all checks: code, severity, after how long each shows, what it looks at, what to do."`
	Plugin     pluginCommand     `cmd:"" help:"Try a plugin, or release one from quarantine."`
	Install    installCommand    `cmd:"" help:"Install the service."`
	Uninstall  uninstallCommand  `cmd:"" help:"Stop and remove the service; its data stays."`
	Start      startCommand      `cmd:"" help:"Start the service."`
	Stop       stopCommand       `cmd:"" help:"Stop the service."`
	Service    serviceCommand    `cmd:"" help:"Look after the service's registration."`
	Version    versionCommand    `cmd:"" help:"Print the version."`
}

// exitCode is an error that ends the process with a code of its own; its text has been printed.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

func main() {
	var c commands
	parser := kong.Must(&c, kong.Name("dockline-agent"), kong.Description("Captures what happens at a warehouse dock and carries it to the collector; work comes back the same way."),
		kong.UsageOnError(), kong.Vars{"config": defaultConfig()})
	ctx, err := parser.Parse(os.Args[1:])
	if err != nil {
		parser.Errorf("%s", err)
		os.Exit(2)
	}
	err = ctx.Run(&c)
	var code exitCode
	if errors.As(err, &code) {
		os.Exit(int(code))
	}
	if err != nil {
		if missing := (*fs.PathError)(nil); errors.As(err, &missing) && missing.Path == c.Config && errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("there is no configuration %s: `dockline-agent enrol`, as `dockline-collector site add` prints it, or `dockline-agent init` writes one; --config names another place", c.Config)
		}
		fmt.Fprintln(os.Stderr, "dockline-agent:", err)
		os.Exit(1)
	}
}

type versionCommand struct {
	JSON bool `name:"json" help:"Print everything, for scripts: the commit that it was built from too."`
}

func (c versionCommand) Run() error {
	if c.JSON {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		return out.Encode(wire.ThisBuild())
	}
	fmt.Println(wire.Version)
	return nil
}
