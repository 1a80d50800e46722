package safedial_test

import (
	"net/netip"
	"strings"
	"testing"

	"chatbell/internal/safedial"
)

func TestCheck(t *testing.T) {
	allow := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("::1/128")}
	tests := []struct {
		url           string
		allow         []netip.Prefix
		wantInMessage string // empty: no error
	}{
		{"https://hooks.example.com/chatbell", nil, ""},
		{"https://hooks.example.com:8443/a?b=c", nil, ""},
		{"https://8.8.8.8/", nil, ""},
		{"https://[2606:4700::1111]/", nil, ""},
		{"http://hooks.example.com/", nil, "allow_private_networks"},
		{"http://receiver.internal/", allow, ""}, // judged when it has been resolved
		{"http://127.0.0.1:8080/", allow, ""},
		{"http://[::1]:8080/", allow, ""},
		{"http://[fd00::5]/", allow, ""},
		{"http://8.8.8.8/", allow, "allow_private_networks"},
		{"https://127.0.0.1/", nil, "allow_private_networks"},
		{"https://127.0.0.1/", allow, ""},
		{"https://[::ffff:10.0.0.1]/", nil, "allow_private_networks"},
		{"https://192.168.1.1/", allow, "allow_private_networks"},
		{"https://[fe80::1]/", allow, "allow_private_networks"},
		{"", nil, "https://"},
		{"hooks.example.com", nil, "https://"},
		{"ftp://hooks.example.com", nil, "https://"},
		{"https://", nil, "no host"},
		{"https://:443/", nil, "no host"},
		{"https://hooks.example.com:0/", nil, "port"},
		{"https://hooks.example.com:65536/", nil, "port"},
		{"https://bad host/", nil, "cannot be read"},
		{"https://[::1", nil, "cannot be read"},
	}
	for _, tt := range tests {
		t.Run(tt.url, func(t *testing.T) {
			policy, err := safedial.New(tt.allow)
			if err != nil {
				t.Fatal(err)
			}
			err = policy.Check(tt.url)
			switch {
			case tt.wantInMessage == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.wantInMessage != "" && err == nil:
				t.Error("accepted")
			case err != nil && !strings.Contains(err.Error(), tt.wantInMessage):
				t.Errorf("%q does not say %q", err, tt.wantInMessage)
			}
		})
	}
}
