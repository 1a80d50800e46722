package webhooks

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

// control judges an address that is about to be connected to.
type control func(network, address string, c syscall.RawConn) error

// errNotAllowed is why a plain http call ends at the dialer.
var errNotAllowed = errors.New("plain http is accepted only for addresses in allow_private_networks")

// guardPublic lets through public addresses and the allowed ones, on any port:
// receivers live on many.
func guardPublic(allow []netip.Prefix) control {
	var v4, v6 []netip.Prefix
	for _, p := range allow {
		if p.Addr().Is4() {
			v4 = append(v4, p)
		} else {
			v6 = append(v6, p)
		}
	}
	return ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...)).Safe
}

// guardAllowed lets through the allowed addresses only.
func guardAllowed(allow []netip.Prefix) control {
	return func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: %w", errNotAllowed, err)
		}
		if !contains(allow, at.Addr()) {
			return errNotAllowed
		}
		return nil
	}
}

func contains(allow []netip.Prefix, a netip.Addr) bool {
	a = a.Unmap()
	for _, p := range allow {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// normalize writes IPv4 networks in IPv4's own form, in which addresses are compared.
func normalize(allow []netip.Prefix) ([]netip.Prefix, error) {
	out := make([]netip.Prefix, 0, len(allow))
	for _, p := range allow {
		if !p.IsValid() {
			return nil, fmt.Errorf("webhooks: allow_private_networks: %s is not a network, write it like 10.0.0.0/8", p)
		}
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		out = append(out, p.Masked())
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

// CheckURL reports what is wrong with an endpoint's URL, as far as can be told
// without connecting: a name is judged when it has been resolved, at each call.
func CheckURL(raw string, allow []netip.Prefix) error {
	allow, err := normalize(allow)
	if err != nil {
		return err
	}
	u, err := parseURL(raw, allow)
	if err != nil {
		return err
	}
	literal, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return nil //nolint:nilerr // a name, not an address
	}
	at := netip.AddrPortFrom(literal.Unmap(), 443).String()
	if err := guardPublic(allow)("tcp"+family(literal), at, nil); err != nil {
		return fmt.Errorf("the webhook's URL is refused, unless allow_private_networks names its address: %w", err)
	}
	return nil
}

var (
	errURLForm   = errors.New("the webhook's URL cannot be read; write it like https://hooks.example.com/chatbell")
	errURLScheme = errors.New("the webhook's URL must begin with https://")
	errURLHost   = errors.New("the webhook's URL names no host")
	errURLPort   = errors.New("the webhook's URL names a port outside 1 to 65535")
)

func parseURL(raw string, allow []netip.Prefix) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil { // its text would hold the URL, and with it what is secret there
		return nil, errURLForm
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		return nil, errURLScheme
	}
	if u.Hostname() == "" {
		return nil, errURLHost
	}
	if p := u.Port(); p != "" {
		if n, err := net.LookupPort("tcp", p); err != nil || n == 0 {
			return nil, errURLPort
		}
	}
	if u.Scheme == "http" && !mayBePlain(u.Hostname(), allow) {
		return nil, errNotAllowed
	}
	return u, nil
}

// mayBePlain says what can be said before a name is resolved.
func mayBePlain(host string, allow []netip.Prefix) bool {
	literal, err := netip.ParseAddr(host)
	if err != nil {
		return len(allow) > 0
	}
	return contains(allow, literal)
}

func family(a netip.Addr) string {
	if a.Unmap().Is4() {
		return "4"
	}
	return "6"
}
