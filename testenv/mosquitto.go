package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// MosquittoConfig is how a Mosquitto listens: with TLS where CAFile is set, for clients with a certificate of that CA, whose common
// name is their user name in ACL.
type MosquittoConfig struct {
	// File is a whole mosquitto.conf, taken as it is but for user and persistence, and Port where it listens with TLS; the next two
	// lines are then of no account.
	File string
	Port int

	CAFile, CertFile, KeyFile string
	// ACL is the text of the access control list; empty allows everything.
	ACL string
	// Persistent keeps its messages over a restart.
	Persistent bool
	// Options are further lines of its configuration.
	Options string
}

// MosquittoServer is a Mosquitto of our own.
type MosquittoServer struct {
	server *Server
	dir    string
	Port   int
	tls    bool
}

func mosquittoPath() string {
	for _, path := range []string{"/usr/sbin/mosquitto", "mosquitto"} {
		if found, err := exec.LookPath(path); err == nil {
			return found
		}
	}
	return ""
}

// NeedMosquitto skips a test where Mosquitto is not installed.
func NeedMosquitto(t testing.TB) {
	t.Helper()
	if mosquittoPath() == "" {
		SkipServer(t, "mosquitto", "not installed")
	}
}

// Mosquitto starts a broker that ends with the test, or skips where Mosquitto is not installed.
func Mosquitto(t testing.TB, c MosquittoConfig) *MosquittoServer {
	t.Helper()
	NeedMosquitto(t)
	m, err := StartMosquitto(c)
	if err != nil {
		t.Fatalf("start mosquitto: %v", err)
	}
	t.Cleanup(m.Remove)
	return m
}

// StartMosquitto starts a broker on a free loopback port, or as its File says.
func StartMosquitto(c MosquittoConfig) (*MosquittoServer, error) {
	if mosquittoPath() == "" {
		return nil, errors.New("mosquitto is not installed")
	}
	dir, err := tempDir("dockline-mosquitto-")
	if err != nil {
		return nil, err
	}
	m := &MosquittoServer{dir: dir, Port: c.Port, tls: c.CAFile != "" || c.File != ""}
	var conf string
	if c.File != "" {
		text, err := os.ReadFile(c.File)
		if err != nil {
			return nil, err
		}
		conf = strings.ReplaceAll(string(text), "persistence false\n", "")
	} else if conf, err = m.conf(c); err != nil {
		return nil, err
	}
	if os.Getuid() == 0 {
		conf += "user root\n"
	}
	if c.Persistent {
		conf += fmt.Sprintf("persistence true\npersistence_location %s/\n", dir)
	}
	if err := os.WriteFile(filepath.Join(dir, "mosquitto.conf"), []byte(conf), 0o600); err != nil {
		return nil, err
	}
	return m, m.Start()
}

// conf is a configuration of our own.
func (m *MosquittoServer) conf(c MosquittoConfig) (string, error) {
	var err error
	if m.Port, err = FreePort(); err != nil {
		return "", err
	}
	conf := fmt.Sprintf("listener %d 127.0.0.1\nmax_inflight_messages 0\nmax_queued_messages 0\nlog_type error\nlog_type warning\n", m.Port)
	if m.tls {
		conf += fmt.Sprintf("cafile %s\ncertfile %s\nkeyfile %s\nrequire_certificate true\nuse_identity_as_username true\nallow_anonymous false\n", c.CAFile, c.CertFile, c.KeyFile)
	} else {
		conf += "allow_anonymous true\n"
	}
	if c.Options != "" {
		conf += c.Options + "\n"
	}
	if c.ACL == "" {
		return conf, nil
	}
	acl := filepath.Join(m.dir, "acl")
	return conf + fmt.Sprintf("acl_file %s\n", acl), os.WriteFile(acl, []byte(c.ACL), 0o600)
}

// Start starts the broker again on the same port.
func (m *MosquittoServer) Start() error {
	server, err := startServer(serverCommand{dir: m.dir, signal: "TERM", argv: []string{mosquittoPath(), "-c", filepath.Join(m.dir, "mosquitto.conf")}})
	if err != nil {
		return err
	}
	if err := server.waitPort(m.Port, 10*time.Second); err != nil {
		server.Stop()
		return err
	}
	m.server = server
	return nil
}

// Stop stops the broker; its folder stays.
func (m *MosquittoServer) Stop() {
	if m.server != nil {
		m.server.Stop()
	}
}

// Wipe removes what the broker had stored. It must be stopped.
func (m *MosquittoServer) Wipe() error {
	err := os.Remove(filepath.Join(m.dir, "mosquitto.db"))
	if os.IsNotExist(err) {
		return nil
	}
	return err
}

// Remove stops the broker and removes its folder.
func (m *MosquittoServer) Remove() {
	m.Stop()
	_ = os.RemoveAll(m.dir)
}

// URL is where clients find the broker.
func (m *MosquittoServer) URL() string {
	if m.tls {
		return fmt.Sprintf("mqtts://127.0.0.1:%d", m.Port)
	}
	return fmt.Sprintf("mqtt://127.0.0.1:%d", m.Port)
}
