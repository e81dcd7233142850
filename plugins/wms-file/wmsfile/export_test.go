package wmsfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
)

// FormsConfig reads every form, and files of up to 8 GB.
var FormsConfig = strings.ReplaceAll(formsConfig, "ROOT", filepath.ToSlash(os.TempDir())) + "  - {name: edi, pattern: \"*.edi\", form: x12, zone: UTC}\nx12: {acknowledge: false}\n"

// ReadFile reads a file as the plugin does, and gives its faults.
func ReadFile(config, path string, each func(*docklinev1.Event)) ([]LineFault, error) {
	set, faults := load([]byte(config))
	if len(faults) > 0 {
		return nil, fmt.Errorf("%v", faults)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	for _, s := range set.streams {
		if !matches(s.Pattern, info.Name()) {
			continue
		}
		body, err := loadFile(path, found{name: info.Name(), size: info.Size(), mod: info.ModTime(), stream: s})
		if err != nil {
			return nil, err
		}
		var res Result
		for e := range s.read(body, &res) {
			each(e)
		}
		return res.Faults, res.broken
	}
	return nil, errors.New("no pattern fits")
}
