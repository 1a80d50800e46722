package sandbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Who can be simulated and named in a [Failure] or a [Query].
const (
	ProviderAPNs    = "apns"
	ProviderFCM     = "fcm"
	ProviderOAuth   = "oauth" // FCM's token endpoint
	ProviderWebhook = "webhook"
)

// Failure is a rule: what to do with requests that match. The first rule that
// matches and is not used up counts. A rule with a latency only delays the answer.
type Failure struct {
	// ID is given by the sandbox.
	ID string `json:"id,omitempty"`
	// Provider is apns, fcm, oauth or webhook; empty matches all but oauth.
	Provider string `json:"provider,omitempty"`
	// Target is a device token or a webhook's name; with * at its end, a beginning;
	// empty matches all.
	Target string `json:"target,omitempty"`
	// Count is how many requests it is for; 0 means until it is deleted.
	Count int64 `json:"count,omitempty"`
	// Status and Reason are the answer. APNs and FCM know the status of their reasons.
	Status int    `json:"status,omitempty"`
	Reason string `json:"reason,omitempty"`
	// RetryAfter is sent as it is: seconds or an HTTP date.
	RetryAfter string `json:"retry_after,omitempty"`
	// Latency passes before the answer, whatever it is.
	Latency Duration `json:"latency,omitempty"`
	// Hang never answers. When the rules are cleared the connection breaks, or the
	// HTTP/2 stream is reset.
	Hang bool `json:"hang,omitempty"`
	// Disconnect breaks the connection, or resets the HTTP/2 stream, without an answer.
	Disconnect bool `json:"disconnect,omitempty"`
	// Accept does what an acceptance does before Status, Hang or Disconnect: the client
	// cannot know that its request arrived.
	Accept bool `json:"accept,omitempty"`
	// Dead makes the Target a dead token for good, since DeadSince (now where empty):
	// 410 Unregistered with that time at APNs, 404 UNREGISTERED at FCM.
	Dead      bool      `json:"dead,omitempty"`
	DeadSince time.Time `json:"dead_since,omitzero"`
}

// Duration is a time.Duration that is written like 30ms in JSON.
type Duration time.Duration

// MarshalText writes it like 1.5s.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what MarshalText writes.
func (d *Duration) UnmarshalText(text []byte) error {
	value, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("a duration is written like 30ms or 1.5s: %w", err)
	}
	*d = Duration(value)
	return nil
}

var (
	errFailureProvider = errors.New("provider must be apns, fcm, oauth, webhook or empty")
	errFailureStatus   = errors.New("status must be between 200 and 599")
	errFailureDead     = errors.New("dead needs a device token as target, without *")
	errFailureEmpty    = errors.New("say what to do: status, reason, latency, hang, disconnect or dead")
	errFailureNegativ  = errors.New("count and latency must not be negative")
)

func (f *Failure) validate() error {
	switch f.Provider {
	case "", ProviderAPNs, ProviderFCM, ProviderOAuth, ProviderWebhook:
	default:
		return errFailureProvider
	}
	switch {
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return errFailureStatus
	case f.Dead && (f.Target == "" || strings.HasSuffix(f.Target, "*")):
		return errFailureDead
	case f.Count < 0 || f.Latency < 0:
		return errFailureNegativ
	case f.Status == 0 && f.Reason == "" && f.Latency == 0 && !f.Hang && !f.Disconnect && !f.Dead:
		return errFailureEmpty
	}
	return nil
}

// rule is a failure with what is left of it.
type rule struct {
	Failure
	left atomic.Int64  // meaningful where Count is not 0
	gone chan struct{} // closed when the rules are cleared
}

// failures holds the rules. Reading takes no lock: usually there are none.
type failures struct {
	rules atomic.Pointer[[]*rule]
	dead  atomic.Pointer[map[string]time.Time]

	mu   sync.Mutex // writers
	next int
}

