package siteconfig

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
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
			schema, known := schemas[as]
			if !known {
				continue
			}
			found, err := sectionFaults(p.Config, schema)
			if err != nil {
				continue // a site said it: one that cannot be used must keep nobody from configuring the others
			}
			for _, f := range found {
				key := fmt.Sprintf("plugins[%d].config%s", i, f.path)
				if len(told) < maxFaults && !told[key+f.text] {
					told[key+f.text] = true
					faults = append(faults, file.Fault(key, "%s (plugin %s %s)", f.text, as.name, as.version))
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
	if w := weigh(document); w > maxWeight {
		return nil, errors.New("the schema takes too long to hold anything against")
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(nothing{})
	if err := compiler.AddResource(schemaURL, document); err != nil {
		return nil, err
	}
	compiled, err := compiler.Compile(schemaURL)
	if err != nil {
		return nil, err
	}
	var value any = map[string]any{}
	if !blank(string(section)) {
		if err := configfile.Unmarshal(section, &value); err != nil {
			return []sectionFault{{text: err.Error()}}, nil
		}
	}
	var invalid *jsonschema.ValidationError
	if err := compiled.Validate(present(value)); err == nil || !errors.As(err, &invalid) {
		return nil, err
	}
	if endless(invalid) {
		return nil, errors.New("the schema refers to itself without end")
	}
	return leaves(invalid, nil), nil
}

// schemaURL is what a schema is called while it is used: without a scheme it would be a file of the centre's folder.
const schemaURL = "plugin:///schema.json"

// endless says whether a fault is one of the schema: a reference that leads to itself before it has looked at anything.
func endless(e *jsonschema.ValidationError) bool {
	_, is := e.ErrorKind.(*kind.RefCycle)
	return is || slices.ContainsFunc(e.Causes, endless)
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
