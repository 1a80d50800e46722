// Package neterror says in one word why no answer came over the network: the words of
// the column provider_reason, for webhooks and push services alike. The list is closed,
// and a word holds nothing that the other side sent, nor any part of a URL.
package neterror

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// The words.
const (
	NameNotFound      = "name_not_found"      // the host name does not exist
	NameLookupFailed  = "name_lookup_failed"  // the name server did not tell
	ConnectionRefused = "connection_refused"  // nobody listens
	Unreachable       = "unreachable"         // there is no way to the address
	ConnectTimeout    = "connect_timeout"     // no connection in time
	TLSUntrusted      = "tls_untrusted"       // the certificate's authority is not known
	TLSWrongName      = "tls_wrong_name"      // the certificate is another host's
	TLSExpired        = "tls_expired"         // the certificate is not valid now
	TLSFailed         = "tls_failed"          // the handshake failed otherwise
	NoAnswer          = "no_answer"           // connected, and no answer in time
	ConnectionClosed  = "connection_closed"   // the other side closed it before the answer
	ConnectionReset   = "connection_reset"    // the connection broke before the answer
	HTTPProtocol      = "http_protocol_error" // the answer is not HTTP
	Unknown           = "network_error"       // none of these
)

// Word says why; err is what net/http or a dialer returned, never nil.
func Word(err error) string {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		if dns.IsNotFound {
			return NameNotFound
		}
		return NameLookupFailed
	}
	if word := certificate(err); word != "" {
		return word
	}
	var op *net.OpError
	dialing := errors.As(err, &op) && op.Op == "dial"
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return ConnectionRefused
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL):
		return Unreachable
	case isTimeout(err) && (dialing || strings.Contains(err.Error(), "TLS handshake timeout")):
		return ConnectTimeout
	case isTimeout(err):
		return NoAnswer
	case isHandshake(err):
		return TLSFailed
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), strings.HasSuffix(err.Error(), "server closed idle connection"):
		return ConnectionClosed
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED), errors.Is(err, net.ErrClosed):
		return ConnectionReset
	case isNotHTTP(err):
		return HTTPProtocol
	}
	return Unknown
}

// certificate says what is wrong with the other side's.
func certificate(err error) string {
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verify *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	switch {
	case errors.As(err, &name):
		return TLSWrongName
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return TLSExpired
	case errors.As(err, &authority), errors.As(err, &verify):
		return TLSUntrusted
	}
	return ""
}

// isHandshake reports whether TLS ended before there was a connection.
func isHandshake(err error) bool {
	var record tls.RecordHeaderError
	var alert tls.AlertError
	return errors.As(err, &record) || errors.As(err, &alert) || strings.Contains(err.Error(), "tls: ") ||
		strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

// isNotHTTP reports whether the other side said something else than HTTP. A server that
// speaks first (SSH, SMTP) may be heard before the request is under way; net/http has no
// word for that, only the name of the function that noticed.
func isNotHTTP(err error) bool {
	text := err.Error()
	return strings.Contains(text, "malformed HTTP") || strings.HasSuffix(text, "readLoopPeekFailLocked: %!w(<nil>)")
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}
