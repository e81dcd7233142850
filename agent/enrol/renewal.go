package enrol

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	docklinev1 "github.com/dockline/dockline/proto/dockline/v1"
	"github.com/dockline/dockline/proto/wire"
)

const (
	// firstPause is how long after a failed attempt the next one comes; pauses double, up to lastPause, and while the certificate has
	// ended up to endedPause.
	firstPause = time.Minute
	lastPause  = 12 * time.Hour
	endedPause = time.Hour
	// leastTries are made between two thirds of a certificate's life and its end, however short that is.
	leastTries = 8
	// look is how often the clock is looked at: it may be set.
	look = time.Second
)

// Renewal keeps a site's certificate new: from two thirds of its life it asks for another one, again and again, also after it has ended. It
// never stands in the way of anything else.
type Renewal struct {
	Centre Centre
	Files  Files
	Who    wire.Identity
	// Now is the time of day, which may be wrong and be set.
	Now func() time.Time
	Log *slog.Logger

	mu     sync.Mutex
	state  docklinev1.CertificateState
	next   time.Time
	spread float64
}

// Run renews until ctx ends.
func (r *Renewal) Run(ctx context.Context) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	r.spread = rand.Float64()
	for {
		r.step(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// step asks for a certificate where it is time to.
func (r *Renewal) step(ctx context.Context) {
	leaf, err := ReadCertificate(r.Files.Certificate)
	if err != nil {
		return // the line's own start says so, and health
	}
	now := r.Now().Round(0) // the time of day alone: it may have been set
	if now.Before(due(leaf, r.spread)) {
		return
	}
	r.mu.Lock()
	wait := r.next.After(now) && r.next.Sub(now) <= lastPause
	r.mu.Unlock()
	if !wait {
		_ = r.attempt(ctx, leaf) // its state tells of it
	}
}

// due is two thirds of a certificate's life, and up to a hundredth later, so that sites that enrolled together do not all come at once.
func due(leaf *x509.Certificate, spread float64) time.Time {
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	return leaf.NotBefore.Add(life*2/3 + time.Duration(spread*float64(life)/100))
}

// RenewNow asks for a certificate at once, because the centre wants it.
func (r *Renewal) RenewNow(ctx context.Context) error {
	leaf, err := ReadCertificate(r.Files.Certificate)
	if err != nil {
		return err
	}
	return r.attempt(ctx, leaf)
}

func (r *Renewal) attempt(ctx context.Context, leaf *x509.Certificate) error {
	err := r.Centre.Renew(ctx, r.Files, r.Who)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	now := r.Now().Round(0)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.TriedAt = timestamppb.New(now)
	if err == nil {
		r.Log.Info("the site's certificate is renewed", "ended", leaf.NotAfter.Format(time.DateOnly), "tries", r.state.Tries+1)
		r.state.Tries, r.state.Text, r.next = 0, "", time.Time{}
		return nil
	}
	r.state.Tries++
	r.state.Text = err.Error()
	wait := pause(int(r.state.Tries), leaf, now)
	r.next = now.Add(wait)
	r.Log.Warn("the site's certificate is not renewed yet; events are captured and kept all the same", "ends", leaf.NotAfter.Format(time.DateOnly), "tries", r.state.Tries,
		"again in", wait.Round(time.Second), "err", err)
	return err
}

// pause is how long to wait after so many failed attempts.
func pause(tries int, leaf *x509.Certificate, now time.Time) time.Duration {
	longest := min(lastPause, leaf.NotAfter.Sub(leaf.NotBefore)/3/leastTries)
	if now.After(leaf.NotAfter) {
		longest = min(longest, endedPause)
	}
	wait := min(firstPause<<min(tries-1, 16), longest)
	return time.Duration(float64(wait) * (0.8 + 0.2*rand.Float64()))
}

// State is the certificate as it is now, and how its renewal goes.
func (r *Renewal) State() *docklinev1.CertificateState {
	s := &docklinev1.CertificateState{}
	r.mu.Lock()
	s.Tries, s.TriedAt, s.Text = r.state.GetTries(), r.state.GetTriedAt(), r.state.GetText()
	r.mu.Unlock()
	if leaf, err := ReadCertificate(r.Files.Certificate); err == nil {
		s.Serial, s.NotAfter, s.Issuer = leaf.SerialNumber.Text(16), timestamppb.New(leaf.NotAfter), hex.EncodeToString(leaf.AuthorityKeyId)
	}
	text, _ := os.ReadFile(r.Files.CA) // without it there is nothing to list
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			s.Roots = append(s.Roots, hex.EncodeToString(c.SubjectKeyId))
		}
	}
	return s
}

// ReadCertificate reads the first certificate of a file in PEM.
func ReadCertificate(path string) (*x509.Certificate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New(path + " holds no certificate in PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}
