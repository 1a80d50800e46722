package apns_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chatbell/pipeline/push"
	"chatbell/pipeline/push/apns"
	"chatbell/pipeline/push/pushtest"
)

var update = flag.Bool("update", false, "write the golden files")

// TestPayloads compares requests with testdata: the headers that matter, and the
// body byte for byte (indented for the reader).
func TestPayloads(t *testing.T) {
	zero, seven := 0, 7
	expires := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	data := map[string]string{"network": "acme", "event_id": "e1", "event_type": "message.created", "channel_id": "general"}
	for name, n := range map[string]*push.Content{
		"message": {
			Title: "General", Body: "Alice: Hi all", CollapseID: "c0ffee", ThreadID: "general", Data: data,
			ExpiresAt: expires, Badge: &seven,
		},
		"bare":    {Title: "Only a title"},
		"badge":   {Title: "t", Body: "b", Badge: &zero},
		"escapes": {Title: `<&> "quoted"`, Body: "line\nline\u2028\x01 \xff", ThreadID: "ü", CollapseID: "not ascii: ü"},
		"quiet":   {Title: "t", Body: "b", Priority: push.PriorityNormal},
		"background": {
			Kind: push.Background, Data: map[string]string{"withdraw": "true"}, CollapseID: "c0ffee", Priority: push.PriorityHigh, Badge: &zero,
		},
		"raw": {
			Kind: push.Raw, Payload: json.RawMessage(`{"aps":{"alert":"as it is"},"mine":[1,2]}`), CollapseID: "c0ffee", ExpiresAt: expires,
			Headers: map[string]string{"apns-push-type": "voip", "apns-topic": "com.acme.chat.voip", "apns-priority": "5", "apns-expiration": "0"},
		},
		"arabic": {Title: "عام", Body: "\u2068Alice\u2069 أرسل رسالة", ThreadID: "general"},
	} {
		t.Run(name, func(t *testing.T) {
			r := capture(t, n)
			var got bytes.Buffer
			for _, h := range []string{"apns-topic", "apns-push-type", "apns-priority", "apns-collapse-id", "apns-expiration", "content-type"} {
				got.WriteString(h + ": " + r.Header.Get(h) + "\n")
			}
			got.WriteString("\n")
			if err := json.Indent(&got, r.Body, "", "  "); err != nil {
				t.Fatal(err)
			}
			got.WriteString("\n")
			golden(t, name, got.Bytes())
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; -update writes it):\n%s", file, diff)
	}
}

// capture sends n to a service that accepts everything and returns what arrived.
func capture(t *testing.T, n *push.Content) pushtest.Request {
	t.Helper()
	srv := pushtest.NewServer(t, accepting())
	notifier := newNotifier(t, config(t, srv))
	p, err := notifier.Prepare(n)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := notifier.Send(t.Context(), p, push.Target{Token: "ab cd/../é"}); err != nil {
		t.Fatal(err)
	}
	r := srv.Sends()[0]
	if r.Path != "/3/device/ab%20cd%2F..%2F%C3%A9" {
		t.Errorf("path = %q: the token must stay one part of it", r.Path)
	}
	if p.Size() != len(r.Body) || p.Truncated() {
		t.Errorf("size %d, truncated %t; %d bytes arrived", p.Size(), p.Truncated(), len(r.Body))
	}
	return r
}

func accepting() *pushtest.Harness {
	return &pushtest.Harness{
		IsSend: isSend,
		Accepted: func(id string) pushtest.Answer {
			return pushtest.Answer{Status: 200, Header: map[string]string{"apns-id": id}}
		},
	}
}

func config(t testing.TB, srv *pushtest.Server) apns.Config {
	return apns.Config{
		BundleID: "com.acme.chat", Endpoint: srv.URL(), RootCAs: srv.Roots(), KeyPEM: key(t), KeyID: "KEY1", TeamID: "TEAM1",
	}
}

func newNotifier(t testing.TB, c apns.Config) *apns.Notifier {
	t.Helper()
	n, err := apns.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func TestNewSaysWhatIsWrong(t *testing.T) {
	good := apns.Config{BundleID: "com.acme.chat", KeyPEM: key(t), KeyID: "K", TeamID: "T"}
	for name, c := range map[string]struct {
		change func(*apns.Config)
		want   string
	}{
		"no bundle id":    {func(c *apns.Config) { c.BundleID = "" }, "bundle id"},
		"no key id":       {func(c *apns.Config) { c.KeyID = "" }, "key id"},
		"no team id":      {func(c *apns.Config) { c.TeamID = "" }, "team id"},
		"no key":          {func(c *apns.Config) { c.KeyPEM = []byte("SECRETKEY") }, ".p8"},
		"plain http":      {func(c *apns.Config) { c.Endpoint = "http://127.0.0.1" }, "https://"},
		"a typing error":  {func(c *apns.Config) { c.Endpoint = "prodution" }, "production"},
		"path":            {func(c *apns.Config) { c.Endpoint = "https://h/3/device" }, "scheme and host only"},
		"user":            {func(c *apns.Config) { c.Endpoint = "https://u:SECRETKEY@h" }, "scheme and host only"},
		"no host":         {func(c *apns.Config) { c.Endpoint = "https://" }, "no host"},
		"not even a URL":  {func(c *apns.Config) { c.Endpoint = "https://[::1" }, "not a URL"},
		"control in host": {func(c *apns.Config) { c.Endpoint = "https://a\nb" }, "not a URL"},
	} {
		t.Run(name, func(t *testing.T) {
			bad := good
			c.change(&bad)
			n, err := apns.New(bad)
			if err == nil {
				_ = n.Close()
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "SECRETKEY") {
				t.Errorf("error %q does not say %q, or tells a secret", err, c.want)
			}
		})
	}
	for _, endpoint := range []string{"", apns.Production, apns.Sandbox, "https://127.0.0.1:1/"} {
		c := good
		c.Endpoint = endpoint
		if n := newNotifier(t, c); n.Streams() < 100 {
			t.Errorf("%q: %d streams", endpoint, n.Streams())
		}
	}
}
