package api

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/dockline/dockline/proto/configfile"
	"github.com/dockline/dockline/proto/wire"
)

// Token is one of several that are let in, each under a name of its own.
type Token struct {
	// Name is who acts by it: the `by` of all that is done, a user of the tenant where that has users.
	Name string `yaml:"name"`
	// SHA256 is the hash of the token, in hex: the token itself stands nowhere here.
	SHA256 string `yaml:"sha256"`
	// Scopes are what it may: read, and act, which is everything that changes something.
	Scopes []string `yaml:"scopes"`
	// Tenants are those that it may ask for; none is all.
	Tenants []string `yaml:"tenants"`

	hash [sha256.Size]byte
}

// The scopes of a token.
const (
	ScopeRead = "read"
	ScopeAct  = "act"
)

// Tokens are all that are let in.
type Tokens struct {
	// Any may name whom it likes as `by`, and do everything; "" is none. Where there is no Named either, everybody is let in.
	Any   string
	Named []Token
}

// ReadTokens reads the file of named tokens, strictly: every fault with its line.
func ReadTokens(name string, text []byte) ([]Token, error) {
	var in struct {
		Tokens []Token `yaml:"tokens"`
	}
	file, err := configfile.Decode(name, text, &in)
	if err != nil {
		return nil, err
	}
	var faults configfile.Faults
	bad := func(i int, key, format string, args ...any) {
		faults = append(faults, file.Fault(fmt.Sprintf("tokens[%d].%s", i, key), format, args...))
	}
	if len(in.Tokens) == 0 {
		faults = append(faults, file.Fault("tokens", "is empty: name at least one token, or leave http.tokens_file empty"))
	}
	for i := range in.Tokens {
		t := &in.Tokens[i]
		if !wire.ValidName(t.Name) {
			bad(i, "name", "%q: use 1 to 64 letters, digits, - or _", t.Name)
		}
		sum, err := hex.DecodeString(t.SHA256)
		if copy(t.hash[:], sum); err != nil || len(sum) != sha256.Size {
			bad(i, "sha256", "must be the SHA-256 of the token as 64 hex digits: printf %%s \"$TOKEN\" | sha256sum")
		} else if t.hash == sha256.Sum256(nil) {
			bad(i, "sha256", "is that of nothing: the token was empty when it was hashed")
		}
		if len(t.Scopes) == 0 {
			bad(i, "scopes", "is empty: give read, act or both")
		}
		for _, s := range t.Scopes {
			if s != ScopeRead && s != ScopeAct {
				bad(i, "scopes", "%q: there is read and act", s)
			}
		}
		for j, tenant := range t.Tenants {
			if !wire.ValidName(tenant) {
				bad(i, fmt.Sprintf("tenants[%d]", j), "%q is no name of a tenant: use 1 to 64 letters, digits, - or _; leave tenants out for all", tenant)
			}
		}
		for _, other := range in.Tokens[:i] {
			if other.hash == t.hash {
				bad(i, "sha256", "is that of %s too: each token has one name", other.Name)
			}
		}
	}
	return in.Tokens, faults.Err()
}

// bearer is the named token that a request bears, nil for the one that may name anybody; ok is false where it bears none that is let in.
func (t *Tokens) bearer(r *http.Request) (_ *Token, ok bool) {
	if t.Any == "" && len(t.Named) == 0 || t.Any != "" && bears(r, t.Any) {
		return nil, true
	}
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return nil, false
	}
	hash := sha256.Sum256([]byte(strings.TrimSpace(given)))
	var found *Token
	for i := range t.Named { // all of them, so that the time tells nothing
		if subtle.ConstantTimeCompare(t.Named[i].hash[:], hash[:]) == 1 {
			found = &t.Named[i]
		}
	}
	return found, found != nil
}

// limits holds a request against what its token may, and has it say who acts. Verbs that nothing here has take no scope: whoever is guarded answers
// them with 405, and what it does have.
func (t *Token) limits(r *http.Request) error {
	scope := ""
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		scope = ScopeRead
	case http.MethodPost:
		scope = ScopeAct
	}
	if scope != "" && !slices.Contains(t.Scopes, scope) {
		return &Problem{Status: http.StatusForbidden, Detail: fmt.Sprintf("The token of %s lacks the scope %s, which http.tokens_file gives.", t.Name, scope)}
	}
	if len(t.Tenants) > 0 {
		query := r.URL.Query()
		if !query.Has("tenant") && len(t.Tenants) == 1 {
			query.Set("tenant", t.Tenants[0])
			r.URL.RawQuery = query.Encode()
		}
		for _, tenant := range append(query["tenant"], query.Get("tenant")) {
			if !slices.Contains(t.Tenants, tenant) {
				return &Problem{Status: http.StatusForbidden, Detail: fmt.Sprintf("The token of %s is not for tenant %q: ask with tenant=%s.", t.Name, tenant, strings.Join(t.Tenants, " or tenant="))}
			}
		}
	}
	if scope != ScopeAct {
		return nil
	}
	return t.sign(r)
}

// sign makes the token's name the `by` of what is asked for. Another name is refused, and so is what is not one object alone: who reads it might find
// another name in there, or none.
func (t *Token) sign(r *http.Request) error {
	body, err := bodyOf(r)
	if err != nil {
		return err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return bad("Send one JSON object, and nothing behind it: %v.", err)
	}
	if fields == nil {
		return bad("Send a JSON object; null says nothing of what is to be done.")
	}
	for name, value := range fields {
		if !strings.EqualFold(name, "by") { // as package json finds a field
			continue
		}
		var by string
		if json.Unmarshal(value, &by) != nil || by != "" && by != t.Name {
			return &Problem{Status: http.StatusForbidden, Detail: fmt.Sprintf("This token acts as %s: leave out by, or give that name.", t.Name)}
		}
		delete(fields, name)
	}
	if fields["by"], err = json.Marshal(t.Name); err != nil {
		return err
	}
	if body, err = json.Marshal(fields); err != nil {
		return err
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return nil
}
