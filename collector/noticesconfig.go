package collector

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	netmail "net/mail"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/dockline/dockline/collector/notice"
)

// NoticesConfig says how people are told of exceptions; who is told what is policy's (owners.yaml).
type NoticesConfig struct {
	// Console is the address of the console as people know it.
	Console string     `yaml:"console"`
	SMTP    SMTPConfig `yaml:"smtp"`
}

// SMTPConfig is the mail server that takes notices; without an address they are listed and logged.
type SMTPConfig struct {
	Address      string        `yaml:"address"`
	TLS          string        `yaml:"tls"`
	CA           string        `yaml:"ca"`
	User         string        `yaml:"user"`
	PasswordFile string        `yaml:"password_file"`
	From         string        `yaml:"from"`
	Timeout      time.Duration `yaml:"timeout"`
}

func (c *Config) validateNotices(bad func(key, format string, args ...any)) {
	if u, err := url.Parse(c.Notices.Console); c.Notices.Console != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		bad("notices.console", "%q: give https://host", c.Notices.Console)
	}
	s := c.Notices.SMTP
	if s.Address == "" {
		return
	}
	host, _, err := net.SplitHostPort(s.Address)
	if err != nil {
		bad("notices.smtp.address", "%q: give host and port, like mail.example.com:587", s.Address)
	}
	if s.TLS != "starttls" && s.TLS != "tls" && s.TLS != "none" {
		bad("notices.smtp.tls", "%q: starttls, tls or none", s.TLS)
	}
	if a, err := netmail.ParseAddress(s.From); err != nil || a.Address != s.From {
		bad("notices.smtp.from", "%q: give the address that notices come from, like dockline@example.com", s.From)
	}
	if (s.User == "") != (s.PasswordFile == "") {
		bad("notices.smtp.user", "user and password_file belong together")
	}
	if s.User != "" && s.TLS == "none" && !isLoopback(host) {
		bad("notices.smtp.tls", "a password is not sent without TLS")
	}
	if s.Timeout <= 0 {
		bad("notices.smtp.timeout", "%s: give how long one delivery may take, like 1m", s.Timeout)
	}
}

// mail is the configured mail server, nil where there is none.
func (c *Config) mail() (*notice.SMTP, error) {
	s := c.Notices.SMTP
	if s.Address == "" {
		return nil, nil
	}
	_, domain, _ := strings.Cut(s.From, "@")
	mail := &notice.SMTP{Address: s.Address, TLS: s.TLS, User: s.User, From: s.From, ID: domain, Timeout: s.Timeout}
	if s.User != "" {
		mail.Password = func() (string, error) {
			text, err := os.ReadFile(c.Path(s.PasswordFile)) // read anew each time: it may be changed
			return strings.TrimSpace(string(text)), err
		}
	}
	if s.CA != "" {
		text, err := os.ReadFile(c.Path(s.CA))
		if err != nil {
			return nil, fmt.Errorf("notices.smtp.ca: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("notices.smtp.ca: %s has no certificate", c.Path(s.CA))
		}
		mail.Config = &tls.Config{RootCAs: roots}
	}
	return mail, nil
}
