package wmshttp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Auth is one of: user and password_file; bearer_file; api_key; oauth2.
type Auth struct {
	User         string  `yaml:"user"`
	PasswordFile string  `yaml:"password_file"`
	BearerFile   string  `yaml:"bearer_file"`
	APIKey       *APIKey `yaml:"api_key"`
	OAuth2       *OAuth2 `yaml:"oauth2"`
}

// APIKey stands in a header or in the query.
type APIKey struct {
	Header string `yaml:"header"`
	Query  string `yaml:"query"`
	File   string `yaml:"file"`
}

// OAuth2 is a token by client credentials (RFC 6749, section 4.4).
type OAuth2 struct {
	// Grant is client_credentials, the only one.
	Grant            string `yaml:"grant"`
	TokenURL         string `yaml:"token_url"`
	ClientID         string `yaml:"client_id"`
	ClientSecretFile string `yaml:"client_secret_file"`
	// Client says where id and secret stand: header or body.
	Client     string            `yaml:"client"`
	Scope      string            `yaml:"scope"`
	Parameters map[string]string `yaml:"parameters"`
}

func (l *loader) checkAuth(key string, a Auth) {
	ways := 0
	file := func(at, path string) {
		if _, err := secret(path); err != nil {
			l.fault(key+"."+at, "%v", err)
		}
	}
	if a.User != "" || a.PasswordFile != "" {
		ways++
		file("password_file", a.PasswordFile)
	}
	if a.BearerFile != "" {
		ways++
		file("bearer_file", a.BearerFile)
	}
	if k := a.APIKey; k != nil {
		ways++
		if (k.Header == "") == (k.Query == "") {
			l.fault(key+".api_key", "name either the header or the query parameter that takes the key")
		}
		file("api_key.file", k.File)
	}
	if o := a.OAuth2; o != nil {
		ways++
		if o.Grant != "" && o.Grant != "client_credentials" {
			l.fault(key+".oauth2.grant", "%q is not known; client_credentials is", o.Grant)
		}
		if o.Client != "" && o.Client != "header" && o.Client != "body" {
			l.fault(key+".oauth2.client", "%q: write header or body: where id and secret of the client stand", o.Client)
		}
		if u, err := url.Parse(o.TokenURL); err != nil || u.Host == "" {
			l.fault(key+".oauth2.token_url", "%q is no address such as https://login.example/oauth2/token", o.TokenURL)
		}
		file("oauth2.client_secret_file", o.ClientSecretFile)
	}
	if ways > 1 {
		l.fault(key, "several ways are given; leave one of user, bearer_file, api_key and oauth2")
	}
}

// prove puts to a request who asks.
func (t *target) prove(ctx context.Context, req *http.Request, anew bool) error {
	a := t.Auth
	rights := func(err error) error {
		if err == nil {
			return nil
		}
		return &targetFault{class: faultRights, what: "auth", err: err, unsent: true}
	}
	switch {
	case a.User != "":
		password, err := secret(a.PasswordFile)
		req.SetBasicAuth(a.User, password)
		return rights(err)
	case a.BearerFile != "":
		token, err := secret(a.BearerFile)
		req.Header.Set("Authorization", "Bearer "+token)
		return rights(err)
	case a.APIKey != nil:
		key, err := secret(a.APIKey.File)
		if a.APIKey.Header != "" {
			req.Header.Set(a.APIKey.Header, key)
		} else {
			q := req.URL.Query()
			q.Set(a.APIKey.Query, key)
			req.URL.RawQuery = q.Encode()
		}
		return rights(err)
	case a.OAuth2 != nil:
		token, err := t.bearer(ctx, anew)
		req.Header.Set("Authorization", "Bearer "+token)
		return err
	}
	return nil
}

// bearer is a token that is in force.
func (t *target) bearer(ctx context.Context, anew bool) (string, error) {
	t.mu.Lock()
	token, expires := t.token, t.expires
	t.mu.Unlock()
	if token != "" && !anew && time.Now().Before(expires) {
		return token, nil
	}
	o := t.Auth.OAuth2
	unsent := func(class faultClass, err error) error {
		return &targetFault{class: class, what: "auth.oauth2", err: err, unsent: true}
	}
	password, err := secret(o.ClientSecretFile)
	if err != nil {
		return "", unsent(faultRights, err)
	}
	form := url.Values{"grant_type": {"client_credentials"}}
	if o.Scope != "" {
		form.Set("scope", o.Scope)
	}
	for name, value := range o.Parameters {
		form.Set(name, value)
	}
	if o.Client == "body" {
		form.Set("client_id", o.ClientID)
		form.Set("client_secret", password)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", unsent(faultOther, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if o.Client != "body" {
		req.SetBasicAuth(url.QueryEscape(o.ClientID), url.QueryEscape(password))
	}
	got, err := t.exchange(ctx, req, "auth.oauth2.token_url")
	var f *targetFault
	if errors.As(err, &f) {
		f.unsent = true
	}
	if err != nil {
		return "", err
	}
	o2, _ := got.body.(map[string]any)
	token, _ = o2["access_token"].(string)
	if got.status/100 != 2 || token == "" {
		text := said(got)
		if got.status/100 == 2 {
			text = "no access_token in the answer"
		}
		return "", unsent(faultRights, fmt.Errorf("status %d: %s", got.status, text))
	}
	lasts := time.Hour
	if n, ok := o2["expires_in"].(int64); ok {
		lasts = time.Duration(n) * time.Second
	}
	t.mu.Lock()
	t.token, t.expires = token, time.Now().Add(lasts-min(lasts/10, 30*time.Second))
	t.mu.Unlock()
	return token, nil
}
