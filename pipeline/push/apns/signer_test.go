package apns

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func pemKey(t *testing.T, curve elliptic.Curve) []byte {
	t.Helper()
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func TestSignerRenewsInTime(t *testing.T) {
	key := pemKey(t, elliptic.P256())
	synctest.Test(t, func(t *testing.T) {
		s, err := newSigner(key, "K", "T")
		if err != nil {
			t.Fatal(err)
		}
		bearers := map[string]bool{}
		for range 13 { // two hours in steps of ten minutes
			// All at once, as senders do; one renewal serves them all.
			var mu sync.Mutex
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					b, err := s.bearer(time.Now())
					mu.Lock()
					defer mu.Unlock()
					if err != nil || !strings.HasPrefix(b, "bearer eyJ") {
						t.Errorf("%q, %v", b, err)
					}
					bearers[b] = true
				})
			}
			wg.Wait()
			time.Sleep(10 * time.Minute) // of the bubble's clock
		}
		if len(bearers) != 3 {
			t.Errorf("%d provider tokens in two hours, want 3", len(bearers))
		}
	})
}

func TestSignerAfterExpired(t *testing.T) {
	key := pemKey(t, elliptic.P256())
	synctest.Test(t, func(t *testing.T) {
		s, err := newSigner(key, "K", "T")
		if err != nil {
			t.Fatal(err)
		}
		old, _ := s.bearer(time.Now())
		if s.expired(old, time.Now()) {
			t.Error("a young token that is called expired is worth another try: the clock is wrong")
		}
		time.Sleep(minAge) // of the bubble's clock
		for range 3 {      // many sends carried it; one renewal serves them all
			if !s.expired(old, time.Now()) {
				t.Error("an old token that is called expired is not worth another try")
			}
		}
		renewed, _ := s.bearer(time.Now())
		if renewed == old {
			t.Error("the token was not renewed")
		}
	})
}

// A clock that was wrong is set: what was signed by the wrong one is not used any more,
// whatever time has passed in truth.
func TestSignerAfterClockIsSet(t *testing.T) {
	s, err := newSigner(pemKey(t, elliptic.P256()), "K", "T")
	if err != nil {
		t.Fatal(err)
	}
	for what, step := range map[string]time.Duration{"forward": time.Hour, "back": -10 * time.Minute} {
		was := time.Now()
		old, _ := s.bearer(was)
		wall := was.Round(0).Add(step) // no monotonic clock, as after a step
		if renewed, _ := s.bearer(wall); renewed == old {
			t.Errorf("the clock was set %s: the provider token of the old time is still used", what)
		}
		s.issued = time.Time{} // for the next
	}
	old, _ := s.bearer(time.Now())
	if same, _ := s.bearer(time.Now().Add(-time.Second)); same != old {
		t.Error("a new provider token for a second of drift")
	}
}

func TestSignerRefusesAnotherCurve(t *testing.T) {
	if _, err := newSigner(pemKey(t, elliptic.P384()), "K", "T"); err == nil {
		t.Error("a key that cannot sign ES256 is accepted")
	}
}

func TestEndpoints(t *testing.T) {
	const production, sandbox = "https://api.push.apple.com", "https://api.sandbox.push.apple.com"
	for endpoint, want := range map[string][]string{ // the last is for targets of the sandbox
		"": {production, sandbox}, Production: {production, sandbox}, Sandbox: {sandbox},
		"https://127.0.0.1:9443": {"https://127.0.0.1:9443"},
	} {
		urls, err := endpoints(endpoint)
		if err != nil {
			t.Errorf("%q: %v", endpoint, err)
		}
		var got []string
		for _, u := range urls {
			got = append(got, u.String())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", endpoint, diff)
		}
	}
}
