package plugins

import (
	"errors"
	"fmt"

	"github.com/dockline/dockline/proto/configfile"
	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// Decode reads a config section strictly into a struct with yaml tags that holds the defaults: an unknown or doubled key and a
// value of the wrong type are faults with their path and line. It returns all of them, and fills in what is right.
func Decode(config []byte, into any) []*docklinev1.ConfigFault {
	_, err := configfile.Decode("config", config, into)
	var found configfile.Faults
	errors.As(err, &found) // Decode returns nothing else
	var faults []*docklinev1.ConfigFault
	for _, f := range found {
		faults = append(faults, &docklinev1.ConfigFault{Path: f.Key, Line: uint32(f.Line), Text: f.Text})
	}
	return faults
}

// Fault is a fault found by looking at what Decode has read. Its line is that of the path in config, or of the nearest parent
// that is there.
func Fault(config []byte, path, format string, args ...any) *docklinev1.ConfigFault {
	fault := &docklinev1.ConfigFault{Path: path, Text: fmt.Sprintf(format, args...)}
	if file, err := configfile.Parse("config", config); err == nil {
		fault.Line = uint32(file.Line(path))
	}
	return fault
}
