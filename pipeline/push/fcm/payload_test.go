package fcm_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chatbell"
	"chatbell/pipeline/push"
)

var update = flag.Bool("update", false, "write the golden files")

// TestPayloads compares requests with testdata byte for byte (indented for the
// reader; what counts down is replaced).
func TestPayloads(t *testing.T) {
	srv, n, _ := start(t, &tokenEndpoint{})
	zero, seven := 0, 7
	data := map[string]string{"network": "acme", "event_id": "e1", "event_type": "message.created", "channel_id": "general"}
	for name, note := range map[string]*push.Content{
		"message": {
			Title: "General", Body: "Alice: Hi all", CollapseID: "c0ffee", ThreadID: "general", Data: data,
			ExpiresAt: time.Now().Add(time.Hour), Badge: &seven,
		},
		"quiet": {Title: "t", Body: "b", Priority: push.PriorityNormal},
		"background": {
			Kind: push.Background, Data: map[string]string{"withdraw": "true"}, CollapseID: "c0ffee", Priority: push.PriorityHigh, Badge: &zero,
		},
		"raw":       {Kind: push.Raw, Payload: json.RawMessage(` {"data":{"mine":"1"},"android":{"ttl":"5s"}}`)},
		"raw empty": {Kind: push.Raw, Payload: json.RawMessage(`{}`)},
		"bare":      {Title: "Only a title"},
		"badge":     {Title: "t", Body: "b", Badge: &zero},
		"expired":   {Title: "t", Body: "b", ExpiresAt: time.Now().Add(-time.Hour)},
		"forever":   {Title: "t", Body: "b", ExpiresAt: time.Now().Add(1000 * 24 * time.Hour)},
		"escapes":   {Title: `<&> "quoted"`, Body: "line\nline\u2028\x01 \xff", CollapseID: "not ascii: ü", Data: map[string]string{"token": "\x00token\x00"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := n.Prepare(note)
			if err != nil {
				t.Fatal(err)
			}
			srv.Forget()
			if _, err := n.Send(t.Context(), p, push.Target{Token: `a:b"c\d`}); err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := json.Indent(&got, srv.Sends()[0].Body, "", "  "); err != nil {
				t.Fatal(err)
			}
			text := regexp.MustCompile(`("ttl": "(3599|3600)s")`).ReplaceAllString(got.String(), `"ttl": "an hour"`)
			text = regexp.MustCompile(`"apns-expiration": "\d{10}"`).ReplaceAllString(text, `"apns-expiration": "a time"`)
			golden(t, name, text+"\n")
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update writes it):\n%s", file, diff)
	}
}

func TestReservedKeys(t *testing.T) {
	_, n, _ := start(t, &tokenEndpoint{})
	for key, ok := range map[string]bool{"from": false, "message_type": false, "google.x": false, "gcm.n": false, "fromage": true, "googly": true} {
		_, err := n.Prepare(&push.Content{Title: "t", Data: map[string]string{key: "v"}})
		var se *chatbell.SendError
		if ok != (err == nil) || !ok && (!errors.As(err, &se) || se.Reason != chatbell.Rejected || !strings.Contains(err.Error(), key)) {
			t.Errorf("data key %q: %v", key, err)
		}
	}
}
