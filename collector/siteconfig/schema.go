package siteconfig

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/proto/configfile"
)

// maxFaults of one section are told; more of them say nothing new.
const maxFaults = 10

// pluginKind is a plugin as sites have it.
type pluginKind struct{ name, version string }

// CheckSections holds plugins' sections against the JSON Schemas with which the plugins of the group's sites have described themselves, as far
// as these are known. Faults are configfile.Faults with their lines.
func (s *Store) CheckSections(ctx context.Context, tenant, group, text string) error {
	if blank(text) {
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
		return readSchemas(ctx, tx, schemas)
	})
	if err != nil {
		return err
	}
	var faults configfile.Faults
	for i, p := range d.Plugins {
		told := map[string]bool{}
		for kind := range kinds[p.ID] {
			schema, known := schemas[kind]
			if !known {
				continue
			}
			found, err := sectionFaults(p.Config, schema)
			if err != nil {
				return fmt.Errorf("schema of plugin %s %s: %w", kind.name, kind.version, err)
			}
			for _, f := range found {
				key := fmt.Sprintf("plugins[%d].config%s", i, f.path)
				if len(told) < maxFaults && !told[key+f.text] {
					told[key+f.text] = true
					faults = append(faults, file.Fault(key, "%s (plugin %s %s)", f.text, kind.name, kind.version))
				}
			}
		}
	}
	slices.SortStableFunc(faults, func(a, b configfile.Fault) int { return a.Line - b.Line })
	return faults.Err()
}

func readSchemas(ctx context.Context, tx *db.Tx, into map[pluginKind]string) error {
	rows, err := tx.Query(ctx, `SELECT name, version, json_schema FROM plugin_schema`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var k pluginKind
		var schema string
		if err := rows.Scan(&k.name, &k.version, &schema); err != nil {
			return err
		}
		into[k] = schema
	}
	return rows.Err()
}

// nothing is a loader for schemas that refer to others: what a site says must not make the centre read files or ask the network.
type nothing struct{}

func (nothing) Load(string) (any, error) {
	return nil, errors.New("a schema refers to nothing but itself")
}

type sectionFault struct{ path, text string }

// sectionFaults validates one section. Keys without a value count as absent, as plugins read them.
func sectionFaults(section []byte, schema string) ([]sectionFault, error) {
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(nothing{})
	if err := compiler.AddResource("plugin.json", document); err != nil {
		return nil, err
	}
	compiled, err := compiler.Compile("plugin.json")
	if err != nil {
		return nil, err
	}
	var value any = map[string]any{}
	if !blank(string(section)) {
		if err := yaml.Unmarshal(section, &value); err != nil {
			return []sectionFault{{text: err.Error()}}, nil
		}
	}
	var invalid *jsonschema.ValidationError
	if err := compiled.Validate(present(value)); err == nil || !errors.As(err, &invalid) {
		return nil, err
	}
	return leaves(invalid, nil), nil
}

// leaves are the faults at the end of each branch: what is above only says that there are some below.
func leaves(e *jsonschema.ValidationError, found []sectionFault) []sectionFault {
	if len(e.Causes) == 0 {
		var path strings.Builder
		for _, part := range e.InstanceLocation {
			if _, err := strconv.Atoi(part); err == nil {
				path.WriteString("[" + part + "]")
			} else {
				path.WriteString("." + part)
			}
		}
		return append(found, sectionFault{path.String(), e.ErrorKind.LocalizedString(message.NewPrinter(language.English))})
	}
	for _, cause := range e.Causes {
		found = leaves(cause, found)
	}
	return found
}

// present is a value without the keys that have none.
func present(v any) any {
	switch v := v.(type) {
	case map[string]any:
		kept := make(map[string]any, len(v))
		for key, value := range v {
			if value != nil {
				kept[key] = present(value)
			}
		}
		return kept
	case []any:
		kept := make([]any, len(v))
		for i, value := range v {
			kept[i] = present(value)
		}
		return kept
	}
	return v
}
