package wire

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// ProxyEnvironment as a proxy's URL lets HTTPS_PROXY and NO_PROXY decide.
const ProxyEnvironment = "environment"

// Proxy is an HTTP proxy through which a connection goes by CONNECT.
type Proxy struct {
	// URL is http://host:port, ProxyEnvironment, or empty for none.
	URL string
	// Credentials is a file that holds user:password in its first line; empty for none. It is read for every connection.
	Credentials string
}

// Check says what is wrong with the proxy's URL.
func (p Proxy) Check() error {
	if p.URL == "" || p.URL == ProxyEnvironment {
		return nil
	}
	_, err := parseProxy(p.URL)
	return err
}

func parseProxy(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("it is not a URL; give the proxy as http://host:port") // the error would repeat a password
	case u.User != nil:
		return nil, errors.New("give user and password in a file, not in the proxy's URL")
	case u.Scheme != "http" || u.Hostname() == "" || u.Port() == "":
		return nil, fmt.Errorf("%q: give the proxy as http://host:port, or %q", text, ProxyEnvironment)
	}
	return u, nil
}

// find is the proxy to go through to a host and port, nil for none.
func (p Proxy) find(address string) (*url.URL, error) {
	switch p.URL {
	case "":
		return nil, nil
	case ProxyEnvironment:
		return httpproxy.FromEnvironment().ProxyFunc()(&url.URL{Scheme: "https", Host: address})
	}
	return parseProxy(p.URL)
}

// header is what proves to the proxy who we are, "" for nobody.
func (p Proxy) header(u *url.URL) (string, error) {
	credentials := ""
	if u.User != nil { // the environment may name them
		password, _ := u.User.Password()
		credentials = u.User.Username() + ":" + password
	}
	if p.Credentials != "" {
		text, err := os.ReadFile(p.Credentials)
		if err != nil {
			return "", fmt.Errorf("credentials of the proxy: %w", err)
		}
		credentials, _, _ = strings.Cut(string(text), "\n")
		credentials = strings.TrimRight(credentials, "\r")
		if !strings.Contains(credentials, ":") {
			return "", fmt.Errorf("credentials of the proxy: %s: its first line must be user:password", p.Credentials)
		}
	}
	if credentials == "" {
		return "", nil
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(credentials)), nil
}

// dialTCP connects to address, through the proxy where there is one for it.
func (p Proxy) dialTCP(ctx context.Context, address string) (net.Conn, error) {
	u, err := p.find(address)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	if u == nil {
		return (&net.Dialer{}).DialContext(ctx, "tcp", address)
	}
	header, err := p.header(u)
	if err != nil {
		return nil, err
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, fmt.Errorf("proxy %s: %w", u.Host, err)
	}
	through, err := tunnel(ctx, conn, address, header)
	if err != nil {
		_ = conn.Close() // what matters is why there is no tunnel
		return nil, fmt.Errorf("proxy %s: %w", u.Host, err)
	}
	return through, nil
}

// tunnel asks the proxy at the other end of conn for a connection to address.
func tunnel(ctx context.Context, conn net.Conn, address, header string) (net.Conn, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	request := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{}}
	if header != "" {
		request.Header.Set("Proxy-Authorization", header)
	}
	if err := request.Write(conn); err != nil {
		return nil, err
	}
	in := bufio.NewReader(conn)
	answer, err := http.ReadResponse(in, request)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	switch {
	case err != nil:
		return nil, err
	case answer.StatusCode == http.StatusProxyAuthRequired:
		return nil, errors.New("it asks for user and password, and does not take these: look at mqtt.proxy_credentials")
	case answer.StatusCode/100 != 2:
		return nil, fmt.Errorf("it does not connect to %s: %s; let its administrator allow CONNECT to that host and port", address, answer.Status)
	}
	return &buffered{Conn: conn, in: in}, nil
}

// buffered reads first what came together with the proxy's answer.
type buffered struct {
	net.Conn
	in *bufio.Reader
}

func (b *buffered) Read(p []byte) (int, error) { return b.in.Read(p) }
