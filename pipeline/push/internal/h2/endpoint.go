package h2

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// ParseEndpoint reads the address of a push service: scheme and host, nothing else.
func ParseEndpoint(raw string, schemes ...string) (*url.URL, error) {
	address, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("endpoint is not a URL; write scheme and host, for example https://push.example:443")
	}
	switch {
	case !slices.Contains(schemes, address.Scheme):
		return nil, fmt.Errorf("endpoint must begin with %s://", strings.Join(schemes, ":// or "))
	case address.Hostname() == "":
		return nil, errors.New("endpoint has no host; write scheme and host, for example https://push.example:443")
	case address.User != nil || address.RawQuery != "" || address.Fragment != "" || strings.Trim(address.Path, "/") != "":
		return nil, errors.New("endpoint must be scheme and host only, without user, path and query")
	}
	return &url.URL{Scheme: address.Scheme, Host: address.Host}, nil
}
