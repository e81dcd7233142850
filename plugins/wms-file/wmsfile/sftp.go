package wmsfile

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/dockline/dockline/plugins"
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
		return errors.Join(explained(err), conn.Close())
	}
	s.ssh = ssh.NewClient(c, channels, requests)
	if s.client, err = sftp.NewClient(s.ssh); err != nil {
		return errors.Join(err, s.ssh.Close())
	}
	return nil
}

// explained says what to do about a server with another key.
func explained(err error) error {
	var key *knownhosts.KeyError
	if errors.As(err, &key) {
		if len(key.Want) == 0 {
			return fmt.Errorf("known_hosts has no key of this server; compare its key with what the partner tells, and add it: %w", err)
		}
		return fmt.Errorf("the server's key is another than the one in known_hosts: ask the partner whether it was changed, before anything is sent there: %w", err)
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

// remoteInbox is the inbound folder on the server.
type remoteInbox struct {
	server *server
	dir    string
}

func (r remoteInbox) write(name string, raw []byte) error {
	return r.server.do(func(c *sftp.Client) error { return upload(c, path.Join(r.dir, name), raw) })
}

func upload(c *sftp.Client, to string, raw []byte) error {
	f, err := c.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if synced := f.Sync(); err == nil && synced != nil && !errors.Is(synced, sftp.ErrSSHFxOpUnsupported) {
		err = synced
	}
	return errors.Join(err, f.Close())
}

func (r remoteInbox) rename(from, to string) error {
	return r.server.do(func(c *sftp.Client) error {
		if _, err := c.Lstat(path.Join(r.dir, from)); err != nil {
			return err
		}
		return c.PosixRename(path.Join(r.dir, from), path.Join(r.dir, to))
	})
}

func (r remoteInbox) check() error {
	return r.server.do(func(c *sftp.Client) error {
		info, err := c.Stat(r.dir)
		if err == nil && !info.IsDir() {
			return fmt.Errorf("%s is a file", r.dir)
		}
		return err
	})
}

// outbox is the outbound folder on the server. Files are fetched whole into a folder of this machine, where they are read like any others; on the server they stay until
// they are told and durable, so that whatever is lost here is fetched again.
type outbox struct {
	server *server
	// dir, archive and errors are the server's folders, local is ours; watch is the look at the server's.
	dir, archive, errors string
	local                string
	setup                *setup
	seen                 map[string]observed
	here                 map[string]observed
	// odd are files there that cannot be fetched, with the reason; waiting are they, and those that are not complete yet.
	odd     map[string]error
	waiting []found
}

// fetch brings what is complete.
func (o *outbox) fetch(now time.Time) error {
	return o.server.do(func(c *sftp.Client) error {
		entries, err := c.ReadDir(o.dir)
		if err != nil {
			return err
		}
		names := listed(entries)
		watch := &folder{setup: o.setup}
		seen := map[string]observed{}
		o.odd, o.waiting = map[string]error{}, nil
		for name := range o.here {
			if _, err := os.Stat(filepath.Join(o.local, name)); errors.Is(err, os.ErrNotExist) {
				delete(o.here, name) // put away here, and not there: the line was cut in between
			}
		}
		for _, e := range entries {
			stream := o.setup.streamOf(e.Name())
			if !e.Mode().IsRegular() || watch.ignored(e.Name(), names) || stream == nil {
				continue
			}
			at := o.seen[e.Name()]
			if at.size != e.Size() || !at.mod.Equal(e.ModTime()) || at.since.IsZero() {
				at = observed{size: e.Size(), mod: e.ModTime(), since: now}
			}
			at.done = watch.markerOf(e.Name(), names)
			seen[e.Name()] = at
			file := found{name: e.Name(), size: at.size, mod: at.mod, done: at.done, stream: stream}
			if !watch.complete(file, at, now) {
				o.waiting = append(o.waiting, file)
				continue
			}
			if got, ok := o.here[e.Name()]; ok && got.size == at.size && got.mod.Equal(at.mod) {
				continue // it is being read
			}
			here, err := o.bring(c, e)
			switch {
			case ofOneFile(err):
				o.odd[e.Name()] = err // the others come all the same
			case err != nil:
				return err
			case here:
				o.here[e.Name()] = at
				continue
			}
			o.waiting = append(o.waiting, file)
		}
		o.seen = seen
		return nil
	})
}

// errOddName is a file that cannot be kept under its name.
var errOddName = errors.New("its name holds characters that not every system has; have it named otherwise")

// ofOneFile says that what went wrong is that file's alone: the line and our own disk would fail for the others too.
func ofOneFile(err error) bool {
	var status *sftp.StatusError
	return errors.Is(err, errOddName) || errors.As(err, &status) || errors.Is(err, os.ErrPermission)
}

// bring fetches one file; one that changes meanwhile is left for the next look: then it is not here.
func (o *outbox) bring(c *sftp.Client, e os.FileInfo) (here bool, err error) {
	if safe(e.Name()) != e.Name() {
		return false, errOddName
	}
	in, err := c.Open(path.Join(o.dir, e.Name()))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	to := filepath.Join(o.local, e.Name())
	out, err := os.Create(to + ".part")
	if err != nil {
		return false, errors.Join(err, in.Close())
	}
	n, err := io.Copy(out, in)
	if err = errors.Join(err, in.Close(), out.Sync(), out.Close()); err != nil {
		return false, err
	}
	if now, err := c.Stat(path.Join(o.dir, e.Name())); err != nil || n != e.Size() || now.Size() != e.Size() || !now.ModTime().Equal(e.ModTime()) {
		return false, os.Remove(to + ".part")
	}
	if err := os.Chtimes(to+".part", e.ModTime(), e.ModTime()); err != nil {
		return false, err
	}
	err = os.Rename(to+".part", to)
	return err == nil, err
}

// put puts a file away on the server that is put away here as the file name in the folder dir; with it goes what lies beside it for a person.
func (o *outbox) put(file string, bad bool, dir, name string) error {
	was, fetched := o.here[file]
	if !fetched {
		return nil
	}
	err := o.server.do(func(c *sftp.Client) error {
		from := path.Join(o.dir, file)
		now, err := c.Stat(from)
		if errors.Is(err, os.ErrNotExist) {
			return nil // put away by a run that ended right then, or taken away by a person
		}
		if err != nil || now.Size() != was.size || !now.ModTime().Equal(was.mod) {
			return err // written again since: it is fetched again
		}
		to := o.archive
		if bad {
			to = o.errors
		}
		if err := c.MkdirAll(to); err != nil {
			return err
		}
		name := freeThere(c, to, name)
		for _, beside := range []string{name + resultSuffix, name + ".txt", insert(name, "rejected")} {
			raw, err := os.ReadFile(filepath.Join(dir, beside))
			if err != nil {
				continue // there is none
			}
			if err := upload(c, path.Join(to, beside), raw); err != nil {
				return err
			}
		}
		if o.setup.Complete.By == byMarker {
			marker := found{name: file, done: was.done}.marker(o.setup)
			if err := c.Remove(path.Join(o.dir, marker)); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
		return c.Rename(from, path.Join(to, name)) // never over another
	})
	if err == nil {
		delete(o.here, file)
	}
	return err
}

// freeThere is a name that is free on the server.
func freeThere(c *sftp.Client, dir, name string) string {
	free := name
	for n := 2; n < 1000; n++ {
		if _, err := c.Lstat(path.Join(dir, free)); errors.Is(err, os.ErrNotExist) {
			break
		}
		free = insert(name, fmt.Sprint(n))
	}
	return free
}

// remote turns folders on a server into folders of ours, and says how the two are kept together.
func (s *setup) remote(start plugins.Start, at *server) (*outbox, error) {
	root := filepath.Join(start.DataDir, "sftp")
	o := &outbox{server: at, dir: s.Outbound, archive: s.Archive, errors: s.Errors, local: filepath.Join(root, "out"), seen: map[string]observed{}, here: map[string]observed{}}
	watched := *s
	o.setup = &watched
	s.Outbound, s.Archive, s.Errors = o.local, filepath.Join(root, "archive"), filepath.Join(root, "error")
	s.Complete = Complete{By: byRename, Ignore: []string{"*.part"}}
	for _, dir := range []string{s.Outbound, s.Archive, s.Errors} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	return o, nil
}
