package event

import (
	"strings"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Limits of custom fields.
const (
	MaxCustomFields     = 64
	MaxCustomNameBytes  = 64
	MaxCustomValueBytes = 4096
)

// Custom is the value of a custom field, "" where the event has none of that name.
func Custom(e *docklinev1.Event, name string) string {
	for _, f := range e.GetCustom() {
		if f.GetName() == name {
			return f.GetValue()
		}
	}
	return ""
}

// IsCustomName says whether a custom field may have this name: lower-case letters, digits and underscores, a letter first.
func IsCustomName(name string) bool {
	return name != "" && len(name) <= MaxCustomNameBytes && name[0] >= 'a' && name[0] <= 'z' && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// validCustom wants names in order, so that the same fields always give the same hash.
func validCustom(e *docklinev1.Event) *Fault {
	if len(e.GetCustom()) > MaxCustomFields {
		return dataFault("custom_fields", "the event has %d custom fields, %d are allowed; map fewer columns to them", len(e.GetCustom()), MaxCustomFields)
	}
	last := ""
	for _, f := range e.GetCustom() {
		switch {
		case !IsCustomName(f.GetName()):
			return dataFault("custom_name", "custom field %q: a name has lower-case letters, digits and underscores, a letter first, and %d bytes at most", f.GetName(), MaxCustomNameBytes)
		case f.GetName() <= last:
			return dataFault("custom_order", "custom field %s stands behind %s; sort them by name, each once", f.GetName(), last)
		case len(f.GetValue()) > MaxCustomValueBytes:
			return dataFault("code_too_long", "custom field %s has %d bytes, %d are allowed", f.GetName(), len(f.GetValue()), MaxCustomValueBytes)
		}
		last = f.GetName()
	}
	return nil
}
