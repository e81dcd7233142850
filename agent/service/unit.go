package service

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// PackagedUnit is the systemd unit as packages ship it.
//
//go:embed dockline-agent.service
var PackagedUnit string

// Unit is the systemd unit for the paths of c, which are absolute.
func Unit(c Config) (string, error) {
	for _, path := range []string{c.Executable, c.ConfigPath, c.DataDir} {
		if strings.ContainsFunc(path, unicode.IsControl) || strings.Contains(path, "{{") {
			return "", fmt.Errorf("%q: a unit cannot hold this path", path)
		}
	}
	lines := strings.Split(PackagedUnit, "\n")
	replaced := 0
	for i, line := range lines {
		switch {
		case strings.HasPrefix(line, "ExecStart="):
			lines[i] = "ExecStart=" + word(c.Executable, true) + " " + Verb + " --config " + word(c.ConfigPath, true)
			replaced++
		case strings.HasPrefix(line, "ReadWritePaths="):
			lines[i] += " " + word(c.DataDir, false)
			replaced++
		}
	}
	if replaced != 2 {
		return "", errors.New("the unit has no single ExecStart and ReadWritePaths")
	}
	return strings.Join(lines, "\n"), nil
}

// word quotes one word of a unit's line (systemd.service(5), "Command lines": % starts a specifier everywhere, $ a variable in commands only).
func word(s string, command bool) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`).Replace(s)
	if command {
		s = strings.ReplaceAll(s, "$", "$$")
	}
	if strings.ContainsAny(s, " \\\"';") {
		return `"` + s + `"`
	}
	return s
}
