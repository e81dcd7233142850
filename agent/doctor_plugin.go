package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

// lookPlugins looks at every program, and then has each that can be started look at its own section.
func lookPlugins(ctx context.Context, p *patient, e examination) {
	if len(p.config.Plugins) == 0 {
		p.say(e, Hint, "None is configured: nothing is captured here.", "Add one under plugins; `dockline-agent plugin try` helps to write its section.")
		return
	}
	var unpinned []string
	for i, one := range p.config.Plugins {
		ok := p.lookAtProgram(e, one)
		if one.SHA256 == "" {
			unpinned = append(unpinned, one.ID)
		}
		if !ok {
			continue
		}
		alone := *p.config
		alone.Plugins = p.config.Plugins[i : i+1]
		faults, err := CheckPlugins(ctx, &alone)
		if err != nil {
			p.ill(e, "The agent's log has its last words.", "Plugin %s cannot be started: %s.", one.ID, err)
		}
		for _, f := range faults {
			line := f.Line + p.config.PluginLine(i) - p.config.PluginLine(0) // it was asked as if it were the only one
			p.ill(e, "Correct it there.", "Plugin %s does not take its section: %s:%d: %s: %s.", one.ID, p.ConfigPath, line, strings.TrimPrefix(f.Key, "plugins[0] "+one.ID+": "), strings.TrimSuffix(f.Text, "."))
		}
	}
	if len(unpinned) > 0 {
		p.say(e, Hint, "Not pinned by sha256: "+strings.Join(unpinned, ", ")+".", "Whoever can replace the program decides what runs; sha256 refuses a changed one.")
	}
}

// lookAtProgram says whether it makes sense to start it.
func (p *patient) lookAtProgram(e examination, one PluginConfig) bool {
	info, err := os.Stat(one.Path)
	switch {
	case err != nil:
		p.ill(e, "Install it, or correct plugins[].path.", "The program of plugin %s: %s.", one.ID, err)
		return false
	case info.IsDir():
		p.ill(e, "plugins[].path names the program itself.", "The program of plugin %s, %s, is a folder.", one.ID, one.Path)
		return false
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o111 == 0:
		p.ill(e, "chmod 755 "+one.Path, "The program of plugin %s, %s, may not be executed (mode %04o).", one.ID, one.Path, info.Mode().Perm())
		return false
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0:
		p.ill(e, "chmod go-w "+one.Path, "Others than its owner may change the program of plugin %s, %s (mode %04o).", one.ID, one.Path, info.Mode().Perm())
	}
	if one.SHA256 == "" {
		return true
	}
	is, err := fileHash(one.Path)
	if err != nil {
		p.ill(e, "Give the agent's own user the right to read it.", "The program of plugin %s: %s.", one.ID, err)
		return false
	}
	if !strings.EqualFold(is, one.SHA256) {
		p.ill(e, "If the program was updated on purpose, pin its new hash; else put the right one back.", "The program of plugin %s is not the pinned one: its SHA-256 is %s, pinned is %s.", one.ID, is, one.SHA256)
		return false
	}
	return true
}

func fileHash(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
