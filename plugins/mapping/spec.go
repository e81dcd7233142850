// Package mapping turns rows of columns into business events as a configuration says: shape only, never meaning. Item, unit
// and customer codes travel as the source wrote them; what they stand for is the collector's to decide.
package mapping

import (
	"errors"
	"fmt"
)

// RowAndOccurrence, in place of key columns, makes a row's key of all its mapped cells and of how many equal rows stand
// before it in the same file. Equal rows of two files are then taken for one.
const RowAndOccurrence = "row+occurrence"

// Spec is a mapping as it is written in a plugin's YAML.
type Spec struct {
	// Kind is the business name of the events' kind ("pick.confirmed") or a CEL expression that gives one.
	Kind string `yaml:"kind"`
	// When is a CEL condition; rows for which it is false are skipped. Empty: every row counts.
	When string `yaml:"when"`
	// Deleted is a CEL condition; a row for which it is true does not count any longer, and what was told of it is to be taken back. Empty: no
	// row says so. Only a reader that remembers what it told can take it.
	Deleted string `yaml:"deleted"`
	// Key names the columns that identify a record within this stream, or is RowAndOccurrence.
	Key Key `yaml:"key"`
	// Group makes one event of all rows of one file that have the same key.
	Group bool `yaml:"group"`
	// Revision names the column that tells revisions of one key apart; empty where the source has none.
	Revision string `yaml:"revision"`
	// Number and Date say how cells are written; a column may say otherwise for itself.
	Number Number `yaml:"number"`
	// Date is one or several formats: letters (dd.MM.yyyy HH:mm:ss), iso, unix or unix_ms. Default iso.
	Date Dates `yaml:"date"`
	// Zone is the IANA name of the time zone of times that do not tell their offset.
	Zone string `yaml:"zone"`
	// Columns maps a column's header to the field (or fields) that it fills.
	Columns map[string]Column `yaml:"columns"`
	// Constants fills fields that have no column.
	Constants map[string]string `yaml:"constants"`
}

// Column says what one column fills and how it is written. In YAML it is a field's name, a list of names, or all of this.
type Column struct {
	Field Fields `yaml:"field"`
	// Number and Date stand in for those of the mapping.
	Number *Number `yaml:"number"`
	Date   Dates   `yaml:"date"`
	// Join names columns whose cells are put behind this one, with a blank between: a time behind its date.
	Join []string `yaml:"join"`
	// Words translates the source's own words into those that a field takes: {A: good, D: damaged}. Case does not matter; a word that is
	// not named stays as it is.
	Words map[string]string `yaml:"words"`
	// Required: an empty cell is a fault, also where the kind does not need the field.
	Required bool `yaml:"required"`
}

// UnmarshalYAML takes a name, a list of names, or the whole form.
func (c *Column) UnmarshalYAML(decode func(any) error) error {
	if decode(&c.Field) == nil {
		return nil
	}
	type whole Column
	return decode((*whole)(c))
}

// Fields is one name or a list of them.
type Fields []string

// UnmarshalYAML takes one text or a list of texts.
func (f *Fields) UnmarshalYAML(decode func(any) error) error {
	return oneOrMore((*[]string)(f), decode, "a field's name or a list of them")
}

// Dates is one date format or a list of them, tried in order.
type Dates []string

// UnmarshalYAML takes one text or a list of texts.
func (d *Dates) UnmarshalYAML(decode func(any) error) error {
	return oneOrMore((*[]string)(d), decode, "a date format or a list of them")
}

// Key is the list of key columns, or RowAndOccurrence alone.
type Key []string

// UnmarshalYAML takes one column, a list of columns, or RowAndOccurrence.
func (k *Key) UnmarshalYAML(decode func(any) error) error {
	return oneOrMore((*[]string)(k), decode, "a list of columns or "+RowAndOccurrence)
}

func (k Key) byRow() bool { return len(k) == 1 && k[0] == RowAndOccurrence }

func oneOrMore(to *[]string, decode func(any) error, want string) error {
	var one string
	if decode(&one) == nil {
		if one == "" {
			return fmt.Errorf("it is empty: %s is wanted", want)
		}
		*to = []string{one}
		return nil
	}
	var more []string
	if decode(&more) != nil {
		return errors.New("what stands here is not " + want)
	}
	*to = more
	return nil
}
