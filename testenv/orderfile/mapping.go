// Package orderfile gives the test world orders from a person's file instead of made ones: they go through the site's agent as
// order.submitted, an order desk enters them in the ERP, and every line is accounted for.
package orderfile

import (
	"embed"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/dockline/dockline/plugins/mapping"
	"github.com/dockline/dockline/plugins/wms-file/delimited"
)

// Mapping says what the columns of an order file mean.
type Mapping struct {
	// Match are columns by whose presence a file without a mapping of its own is known.
	Match []string `yaml:"match"`
	// Day is the column that a day is chosen by: it begins with the day as the file writes it.
	Day string `yaml:"day"`
	// Services are codes of the item column that are no articles.
	Services []string `yaml:"services"`
	// Join names a file beside the order file with what the lines of an order have in common.
	Join Join `yaml:"join"`
	// File is the section of wms-file's configuration, without name and pattern.
	File map[string]any `yaml:"file"`

	spec   mapping.Spec
	format delimited.Format
}

// Join puts the cells of a line of File behind each line of the order file that has the same value in the column On.
type Join struct {
	File string `yaml:"file"`
	On   string `yaml:"on"`
}

//go:embed mappings/*.yaml
var shipped embed.FS

// LoadMapping reads a mapping file.
func LoadMapping(file string) (*Mapping, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return parseMapping(file, text)
}

func parseMapping(name string, text []byte) (*Mapping, error) {
	m := &Mapping{}
	if err := yaml.UnmarshalWithOptions(text, m, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	section, err := yaml.Marshal(m.File)
	if err != nil {
		return nil, fmt.Errorf("%s: file: %w", name, err)
	}
	var file struct {
		delimited.Format `yaml:",inline"`
		mapping.Spec     `yaml:",inline"`
	}
	if err := yaml.Unmarshal(section, &file); err != nil { // what wms-file knows beside is checked by the agent
		return nil, fmt.Errorf("%s: file: %w", name, err)
	}
	m.spec, m.format = file.Spec, file.Format
	var faults []error
	for key, text := range m.format.Faults() {
		faults = append(faults, fmt.Errorf("%s: file.%s: %s", name, key, text))
	}
	_, compiled := mapping.Compile(stream, m.spec)
	for _, f := range compiled {
		faults = append(faults, fmt.Errorf("%s: file.%s: %s", name, f.Path, f.Text))
	}
	if m.spec.Kind != submitted {
		faults = append(faults, fmt.Errorf("%s: file.kind is %q: an order from a file is only handed in, write kind: %s", name, m.spec.Kind, submitted))
	}
	for _, field := range []string{"order", "item", "quantity"} {
		if m.column(field) == "" {
			faults = append(faults, fmt.Errorf("%s: file.columns: no column is %s", name, field))
		}
	}
	return m, errors.Join(faults...)
}

// submitted is the kind of event that an order file gives, stream the name of its sort of file.
const (
	submitted = "order.submitted"
	stream    = "orders"
)

// mappingFor finds the shipped mapping for a header.
func mappingFor(file string, header []string) (*Mapping, error) {
	entries, err := shipped.ReadDir("mappings")
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		text, err := shipped.ReadFile("mappings/" + entry.Name())
		if err != nil {
			return nil, err
		}
		m, err := parseMapping(entry.Name(), text)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(m.Match, func(want string) bool { return place(header, want) < 0 }) {
			return m, nil
		}
		if m.Join.File == path.Base(file) {
			return nil, fmt.Errorf("%s has what orders have in common; give the file with their lines (columns %s), and it is read beside it", file, strings.Join(m.Match, ", "))
		}
	}
	return nil, fmt.Errorf("%s: no shipped mapping has its columns (%s); write one in the way of testenv/orderfile/mappings/online-retail.yaml and name it with ORDERS_MAPPING=FILE",
		file, strings.Join(header, ", "))
}

// column is the header of the column that fills a field, "" where there is none.
func (m *Mapping) column(field string) string {
	for header, c := range m.spec.Columns {
		if slices.Contains(c.Field, field) {
			return header
		}
	}
	return ""
}

// missing are the mapped columns that a header lacks: wms-file refuses such a file as a whole.
func (m *Mapping) missing(header []string) []string {
	var all []string
	for name := range m.spec.Columns {
		if place(header, name) < 0 {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// place is where the header has a column, -1 for nowhere; case and blanks around do not matter, as on the road.
func place(header []string, name string) int {
	return slices.IndexFunc(header, func(h string) bool { return strings.EqualFold(strings.TrimSpace(h), strings.TrimSpace(name)) })
}
