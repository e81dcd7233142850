package http

import (
	"fmt"
	nethttp "net/http"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
)

// authSource says how the system is proved who asks, beyond HTTP Basic and a bearer token. It holds no secret: the configuration names their
// files.
type authSource struct {
	// Secrets are the names of the secrets that login and headers use, beside user and password.
	Secrets []string      `yaml:"secrets"`
	OAuth2  *oauth2Source `yaml:"oauth2"`
	Login   *loginSource  `yaml:"login"`
	// Expired is a CEL bool over status, body, headers and method: the answer says that token or session is over. Absent is status 401.
	Expired string `yaml:"expired"`
	// Headers and Query are CEL maps of strings over session, secret, request, time and nonce that every request bears: a session's id, a
	// CSRF token, a signature.
	Headers string `yaml:"headers"`
	Query   string `yaml:"query"`
}

// oauth2Source is a token of OAuth 2 (RFC 6749).
type oauth2Source struct {
	// Grant is client_credentials (section 4.4) or refresh_token (section 6).
	Grant string `yaml:"grant"`
	// Path is that of the token endpoint below the connector's url; the configuration's token_url goes before it.
	Path string `yaml:"path"`
	// Client says where id and secret of the client stand: header (HTTP Basic, the default), body, or public for a client without a secret.
	Client string `yaml:"client"`
	Scope  string `yaml:"scope"`
	// Parameters are further ones: audience, resource.
	Parameters map[string]string `yaml:"parameters"`
}

// loginSource opens a session: its steps are sent one after the other.
type loginSource struct {
	// Basic: each request, those of the login too, also bears user and password by HTTP Basic.
	Basic bool              `yaml:"basic"`
	Steps []loginStepSource `yaml:"steps"`
	// Session is a CEL map of strings over answers and secret: what requests use as session. Lasts is a CEL int over the same: for how many
	// seconds; absent is until the system says otherwise. Cookies that the answers set are sent back by themselves.
	Session string `yaml:"session"`
	Lasts   string `yaml:"lasts"`
}

// loginStepSource is a request over secret, answers (of the steps before, each with status, body and headers), time and nonce. Expect is a CEL bool
// over body and status: it worked.
type loginStepSource struct {
	Request requestSource `yaml:",inline"`
	Expect  string        `yaml:"expect"`
}

const (
	grantClient  = "client_credentials"
	grantRefresh = "refresh_token"

	clientHeader = "header"
	clientBody   = "body"
	clientPublic = "public"
)

// auth is an authSource, compiled.
type auth struct {
	secrets                 []string
	oauth2                  *token
	login                   *login
	expired, headers, query *expression
}

// sessions says whether requests need a token or a session.
func (a *auth) sessions() bool { return a.oauth2 != nil || a.login != nil }

type token struct {
	grant, path, client, scope string
	parameters                 map[string]string
}

type login struct {
	basic          bool
	steps          []loginStep
	session, lasts *expression
}

type loginStep struct {
	request *request
	expect  *expression
}

func (c *compiler) auth(s authSource) auth {
	stamps := variables{"time": cel.TimestampType, "nonce": cel.StringType, "secret": textMap}
	every := stamps.with(variables{"session": textMap, "request": textMap})
	a := auth{secrets: s.Secrets, expired: c.expression("auth.expired", s.Expired, cel.BoolType, answerVars),
		headers: c.expression("auth.headers", s.Headers, textMap, every), query: c.expression("auth.query", s.Query, textMap, every)}
	for i, name := range s.Secrets {
		if name == "" || name == "user" || name == "password" || slices.Contains(s.Secrets[:i], name) {
			c.fault(fmt.Sprintf("auth.secrets[%d]", i), "%q cannot be the name of a secret: user and password are there by themselves, and each name stands once", name)
		}
	}
	if s.OAuth2 != nil && s.Login != nil {
		c.fault("auth.login", "excludes auth.oauth2: requests bear either a token or a session")
	}
	if s.OAuth2 != nil {
		a.oauth2 = c.oauth2(*s.OAuth2)
	}
	if s.Login != nil {
		a.login = c.login(*s.Login, stamps)
	}
	return a
}

func (c *compiler) oauth2(s oauth2Source) *token {
	if s.Grant != grantClient && s.Grant != grantRefresh {
		c.fault("auth.oauth2.grant", "%q is no grant; write client_credentials or refresh_token", s.Grant)
	}
	switch s.Client {
	case "":
		s.Client = clientHeader
	case clientHeader, clientBody, clientPublic:
	default:
		c.fault("auth.oauth2.client", "%q: write header, body or public: where id and secret of the client stand", s.Client)
	}
	if s.Path != "" && !strings.HasPrefix(s.Path, "/") {
		c.fault("auth.oauth2.path", "%q is no path below the connector's url: write /oauth2/token; for another address leave it out and set auth.token_url in collector.yaml", s.Path)
	}
	return &token{grant: s.Grant, path: s.Path, client: s.Client, scope: s.Scope, parameters: s.Parameters}
}

func (c *compiler) login(s loginSource, stamps variables) *login {
	asked := stamps.with(variables{"answers": cel.ListType(cel.DynType)})
	l := &login{basic: s.Basic, session: c.expression("auth.login.session", s.Session, textMap, asked), lasts: c.expression("auth.login.lasts", s.Lasts, cel.IntType, asked)}
	if len(s.Steps) == 0 {
		c.fault("auth.login.steps", "has no step")
	}
	for i, step := range s.Steps {
		at := fmt.Sprintf("auth.login.steps[%d]", i)
		l.steps = append(l.steps, loginStep{request: c.request(at, step.Request, asked, nethttp.MethodPost),
			expect: c.expression(at+".expect", step.Expect, cel.BoolType, answerVars)})
	}
	return l
}
