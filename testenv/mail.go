package testenv

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"
)

// MailServer is an SMTP server on loopback that keeps what it is given, and can be made to behave badly.
type MailServer struct {
	// Address is host:port, Roots trust its certificate.
	Address string
	Roots   *x509.CertPool

	// NoTLS: it does not offer STARTTLS. User and Password must be given where User is not empty.
	NoTLS          bool
	User, Password string
	// Refuse says how a recipient is refused: "550 no such user", "451 later"; "" takes it.
	Refuse func(to string) string
	// Cut is how many of the next messages it takes and then cuts the line without an answer; Down how many connections it refuses with 421.
	Cut, Down int

	t        *testing.T
	config   *tls.Config
	mu       sync.Mutex
	messages []Mail
}

// Mail is a message that a server has taken.
type Mail struct {
	From    string
	To      []string
	Header  mail.Header
	Body    string
	Secured bool
}

// NewMailServer starts one; it ends with the test.
func NewMailServer(t *testing.T) *MailServer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &MailServer{Address: listener.Addr().String(), Roots: x509.NewCertPool(), t: t,
		config: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}}
	s.Roots.AddCert(certificate)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() { listener.Close(); wg.Wait() })
	return s
}

// Change lets f change how the server behaves, while nobody talks to it.
func (s *MailServer) Change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// Messages are all that it has taken.
func (s *MailServer) Messages() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail(nil), s.messages...)
}

// serve talks to one client, one at a time.
func (s *MailServer) serve(conn net.Conn) {
	defer conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if s.Down > 0 {
		s.Down--
		fmt.Fprint(conn, "421 down\r\n")
		return
	}
	in, m, allowed := bufio.NewReader(conn), Mail{}, s.User == ""
	say := func(text string) { fmt.Fprint(conn, text+"\r\n") }
	say("220 mail ready")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		verb, rest, _ := strings.Cut(line, " ")
		switch strings.ToUpper(verb) {
		case "EHLO":
			say("250-mail")
			if !s.NoTLS && !m.Secured {
				say("250-STARTTLS")
			}
			say("250 AUTH PLAIN")
		case "STARTTLS":
			say("220 go ahead")
			secured := tls.Server(conn, s.config)
			if secured.Handshake() != nil {
				return
			}
			conn, in, m.Secured = secured, bufio.NewReader(secured), true
		case "AUTH":
			raw, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(rest, "PLAIN "))
			if allowed = string(raw) == "\x00"+s.User+"\x00"+s.Password; !allowed {
				say("535 wrong password")
				continue
			}
			say("235 ok")
		case "MAIL":
			if !allowed {
				say("530 log in first")
				continue
			}
			m = Mail{From: address(rest), Secured: m.Secured}
			say("250 ok")
		case "RCPT":
			to := address(rest)
			if s.Refuse != nil && s.Refuse(to) != "" {
				say(s.Refuse(to))
				continue
			}
			m.To = append(m.To, to)
			say("250 ok")
		case "DATA":
			say("354 go ahead")
			if !s.take(in, m) {
				return
			}
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// take reads a message, and says whether it is to be answered.
func (s *MailServer) take(in *bufio.Reader, m Mail) bool {
	var text strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
		text.WriteString(strings.TrimPrefix(line, "."))
	}
	read, err := mail.ReadMessage(strings.NewReader(text.String()))
	if err != nil {
		s.t.Errorf("a mail that cannot be read: %v\n%s", err, text.String())
		return false
	}
	body, _ := io.ReadAll(read.Body)
	m.Header, m.Body = read.Header, string(body)
	s.messages = append(s.messages, m)
	if s.Cut > 0 {
		s.Cut--
		return false
	}
	return true
}

func address(text string) string {
	_, text, _ = strings.Cut(text, "<")
	text, _, _ = strings.Cut(text, ">")
	return text
}
