package sandbox

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// maxFCMBody bounds a request: the payload, its envelope and a long token.
const maxFCMBody = 64 << 10

// fcmRequest is messages:send as far as it is looked at.
type fcmRequest struct {
	ValidateOnly bool        `json:"validate_only"`
	Message      *fcmMessage `json:"message"`
}

type fcmMessage struct {
	Token        string            `json:"token"`
	Topic        string            `json:"topic"`
	Condition    string            `json:"condition"`
	Notification *fcmNotification  `json:"notification"`
	Data         map[string]string `json:"data"`
	Android      *struct {
		CollapseKey  string           `json:"collapse_key"`
		Notification *fcmNotification `json:"notification"`
		Priority     string           `json:"priority"`
		TTL          string           `json:"ttl"`
	} `json:"android"`
}

type fcmNotification struct {
	Title string `json:"title"`
	Body  string `json:"body"`
	Image string `json:"image"`
	Tag   string `json:"tag"`
}

// size is what counts against the limit, from below: names and values of the data,
// and the texts.
func (m *fcmMessage) size() int {
	n := 0
	for key, value := range m.Data {
		n += len(key) + len(value)
	}
	for _, note := range []*fcmNotification{m.Notification, m.android()} {
		if note != nil {
			n += len(note.Title) + len(note.Body) + len(note.Image)
		}
	}
	return n
}

func (m *fcmMessage) android() *fcmNotification {
	if m.Android == nil {
		return nil
	}
	return m.Android.Notification
}

// tag is what makes a later notification replace an earlier one.
func (m *fcmMessage) tag() string {
	if note := m.android(); note != nil {
		return note.Tag
	}
	return ""
}

func (s *Server) fcmMux() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", s.oauth)
	mux.HandleFunc("POST /v1/projects/{project}/{method}", s.fcm)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		s.refuseFCM(w, &fcmError{http.StatusNotFound, "NOT_FOUND", "", "Method not found."})
	})
	return mux
}

// fcm is POST /v1/projects/{project}/messages:send.
func (s *Server) fcm(w http.ResponseWriter, r *http.Request) {
	s.stats.fcm.requests.Add(1)
	now := time.Now()
	if refusal := s.checkFCM(r, now); refusal != nil {
		s.refuseFCM(w, refusal)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxFCMBody+1))
	if err != nil {
		panic(http.ErrAbortHandler) // the client went away
	}
	req, token, e := s.parseFCM(body)
	if e != nil {
		s.refuseFCM(w, e)
		return
	}
	id := s.fcmID(now)
	accepted := func() { s.acceptFCM(r, req, token, id, body, now) }
	if one := s.failures.find(ProviderFCM, token); one.suffer(r.Context(), accepted) {
		retryAfter(w, one)
		s.refuseFCM(w, failureOnRequest(one))
		return
	}
	if _, dead := s.failures.deadSince(token); dead {
		s.refuseFCM(w, &fcmError{http.StatusNotFound, "NOT_FOUND", "UNREGISTERED", "Requested entity was not found."})
		return
	}
	accepted()
	writeJSON(w, http.StatusOK, map[string]string{"name": id})
}

func (s *Server) checkFCM(r *http.Request, now time.Time) *fcmError {
	switch {
	case r.PathValue("method") != "messages:send":
		return &fcmError{http.StatusNotFound, "NOT_FOUND", "", "Method not found."}
	case !s.fcmAuth.check(r.Header.Get("Authorization"), now):
		return &fcmError{http.StatusUnauthorized, "UNAUTHENTICATED", "", "Request had invalid authentication credentials. Expected OAuth 2 access token."}
	case r.PathValue("project") != fcmProject:
		return &fcmError{http.StatusForbidden, "PERMISSION_DENIED", "", "Permission 'cloudmessaging.messages.create' denied on resource."}
	}
	return nil
}

