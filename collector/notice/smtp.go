package notice

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/smtp"
	"net/textproto"
	"strings"
	"time"
)

// SMTP is a mail server that takes our mail (RFC 5321, 6409).
type SMTP struct {
	// Address is host:port.
	Address string
	// TLS is "starttls" (it must offer that), "tls" from the first byte on, or "none".
	TLS string
	// Config is that of TLS; nil trusts what the machine trusts.
	Config *tls.Config
	// User and Password log in where User is not empty; never without TLS, unless the server is this machine.
	User     string
	Password func() (string, error)
	// From is the sender's address. ID is what our Message-IDs end in, a name that is ours.
	From, ID string
	// Timeout is how long a delivery may take altogether. 0 is a minute.
	Timeout time.Duration
}

// RefusedError is a mail server's no.
type RefusedError struct {
	// Permanent: it will not say yes when it is asked again.
	Permanent bool
	err       error
}

func (e *RefusedError) Error() string { return e.err.Error() }
func (e *RefusedError) Unwrap() error { return e.err }

// Send hands a message to the server, and returns the recipients that it has taken it for. The error is RefusedError where the server said no.
func (s *SMTP) Send(ctx context.Context, id string, at time.Time, m Message) (taken []string, err error) {
	timeout := s.Timeout
	if timeout == 0 {
		timeout = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	client, err := s.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("mail server %s: %w", s.Address, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	defer stop()
	defer client.Close()
	taken, err = s.hand(client, id, at, m)
	if err != nil {
		return taken, fmt.Errorf("mail server %s: %w", s.Address, err)
	}
	_ = client.Quit() // it has the message; how it says good-bye changes nothing
	return taken, nil
}

func (s *SMTP) dial(ctx context.Context) (*smtp.Client, error) {
	host, _, err := net.SplitHostPort(s.Address)
	if err != nil {
		return nil, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.Address)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	config := &tls.Config{}
	if s.Config != nil {
		config = s.Config.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = host
	}
	if s.TLS == "tls" {
		conn = tls.Client(conn, config)
	}
	client, err := smtp.NewClient(conn, host)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	if err := s.begin(client, host, config); err != nil {
		_ = client.Close()
		return nil, err
	}
	return client, nil
}

func (s *SMTP) begin(client *smtp.Client, host string, config *tls.Config) error {
	if err := client.Hello(s.ID); err != nil {
		return err
	}
	if s.TLS == "starttls" {
		if ok, _ := client.Extension("STARTTLS"); !ok {
			return errors.New("it does not offer STARTTLS, and mail is not sent without (notices.smtp.tls)")
		}
		if err := client.StartTLS(config); err != nil {
			return err
		}
	}
	if s.User == "" {
		return nil
	}
	password, err := s.Password()
	if err != nil {
		return err
	}
	return client.Auth(smtp.PlainAuth("", s.User, password, host))
}

// hand names the recipients one by one: one that is refused does not keep it from the others.
func (s *SMTP) hand(client *smtp.Client, id string, at time.Time, m Message) (taken []string, err error) {
	if err := client.Mail(s.From); err != nil {
		return nil, refusal(err)
	}
	var refused *RefusedError
	for _, to := range m.To {
		if err := client.Rcpt(to); err != nil {
			refused = refused.and(refusal(fmt.Errorf("%s: %w", to, err)))
			continue
		}
		taken = append(taken, to)
	}
	if len(taken) == 0 {
		return nil, refused.orNil()
	}
	w, err := client.Data()
	if err != nil {
		return nil, refusal(err)
	}
	if _, err := w.Write(s.body(id, at, m)); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, refusal(err)
	}
	return taken, refused.orNil()
}

// body is the message with its header fields (RFC 5322).
func (s *SMTP) body(id string, at time.Time, m Message) []byte {
	var b bytes.Buffer
	field := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, oneLine(value)) }
	field("From", s.From)
	field("To", strings.Join(m.To, ", "))
	field("Subject", mime.QEncoding.Encode("utf-8", oneLine(m.Subject)))
	field("Date", at.Format(time.RFC1123Z))
	field("Message-ID", "<"+id+"@"+s.ID+">")
	field("Auto-Submitted", "auto-generated")
	field("MIME-Version", "1.0")
	field("Content-Type", "text/plain; charset=utf-8")
	field("Content-Transfer-Encoding", "quoted-printable")
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write([]byte(strings.ReplaceAll(m.Text, "\n", "\r\n"))) // into memory
	_ = w.Close()
	return b.Bytes()
}

// oneLine keeps a foreign text from becoming header fields of its own.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\r' || r == '\n' || r == 0 }), " ")
}

// refusal marks what the server has said no to; a line that broke is no such word.
func refusal(err error) error {
	var said *textproto.Error
	if errors.As(err, &said) {
		return &RefusedError{Permanent: said.Code >= 500, err: err}
	}
	return err
}

// and adds another refusal: both are for good only where each is.
func (e *RefusedError) and(err error) *RefusedError {
	permanent := false
	if r, ok := errors.AsType[*RefusedError](err); ok {
		permanent = r.Permanent
	}
	if e == nil {
		return &RefusedError{Permanent: permanent, err: err}
	}
	return &RefusedError{Permanent: e.Permanent && permanent, err: errors.Join(e.err, err)}
}

// orNil keeps a nil pointer from being an error.
func (e *RefusedError) orNil() error {
	if e == nil {
		return nil
	}
	return e
}
