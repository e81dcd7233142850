package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dockline/dockline/agent/host"
	"github.com/dockline/dockline/proto/configfile"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// noJournal stands in where plugins are only asked: nothing may be captured.
type noJournal struct{}

func (noJournal) Append(context.Context, host.Entry) error {
	return errors.New("nothing is captured here")
}

func (noJournal) Cursor(context.Context, string) ([]byte, error) { return nil, nil }

// CheckPlugins starts every plugin, asks it for the faults of its section, and stops it. Lines are those of the whole file.
func CheckPlugins(ctx context.Context, c *Config) (configfile.Faults, error) {
	asked, remove, err := askedHost(c)
	if err != nil {
		return nil, err
	}
	defer remove()
	found := asked.Check(ctx)
	var faults configfile.Faults
	for i, p := range c.Plugins {
		begin := c.PluginLine(i)
		for _, f := range found[p.ID] {
			fault := configfile.Fault{File: c.file.Name, Line: begin, Key: fmt.Sprintf("plugins[%d] %s", i, p.ID), Text: f.GetText()}
			if f.GetPath() != "" {
				fault.Key += ": config." + f.GetPath()
			}
			if f.GetLine() > 0 && begin > 0 {
				fault.Line = begin + int(f.GetLine()) - 1
			}
			faults = append(faults, fault)
		}
	}
	return faults, nil
}

// TryPlugin has a plugin read a sample. plugin is the id of one in the file at configPath, or a program's path, which is then asked with
// an empty section and proposes one.
func TryPlugin(ctx context.Context, configPath, plugin, fileName string, sample []byte) (*docklinev1.TryResponse, error) {
	c := DefaultConfig()
	if info, err := os.Stat(plugin); err == nil && !info.IsDir() {
		c.Site = SiteConfig{Tenant: "try", ID: "try"}
		c.Plugins = []PluginConfig{{ID: "try", Path: plugin}}
		plugin = "try"
	} else if c, err = LoadConfig(configPath); err != nil {
		return nil, fmt.Errorf("there is no program %s, and no plugin of that id can be looked up: %w", plugin, err)
	} else if !slices.ContainsFunc(c.Plugins, func(p PluginConfig) bool { return p.ID == plugin }) {
		return nil, fmt.Errorf("%s is neither a program nor the id of a plugin in %s", plugin, configPath)
	}
	asked, remove, err := askedHost(c)
	if err != nil {
		return nil, err
	}
	defer remove()
	return asked.Try(ctx, plugin, fileName, sample)
}

// TriedFault is a fault of a sample for people: the place, where the text does not begin with it, and the text.
func TriedFault(f *docklinev1.DeadLetter) string {
	place := f.GetFile()
	if f.GetLine() > 0 {
		place += fmt.Sprintf(":%d", f.GetLine())
	}
	if strings.HasPrefix(f.GetText(), f.GetFile()+" ") {
		return f.GetText()
	}
	if f.GetColumn() != "" && !strings.Contains(f.GetText(), f.GetColumn()+":") {
		place += ": " + f.GetColumn()
	}
	return place + ": " + f.GetText()
}

// askedHost is a host with a folder of its own, so that asking does not disturb an agent at work.
func askedHost(c *Config) (asked *host.Host, remove func(), err error) {
	dir, err := os.MkdirTemp("", "dockline-ask-")
	if err != nil {
		return nil, nil, err
	}
	own := *c
	own.DataDir = filepath.Clean(dir)
	asked, err = newHost(&own, noJournal{}, slog.New(slog.DiscardHandler), nil, nil)
	return asked, func() { _ = os.RemoveAll(dir) }, err
}
