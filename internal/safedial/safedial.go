// Package safedial connects to addresses that strangers name: a customer's webhook, a
// device's push endpoint. What is private or special (loopback, link-local, a cloud's
// metadata) is refused after the name is resolved, when the connection is made, so that
// no redirect and no change of a name server leads there; this is the guard against
// server-side request forgery (SSRF). The operator names the private networks that may
// be reached all the same.
package safedial

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

// Policy says which addresses may be reached. It is immutable.
type Policy struct{ allow []netip.Prefix }

// New makes a policy by which public addresses may be reached by https, and those in
// the allowed networks by https and plain http.
func New(allow []netip.Prefix) (*Policy, error) {
	allow, err := normalize(allow)
	if err != nil {
		return nil, err
	}
	return &Policy{allow: allow}, nil
}

// The errors of a URL. None holds any part of it: a URL can hold a secret.
var (
	ErrForm   = errors.New("the URL cannot be read; write it like https://hooks.example.com/chatbell")
	ErrScheme = errors.New("the URL must begin with https://")
	ErrHost   = errors.New("the URL names no host")
	ErrPort   = errors.New("the URL names a port outside 1 to 65535")
	// ErrNotAllowed is why plain http is refused, before or at the connection.
	ErrNotAllowed = errors.New("plain http is accepted only for addresses in allow_private_networks")
)

// Blocked reports whether an error of a request is that its address may not be reached.
func Blocked(err error) bool {
	return errors.Is(err, ssrf.ErrProhibitedIP) || errors.Is(err, ssrf.ErrProhibitedNetwork) ||
		errors.Is(err, ssrf.ErrInvalidHostPort) || errors.Is(err, ErrNotAllowed)
}

// Parse reads a URL and refuses what the policy refuses of it as it is written.
func (p *Policy) Parse(raw string) (*url.URL, error) {
	address, err := url.Parse(raw)
	if err != nil { // its text would hold the URL, and with it what is secret there
		return nil, ErrForm
	}
	if address.Scheme != "https" && address.Scheme != "http" {
		return nil, ErrScheme
	}
	if address.Hostname() == "" {
		return nil, ErrHost
	}
	if port := address.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, ErrPort
		}
	}
	if address.Scheme == "http" && !p.mayBePlain(address.Hostname()) {
		return nil, ErrNotAllowed
	}
	return address, nil
}

// Check reports what is wrong with a URL, as far as can be told without connecting: a
// name is judged when it has been resolved, at each connection.
func (p *Policy) Check(raw string) error {
	address, err := p.Parse(raw)
	if err != nil {
		return err
	}
	literal, err := netip.ParseAddr(address.Hostname())
	if err != nil {
		return nil //nolint:nilerr // a name, not an address
	}
	target := netip.AddrPortFrom(literal.Unmap(), 443).String()
	if err := p.guardPublic()("tcp"+family(literal), target, nil); err != nil {
		return fmt.Errorf("the URL is refused, unless allow_private_networks names its address: %w", err)
	}
	return nil
}

// mayBePlain says what can be said before a name is resolved.
func (p *Policy) mayBePlain(host string) bool {
	literal, err := netip.ParseAddr(host)
	if err != nil {
		return len(p.allow) > 0
	}
	return contains(p.allow, literal)
}

// Client reaches what the policy lets through. It chooses by the request's scheme, follows
// no redirect, and speaks HTTP/1.1 and HTTP/2.
type Client struct{ secure, plain *http.Client }

// Client makes a client. RootCAs are trusted for https; nil means the system's. The
// owner may call CloseIdleConnections.
func (p *Policy) Client(roots *x509.CertPool) *Client {
	return &Client{secure: newHTTPClient(p.guardPublic(), roots), plain: newHTTPClient(p.guardAllowed(), nil)}
}

// Do makes a request as [http.Client.Do] does.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme == "http" {
		return c.plain.Do(req)
	}
	return c.secure.Do(req)
}

// CloseIdleConnections drops the idle connections.
func (c *Client) CloseIdleConnections() {
	c.secure.CloseIdleConnections()
	c.plain.CloseIdleConnections()
}

// control judges an address that is about to be connected to.
type control func(network, address string, c syscall.RawConn) error

// guardPublic lets through public addresses and the allowed ones, on any port:
// receivers live on many.
func (p *Policy) guardPublic() control {
	var four, six []netip.Prefix
	for _, prefix := range p.allow {
		if prefix.Addr().Is4() {
			four = append(four, prefix)
		} else {
			six = append(six, prefix)
		}
	}
	return ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(four...), ssrf.WithAllowedV6Prefixes(six...)).Safe
}

// guardAllowed lets through the allowed addresses only.
func (p *Policy) guardAllowed() control {
	return func(_, address string, _ syscall.RawConn) error {
		addr, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNotAllowed, err)
		}
		if !contains(p.allow, addr.Addr()) {
			return ErrNotAllowed
		}
		return nil
	}
}

func contains(allow []netip.Prefix, a netip.Addr) bool {
	a = a.Unmap()
	for _, prefix := range allow {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

// normalize writes IPv4 networks in IPv4's own form, in which addresses are compared.
func normalize(allow []netip.Prefix) ([]netip.Prefix, error) {
	out := make([]netip.Prefix, 0, len(allow))
	for _, prefix := range allow {
		if !prefix.IsValid() {
			return nil, fmt.Errorf("allow_private_networks: %s is not a network, write it like 10.0.0.0/8", prefix)
		}
		if prefix.Addr().Is4In6() && prefix.Bits() >= 96 {
			prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
		}
		out = append(out, prefix.Masked())
	}
	return out, nil
}

// Bounds of the connection pool.
const (
	// maxConnsPerHost bounds the connections to one host. The pipeline has 32 calls
	// under way for an endpoint, and endpoints of several customers may share a host:
	// 16 of them may hang before one waits for another.
	maxConnsPerHost = 512
	// maxIdlePerHost is what one busy endpoint can use again.
	maxIdlePerHost = 32
	// maxIdle bounds the idle connections to all hosts: file descriptors.
	maxIdle = 1024
	// maxHeader bounds the header of an answer, in bytes.
	maxHeader = 64 << 10
)

// newHTTPClient speaks HTTP/1.1 and HTTP/2 to what the guard lets through.
func newHTTPClient(guard control, roots *x509.CertPool) *http.Client {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, Control: guard}
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    10 * time.Second,
			ForceAttemptHTTP2:      true,
			MaxConnsPerHost:        maxConnsPerHost,
			MaxIdleConnsPerHost:    maxIdlePerHost,
			MaxIdleConns:           maxIdle,
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: maxHeader,
			DisableCompression:     true, // nobody reads the answers, so nobody should pack them
			// A silent HTTP/2 connection is found out before the next calls hang on it.
			HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func family(a netip.Addr) string {
	if a.Unmap().Is4() {
		return "4"
	}
	return "6"
}
