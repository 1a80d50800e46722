package apns_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/sideshow/apns2"
	aps "github.com/sideshow/apns2/payload"
	"golang.org/x/net/http2"

	applekey "github.com/sideshow/apns2/token"

	"chatbell/pipeline/push"
	"chatbell/pipeline/push/apns"
)

// BenchmarkSend compares this package with the library as it comes, against the same
// local server in the same run: only the ratio of the two counts.
func BenchmarkSend(b *testing.B) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("apns-id", "123e4567-e89b-12d3-a456-426655440000")
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	b.Cleanup(srv.Close)
	roots := srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	pemKey := key(b)
	note := &push.Content{
		Title: "General", Body: "Alice sent you a message", CollapseID: "collapse-1", ThreadID: "general",
		Data: map[string]string{"network": "acme", "event_id": "e1", "channel_id": "general"},
	}

	b.Run("raw", func(b *testing.B) {
		k, err := applekey.AuthKeyFromBytes(pemKey)
		if err != nil {
			b.Fatal(err)
		}
		transport := &http2.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}} //nolint:staticcheck // the library's own way
		b.Cleanup(transport.CloseIdleConnections)                                   //nolint:staticcheck // as above
		c := apns2.NewTokenClient(&applekey.Token{AuthKey: k, KeyID: "K", TeamID: "T"})
		c.Host, c.HTTPClient.Transport = srv.URL, transport
		parallel(b, func(device string) error {
			r, err := c.PushWithContext(b.Context(), &apns2.Notification{
				DeviceToken: device, Topic: "com.acme.chat", PushType: apns2.PushTypeAlert, Priority: 10, CollapseID: "collapse-1",
				Payload: aps.NewPayload().AlertTitle(note.Title).AlertBody(note.Body).Sound("default").ThreadID("general").Custom("chatbell", note.Data),
			})
			if err == nil && !r.Sent() {
				b.Error(r.Reason)
			}
			return err
		})
	})
	b.Run("chatbell", func(b *testing.B) {
		n := newNotifier(b, apns.Config{
			BundleID: "com.acme.chat", Endpoint: srv.URL, RootCAs: roots, KeyPEM: pemKey, KeyID: "K", TeamID: "T",
		})
		p, err := n.Prepare(note)
		if err != nil {
			b.Fatal(err)
		}
		parallel(b, func(device string) error {
			_, err := n.Send(b.Context(), p, push.Target{Token: device})
			return err
		})
	})
}

// parallel sends from a hundred goroutines, as many as the slowest server allows on a
// connection.
func parallel(b *testing.B, send func(device string) error) {
	if err := send(token(0)); err != nil { // connects
		b.Fatal(err)
	}
	var device atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(50)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := send(token(int(device.Add(1)))); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pushes/s")
}
