package tryton

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/dockline/dockline/proto/configfile"
)

// Settings is one user of one Tryton database. Where a value is left out, Decode and New put the default.
type Settings struct {
	// Name of the system in document references; "tryton".
	Name string `yaml:"name"`
	// URL is the database's address: https://erp.example/DATABASE/
	URL string `yaml:"url"`
	// Login is a user of its own: nobody else's changes are then taken for Dockline's.
	Login string `yaml:"login"`
	// PasswordFile or PasswordEnv says where the password is; it is read at each log-in.
	PasswordFile string `yaml:"password_file"`
	PasswordEnv  string `yaml:"password_env"`
	// Sites maps a site to the code of its warehouse. Empty: every warehouse with a code is the site of that name.
	Sites map[string]string `yaml:"sites"`
	// Units maps a unit's symbol in Tryton to the code that events carry; "u" is "each", any other is its symbol.
	Units map[string]string `yaml:"units"`
	// Opportunities: this user sees Tryton's CRM, and nothing of its sales, stock and invoices. Opportunities that were won are told as approved quotes;
	// statuses and cases are written to them.
	Opportunities bool `yaml:"opportunities"`
	// Timeout ends one request; 30 s.
	Timeout time.Duration `yaml:"timeout"`
	// SettleTime is how long after an unknown outcome a transaction may still be running in Tryton; 1 m.
	SettleTime time.Duration `yaml:"settle_time"`
	// Overlap is how far behind the newest change each look begins: longer than the longest transaction, since a record carries
	// the time at which its transaction began; 5 m.
	Overlap time.Duration `yaml:"overlap"`
}

// Decode reads strict YAML; every fault names file, line and key.
func Decode(name string, text []byte) (Settings, error) {
	var s Settings
	file, err := configfile.Decode(name, text, &s)
	if err != nil {
		return s, err
	}
	var faults configfile.Faults
	for _, f := range s.faults() {
		faults = append(faults, file.Fault(f.key, "%s", f.text))
	}
	return s.withDefaults(), faults.Err()
}

type settingFault struct{ key, text string }

func (s Settings) faults() []settingFault {
	var faults []settingFault
	bad := func(key, format string, args ...any) {
		faults = append(faults, settingFault{key, fmt.Sprintf(format, args...)})
	}
	u, err := url.Parse(s.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		bad("url", "%q is not an address such as https://erp.example/DATABASE/", s.URL)
	case strings.Trim(u.Path, "/") == "":
		bad("url", "%q lacks the database: https://erp.example/DATABASE/", s.URL)
	}
	if s.Login == "" {
		bad("login", "is missing: name the Tryton user")
	}
	if (s.PasswordFile == "") == (s.PasswordEnv == "") {
		bad("password_file", "give either password_file or password_env")
	}
	for key, d := range map[string]time.Duration{"timeout": s.Timeout, "settle_time": s.SettleTime, "overlap": s.Overlap} {
		if d < 0 {
			bad(key, "must not be negative")
		}
	}
	warehouses := map[string]string{}
	for site, warehouse := range s.Sites {
		if other, twice := warehouses[warehouse]; twice {
			bad("sites", "warehouse %q belongs to both %s and %s", warehouse, site, other)
		}
		warehouses[warehouse] = site
	}
	return faults
}

func (s Settings) withDefaults() Settings {
	put(&s.Name, "tryton")
	put(&s.Timeout, 30*time.Second)
	put(&s.SettleTime, time.Minute)
	put(&s.Overlap, 5*time.Minute)
	if s.Units == nil {
		s.Units = map[string]string{"u": "each"}
	}
	s.URL = strings.TrimRight(s.URL, "/") + "/"
	return s
}

func put[T comparable](to *T, value T) {
	var zero T
	if *to == zero {
		*to = value
	}
}

func (s Settings) password() (string, error) {
	if s.PasswordEnv != "" {
		if p := os.Getenv(s.PasswordEnv); p != "" {
			return p, nil
		}
		return "", technical("credentials", "the environment has no "+s.PasswordEnv, "set it for the collector's service", nil)
	}
	text, err := os.ReadFile(s.PasswordFile)
	if err != nil {
		return "", technical("credentials", "the password cannot be read", "make password_file readable for the collector", err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}
