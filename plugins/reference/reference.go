// Package reference writes the page of every plugin's configuration keys out of the JSON Schemas that the plugins describe themselves by.
package reference

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// schema is what the page needs of a JSON Schema. Objects keep the order of their keys.
type schema struct {
	Ref         string            `json:"$ref"`
	Type        string            `json:"type"`
	Description string            `json:"description"`
	Default     json.RawMessage   `json:"default"`
	Enum        []json.RawMessage `json:"enum"`
	Minimum     json.RawMessage   `json:"minimum"`
	Maximum     json.RawMessage   `json:"maximum"`
	Required    []string          `json:"required"`
	OneOf       []*schema         `json:"oneOf"`
	Items       *schema           `json:"items"`
	Properties  ordered           `json:"properties"`
	Defs        ordered           `json:"$defs"`
	Additional  json.RawMessage   `json:"additionalProperties"`
}

// ordered is an object's members in the order in which they are written.
type ordered []member

type member struct {
	name string
	is   *schema
}

// UnmarshalJSON keeps the order.
func (o *ordered) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(strings.NewReader(string(text)))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		s := &schema{}
		if err := d.Decode(s); err != nil {
			return fmt.Errorf("%v: %w", name, err)
		}
		*o = append(*o, member{fmt.Sprint(name), s})
	}
	return nil
}

func (o ordered) find(name string) *schema {
	for _, m := range o {
		if m.name == name {
			return m.is
		}
	}
	return nil
}

// Page writes the page of all plugins whose schema.json lies below a folder.
func Page(folder string) (string, error) {
	var b strings.Builder
	b.WriteString("# Configuration of the plugins\n\nEvery key that may stand below `plugins[].config` in agent.yaml. This page is made of the schemas that the plugins themselves check by " +
		"(`make reference`); each plugin's README says what to choose, and its sample has every key with a sentence. Keys in bold must be there.\n")
	err := fs.WalkDir(os.DirFS(folder), ".", func(at string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != "schema.json" || strings.Contains(at, "testdata") {
			return err
		}
		text, err := fs.ReadFile(os.DirFS(folder), at)
		if err != nil {
			return err
		}
		plugin, _, _ := strings.Cut(at, "/")
		if err := section(&b, plugin, text); err != nil {
			return fmt.Errorf("%s: %w", path.Join(folder, at), err)
		}
		return nil
	})
	return b.String(), err
}

func section(b *strings.Builder, plugin string, text []byte) error {
	var root schema
	if err := json.Unmarshal(text, &root); err != nil {
		return err
	}
	w := &writer{b: b, plugin: plugin, defs: root.Defs}
	fmt.Fprintf(b, "\n## %s\n\n", plugin)
	w.table(&root)
	for _, d := range root.Defs {
		if object := w.object(d.is); object != nil {
			fmt.Fprintf(b, "\n### %s: %s\n\n", plugin, d.name)
			w.table(object)
		}
	}
	return nil
}

type writer struct {
	b      *strings.Builder
	plugin string
	defs   ordered
}

// object is the part of a schema that has keys of its own; nil where it has none.
func (w *writer) object(s *schema) *schema {
	if len(s.Properties) > 0 {
		return s
	}
	for _, one := range s.OneOf {
		if len(one.Properties) > 0 {
			return one
		}
	}
	if s.Items != nil {
		return w.object(s.Items)
	}
	return nil
}

func (w *writer) table(s *schema) {
	w.b.WriteString("| key | what may stand there | default | |\n|---|---|---|---|\n")
	w.rows("", s)
}

func (w *writer) rows(prefix string, s *schema) {
	for _, m := range s.Properties {
		name := "`" + prefix + m.name + "`"
		if slices.Contains(s.Required, m.name) {
			name = "**" + name + "**"
		}
		def := ""
		if len(m.is.Default) > 0 {
			def = "`" + plain(m.is.Default) + "`"
		}
		fmt.Fprintf(w.b, "| %s | %s | %s | %s |\n", name, w.what(m.is), strings.ReplaceAll(def, "|", "\\|"), strings.ReplaceAll(m.is.Description, "|", "\\|"))
		switch {
		case len(m.is.Properties) > 0:
			w.rows(prefix+m.name+".", m.is)
		case m.is.Items != nil && len(m.is.Items.Properties) > 0:
			w.rows(prefix+m.name+"[].", m.is.Items)
		}
	}
}

// what says in words which values are taken.
func (w *writer) what(s *schema) string {
	if name, ok := strings.CutPrefix(s.Ref, "#/$defs/"); ok {
		def := w.defs.find(name)
		switch {
		case def == nil:
			return name
		case w.object(def) != nil:
			return fmt.Sprintf("[%s](#%s-%s)", name, w.plugin, strings.ToLower(name))
		case name == "duration":
			return "a time such as `30s` or `5m`"
		}
		return w.what(def)
	}
	if len(s.Enum) > 0 {
		words := make([]string, len(s.Enum))
		for i, e := range s.Enum {
			words[i] = "`" + strings.ReplaceAll(plain(e), "|", "\\|") + "`"
		}
		return strings.Join(words, ", ")
	}
	if len(s.OneOf) > 0 {
		parts := make([]string, len(s.OneOf))
		for i, one := range s.OneOf {
			parts[i] = w.what(one)
		}
		return strings.Join(parts, ", or ")
	}
	switch s.Type {
	case "array":
		if s.Items == nil {
			return "a list"
		}
		return "a list: " + w.what(s.Items)
	case "object":
		var each schema
		if json.Unmarshal(s.Additional, &each) == nil && (each.Type != "" || each.Ref != "" || len(each.OneOf) > 0) {
			return "by name: " + w.what(&each)
		}
		return "keys"
	case "integer", "number":
		if len(s.Minimum) > 0 && len(s.Maximum) > 0 {
			return fmt.Sprintf("a number from %s to %s", s.Minimum, s.Maximum)
		}
		if len(s.Minimum) > 0 {
			return fmt.Sprintf("a number from %s", s.Minimum)
		}
		return "a number"
	case "boolean":
		return "`true` or `false`"
	}
	return "text"
}

// plain is a JSON value without quotation marks.
func plain(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		if text == "" {
			return "\"\""
		}
		return text
	}
	return string(raw)
}
