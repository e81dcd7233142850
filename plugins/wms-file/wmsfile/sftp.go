package wmsfile

import (
	"net"
	"path/filepath"
	"time"
)

// SFTP is a server on which the folders are; outbound, inbound, archive and errors are then paths there.
type SFTP struct {
	// Address is host:port.
	Address string `yaml:"address"`
	User    string `yaml:"user"`
	// KnownHosts is a file with the server's key, as ssh keeps it: a server with another is not spoken to.
	KnownHosts string `yaml:"known_hosts"`
	// Key or Password is the file that holds one.
	Key      string `yaml:"key"`
	Password string `yaml:"password"`
	// Timeout is how long the server may be silent while something is asked of it.
	Timeout time.Duration `yaml:"timeout"`
}

func (l *loader) checkSFTP(s *setup) {
	c := s.SFTP
	if c == nil {
		return
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if _, _, err := net.SplitHostPort(c.Address); err != nil {
		l.fault("sftp.address", "address %q is none; write host:port, for example sftp.example.com:22", c.Address)
	}
	if c.User == "" {
		l.fault("sftp.user", "the server asks for a user; write user: name")
	}
	if c.KnownHosts == "" {
		l.fault("sftp.known_hosts", "without the server's key anybody could answer in its place; put it into a file (ssh-keyscan writes it, compare it with what the partner tells) and name it here")
	}
	if (c.Key == "") == (c.Password == "") {
		l.fault("sftp.key", "name the file with the private key under key, or the file with the password under password: one of the two")
	}
	for path, file := range map[string]string{"sftp.known_hosts": c.KnownHosts, "sftp.key": c.Key, "sftp.password": c.Password} {
		if file != "" && !filepath.IsAbs(file) {
			l.fault(path, "file %s is relative to nothing that lasts: a service starts elsewhere; write the whole path", file)
		}
	}
	if c.Timeout < time.Second || c.Timeout > 10*time.Minute {
		l.fault("sftp.timeout", "timeout is %s; choose from 1s to 10m", c.Timeout)
	}
}
