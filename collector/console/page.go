package console

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/dockline/dockline/collector/api/view"
	"github.com/dockline/dockline/collector/db"
)

var (
	errNoPage   = errors.New("no such page")
	errNoTenant = errors.New("no such tenant")
)

// request is a page asked for, and whose.
type request struct {
	*http.Request
	tenant  string
	tenants []string
}

func (q *request) param(name string) string { return q.URL.Query().Get(name) }

// content is what a page shows: the name of its template and the data for it.
type content struct {
	Template string
	Title    string
	Data     any
}

// redirect is a path of the console that answers better than the one that was asked for.
type redirect string

func (r redirect) Error() string { return "see " + string(r) }

type bodyOf func(*request) (*content, error)

// frame is what the layout needs beside the content.
type frame struct {
	content
	Path    string
	Tenant  string
	Tenants []string
	Drill   bool
	Made    time.Time
	// Reload is where the same page is to be had again.
	Reload string
}

// Link is a path of the console that stays with the tenant shown.
func (f *frame) Link(path string) string { return withTenant(path, f.Tenant, f.Tenants) }

func withTenant(path, tenant string, tenants []string) string {
	if len(tenants) < 2 {
		return path
	}
	u, err := url.Parse(path)
	if err != nil {
		return path
	}
	query := u.Query()
	query.Set("tenant", tenant)
	u.RawQuery = query.Encode()
	return u.String()
}

func (s *server) page(body bodyOf) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := &request{Request: r}
		found, err := s.body(q, body)
		status := http.StatusOK
		var better redirect
		if errors.As(err, &better) {
			http.Redirect(w, r, withTenant(string(better), q.tenant, q.tenants), http.StatusSeeOther)
			return
		}
		if err != nil {
			if r.Context().Err() != nil {
				return
			}
			var text string
			if status, text = failure(err); status >= http.StatusInternalServerError {
				s.Log.Error("make a page", "path", r.URL.Path, "err", err)
			}
			found = &content{Template: "failure", Title: http.StatusText(status), Data: text}
		}
		f := &frame{content: *found, Path: r.URL.Path, Tenant: q.tenant, Tenants: q.tenants, Drill: s.drill != nil, Made: s.Now().UTC(), Reload: r.URL.RequestURI()}
		var out bytes.Buffer
		if err := templates[found.Template].ExecuteTemplate(&out, "layout", f); err != nil {
			s.Log.Error("write a page", "path", r.URL.Path, "err", err)
			http.Error(w, "This page cannot be shown; the collector's log says why.", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		_, _ = w.Write(out.Bytes()) // who hung up does not want it
	}
}

// body finds the tenant, which is the first where none is named, and then the page's content.
func (s *server) body(q *request, body bodyOf) (*content, error) {
	err := s.read(q, func(ctx context.Context, tx *db.Tx) (err error) { q.tenants, err = view.Tenants(ctx, tx); return err })
	if err != nil {
		return nil, err
	}
	q.tenant = q.param("tenant")
	if q.tenant != "" && !slices.Contains(q.tenants, q.tenant) {
		return nil, fmt.Errorf("%q: %w", q.tenant, errNoTenant)
	}
	if q.tenant == "" && len(q.tenants) > 0 {
		q.tenant = q.tenants[0]
	}
	return body(q)
}

func (s *server) read(q *request, f func(ctx context.Context, tx *db.Tx) error) error {
	return s.DB.Read(q.Context(), func(tx *db.Tx) error { return f(q.Context(), tx) })
}

// knows compares hashes, so that neither content nor length of the token shows in the time it takes.
func (s *server) knows(r *http.Request) bool {
	_, given, _ := r.BasicAuth()
	want, got := sha256.Sum256([]byte(s.Token)), sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1
}
