package enrol

import (
	"context"
	"crypto/rsa"
	"crypto/subtle"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/dockline/dockline/collector/db"
	"github.com/dockline/dockline/proto/wire"
)

// Signer is the authority.
type Signer interface {
	// SignSite signs a request for this site; what else the request says is not taken over.
	SignSite(csrPEM []byte, tenant, site string) (certPEM []byte, err error)
	// PEM is what sites are to trust.
	PEM() []byte
	// Verify says whether a certificate is of this authority, whenever it ended.
	Verify(leaf *x509.Certificate) error
	// Signer is the key id of what signs now; Reload looks whether another process has changed that.
	Signer() string
	Reload() error
}

// Server answers sites that ask for a certificate. Its connections are TLS, and show a certificate for the key that the request is about:
// one of ours, or, with a token, any.
type Server struct {
	Store
	Signer Signer
	// Broker is the address that sites are told, mqtts://host:port.
	Broker string
	// Grace is for how long after its end a certificate still renews.
	Grace  time.Duration
	Report Report
	Log    *slog.Logger

	limit limiter
}

// maxRequest bounds a request: certificate requests are of half a kilobyte.
const maxRequest = 64 << 10

// maxKeyBits bounds an RSA key, as TLS does: to look at the signature of one that fills a request takes seconds.
const maxKeyBits = 8192

// repeatWithin is within which time a site that asks again gets the same certificate: its answer was lost on the way.
const repeatWithin = 10 * time.Minute

func problem(status int, code, format string, args ...any) *wire.Problem {
	return &wire.Problem{Title: http.StatusText(status), Status: status, Code: code, Detail: fmt.Sprintf(format, args...)}
}

type peerKey struct{}

// ServeHTTP answers wire.EnrolPath and wire.RenewPath.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	address, _, _ := net.SplitHostPort(r.RemoteAddr)
	answer, err := s.answer(r, address)
	var p *wire.Problem
	switch {
	case err == nil:
		send(w, http.StatusOK, "application/json", answer)
		return
	case errors.As(err, &p):
		if p.Status != http.StatusTooManyRequests {
			s.limit.fault(address, s.now())
			s.Log.Warn("a request for a certificate is refused", "remote", address, "code", p.Code, "err", p.Detail)
		}
	case r.Context().Err() != nil:
		return
	default:
		s.Log.Error("answer a request for a certificate", "remote", address, "err", err)
		p = problem(http.StatusInternalServerError, "", "The collector could not look it up; its log says why. Try again.")
	}
	if p.Status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "60")
	}
	send(w, p.Status, "application/problem+json", p)
}

