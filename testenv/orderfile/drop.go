package orderfile

import (
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/dockline/dockline/testenv/world"
)

// Prepare has a world's first site read order files beside its own, the ERP know what the file names, and the report account for its
// lines. It returns the folder into which files are to be dropped. c.Dir and c.Seed must be set.
func (f *File) Prepare(c *world.Config) (folder string, err error) {
	folder = filepath.Join(c.Dir, "orders")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	if len(c.Sites) == 0 {
		c.Sites = []string{world.FileSite, "dc-west"}
	}
	plugin, err := f.Plugin(folder)
	if err != nil {
		return "", err
	}
	c.Plugins = map[string][]world.Plugin{c.Sites[0]: {plugin}}
	c.Master, c.Also = f.Master(c.Seed, c.Sites), f.Also
	return folder, nil
}

// Plugin is a second wms-file of a site's agent, which reads order files from a folder of their own.
func (f *File) Plugin(folder string) (world.Plugin, error) {
	file := maps.Clone(f.Mapping.File)
	file["name"], file["pattern"] = stream, "*"
	config, err := yaml.Marshal(map[string]any{
		"outbound": folder, "poll": "200ms", "settle": "1s", "max_mb": 256,
		"complete": map[string]any{"by": "rename"},
		"files":    []any{file},
	})
	return world.Plugin{ID: PluginID, Program: "wms-file", Config: string(config)}, err
}

// PluginID is that of the plugin, a part of the events' ids.
const PluginID = "orders"

// Drop lays the file into the folder as a person would: whole at once.
func (f *File) Drop(folder string) error {
	tmp := filepath.Join(folder, f.Name+".tmp")
	if err := os.WriteFile(tmp, f.Text, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(folder, f.Name))
}

// Patience is how long a world needs for the file at most, on a slow machine.
func (f *File) Patience() time.Duration {
	return 6*time.Minute + time.Duration(len(f.Rows))*50*time.Millisecond
}
