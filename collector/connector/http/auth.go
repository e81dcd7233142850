package http

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
)

// Auth says by which account requests prove who sends them; nothing set is no proof. How an account is used beyond Basic and bearer token, the
// definition says (auth.oauth2, auth.login).
type Auth struct {
	// User and PasswordFile are for HTTP Basic, or for the definition's login.
	User         string `yaml:"user"`
	PasswordFile string `yaml:"password_file"`
	// BearerFile holds a bearer token.
	BearerFile string `yaml:"bearer_file"`
	// ClientID and ClientSecretFile are the client's of OAuth 2. RefreshTokenFile holds a refresh token; where the system exchanges it for a new
	// one at each use, the file is written anew. TokenURL is where tokens come from, if not below the connector's url.
	ClientID         string `yaml:"client_id"`
	ClientSecretFile string `yaml:"client_secret_file"`
	RefreshTokenFile string `yaml:"refresh_token_file"`
	TokenURL         string `yaml:"token_url"`
	// Secrets are files for the names that the definition's auth.secrets lists.
	Secrets map[string]string `yaml:"secrets"`
}

// Resolve replaces the paths of all files.
func (a *Auth) Resolve(path func(string) string) {
	for _, file := range []*string{&a.PasswordFile, &a.BearerFile, &a.ClientSecretFile, &a.RefreshTokenFile} {
		*file = path(*file)
	}
	a.Secrets = maps.Clone(a.Secrets)
	for name, file := range a.Secrets {
		a.Secrets[name] = path(file)
	}
}

func (a Auth) validate() error {
	var faults []error
	fault := func(text string) { faults = append(faults, errors.New("auth: "+text)) }
	if a.BearerFile != "" && a.User != "" {
		fault("bearer_file and user exclude each other")
	}
	if (a.User == "") != (a.PasswordFile == "") {
		fault("user and password_file belong together")
	}
	if a.ClientID != "" && a.BearerFile != "" {
		fault("client_id and bearer_file exclude each other")
	}
	if a.ClientID == "" && (a.ClientSecretFile != "" || a.RefreshTokenFile != "" || a.TokenURL != "") {
		fault("client_secret_file, refresh_token_file and token_url need client_id")
	}
	if at, err := url.Parse(a.TokenURL); a.TokenURL != "" && (err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https") {
		fault("token_url is not an address such as https://login.example/oauth2/token")
	}
	for _, name := range slices.Sorted(maps.Keys(a.Secrets)) {
		if a.Secrets[name] == "" {
			fault("secrets." + name + " names no file")
		}
	}
	return errors.Join(faults...)
}

// fit says what the definition wants to be given of the account, and is not given.
func (a Auth) fit(d *Definition) error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("auth: "+format+" (definition %s)", append(args, d.System)...))
	}
	for _, name := range d.auth.secrets {
		if a.Secrets[name] == "" {
			fault("secrets.%s is missing: name the file that holds it", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.Secrets)) {
		if !slices.Contains(d.auth.secrets, name) {
			fault("secrets.%s is not asked for; the definition lists what it takes in auth.secrets", name)
		}
	}
	o := d.auth.oauth2
	switch {
	case o == nil && a.ClientID != "":
		fault("client_id is given, and the definition has no auth.oauth2")
	case o != nil && a.ClientID == "":
		fault("client_id is missing: the system wants OAuth 2")
	case o != nil && a.ClientSecretFile == "" && o.client != clientPublic:
		fault("client_secret_file is missing: the system wants OAuth 2")
	case o != nil && o.path == "" && a.TokenURL == "":
		fault("token_url is missing: the definition has no auth.oauth2.path")
	}
	if o != nil && (o.grant == grantRefresh) != (a.RefreshTokenFile != "") && a.ClientID != "" {
		fault("refresh_token_file is given where auth.oauth2.grant is refresh_token, and only there")
	}
	if l := d.auth.login; l != nil && l.basic && a.User == "" {
		fault("user and password_file are missing: auth.login.basic is true")
	}
	return errors.Join(faults...)
}

// secret reads a file anew at each use, so that what is in it can be exchanged.
func (c *Connector) secret(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", technical("credentials", "the secret cannot be read", "make the file readable for the collector", err)
	}
	value := strings.TrimSpace(string(text))
	c.hidden.keep(value)
	return value, nil
}

// secrets are what the definition's login and signature may use: user, password, and what auth.secrets lists.
func (c *Connector) secrets() (map[string]string, error) {
	all := map[string]string{}
	files := maps.Clone(c.auth.Secrets)
	if c.auth.User != "" {
		all["user"] = c.auth.User
		if files == nil {
			files = map[string]string{}
		}
		files["password"] = c.auth.PasswordFile
	}
	for name, path := range files {
		value, err := c.secret(path)
		if err != nil {
			return nil, err
		}
		all[name] = value
	}
	return all, nil
}