// parseFCM reads a message. Where only counting is asked for it looks for the
// token alone, and only if somebody wants to know it.
func (s *Server) parseFCM(body []byte) (*fcmRequest, string, *fcmError) {
	if s.cfg.CountOnly {
		if !s.cfg.CountIDs && !s.failures.any() {
			return nil, "", nil
		}
		return nil, lastString(body, `"token":"`), nil
	}
	var req fcmRequest
	invalid := func(format string, a ...any) *fcmError {
		return &fcmError{http.StatusBadRequest, "INVALID_ARGUMENT", "INVALID_ARGUMENT", fmt.Sprintf(format, a...)}
	}
	if len(body) > maxFCMBody {
		return nil, "", invalid("Request payload size exceeds the limit: %d bytes.", maxFCMBody)
	}
	if err := json.Unmarshal(body, &req); err != nil || req.Message == nil {
		return nil, "", &fcmError{http.StatusBadRequest, "INVALID_ARGUMENT", "", "Invalid JSON payload received."}
	}
	message := req.Message
	switch n := count(message.Token) + count(message.Topic) + count(message.Condition); {
	case n == 0:
		return nil, "", invalid("Recipient of the message is not set.")
	case n > 1:
		return nil, "", invalid("Recipient of the message must be one of token, topic and condition.")
	case message.size() > maxPayload:
		return nil, "", invalid("Message too big: %d bytes, at most %d. The message is too big.", message.size(), maxPayload)
	}
	for key := range message.Data {
		if key == "from" || key == "message_type" || strings.HasPrefix(key, "google.") || strings.HasPrefix(key, "gcm.") {
			return nil, "", invalid("Invalid data payload key: %s", key)
		}
	}
	return &req, cmp.Or(message.Token, "/topics/"+cmp.Or(message.Topic, message.Condition)), nil
}

func count(s string) int {
	if s == "" {
		return 0
	}
	return 1
}

// lastString is the JSON string after the last occurrence of a key, escapes left as
// they are. Clients write the token last.
func lastString(body []byte, key string) string {
	i := bytes.LastIndex(body, []byte(key))
	if i < 0 {
		return ""
	}
	rest := body[i+len(key):]
	text, _, ok := bytes.Cut(rest, []byte{'"'})
	if !ok {
		return ""
	}
	return string(text)
}

func (s *Server) fcmID(now time.Time) string {
	return fmt.Sprintf("projects/%s/messages/0:%d%%%016x", fcmProject, now.UnixMicro(), s.messages.Add(1))
}

func (s *Server) acceptFCM(r *http.Request, req *fcmRequest, token, id string, body []byte, now time.Time) {
	if req != nil && req.ValidateOnly {
		return
	}
	s.stats.fcm.accept(now)
	if s.cfg.CountOnly {
		s.stats.seen(ProviderFCM, token, lastString(body, `"tag":"`))
		return
	}
	message := req.Message
	s.stats.seen(ProviderFCM, token, cmp.Or(message.tag(), id))
	s.arrivals.add(stored{at: now, push: &storedPush{
		provider: ProviderFCM,
		device:   token,
		id:       id,
		collapse: message.tag(),
		trace:    r.Header.Get("Traceparent"),
		payload:  body,
	}})
}

// fcmError is a refusal in Google's words.
type fcmError struct {
	status  int
	code    string // of Google's APIs
	fcmCode string // of FCM; may be empty
	message string
}

func (s *Server) refuseFCM(w http.ResponseWriter, failed *fcmError) {
	s.stats.fcm.refuse(cmp.Or(failed.fcmCode, failed.code))
	body := map[string]any{"code": failed.status, "message": failed.message, "status": failed.code}
	if failed.fcmCode != "" {
		body["details"] = []map[string]string{{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": failed.fcmCode}}
	}
	writeJSON(w, failed.status, map[string]any{"error": body})
}

// failureOnRequest completes a rule to one of FCM's errors.
func failureOnRequest(one *rule) *fcmError {
	for _, e := range fcmErrors() {
		if one.Reason == e.fcmCode || one.Reason == "" && one.Status == e.status {
			e.status = cmp.Or(one.Status, e.status)
			return &e
		}
	}
	status := cmp.Or(one.Status, http.StatusInternalServerError)
	return &fcmError{status, cmp.Or(one.Reason, "INTERNAL"), "", "Failure on request."}
}

// fcmErrors is Google's table; where a status has several, the first is the usual one.
func fcmErrors() []fcmError {
	return []fcmError{
		{http.StatusBadRequest, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "The registration token is not a valid FCM registration token"},
		{http.StatusNotFound, "NOT_FOUND", "UNREGISTERED", "Requested entity was not found."},
		{http.StatusForbidden, "PERMISSION_DENIED", "SENDER_ID_MISMATCH", "SenderId mismatch"},
		{http.StatusUnauthorized, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR", "Auth error from APNS or Web Push Service"},
		{http.StatusTooManyRequests, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", "Resource has been exhausted (e.g. check quota)."},
		{http.StatusInternalServerError, "INTERNAL", "INTERNAL", "Internal error encountered."},
		{http.StatusServiceUnavailable, "UNAVAILABLE", "UNAVAILABLE", "The service is currently unavailable."},
	}
}