func (s *Server) answer(r *http.Request, address string) (*wire.EnrolAnswer, error) {
	peer, _ := r.Context().Value(peerKey{}).(*x509.Certificate)
	switch {
	case !s.limit.allow(address, s.now()):
		return nil, problem(http.StatusTooManyRequests, "too_many", "Too many refused requests from this address: wait a minute.")
	case r.URL.Path != wire.EnrolPath && r.URL.Path != wire.RenewPath:
		return nil, problem(http.StatusNotFound, "", "There is no %s here.", clip(r.URL.Path))
	case r.Method != http.MethodPost:
		return nil, problem(http.StatusMethodNotAllowed, "", "Use POST.")
	case peer == nil:
		return nil, problem(http.StatusUnauthorized, "no_certificate", "Show a certificate for the key of the request.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxRequest))
	if err != nil {
		return nil, problem(http.StatusRequestEntityTooLarge, "", "The request has more than %d bytes, or its end did not come.", maxRequest)
	}
	var q wire.EnrolRequest
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, problem(http.StatusBadRequest, "unreadable", "The request is no JSON of ours.")
	}
	key, err := requestKey(q.CSR)
	if err != nil {
		return nil, problem(http.StatusBadRequest, "unreadable", "The certificate request cannot be read: %s.", err)
	}
	if err := s.Signer.Reload(); err != nil {
		return nil, err
	}
	from := caller{peer: peer, key: key, address: address, host: clip(q.Host)}
	if r.URL.Path == wire.RenewPath {
		return s.renew(r.Context(), from, q)
	}
	return s.enrol(r.Context(), from, q)
}

// caller is who asks: peer is the certificate that it has shown, whose key it holds; key is that of the request, as a hash.
type caller struct {
	peer               *x509.Certificate
	key, address, host string
}

func (c caller) String() string {
	if c.host == "" {
		return c.address
	}
	return fmt.Sprintf("%s (%s)", c.address, c.host)
}

// holds says whether the caller has the key of its request.
func (c caller) holds() bool {
	hash, err := keyHash(c.peer.PublicKey)
	return err == nil && subtle.ConstantTimeCompare([]byte(hash), []byte(c.key)) == 1
}

func (s *Server) reply(c *Certificate) *wire.EnrolAnswer {
	return &wire.EnrolAnswer{Tenant: c.Tenant, Site: c.Site, Certificate: c.pem, Authorities: string(s.Signer.PEM()), Broker: s.Broker}
}

// token is one as it is kept.
type token struct {
	hash, keyHash, address, host, serial string
	expiresAt, voidAt, usedAt            int64
}

// findToken compares with every token of the site, in a time that does not tell which one it was, or that there is none.
func findToken(ctx context.Context, tx *db.Tx, who wire.Identity, secret string) (*token, error) {
	rows, err := tx.Query(ctx, `SELECT token_hash, key_hash, address, host, serial, expires_at, void_at, used_at FROM site_token WHERE tenant = ? AND site = ?`, who.Tenant, who.Site)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found *token
	given := hashOf([]byte(secret))
	for rows.Next() {
		t := &token{}
		if err := rows.Scan(&t.hash, &t.keyHash, &t.address, &t.host, &t.serial, &t.expiresAt, &t.voidAt, &t.usedAt); err != nil {
			return nil, err
		}
		if subtle.ConstantTimeCompare([]byte(t.hash), []byte(given)) == 1 {
			found = t
		}
	}
	return found, rows.Err()
}

var errToken = problem(http.StatusUnauthorized, "token_unknown", "This token is not known. Copy it whole, or make a new one: dockline-collector site add.")

// enrol gives a site its first certificate, once: the same key with the same token gets the same answer, however often it asks.
func (s *Server) enrol(ctx context.Context, from caller, q wire.EnrolRequest) (*wire.EnrolAnswer, error) {
	tenant, site, secret, ok := wire.SplitToken(q.Token)
	if !ok {
		return nil, errToken
	}
	who := wire.Identity{Tenant: tenant, Site: site}
	var given *Certificate
	var refusal *wire.Problem
	err := s.DB.Write(ctx, func(tx *db.Tx) error {
		given, refusal = nil, nil
		if err := lock(ctx, tx, tenant, site); err != nil {
			return err
		}
		t, err := findToken(ctx, tx, who, secret)
		if err != nil {
			return err
		}
		var code, detail string
		refusal, code, detail = s.judge(t, from, who)
		switch {
		case refusal != nil && code != "":
			return s.refused(ctx, tx, s.Report, who, code, from.address, detail)
		case refusal != nil:
			return nil
		case t.usedAt > 0:
			given, err = certificate(ctx, tx, who, "serial", t.serial)
			if err == nil && given == nil {
				err = fmt.Errorf("certificate %s of %s is gone", t.serial, who.URI())
			}
			return err
		}
		if given, refusal, err = s.sign(ctx, tx, who, from, q.CSR, ViaToken); err != nil || refusal != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE site_token SET used_at = ?, key_hash = ?, address = ?, host = ?, serial = ? WHERE tenant = ? AND site = ? AND token_hash = ?`,
			s.now().UnixMicro(), from.key, from.address, from.host, given.Serial, tenant, site, t.hash)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case refusal != nil:
		return nil, refusal
	}
	s.Log.Info("a site has enrolled", "site", site, "tenant", tenant, "remote", from.String(), "certificate", given.Serial, "until", given.NotAfter.Format(time.DateOnly))
	return s.reply(given), nil
}

// judge says why a token does not count, and under which code people are told of it; neither where it counts.
func (s *Server) judge(t *token, from caller, who wire.Identity) (refusal *wire.Problem, code, detail string) {
	switch {
	case t == nil:
		return errToken, "", ""
	case !from.holds():
		return problem(http.StatusForbidden, CodeEnrolmentReplayed, "The connection was not made with the key of the request."), CodeEnrolmentReplayed,
			fmt.Sprintf("%s sent the enrolment of site %s with a key that it does not have.", from, who.Site)
	case t.usedAt > 0 && t.keyHash != from.key:
		first := caller{address: t.address, host: t.host}
		return problem(http.StatusForbidden, CodeTokenStolen, "This token has been used at %s, by another key. The people at the centre are told. A new machine needs a new token: dockline-collector site add %s/%s.",
				fromMicros(t.usedAt).Format("2006-01-02 15:04:05 MST"), who.Tenant, who.Site), CodeTokenStolen,
			fmt.Sprintf("The one-time token of site %s was used at %s from %s. Then %s came with it and another key.", who.Site, fromMicros(t.usedAt).Format("2006-01-02 15:04:05 MST"), first, from)
	case t.voidAt > 0:
		return problem(http.StatusForbidden, "token_void", "This token counts no more: a newer one was made, or the site was revoked. Make a new one: dockline-collector site add %s/%s.", who.Tenant, who.Site), "", ""
	case t.usedAt == 0 && t.expiresAt <= s.now().UnixMicro():
		return problem(http.StatusGone, "token_expired", "This token ended at %s. Make a new one: dockline-collector site add %s/%s.",
			fromMicros(t.expiresAt).Format("2006-01-02 15:04 MST"), who.Tenant, who.Site), "", ""
	}
	return nil, "", ""
}

// sign signs a request and keeps the certificate. A request with faults is the caller's.
func (s *Server) sign(ctx context.Context, tx *db.Tx, who wire.Identity, from caller, csr, via string) (*Certificate, *wire.Problem, error) {
	signed, err := s.Signer.SignSite([]byte(csr), who.Tenant, who.Site)
	if err != nil {
		return nil, problem(http.StatusBadRequest, "request_refused", "The certificate request is refused: %s.", err), nil
	}
	c, err := s.Record(ctx, tx, who, signed, via, from.address, from.host)
	return c, nil, err
}

func requestKey(csr string) (string, error) {
	block, _ := pem.Decode([]byte(csr))
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return "", errors.New("it is not a certificate request in PEM")
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return "", err
	}
	if k, ok := request.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() > maxKeyBits {
		return "", fmt.Errorf("its key has %d bits, %d are allowed", k.N.BitLen(), maxKeyBits)
	}
	if err := request.CheckSignature(); err != nil {
		return "", err
	}
	return keyHash(request.PublicKey)
}

func parseCertificate(certPEM []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(certPEM)
	if block == nil {
		return nil, errors.New("not a certificate in PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}

func send(w http.ResponseWriter, status int, kind string, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and a number
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // who hung up does not want it
}

// clip bounds what a stranger says of himself to what can be kept, logged and shown: 100 bytes of whole characters that print.
func clip(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text[:min(len(text), 100)], ""))
}
