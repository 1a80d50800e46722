package neterror_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"syscall"
	"testing"
	"time"

	"chatbell/internal/neterror"
	"chatbell/internal/polltest"
)

// get makes a request that must fail, and says why in a word.
func get(t *testing.T, c *http.Client, target string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err == nil {
		_ = resp.Body.Close()
		t.Fatalf("%s answered", target)
	}
	return neterror.Word(err)
}

// What really happens on the wire comes out as the word for it.
func TestWord(t *testing.T) {
	release := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer silent.Close()
	defer close(release)
	hangsUp := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer hangsUp.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()

	trusting := x509.NewCertPool()
	trusting.AddCert(secure.Certificate())
	client := func(change func(*http.Transport)) *http.Client {
		tr := &http.Transport{DisableKeepAlives: true}
		change(tr)
		return &http.Client{Transport: tr}
	}
	trust := client(func(tr *http.Transport) {
		tr.TLSClientConfig = &tls.Config{RootCAs: trusting, MinVersion: tls.VersionTLS12}
	})
	wrongName := client(func(tr *http.Transport) {
		tr.TLSClientConfig = &tls.Config{RootCAs: trusting, ServerName: "elsewhere.example", MinVersion: tls.VersionTLS12}
	})
	tooLate := client(func(tr *http.Transport) {
		tr.TLSClientConfig = &tls.Config{RootCAs: trusting, MinVersion: tls.VersionTLS12, Time: func() time.Time { return time.Now().AddDate(500, 0, 0) }}
	})
	impatient := client(func(tr *http.Transport) { tr.ResponseHeaderTimeout = 10 * time.Millisecond })
	none := client(func(*http.Transport) {})

	for _, c := range []struct {
		want, got string
	}{
		{neterror.ConnectionRefused, get(t, none, "http://"+polltest.NobodyListens(t))},
		{neterror.ConnectionClosed, get(t, none, hangsUp.URL)},
		{neterror.NoAnswer, get(t, impatient, silent.URL)},
		{neterror.TLSUntrusted, get(t, none, secure.URL)},
		{neterror.TLSWrongName, get(t, wrongName, secure.URL)},
		{neterror.TLSExpired, get(t, tooLate, secure.URL)},
		{neterror.TLSFailed, get(t, trust, "https"+plain.URL[len("http"):])},
		{neterror.HTTPProtocol, get(t, none, "http://"+says(t, "SSH-2.0-OpenSSH_9.6\r\n"))},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
}

// A server that speaks first is heard before or after the request is begun: the word is
// the same.
func TestWordOfOneWhoSpeaksFirst(t *testing.T) {
	target := "http://" + says(t, "SSH-2.0-OpenSSH_9.6\r\n")
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range 200 {
		if got := get(t, c, target); got != neterror.HTTPProtocol {
			t.Fatalf("got %s, want %s", got, neterror.HTTPProtocol)
		}
	}
}

// says is the address of a server that says one thing to whoever connects.
func says(t *testing.T, what string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.WriteString(c, what)
				_, _ = c.Read(make([]byte, 4096))
				_ = c.Close()
			}()
		}
	}()
	return l.Addr().String()
}

type slow struct{}

func (slow) Error() string { return "slow" }
func (slow) Timeout() bool { return true }

// What cannot be made on any machine is told from the errors that net and crypto/tls
// are documented to return.
func TestWordOfRareErrors(t *testing.T) {
	dial := func(err error) error {
		return &url.Error{Op: "Post", URL: "https://secret.example/t0ken", Err: &net.OpError{Op: "dial", Net: "tcp", Err: err}}
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{dial(&net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}), neterror.NameNotFound},
		{dial(&net.DNSError{Err: "server misbehaving", Name: "x", IsTemporary: true}), neterror.NameLookupFailed},
		{dial(&net.DNSError{Err: "i/o timeout", Name: "x", IsTimeout: true}), neterror.NameLookupFailed},
		{dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), neterror.Unreachable},
		{dial(os.NewSyscallError("connect", syscall.ENETUNREACH)), neterror.Unreachable},
		{dial(slow{}), neterror.ConnectTimeout},
		{dial(context.DeadlineExceeded), neterror.ConnectTimeout},
		{fmt.Errorf("call: %w", context.DeadlineExceeded), neterror.NoAnswer},
		{&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, neterror.ConnectionReset},
		{&net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.EPIPE)}, neterror.ConnectionReset},
		{&net.OpError{Op: "remote error", Err: tls.AlertError(40)}, neterror.TLSFailed},
		{io.ErrUnexpectedEOF, neterror.ConnectionClosed},
		{errors.New("something else: t0ken"), neterror.Unknown},
	} {
		if got := neterror.Word(c.err); got != c.want {
			t.Errorf("%v: got %s, want %s", c.err, got, c.want)
		}
	}
}
