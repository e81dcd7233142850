package plugins

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

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

// FaultsError is what Try answers where its section has faults. Whoever tries a program that knows no section yet is told to write one.
func FaultsError(config []byte, faults []*docklinev1.ConfigFault) error {
	if len(bytes.TrimSpace(config)) == 0 {
		return errors.New("this plugin proposes nothing by itself: write its section into agent.yaml (sample.yaml beside its README has every key), and try it by its id in the place of the program")
	}
	text := "the plugin's section config has faults:"
	for _, f := range faults {
		text += "\n"
		if f.GetLine() > 0 {
			text += fmt.Sprintf("line %d of it, ", f.GetLine())
		}
		text += strings.TrimPrefix(f.GetPath()+": ", ": ") + f.GetText()
	}
	return errors.New(text)
}
