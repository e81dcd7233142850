package wmssql

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Database says which database it is and how to log in. There is no password in it: a file holds that.
type Database struct {
	Driver string `yaml:"driver"`
	Host   string `yaml:"host"`
	Port   int    `yaml:"port"`
	// Name is the database's; for Oracle the service's.
	Name string `yaml:"name"`
	// File is that of SQLite.
	File string `yaml:"file"`

	Login `yaml:",inline"`

	// TLS is verify (the server's certificate and name are checked), require (encrypted, to whoever answers) or off.
	TLS string `yaml:"tls"`
	// CA is a file of certificates that sign the server's, in place of the system's.
	CA string `yaml:"ca"`
	// Replication is for streams that come from a slot rather than by polling.
	Replication *Replication `yaml:"replication"`
}

// Login is a user with the file that holds the password.
type Login struct {
	User         string `yaml:"user"`
	PasswordFile string `yaml:"password_file"`
}

const (
	tlsVerify  = "verify"
	tlsRequire = "require"
	tlsOff     = "off"
)

func (l *loader) checkDatabase(s *setup) {
	d := &s.Database
	if d.TLS == "" {
		d.TLS = tlsVerify
	}
	s.dialect = dialects[d.Driver]
	if s.dialect == nil {
		l.fault("database.driver", "%q is not known; use %s", d.Driver, strings.Join(driverNames, ", "))
		return
	}
	if !slices.Contains([]string{tlsVerify, tlsRequire, tlsOff}, d.TLS) {
		l.fault("database.tls", "%q is not known; use verify, require or off", d.TLS)
	}
	for key, file := range map[string]string{"database.file": d.File, "database.password_file": d.PasswordFile, "database.ca": d.CA} {
		if file != "" && !filepath.IsAbs(file) {
			l.fault(key, "%s is relative to nothing that lasts: a service starts elsewhere; write the whole path", file)
		}
	}
	if d.Driver == driverSQLite {
		if d.File == "" {
			l.fault("database.file", "the database's file is missing; write file: /path/to/wms.db")
		}
		return
	}
	for key, value := range map[string]string{"host": d.Host, "name": d.Name, "user": d.User} {
		if value == "" {
			l.fault("database."+key, "%s is missing", key)
		}
	}
	if d.Port < 0 || d.Port > 65535 {
		l.fault("database.port", "port is %d; choose from 1 to 65535, or leave it out for the usual one", d.Port)
	}
	if d.Port == 0 {
		d.Port = s.dialect.port
	}
	if d.CA != "" {
		if _, err := certificates(d.CA); err != nil {
			l.fault("database.ca", "%v", err)
		}
	}
	if _, err := d.password(); err != nil {
		l.fault("database.password_file", "%v", err)
	}
}

// password reads the secret anew each time: it may be changed while the plugin runs.
func (l Login) password() (string, error) {
	if l.PasswordFile == "" {
		return "", nil
	}
	raw, err := os.ReadFile(l.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("the password cannot be read (%w); let the agent's service account read the file", err)
	}
	return strings.TrimRight(string(raw), "\r\n"), nil
}
