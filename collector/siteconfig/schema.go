package siteconfig

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/collector/schema"
	"github.com/dockline/dockline/proto/configfile"
)

// maxFaults of one section are told; more of them say nothing new.
const maxFaults = 10

// pluginKind is a plugin as sites have it.
type pluginKind struct{ name, version string }

// CheckSections holds plugins' sections against the JSON Schemas with which the plugins of the group's sites have described themselves, as far
// as these are known. Faults are configfile.Faults with their lines.
func (s *Store) CheckSections(ctx context.Context, tenant, group, text string) error {
	if schema.Blank(text) {
		return nil
	}
	var d document
	file, err := configfile.Decode("configuration", []byte(text), &d)
	if err != nil {
		return err
	}
	kinds := map[string]map[pluginKind]bool{}
	schemas := map[pluginKind]string{}
	err = s.DB.Read(ctx, func(tx *db.Tx) error {
		clear(kinds)
		clear(schemas)
		sites, err := members(ctx, tx, tenant, group, s.now())
		if err != nil {
			return err
		}
		for _, m := range sites {
			for _, p := range m.plugins {
				if kinds[p.GetId()] == nil {
					kinds[p.GetId()] = map[pluginKind]bool{}
				}
				kinds[p.GetId()][pluginKind{p.GetName(), p.GetVersion()}] = true
			}
		}
		var asked []pluginKind
		for _, p := range d.Plugins {
			asked = slices.AppendSeq(asked, maps.Keys(kinds[p.ID]))
		}
		return readSchemas(ctx, tx, tenant, asked, schemas)
	})
	if err != nil {
		return err
	}
	var faults configfile.Faults
	for i, p := range d.Plugins {
		told := map[string]bool{}
		for as := range kinds[p.ID] {
			text, known := schemas[as]
			if !known {
				continue
			}
			found, err := schema.Faults(p.Config, text)
			if err != nil {
				continue // a site said it: one that cannot be used must keep nobody from configuring the others
			}
			for _, f := range found {
				key := fmt.Sprintf("plugins[%d].config%s", i, f.Path)
				if len(told) < maxFaults && !told[key+f.Text] {
					told[key+f.Text] = true
					faults = append(faults, file.Fault(key, "%s (plugin %s %s)", f.Text, as.name, as.version))
				}
			}
		}
	}
	slices.SortStableFunc(faults, func(a, b configfile.Fault) int { return a.Line - b.Line })
	return faults.Err()
}

// readSchemas reads how sites of this tenant have described plugins: those of another one have no say in it.
func readSchemas(ctx context.Context, tx *db.Tx, tenant string, asked []pluginKind, into map[pluginKind]string) error {
	var keys [][]any
	for _, k := range asked {
		if !strings.Contains(k.name+k.version, "\x00") {
			keys = append(keys, []any{tenant, k.name, k.version})
		}
	}
	rows, err := tx.Lookup(ctx, db.Lookup{Table: "plugin_schema", Columns: []string{"name", "version", "json_schema"}, Key: []string{"tenant", "name", "version"}, Rows: keys})
	if err != nil {
		return err
	}
	for _, row := range rows {
		into[pluginKind{row[0].(string), row[1].(string)}] = row[2].(string)
	}
	return nil
}
