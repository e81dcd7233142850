package wmsfile

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// server is the other end, dialled when it is needed and again after a fault.
type server struct {
	SFTP
	mu     sync.Mutex
	ssh    *ssh.Client
	client *sftp.Client
}

// do asks something of the server. A fault of the line ends the connection; one of the server's (no such file, no permission) does not.
func (s *server) do(ask func(c *sftp.Client) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == nil {
		if err := s.dial(); err != nil {
			return fmt.Errorf("sftp server %s: %w", s.Address, err)
		}
	}
	err := ask(s.client)
	var status *sftp.StatusError
	if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrPermission) && !errors.As(err, &status) {
		s.hangUp()
	}
	if err != nil {
		return fmt.Errorf("sftp server %s: %w", s.Address, err)
	}
	return nil
}

func (s *server) hangUp() {
	if s.client != nil {
		_ = s.client.Close() // it is of no use any longer
		_ = s.ssh.Close()
	}
	s.client, s.ssh = nil, nil
}

// close ends the connection where there is one.
func (s *server) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hangUp()
}

func (s *server) dial() error {
	hosts, err := knownhosts.New(s.KnownHosts)
	if err != nil {
		return fmt.Errorf("known_hosts: %w", err)
	}
	auth, err := s.auth()
	if err != nil {
		return err
	}
	conn, err := net.DialTimeout("tcp", s.Address, s.Timeout)
	if err != nil {
		return err
	}
	config := &ssh.ClientConfig{User: s.User, Auth: []ssh.AuthMethod{auth}, HostKeyCallback: hosts, Timeout: s.Timeout}
	c, channels, requests, err := ssh.NewClientConn(&patient{conn, s.Timeout}, s.Address, config)
	if err != nil {
		return errors.Join(s.explained(err), conn.Close())
	}
	s.ssh = ssh.NewClient(c, channels, requests)
	if s.client, err = sftp.NewClient(s.ssh); err != nil {
		return errors.Join(err, s.ssh.Close())
	}
	return nil
}

// explained says what to do about a server with another key, or one that does not let us in.
func (s *server) explained(err error) error {
	var key *knownhosts.KeyError
	if errors.As(err, &key) {
		if len(key.Want) == 0 {
			return fmt.Errorf("known_hosts has no key of this server; compare its key with what the partner tells, and add it: %w", err)
		}
		return fmt.Errorf("the server's key is another than the one in known_hosts: ask the partner whether it was changed, before anything is sent there: %w", err)
	}
	if strings.Contains(err.Error(), "unable to authenticate") { // golang.org/x/crypto/ssh has no type for it
		with, file := "key", s.Key
		if s.Password != "" {
			with, file = "password", s.Password
		}
		return fmt.Errorf("the server does not let user %s in with this %s: compare what is in %s with what the partner has given, and ask whether the user is locked: %w", s.User, with, file, err)
	}
	return err
}

func (s *server) auth() (ssh.AuthMethod, error) {
	if s.Password != "" {
		raw, err := os.ReadFile(s.Password)
		return ssh.Password(strings.TrimRight(string(raw), "\r\n")), err
	}
	raw, err := os.ReadFile(s.Key)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(raw)
	if err != nil {
		return nil, fmt.Errorf("private key %s: %w", s.Key, err)
	}
	return ssh.PublicKeys(signer), nil
}

// patient ends a connection on which nothing comes for long: a line that was cut says nothing by itself.
type patient struct {
	net.Conn
	timeout time.Duration
}

func (p *patient) Read(b []byte) (int, error) {
	if err := p.SetReadDeadline(time.Now().Add(p.timeout)); err != nil {
		return 0, err
	}
	return p.Conn.Read(b)
}

func (p *patient) Write(b []byte) (int, error) {
	if err := p.SetWriteDeadline(time.Now().Add(p.timeout)); err != nil {
		return 0, err
	}
	return p.Conn.Write(b)
}
