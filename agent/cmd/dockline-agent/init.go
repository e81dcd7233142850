package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/dockline/dockline/agent"
	"github.com/dockline/dockline/agent/enrol"
	"github.com/dockline/dockline/proto/wire"
)

type initCommand struct {
	Tenant  string `required:"" help:"Name of the tenant, as the collector knows it."`
	Site    string `required:"" help:"Name of the site, as the collector knows it."`
	URL     string `default:"mqtts://localhost:8883" help:"The broker."`
	DataDir string `help:"Folder for everything the agent keeps; by default beside the configuration, and for /etc/dockline/agent.yaml /var/lib/dockline-agent." type:"path"`
}

// Run writes the configuration and, below data_dir, key and request; what is there stays.
func (c *initCommand) Run(all *commands) error {
	if !wire.ValidName(c.Tenant) || !wire.ValidName(c.Site) {
		return errors.New("tenant and site: use 1 to 64 letters, digits, - or _")
	}
	dataDir, err := writeConfig(all.Config, c.DataDir, c.Tenant, c.Site, c.URL, "")
	if err != nil {
		return err
	}
	identity := filepath.Join(dataDir, "identity")
	if _, err := enrol.NewKeyAndCSR(identity, c.Tenant, c.Site); err != nil {
		return err
	}
	fmt.Printf("wrote %s and %s\n\nNext:\n", filepath.Join(identity, enrol.KeyFile), filepath.Join(identity, enrol.CSRFile))
	fmt.Printf("  1. at the collector:  dockline-collector site add --tenant %s --site %s --csr site.csr\n", c.Tenant, c.Site)
	fmt.Printf("  2. put the site.crt and ca.crt that it writes into %s\n", identity)
	fmt.Printf("  3. add a plugin to %s, then:  dockline-agent config check --config %s\n", all.Config, all.Config)
	return nil
}

// noPlugins is the section plugins of the example.
const noPlugins = "plugins: []\n"

// writeConfig writes a commented configuration for a site, unless there is one; dataDir is by default beside it, and plugins a file with the section
// of that name, if any. It returns dataDir as an absolute path. What it has written and cannot be read does not stay.
func writeConfig(path, dataDir, tenant, site, broker, plugins string) (string, error) {
	if dataDir == "" {
		dataDir = defaultDataDir(path)
	}
	dataDir, err := filepath.Abs(dataDir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return "", err
	}
	text := strings.NewReplacer(`tenant: ""`, "tenant: "+tenant, `  id: ""`, "  id: "+site, "mqtts://localhost:8883", broker, "/var/lib/dockline-agent", filepath.ToSlash(dataDir)).Replace(agent.ExampleConfig)
	if plugins != "" {
		section, err := os.ReadFile(plugins)
		if err != nil {
			return "", err
		}
		text = strings.Replace(text, noPlugins, strings.TrimSpace(string(section))+"\n", 1)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	switch {
	case os.IsExist(err):
		fmt.Printf("%s is there and stays as it is\n", path)
		return dataDir, nil
	case err != nil:
		return "", err
	}
	_, err = file.WriteString(text)
	if err := errors.Join(err, file.Close()); err != nil {
		return "", err
	}
	if _, err := agent.LoadConfig(path); err != nil {
		if plugins != "" {
			before, _, _ := strings.Cut(agent.ExampleConfig, noPlugins)
			err = fmt.Errorf("with the plugins of %s, whose first line is line %d below, the configuration has faults and is not written. It must be the section plugins: and nothing else. Correct it and run this again:\n%w",
				plugins, strings.Count(before, "\n")+1, err)
		}
		return "", errors.Join(err, os.Remove(path))
	}
	fmt.Printf("wrote %s\n", path)
	return dataDir, nil
}
