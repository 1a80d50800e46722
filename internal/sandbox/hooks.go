package sandbox

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"chatbell/pipeline/webhooks"
)

// maxHookBody bounds a webhook's body: an event of 512 KiB and a thousand targets.
const maxHookBody = 2 << 20

// Webhook is a call that a customer's webhook got.
type Webhook struct {
	Seq     uint64    `json:"seq"`
	Time    time.Time `json:"time"`
	Hook    string    `json:"hook"`
	ID      string    `json:"id"`
	Attempt int       `json:"attempt"`
	// Status is what was answered; 0 where there was no answer.
	Status int `json:"status"`
	// Standard and Amity are what became of the two signatures.
	Standard SignatureState `json:"standard"`
	Amity    SignatureState `json:"amity"`
	// TraceParent is the W3C traceparent, or empty.
	TraceParent string          `json:"traceparent,omitempty"`
	Body        json.RawMessage `json:"body"`
}

// SignatureState is what became of a signature.
type SignatureState string

// The states of a signature.
const (
	SignatureMissing SignatureState = "missing"
	SignatureValid   SignatureState = "valid"
	SignatureInvalid SignatureState = "invalid"
)

// hook is POST /hooks/{name}.
func (s *Server) hook(w http.ResponseWriter, r *http.Request) {
	svc := &s.stats.webhook
	svc.requests.Add(1)
	call := &Webhook{
		Time:        time.Now(),
		Hook:        r.PathValue("name"),
		ID:          r.Header.Get("Webhook-Id"),
		TraceParent: r.Header.Get("Traceparent"),
	}
	call.Attempt, _ = strconv.Atoi(r.Header.Get("Chatbell-Attempt")) // 0 where it is missing
	body, err := io.ReadAll(io.LimitReader(r.Body, maxHookBody+1))
	if err != nil {
		panic(http.ErrAbortHandler) // the client went away
	}
	if len(body) > maxHookBody {
		svc.refuse("too_large")
		http.Error(w, "the body is too large", http.StatusRequestEntityTooLarge)
		return
	}
	reason := s.checkHook(call, r.Header, body)
	if reason != "" {
		s.answerHook(w, call, http.StatusUnauthorized, reason)
		return
	}
	accepted := func() { svc.accept(call.Time); s.stats.seen(ProviderWebhook, call.Hook, call.ID) }
	one := s.failures.find(ProviderWebhook, call.Hook)
	if one != nil && (one.Hang || one.Disconnect) {
		s.keepHook(call) // there will be no answer to wait for
		svc.refuse("no_answer")
	}
	if one.suffer(r.Context(), accepted) {
		retryAfter(w, one)
		status := one.Status
		if status == 0 {
			status = http.StatusInternalServerError
		}
		s.answerHook(w, call, status, "failure")
		return
	}
	accepted()
	s.answerHook(w, call, http.StatusOK, "")
}

// checkHook fills in what can be known of a call and returns why it is refused.
func (s *Server) checkHook(call *Webhook, header http.Header, body []byte) (reason string) {
	call.Body = body
	if !json.Valid(body) {
		call.Body, _ = json.Marshal(string(body)) // a string always encodes
		reason = "not_json"
	}
	secret := s.creds.HookSecret
	if own, ok := s.cfg.HookSecrets[call.Hook]; ok {
		secret = own
	}
	call.Standard = verifyStandard(secret, header, body)
	call.Amity = verifyAmity(secret, header, body)
	switch {
	case call.Standard == SignatureInvalid || call.Amity == SignatureInvalid:
		return "bad_signature"
	case call.Standard == SignatureMissing && call.Amity == SignatureMissing:
		return "no_signature"
	}
	return reason
}

// verifyStandard uses the specification's library, as a customer would, with the
// key as it is written where the secret is not in the specification's form.
func verifyStandard(secret string, header http.Header, body []byte) SignatureState {
	if header.Get(standardwebhooks.HeaderWebhookSignature) == "" {
		return SignatureMissing
	}
	if wh, err := standardwebhooks.NewWebhook(secret); err == nil && wh.Verify(body, header) == nil {
		return SignatureValid
	}
	if wh, err := standardwebhooks.NewWebhookRaw([]byte(secret)); err == nil && wh.Verify(body, header) == nil {
		return SignatureValid
	}
	return SignatureInvalid
}

func verifyAmity(secret string, h http.Header, body []byte) SignatureState {
	signature := h.Get("X-Amity-Signature")
	switch {
	case signature == "":
		return SignatureMissing
	case webhooks.VerifyAmity(secret, signature, body):
		return SignatureValid
	}
	return SignatureInvalid
}

func (s *Server) answerHook(w http.ResponseWriter, call *Webhook, status int, reason string) {
	call.Status = status
	if reason != "" {
		s.stats.webhook.refuse(reason)
	}
	s.keepHook(call)
	if reason != "" {
		writeJSON(w, status, map[string]string{"error": reason})
		return
	}
	writeJSON(w, status, struct{}{})
}

func (s *Server) keepHook(call *Webhook) {
	if !s.cfg.CountOnly {
		s.arrivals.add(stored{at: call.Time, hook: call})
	}
}
