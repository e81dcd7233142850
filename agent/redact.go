package agent

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/dockline/dockline/proto/configfile"
)

// hidden stands where a secret stood.
const hidden = "[hidden]"

// secretKey is a key whose value is nobody's business.
var secretKey = regexp.MustCompile(`(?i)pass|secret|token|cred|auth|key|pin\b|dsn|connection|cookie|session|bearer|private|licen[cs]e|user|login|account`)

// secretText is what a secret looks like wherever it stands: user and password in a URL, a header, key=value, a key in PEM, a JSON Web
// Token, and the keys of large clouds.
var secretText = []*regexp.Regexp{
	regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)`),
	regexp.MustCompile(`(?i)([a-z][a-z0-9+.-]*://)[^/\s@"']+@`),
	regexp.MustCompile(`(?i)\b((?:proxy-)?authorization["']?\s*[:=]\s*["']?)(?:(?:basic|bearer|digest|negotiate)\s+)?[^\s"',;]+`),
	regexp.MustCompile(`(?i)\b((?:basic|bearer)\s+)[a-z0-9+/=_.~-]{6,}`),
	regexp.MustCompile(`(?i)((?:pass(?:word|wd|phrase)?|pwd|secret|token|api[-_ ]?key|access[-_ ]?key|credentials?|private[-_ ]?key)["']?\s*[:=]\s*)("[^"\n]*"|'[^'\n]*'|[^\s,;&"']+)`),
	regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(\.[A-Za-z0-9_-]*)?`),
	regexp.MustCompile(`\b(AKIA|ASIA)[0-9A-Z]{16}\b`),
	regexp.MustCompile(`\bgh[pousr]_[A-Za-z0-9]{20,}\b`),
}

// redactor takes secrets out of text: those that it knows by value, and what looks like one.
type redactor struct{ known []string }

// shortest is the least length of a secret that is looked for by value: anything shorter is a part of many words.
const shortest = 5

func (r *redactor) know(secrets ...string) {
	for _, s := range secrets {
		for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s)} {
			if form = strings.TrimSpace(form); len(form) >= shortest && !slices.Contains(r.known, form) {
				r.known = append(r.known, form)
			}
		}
	}
	// The longest first: one may be the beginning of another.
	slices.SortFunc(r.known, func(a, b string) int { return len(b) - len(a) })
}

// text returns s without secrets.
func (r *redactor) text(s string) string {
	// What is known comes last: a part of it may be what tells a pattern where a secret begins.
	for _, pattern := range secretText {
		s = pattern.ReplaceAllStringFunc(s, func(found string) string {
			if parts := pattern.FindStringSubmatch(found); len(parts) > 1 && strings.HasPrefix(found, parts[1]) {
				end := ""
				if strings.HasSuffix(found, "@") {
					end = "@"
				}
				return parts[1] + hidden + end
			}
			return hidden
		})
	}
	for _, known := range r.known {
		s = strings.ReplaceAll(s, known, hidden)
	}
	return s
}

// newRedactor learns every secret that the configuration leads to: keys, tokens, credentials, passwords in addresses, what plugins'
// sections hold or refer to by file or environment, and what the environment holds under a telling name.
func newRedactor(c *Config, sources ...string) *redactor {
	r := &redactor{}
	for _, line := range os.Environ() {
		if name, value, _ := strings.Cut(line, "="); secretKey.MatchString(name) && len(value) >= 8 && !strings.ContainsAny(value, "/:") {
			r.know(value)
		}
	}
	for _, text := range sources {
		r.learn([]byte(text))
	}
	if c == nil {
		return r
	}
	r.knowFile(c.Path(c.MQTT.ProxyCredentials))
	r.knowFile(c.Path(c.MQTT.Key))
	if control, err := os.ReadFile(filepath.Join(c.DataDir, "control")); err == nil {
		_, token, _ := strings.Cut(string(control), " ")
		r.know(token)
	}
	for _, address := range []string{c.MQTT.URL, c.MQTT.Proxy} {
		r.knowAddress(address)
	}
	for _, p := range c.Plugins {
		r.learn(p.Config)
	}
	return r
}

// learn reads YAML or JSON and knows what stands under telling keys, in addresses, and in files and variables that it refers to.
func (r *redactor) learn(text []byte) {
	var tree any
	if configfile.Unmarshal(text, &tree) != nil {
		return
	}
	walk("", tree, func(key, value string) {
		r.knowAddress(value)
		if secretKey.MatchString(key) {
			r.know(value)
			if len(value) < 4096 && filepath.IsAbs(value) {
				r.knowFile(value)
			}
		}
		for _, reference := range environment.FindAllStringSubmatch(value, -1) {
			r.know(os.Getenv(reference[1] + reference[2]))
		}
		if strings.Contains(value, "\n") { // a document within a document, as the centre's configuration is
			r.learn([]byte(value))
		}
	})
}

// environment is a reference to a variable: ${NAME}, $NAME or env:NAME.
var environment = regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?|^env:([A-Za-z_][A-Za-z0-9_]*)$`)

func (r *redactor) knowAddress(address string) {
	if u, err := url.Parse(address); err == nil && u.User != nil {
		password, _ := u.User.Password()
		r.know(password, u.User.Username())
	}
}

// knowFile knows a small file's words, each by itself: user and password, or the lines of a key.
func (r *redactor) knowFile(path string) {
	info, err := os.Stat(path)
	if path == "" || err != nil || info.Size() > 64<<10 || !info.Mode().IsRegular() {
		return
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return
	}
	for _, word := range strings.Fields(string(text)) {
		if strings.Contains(word, "-----") || word == "PRIVATE" { // the frame of a key in PEM
			continue
		}
		r.know(word)
		if _, password, ok := strings.Cut(word, ":"); ok {
			r.know(password)
		}
	}
}

// walk calls f with every scalar text of a tree and the key that it stands under.
func walk(key string, node any, f func(key, value string)) {
	switch n := node.(type) {
	case map[string]any:
		for k, v := range n {
			walk(k, v, f)
		}
	case []any:
		for _, v := range n {
			walk(key, v, f)
		}
	case string:
		f(key, n)
	}
}

// outline is a plugin's section as it may leave the site: its keys, numbers and switches, and of every text only how long it is. What a
// plugin's author calls a secret cannot be known here.
func outline(node any) any {
	switch n := node.(type) {
	case map[string]any:
		out := make(map[string]any, len(n))
		for k, v := range n {
			out[k] = outline(v)
		}
		return out
	case []any:
		out := make([]any, len(n))
		for i, v := range n {
			out[i] = outline(v)
		}
		return out
	case string:
		return fmt.Sprintf("[text of %d characters]", len([]rune(n)))
	}
	return node
}

// redactConfig is agent.yaml without comments and secrets: known sections as they are, those of plugins as outlines.
func (r *redactor) redactConfig(text []byte) string {
	var tree map[string]any
	if err := configfile.Unmarshal(text, &tree); err != nil {
		return "# It does not read as YAML, so it is left out: a secret could stand anywhere in it.\n"
	}
	plugins, _ := tree["plugins"].([]any)
	for _, one := range plugins {
		if p, ok := one.(map[string]any); ok {
			p["config"] = outline(p["config"])
		}
	}
	for key, value := range tree {
		switch key {
		case "site", "data_dir", "mqtt", "journal", "uplink", "plugins", "rules", "health", "log":
		default:
			tree[key] = outline(value)
		}
	}
	out, err := yaml.Marshal(tree)
	if err != nil {
		return "# It cannot be written again: " + r.text(err.Error()) + "\n"
	}
	return r.text(string(out))
}