// Fail adds a rule and returns its id.
func (s *Server) Fail(f Failure) (id string, err error) {
	if err := f.validate(); err != nil {
		return "", fmt.Errorf("sandbox: failure: %w", err)
	}
	return s.failures.add(f), nil
}

// ClearFailures removes all rules and ends what hangs by them; dead tokens live again.
func (s *Server) ClearFailures() {
	s.failures.mu.Lock()
	defer s.failures.mu.Unlock()
	if rules := s.failures.rules.Swap(nil); rules != nil {
		for _, one := range *rules {
			close(one.gone)
		}
	}
	s.failures.dead.Store(nil)
}

// Failures lists the rules, with what is left of their counts. Those that are used
// up are gone; dead tokens come last.
func (s *Server) Failures() []Failure {
	out := []Failure{}
	if rules := s.failures.rules.Load(); rules != nil {
		for _, one := range *rules {
			fail := one.Failure
			if fail.Count != 0 {
				if fail.Count = one.left.Load(); fail.Count <= 0 {
					continue
				}
			}
			out = append(out, fail)
		}
	}
	if dead := s.failures.dead.Load(); dead != nil {
		for token, since := range *dead {
			out = append(out, Failure{Target: token, Dead: true, DeadSince: since})
		}
	}
	return out
}

func (f *failures) add(fail Failure) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	fail.ID = "f" + strconv.Itoa(f.next)
	if fail.Dead {
		if fail.DeadSince.IsZero() {
			fail.DeadSince = time.Now()
		}
		dead := map[string]time.Time{}
		if old := f.dead.Load(); old != nil {
			dead = maps.Clone(*old)
		}
		dead[fail.Target] = fail.DeadSince
		f.dead.Store(&dead)
		return fail.ID
	}
	one := &rule{Failure: fail, gone: make(chan struct{})}
	one.left.Store(fail.Count)
	rules := []*rule{}
	if old := f.rules.Load(); old != nil {
		for _, o := range *old {
			if o.Count == 0 || o.left.Load() > 0 || o.Hang { // what hangs ends with its rule
				rules = append(rules, o)
			}
		}
	}
	rules = append(rules, one)
	f.rules.Store(&rules)
	return fail.ID
}

// any reports whether a request's target is worth knowing.
func (f *failures) any() bool { return f.rules.Load() != nil || f.dead.Load() != nil }

// find takes the first rule that matches, or nil.
func (f *failures) find(service, target string) *rule {
	rules := f.rules.Load()
	if rules == nil {
		return nil
	}
	for _, one := range *rules {
		if one.matches(service, target) && (one.Count == 0 || one.left.Add(-1) >= 0) {
			return one
		}
	}
	return nil
}

func (r *rule) matches(service, target string) bool {
	if r.Provider != service && (r.Provider != "" || service == ProviderOAuth) {
		return false
	}
	if start, ok := strings.CutSuffix(r.Target, "*"); ok {
		return strings.HasPrefix(target, start)
	}
	return r.Target == "" || r.Target == target
}

// deadSince reports whether a token is dead.
func (f *failures) deadSince(token string) (time.Time, bool) {
	dead := f.dead.Load()
	if dead == nil {
		return time.Time{}, false
	}
	since, ok := (*dead)[token]
	return since, ok
}

// suffer does what a rule says and reports whether it left an answer to give: a
// status or a reason. Accepted is called where the rule says so.
func (r *rule) suffer(ctx context.Context, accepted func()) (answer bool) {
	if r == nil {
		return false
	}
	if r.Latency > 0 {
		timer := time.NewTimer(time.Duration(r.Latency))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			panic(http.ErrAbortHandler)
		}
	}
	fails := r.Hang || r.Disconnect || r.Status != 0 || r.Reason != ""
	if fails && r.Accept {
		accepted()
	}
	if r.Hang {
		select {
		case <-ctx.Done():
		case <-r.gone:
		}
	}
	if r.Hang || r.Disconnect {
		panic(http.ErrAbortHandler)
	}
	return fails
}
