package remote

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/dockline/dockline/proto/child"
	"github.com/dockline/dockline/proto/configfile"
)

// Settings say which program is run, and what it is given.
type Settings struct {
	// Command is the executable: an absolute path, one below data_dir, or a name that is looked for in PATH. Args are shown by every list of
	// processes: no secret belongs there.
	Command string   `yaml:"command"`
	Args    []string `yaml:"args"`
	// Env are variables of its environment, beside where things are and the time zone. It gets none of the collector's own.
	Env map[string]string `yaml:"env"`
	// Secrets are files, by the names under which the program asks for what they say. They are read at each start of it.
	Secrets map[string]string `yaml:"secrets"`
	// SHA256 pins the executable, in hex; "" takes any. Its folder must be writable for administrators only.
	SHA256 string `yaml:"sha256"`
	// MTLS "auto" (the default): centre and program prove to each other who they are, as go-plugin does it; "off": for a program whose library cannot.
	// Then who else may enter the socket's folder is for the system alone to say, and on Windows there is no such folder: there it is refused.
	MTLS string `yaml:"mtls"`
	// StartTimeout is how long it may take until it answers; 10 s.
	StartTimeout time.Duration `yaml:"start_timeout"`
	// Config is the program's own section. It describes it by a schema.
	Config yaml.RawMessage `yaml:"config"`

	// Name and Tenant are the connector's.
	Name, Tenant string `yaml:"-"`
	// BackoffFirst and BackoffLongest bound how long a program that ends is left alone before it is started again; 1 s and 1 min.
	BackoffFirst, BackoffLongest time.Duration `yaml:"-"`

	file *configfile.File
}

const mtlsOff = "off"

// Decode reads strict YAML; every fault names file, line and key. path resolves a relative path.
func Decode(name string, text []byte, path func(string) string) (Settings, error) {
	s := Settings{MTLS: "auto", StartTimeout: 10 * time.Second}
	var err error
	if s.file, err = configfile.Decode(name, text, &s); err != nil {
		return s, err
	}
	var faults configfile.Faults
	bad := func(key, format string, args ...any) { faults = append(faults, s.file.Fault(key, format, args...)) }
	if s.Command == "" {
		bad("command", "is missing: name the program that is the connector")
	} else if found, err := executable(s.Command, path); err != nil {
		bad("command", "%v", err)
	} else {
		s.Command = found
	}
	if sum, err := hex.DecodeString(s.SHA256); s.SHA256 != "" && (err != nil || len(sum) != sha256.Size) {
		bad("sha256", "must be 64 hex digits")
	}
	if s.MTLS != "auto" && s.MTLS != mtlsOff {
		bad("mtls", "%q: auto or off", s.MTLS)
	} else if s.MTLS == mtlsOff && runtime.GOOS == "windows" {
		bad("mtls", "cannot be off on Windows, where every program of the machine could ask this one")
	}
	if s.StartTimeout <= 0 {
		bad("start_timeout", "%s: give how long it may take until it answers, like 10s", s.StartTimeout)
	}
	for _, variable := range slices.Sorted(maps.Keys(s.Env)) {
		if variable == "" || strings.ContainsAny(variable, "=\x00") || strings.HasPrefix(variable, "PLUGIN_") || variable == Handshake.MagicCookieKey {
			bad("env", "%q cannot be set", variable)
		}
	}
	for _, secret := range slices.Sorted(maps.Keys(s.Secrets)) {
		s.Secrets[secret] = path(s.Secrets[secret])
	}
	return s, faults.Err()
}

// executable is where a command is.
func executable(command string, path func(string) string) (string, error) {
	if strings.ContainsAny(command, `/\`) {
		command = path(command)
	}
	found, err := exec.LookPath(command)
	if err != nil {
		return "", fmt.Errorf("there is no program %s that this user may run: %w", command, err)
	}
	return filepath.Abs(found)
}

// secrets are read anew.
func (s *Settings) secrets() (map[string]string, error) {
	out := make(map[string]string, len(s.Secrets))
	for name, path := range s.Secrets {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("secret %s: %w", name, err)
		}
		out[name] = strings.TrimRight(string(text), "\r\n")
	}
	return out, nil
}

// verify holds the executable against its pin.
func (s *Settings) verify() error {
	if s.SHA256 == "" {
		return nil
	}
	file, err := os.Open(s.Command)
	if err != nil {
		return err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return err
	}
	if actual := hex.EncodeToString(sum.Sum(nil)); !strings.EqualFold(actual, s.SHA256) {
		return fmt.Errorf("%s is not the pinned executable: its sha256 is %s; install the right version, or pin this one if you trust it", s.Command, actual)
	}
	return nil
}

// process prepares a run of the program; what it writes to standard output besides the handshake goes to outside.
func (s *Settings) process(env []string, outside io.Writer) *child.Process {
	var all []string
	for name, value := range s.Env {
		all = append(all, name+"="+value)
	}
	return child.New(child.Spec{Path: s.Command, Args: s.Args, Env: append(all, env...), Stdin: true, Outside: outside, Guard: &child.Tie{}, Kind: "connector"})
}
