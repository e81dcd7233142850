// Package gs1 reads and writes what GS1 bar codes carry: element strings of application identifiers, GS1 Digital Link URIs, check digits and the
// symbology identifiers that readers put before what they have read. Rules and AIs are those of the GS1 General Specifications and of GS1 Digital
// Link: URI Syntax. It does not ask whether a company prefix was ever given out.
package gs1

import (
	"errors"
	"fmt"
	"strings"
)

// Separator is FNC1 within what a reader sends.
const Separator = '\x1d'

// Element is an application identifier with its data.
type Element struct {
	// AI is the identifier's digits.
	AI string
	// Value is its data, without a separator.
	Value string
}

// Elements are those of one code, in its order.
type Elements []Element

// Get gives the data of an AI; "" where it is not there.
func (e Elements) Get(ai string) string {
	for _, one := range e {
		if one.AI == ai {
			return one.Value
		}
	}
	return ""
}

// String writes the elements as people read them: (01)04012345678901(10)A7.
func (e Elements) String() string {
	var b strings.Builder
	for _, one := range e {
		b.WriteString("(" + one.AI + ")" + strings.ReplaceAll(one.Value, "(", `\(`))
	}
	return b.String()
}

// Message writes the elements as a code carries them, without the first FNC1: a separator stands behind each whose length is not fixed.
func (e Elements) Message() string {
	var b strings.Builder
	for i, one := range e {
		b.WriteString(one.AI + one.Value)
		if id := identifiers()[one.AI]; i < len(e)-1 && (id == nil || !id.fixed) {
			b.WriteByte(Separator)
		}
	}
	return b.String()
}

// Name says what an AI is for, "" where there is none with this number.
func Name(ai string) string {
	if id := identifiers()[ai]; id != nil {
		return id.name
	}
	return ""
}

// Parse reads an element string without its first FNC1, as a reader gives it. Each AI's data is held against its form, its check digit and its
// date; Check tells which of them must stand together. The error names the AI and what to do.
func Parse(message string) (Elements, error) {
	if message == "" {
		return nil, errors.New("the code is empty: it has no application identifier")
	}
	var found Elements
	for rest := message; rest != ""; {
		id := identifierAt(rest)
		if id == nil {
			return nil, fmt.Errorf("%q begins with no application identifier: the label may be damaged, or made by other rules", shown(rest))
		}
		value, behind, err := id.cut(rest[len(id.ai):])
		if err == nil {
			err = id.judge(value)
		}
		if err != nil {
			return nil, err
		}
		found, rest = append(found, Element{id.ai, value}), behind
	}
	return found, nil
}

// identifierAt finds the AI that a text begins with: no AI is the beginning of another.
func identifierAt(s string) *identifier {
	for n := 2; n <= 4 && n <= len(s); n++ {
		if id := identifiers()[s[:n]]; id != nil {
			return id
		}
	}
	return nil
}

// cut takes an AI's data off a message: a fixed length, or all up to the next separator.
func (id *identifier) cut(s string) (value, rest string, err error) {
	if id.fixed {
		n := id.components[0].most
		if len(s) < n || strings.IndexByte(s[:n], Separator) >= 0 {
			return "", "", fmt.Errorf("AI %s (%s) must have %d characters, but %q follows", id.ai, id.name, n, shown(s))
		}
		return s[:n], strings.TrimPrefix(s[n:], string(Separator)), nil
	}
	value, rest, _ = strings.Cut(s, string(Separator))
	return value, rest, nil
}

// judge holds an AI's data against its components.
func (id *identifier) judge(value string) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("AI %s (%s) is %q: %s", id.ai, id.name, shown(value), fmt.Sprintf(format, args...))
	}
	if value == "" {
		return fmt.Errorf("AI %s (%s) is empty", id.ai, id.name)
	}
	rest := value
	for _, c := range id.components {
		if rest == "" && c.optional {
			continue
		}
		n := min(len(rest), c.most)
		part := rest[:n]
		switch {
		case n < c.least:
			return bad("it is too short")
		case !inSet(c.set, part):
			return bad("it has a character that may not stand there")
		}
		for _, rule := range c.rules {
			if wrong := rules()[rule](part); wrong != "" {
				return bad("%s", wrong)
			}
		}
		rest = rest[n:]
	}
	if rest != "" {
		return bad("it is too long")
	}
	return nil
}

// shown keeps a message readable.
func shown(s string) string {
	const most = 40
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

// ParseBracketed reads what people write: (01)04012345678901(10)A7. A bracket within data is written \(. With unknown, an AI that the table
// does not have is taken with whatever data it has.
func ParseBracketed(text string, unknown bool) (Elements, error) {
	if !strings.HasPrefix(text, "(") {
		return nil, errors.New("it does not begin with an application identifier in brackets, such as (01)")
	}
	var found Elements
	for rest := text; rest != ""; {
		ai, behind, closed := strings.Cut(rest[1:], ")")
		if !closed || !AllDigits(ai) || len(ai) < 2 || len(ai) > 4 {
			return nil, fmt.Errorf("%q is no application identifier in brackets, such as (01)", shown(rest))
		}
		value, next := upToBracket(behind)
		id := identifiers()[ai]
		if id == nil && unknown && value != "" {
			id = &identifier{ai: ai, name: "not known", components: []component{{set: 'x', least: 1, most: 90}}}
		}
		if id == nil {
			return nil, fmt.Errorf("there is no application identifier %s", ai)
		}
		if err := id.judge(value); err != nil {
			return nil, err
		}
		found, rest = append(found, Element{ai, value}), next
	}
	return found, nil
}

func upToBracket(s string) (value, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '(':
			i++
		case s[i] == '(':
			return b.String(), s[i:]
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}
