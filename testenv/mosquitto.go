package testenv

import (
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

// Mosquitto starts a broker that ends with the test, or skips where Mosquitto is not installed.
func Mosquitto(t testing.TB, c MosquittoConfig) *MosquittoServer {
	t.Helper()
	if mosquittoPath() == "" {
		SkipServer(t, "mosquitto", "not installed")
	}
	m, err := StartMosquitto(c)
	if err != nil {
		t.Fatalf("start mosquitto: %v", err)
	}
	t.Cleanup(m.Remove)
	return m
}

// StartMosquitto starts a broker on a free loopback port.
func StartMosquitto(c MosquittoConfig) (*MosquittoServer, error) {
	dir, err := tempDir("dockline-mosquitto-")
	if err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	m := &MosquittoServer{dir: dir, Port: port, tls: c.CAFile != ""}
	var conf strings.Builder
	fmt.Fprintf(&conf, "listener %d 127.0.0.1\nmax_inflight_messages 0\nmax_queued_messages 0\nlog_type error\nlog_type warning\n", port)
	if c.Options != "" {
		conf.WriteString(c.Options + "\n")
	}
	if os.Getuid() == 0 {
		conf.WriteString("user root\n")
	}
	if m.tls {
		fmt.Fprintf(&conf, "cafile %s\ncertfile %s\nkeyfile %s\nrequire_certificate true\nuse_identity_as_username true\n", c.CAFile, c.CertFile, c.KeyFile)
		conf.WriteString("allow_anonymous false\n")
	} else {
		conf.WriteString("allow_anonymous true\n")
	}
	if c.ACL != "" {
		acl := filepath.Join(dir, "acl")
		if err := os.WriteFile(acl, []byte(c.ACL), 0o600); err != nil {
			return nil, err
		}
		fmt.Fprintf(&conf, "acl_file %s\n", acl)
	}
	if c.Persistent {
		fmt.Fprintf(&conf, "persistence true\npersistence_location %s/\n", dir)
	}
	if err := os.WriteFile(filepath.Join(dir, "mosquitto.conf"), []byte(conf.String()), 0o600); err != nil {
		return nil, err
	}
	return m, m.Start()
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
func (m *MosquittoServer) Stop() { m.server.Stop() }

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
