// Package schema holds a section of a configuration against the JSON Schema by which whoever reads it describes it. The schema is a stranger's word:
// it can neither read anything nor take the centre's time.
package schema

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/dockline/dockline/proto/configfile"
)

// nothing is a loader for schemas that refer to others: what a plugin or a program says must not make the centre read files or ask the network.
type nothing struct{}

func (nothing) Load(string) (any, error) {
	return nil, errors.New("a schema refers to nothing but itself")
}

// Fault is one thing wrong with a section: where, as ".files[0].path", "" for the whole, and what.
type Fault struct{ Path, Text string }

// Faults holds a section, as YAML, against a schema. Keys without a value count as absent, as plugins read them. An error says that the schema
// cannot be used.
func Faults(section []byte, schema string) ([]Fault, error) {
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
	if !Blank(string(section)) {
		if err := configfile.Unmarshal(section, &value); err != nil {
			return []Fault{{Text: err.Error()}}, nil
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
func leaves(e *jsonschema.ValidationError, found []Fault) []Fault {
	if len(e.Causes) == 0 {
		var path strings.Builder
		for _, part := range e.InstanceLocation {
			if _, err := strconv.Atoi(part); err == nil {
				path.WriteString("[" + part + "]")
			} else {
				path.WriteString("." + part)
			}
		}
		return append(found, Fault{path.String(), e.ErrorKind.LocalizedString(message.NewPrinter(language.English))})
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

// Blank says that a section has nothing but comments.
func Blank(text string) bool {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			return false
		}
	}
	return true
}
