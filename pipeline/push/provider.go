package push

import (
	"crypto/x509"
	"fmt"
	"io"
	"time"

	"chatbell"
)

// Provider describes a push provider: all that the rest of chatbell has to know of one.
// The configuration, its reference, the API's checks and its document are made from it.
// It is declared in the provider's folder and listed in pipeline/push/providers. It is
// not changed after that.
type Provider struct {
	// Name is what the API, the configuration and the rows call it.
	Name chatbell.Provider
	// Doc says what its credentials are, in whole sentences of Markdown.
	Doc string
	// Options are the keys of one credential in the configuration, in the order in which
	// the reference has them. One is named as App says.
	Options []Option
	// App is the option that names the app which a credential serves; it differs among
	// the credentials of a network.
	App string
	// Platform is what a device runs that does not say so; empty means that it has to.
	Platform chatbell.Platform
	// Tokens says in a few words what the tokens look like, for the API's document.
	Tokens string
	// Token checks a device's token and writes it in the one form in which it is kept.
	// The error says what it must be, in words that follow "token": "must be …".
	Token func(token string) (string, error)
	// Host names the server that a credential with these options speaks to, by which an
	// operator groups what fails; nil, or an empty name, says that it shares with no other.
	Host func(options map[string]string) string
	// New opens a credential. It connects at the first send. Where one option is at fault
	// the error is an *[OptionError].
	New func(c Credential) (NotifierCloser, error)
}

// NotifierCloser is a [Notifier] with its connections, which its owner has to close.
type NotifierCloser interface {
	Notifier
	// Close ends the connections. Sends that are under way fail.
	io.Closer
}

// OptionKind is the form of an option's value.
type OptionKind int

// The forms.
const (
	// Text is a text that may be printed.
	Text OptionKind = iota
	// Secret is a text that is printed nowhere; it may be given as env:NAME or file:PATH.
	Secret
	// File is the path of a file, relative to the configuration; New gets its content.
	File
)

// Option is a key of a credential in the configuration.
type Option struct {
	Name string
	Kind OptionKind
	// Doc says what it means, in whole sentences of Markdown; Form is the value's form in
	// words, where Kind does not tell.
	Doc, Form string
	// Sample is a value for the example.
	Sample string
	// Default is the value where none is given.
	Default  string
	Required bool
	// Check, if any, says what is wrong with a value: "must be …". The value is not
	// quoted. It is not asked about an empty one.
	Check func(value string) error
}

// OptionCAFile is the option of every credential that names authorities to be trusted;
// they come to New as [Credential.RootCAs].
const OptionCAFile = "ca_file"

// Credential is what New makes a [Notifier] from.
type Credential struct {
	// Options are the values by name: of a File its content. What was not given is empty,
	// or its default.
	Options map[string]string
	// RootCAs are trusted instead of the system's; nil means the system's.
	RootCAs *x509.CertPool
	// Timeout bounds one send; 0 means the provider's own.
	Timeout time.Duration
}

// OptionError says that one option is at fault.
type OptionError struct {
	Option string
	Err    error
}

// Error implements error.
func (e *OptionError) Error() string { return fmt.Sprintf("%s: %v", e.Option, e.Err) }

// Unwrap gives the cause.
func (e *OptionError) Unwrap() error { return e.Err }
