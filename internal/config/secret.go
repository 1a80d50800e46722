package config

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// redacted stands for what is not shown. It is refused when it is read back, so that
// nobody runs with it as a password.
const redacted = "***"

// hidden is a value that must not be shown, and the reference by which it was given.
type hidden struct {
	value string
	ref   string // env:NAME or file:PATH; empty where the configuration holds the value
}

// Reveal is the value itself, for the part that needs it.
func (h hidden) Reveal() string { return h.value }

// IsZero reports whether there is none.
func (h hidden) IsZero() bool { return h.value == "" && h.ref == "" }

// Secret is a password, a key or the like. However it is printed, logged or encoded,
// it shows its reference (env:NAME, file:PATH) or ***, never its value.
type Secret struct{ hidden }

// String is the reference, or ***; empty when there is no secret.
func (s Secret) String() string {
	switch {
	case s.ref != "":
		return s.ref
	case s.value == "":
		return ""
	}
	return redacted
}

// Format keeps every verb of fmt from the value.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue hides the value in logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON hides the value in JSON.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// MarshalYAML hides the value in YAML.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// URL is an address that may hold a password or a token. However it is printed, logged
// or encoded, it shows its reference, or itself with *** in place of the user, the
// password, the query, and the parts of the path that could be a token.
type URL struct {
	hidden
	plain []string // parts of the path that are no secret
}

// String is the address without what is secret.
func (u URL) String() string {
	if u.ref != "" || u.value == "" {
		return u.ref
	}
	var shown []string
	for _, one := range splitURLs(u.value) {
		shown = append(shown, redactURL(one, u.plain))
	}
	return strings.Join(shown, ",")
}

// Format keeps every verb of fmt from the value.
func (u URL) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, u.String()) }

// LogValue hides what is secret in logs.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalJSON hides what is secret in JSON.
func (u URL) MarshalJSON() ([]byte, error) { return json.Marshal(u.String()) }

// MarshalYAML hides what is secret in YAML.
func (u URL) MarshalYAML() (any, error) { return u.String(), nil }

// splitURLs takes addresses with commas in between apart; a comma that no address
// follows is part of one.
func splitURLs(list string) (out []string) {
	for part := range strings.SplitSeq(list, ",") {
		if len(out) == 0 || strings.Contains(part, "://") || strings.TrimSpace(part) == "" {
			out = append(out, strings.TrimSpace(part))
			continue
		}
		out[len(out)-1] += "," + part
	}
	return out
}

// plainSegment is a part of a path that nobody would use as a token.
var plainSegment = regexp.MustCompile(`^(v[0-9]{1,2}|api|callbacks?|chat|chatbell|events?|(web)?hooks?|incoming|internal|notif(y|ications?)|public|push|receive|services)$`)

// redactURL shows an address without user, password, query, fragment, and without a
// path that holds more than plain words. What cannot be read is hidden as a whole.
func redactURL(raw string, plain []string) string {
	if raw == Embedded { // a word, not an address
		return raw
	}
	parsed, err := url.Parse(raw)
	if err != nil || parsed.Host == "" {
		return redacted
	}
	var out strings.Builder
	out.WriteString(parsed.Scheme + "://")
	if parsed.User != nil {
		out.WriteString(redacted + "@")
	}
	out.WriteString(parsed.Host)
	for segment := range strings.SplitSeq(strings.TrimPrefix(parsed.EscapedPath(), "/"), "/") {
		if segment != "" && !plainSegment.MatchString(segment) && !slices.Contains(plain, segment) {
			out.WriteString("/" + redacted)
			break
		}
		if parsed.Path != "" {
			out.WriteString("/" + segment)
		}
	}
	if parsed.RawQuery != "" || parsed.ForceQuery || parsed.Fragment != "" {
		out.WriteString("?" + redacted)
	}
	return out.String()
}
