package sandbox

import (
	"cmp"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxPayload is what APNs takes, and what FCM takes, in bytes.
const maxPayload = 4096

// apnsStatus is the status of each reason in Apple's table.
func apnsStatus(reason string) int {
	switch reason {
	case "BadCertificate", "BadCertificateEnvironment", "ExpiredProviderToken", "Forbidden", "InvalidProviderToken",
		"MissingProviderToken", "UnrelatedKeyIdInToken", "BadEnvironmentKeyIdInToken":
		return http.StatusForbidden
	case "BadPath":
		return http.StatusNotFound
	case "MethodNotAllowed":
		return http.StatusMethodNotAllowed
	case "ExpiredToken", "Unregistered":
		return http.StatusGone
	case "PayloadTooLarge":
		return http.StatusRequestEntityTooLarge
	case "TooManyProviderTokenUpdates", "TooManyRequests":
		return http.StatusTooManyRequests
	case "InternalServerError":
		return http.StatusInternalServerError
	case "ServiceUnavailable", "Shutdown":
		return http.StatusServiceUnavailable
	default:
		return http.StatusBadRequest
	}
}

// apnsReason is Apple's usual reason for a status.
func apnsReason(status int) string {
	switch status {
	case http.StatusForbidden:
		return "InvalidProviderToken"
	case http.StatusNotFound:
		return "BadPath"
	case http.StatusMethodNotAllowed:
		return "MethodNotAllowed"
	case http.StatusGone:
		return "Unregistered"
	case http.StatusRequestEntityTooLarge:
		return "PayloadTooLarge"
	case http.StatusTooManyRequests:
		return "TooManyRequests"
	case http.StatusServiceUnavailable:
		return "ServiceUnavailable"
	case http.StatusBadRequest:
		return "BadDeviceToken"
	default:
		return "InternalServerError"
	}
}

// apns is POST /3/device/{token}.
func (s *Server) apns(w http.ResponseWriter, r *http.Request) {
	s.stats.apns.requests.Add(1)
	now := time.Now()
	id := r.Header.Get("Apns-Id")
	if id == "" {
		id = newAPNsID()
	}
	w.Header()["Apns-Id"] = []string{id}
	token, reason := s.checkAPNs(r, id, now)
	if reason != "" {
		s.refuseAPNs(w, apnsStatus(reason), reason, time.Time{})
		return
	}
	buf := s.buffers.Get().(*[]byte) //nolint:forcetypeassert // the pool holds nothing else
	defer s.buffers.Put(buf)
	payload, reason := s.readAPNs(r, (*buf)[:0])
	if reason != "" {
		s.refuseAPNs(w, apnsStatus(reason), reason, time.Time{})
		return
	}
	accepted := func() { s.acceptAPNs(r, token, id, payload, now) }
	if one := s.failures.find(ProviderAPNs, token); one.suffer(r.Context(), accepted) {
		status := one.Status
		if status == 0 {
			status = apnsStatus(one.Reason)
		}
		retryAfter(w, one)
		s.refuseAPNs(w, status, cmp.Or(one.Reason, apnsReason(status)), now)
		return
	}
	if since, dead := s.failures.deadSince(token); dead {
		s.refuseAPNs(w, http.StatusGone, "Unregistered", since)
		return
	}
	accepted()
	w.WriteHeader(http.StatusOK)
}

// checkAPNs looks at everything but the payload.
func (s *Server) checkAPNs(r *http.Request, id string, now time.Time) (token, reason string) {
	token, ok := strings.CutPrefix(r.URL.Path, "/3/device/")
	header := r.Header
	switch {
	case r.Method != http.MethodPost:
		return "", "MethodNotAllowed"
	case !ok || strings.Contains(token, "/"):
		return "", "BadPath"
	case token == "":
		return "", "MissingDeviceToken"
	}
	if reason := s.apnsAuth.check(header.Get("Authorization"), now); reason != "" {
		return "", reason
	}
	topic := header.Get("Apns-Topic")
	switch {
	case !isDeviceToken(token):
		return "", "BadDeviceToken"
	case topic == "":
		return "", "MissingTopic"
	case !isTopic(topic):
		return "", "BadTopic"
	case len(s.cfg.Topics) > 0 && !slices.Contains(s.cfg.Topics, topic):
		return "", "TopicDisallowed"
	case len(header.Get("Apns-Collapse-Id")) > 64:
		return "", "BadCollapseId"
	case !isUUID(id):
		return "", "BadMessageId"
	}
	return token, checkAPNsHeaders(header)
}

// isTopic: a bundle id, with an ending such as .voip.
func isTopic(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == ""
}

func checkAPNsHeaders(header http.Header) (reason string) {
	kind := header.Get("Apns-Push-Type")
	priority := header.Get("Apns-Priority")
	switch kind {
	case "", "alert", "background", "controls", "location", "voip", "complication", "fileprovider", "mdm", "liveactivity", "pushtotalk", "widgets":
	default:
		return "InvalidPushType"
	}
	switch priority {
	case "", "1", "5", "10":
	default:
		return "BadPriority"
	}
	// Apple's documentation: 10 is an error for a background push, and what counts when
	// the header is left out.
	if kind == "background" && (priority == "" || priority == "10") {
		return "BadPriority"
	}
	if text := header.Get("Apns-Expiration"); text != "" {
		if _, err := strconv.ParseUint(text, 10, 63); err != nil {
			return "BadExpirationDate"
		}
	}
	return ""
}

// isDeviceToken: Apple's are 32 bytes in hexadecimal today and may grow.
func isDeviceToken(s string) bool {
	return len(s) >= 8 && len(s) <= 200 && len(s)%2 == 0 && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

func isUUID(s string) bool {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return false
	}
	return strings.Trim(s, "0123456789abcdefABCDEF-") == ""
}

// newAPNsID is a random UUID, in capitals as Apple writes them. Nothing relies on
// its secrecy.
func newAPNsID() string {
	const digits = "0123456789ABCDEF"
	var id [36]byte
	var bits uint64
	for i := range id {
		if i%16 == 0 {
			bits = rand.Uint64()
		}
		id[i] = digits[bits&0xf]
		bits >>= 4
	}
	id[8] = '-'
	id[13] = '-'
	id[18] = '-'
	id[23] = '-'
	id[14] = '4'                                           // the version: random
	id[19] = digits[8|strings.IndexByte(digits, id[19])&3] // the variant of RFC 9562
	return string(id[:])
}

func (s *Server) readAPNs(r *http.Request, buf []byte) (payload []byte, reason string) {
	buf, err := readAll(r.Body, buf)
	switch {
	case err != nil:
		panic(http.ErrAbortHandler) // the client went away
	case len(buf) > maxPayload:
		return nil, "PayloadTooLarge"
	case len(buf) == 0:
		return nil, "PayloadEmpty"
	case !s.cfg.CountOnly && !isAPS(buf):
		return nil, "PayloadEmpty"
	}
	return buf, ""
}

// readAll reads into a buffer, up to its capacity.
func readAll(r io.Reader, buf []byte) ([]byte, error) {
	for len(buf) < cap(buf) {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
	return buf, nil
}

// isAPS reports whether a payload is an object with Apple's dictionary in it.
func isAPS(payload []byte) bool {
	var p struct {
		APS map[string]json.RawMessage `json:"aps"`
	}
	return json.Unmarshal(payload, &p) == nil && p.APS != nil
}

func (s *Server) acceptAPNs(r *http.Request, token, id string, payload []byte, now time.Time) {
	s.stats.apns.accept(now)
	header := r.Header
	s.stats.seen(ProviderAPNs, token, cmp.Or(header.Get("Apns-Collapse-Id"), id))
	if s.cfg.CountOnly {
		return
	}
	s.arrivals.add(stored{at: now, push: &storedPush{
		provider: ProviderAPNs,
		device:   token,
		id:       id,
		app:      header.Get("Apns-Topic"),
		collapse: header.Get("Apns-Collapse-Id"),
		trace:    header.Get("Traceparent"),
		payload:  slices.Clone(payload),
		headers:  pick(header, "Apns-Push-Type", "Apns-Priority", "Apns-Expiration"),
	}})
}

func pick(h http.Header, names ...string) map[string]string {
	out := map[string]string{}
	for _, name := range names {
		if value := h.Get(name); value != "" {
			out[strings.ToLower(name)] = value
		}
	}
	return out
}

// refuseAPNs answers as Apple does. Since goes with a 410.
func (s *Server) refuseAPNs(w http.ResponseWriter, status int, reason string, since time.Time) {
	s.stats.apns.refuse(reason)
	body := struct {
		Reason    string `json:"reason"`
		Timestamp int64  `json:"timestamp,omitempty"`
	}{Reason: reason}
	if status == http.StatusGone {
		body.Timestamp = since.UnixMilli()
	}
	writeJSON(w, status, &body)
}
