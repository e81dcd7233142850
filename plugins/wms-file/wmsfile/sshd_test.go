package wmsfile

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/dockline/dockline/plugins"
)

// sshd is a real server on a free port of the loopback, with keys of its own.
type sshd struct {
	t                       *testing.T
	dir, address, user      string
	config, key, knownHosts string
	cmd                     *exec.Cmd
}

func newKey(t *testing.T, path string) ssh.PublicKey {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newSSHD(t *testing.T) *sshd {
	t.Helper()
	path, err := exec.LookPath("/usr/sbin/sshd")
	if err != nil {
		t.Skip("SKIP-SERVER: no OpenSSH server: apt-get install --no-install-recommends openssh-server openssh-sftp-server")
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if me.Uid == "0" {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // where it parts with its rights
			t.Fatal(err)
		}
	}
	s := &sshd{t: t, dir: t.TempDir(), user: me.Username}
	s.key, s.knownHosts, s.config = filepath.Join(s.dir, "key"), filepath.Join(s.dir, "known_hosts"), filepath.Join(s.dir, "sshd_config")
	host := newKey(t, filepath.Join(s.dir, "host"))
	mine := newKey(t, s.key)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = listener.Addr().String()
	port := listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{
		"authorized": string(ssh.MarshalAuthorizedKey(mine)), "known_hosts": knownhosts.Line([]string{s.address}, host) + "\n",
		"sshd_config": fmt.Sprintf("Port %d\nListenAddress 127.0.0.1\nHostKey %s/host\nAuthorizedKeysFile %s/authorized\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication yes\nPidFile none\nSubsystem sftp internal-sftp\n",
			port, s.dir, s.dir),
	} {
		if err := os.WriteFile(filepath.Join(s.dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.cmd = exec.Command(path, "-D", "-e", "-f", s.config)
	t.Cleanup(s.stop)
	s.start()
	return s
}

func (s *sshd) start() {
	s.t.Helper()
	s.cmd = exec.Command(s.cmd.Path, s.cmd.Args[1:]...)
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	waiting, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	for {
		conn, err := net.DialTimeout("tcp", s.address, time.Second)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-waiting.Done():
			s.t.Fatalf("the server does not answer: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *sshd) stop() {
	if s.cmd.Process != nil && s.cmd.ProcessState == nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
}

// password has the server take a password of the user who runs the test: in a mount namespace of its own it sees another list of them.
func (s *sshd) password(file string) {
	s.t.Helper()
	if os.Getuid() != 0 {
		s.t.Skip("SKIP-SERVER: to give an SSH server a password needs root")
	}
	shadow := filepath.Join(s.dir, "shadow")
	// "dock 7 geheim", by openssl passwd -6
	if err := os.WriteFile(shadow, []byte(s.user+":$6$dockline$EOmPPOfJjYVKK6XMyro5liy9jIeVe3VYRy8sROE5I9xN7vPjwLdGmT4Wf00uXbMIkGVToj36YyoSdGM2qVfjp/:19000:0:99999:7:::\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("dock 7 geheim\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.stop()
	s.cmd = exec.Command("unshare", "--mount", "sh", "-c", `mount --bind "$1" /etc/shadow && exec "$2" -D -e -f "$3"`, "sh", shadow, "/usr/sbin/sshd", s.config)
	s.start()
}

// site is a site whose folders are on the server.
func (s *sshd) site(t *testing.T, config string) *site {
	t.Helper()
	return newSite(t, config+fmt.Sprintf("sftp: {address: %q, user: %q, known_hosts: %q, key: %q}\n", s.address, s.user, s.knownHosts, s.key))
}

// connect begins a run against the server.
func (s *site) connect() *server {
	s.t.Helper()
	set, faults := load([]byte(s.config))
	if len(faults) > 0 {
		s.t.Fatal(faults)
	}
	start := plugins.Start{Cursor: s.host.cursor, DataDir: s.dataDir}
	at := &server{SFTP: *set.SFTP}
	s.t.Cleanup(at.close)
	in := remoteInbox{at, set.Inbound}
	remote, err := set.remote(start, at)
	if err != nil {
		s.t.Fatal(err)
	}
	with, err := openPartner(s.dataDir, func() time.Time { return s.clock })
	if err != nil {
		s.t.Fatal(err)
	}
	if s.capture, err = newCapture(set, start, with, in, remote, s.host, func() time.Time { return s.clock }, slog.New(slog.NewTextHandler(io.Discard, nil))); err != nil {
		s.t.Fatal(err)
	}
	if err := s.capture.reread(context.Background()); err != nil {
		s.t.Fatal(err)
	}
	return at
}
