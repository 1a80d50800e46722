package amity

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"chatbell"
	"chatbell/handlers/web"
	"chatbell/pipeline/intake"
)

// Hook is a webhook at Amity that calls us.
type Hook struct {
	// Secret is what its calls are signed with.
	Secret string
	// Hex says that its signatures are written in hexadecimal, not in base64.
	Hex bool
}

func (a *api) hookRoutes() []web.Route {
	return []web.Route{{Method: http.MethodPost, Path: "/v1/hooks/amity", Handle: a.postHook, Access: web.Open, Doc: docHook}}
}

// signed reads the signature of a call in the form of a hook; nil where it cannot be one.
func (h *Hook) signed(text string) []byte {
	var sum []byte
	var err error
	if h.Hex {
		sum, err = hex.DecodeString(text)
	} else {
		sum, err = base64.StdEncoding.DecodeString(text)
	}
	if err != nil || len(sum) != sha256.Size {
		return nil
	}
	return sum
}

// signs reports whether a signature is that of the body. It takes the same time wherever
// they differ.
func (h *Hook) signs(body, sum []byte) bool {
	mac := hmac.New(sha256.New, []byte(h.Secret))
	mac.Write(body)
	return hmac.Equal(sum, mac.Sum(nil))
}

// signatureOf is the signature of a call, which older systems have in another header.
func signatureOf(header http.Header) string {
	if text := header.Get("X-Amity-Signature"); text != "" {
		return strings.TrimSpace(text)
	}
	return strings.TrimSpace(header.Get("X-Eko-Signature"))
}

// network is whose webhook is called: the one that the query names, or the only one that
// has webhooks at Amity.
func (a *api) network(c echo.Context) (chatbell.NetworkID, []Hook) {
	want := chatbell.NetworkID(c.QueryParam("network"))
	if want == "" && len(a.hooks) == 1 {
		for id, hooks := range a.hooks {
			return id, hooks
		}
	}
	return want, a.hooks[want]
}

const (
	saysUnsigned = "the call is not signed: x-amity-signature must be the HMAC-SHA256 of the body with the webhook's secret"
	saysWrong    = "the signature is not that of this body with a secret of the network's webhooks at Amity: look at networks.amity in the configuration, and at ?network= in the webhook's URL"
)

// authentic reads the body of a call that is signed as one of the network's webhooks signs.
// The signature's form is looked at first, so that nobody sends megabytes for nothing.
func (a *api) authentic(c echo.Context) (chatbell.NetworkID, []byte, error) {
	r := c.Request()
	text := signatureOf(r.Header)
	if text == "" {
		return "", nil, a.guard.Deny(r, web.RefusedNone, saysUnsigned)
	}
	network, hooks := a.network(c)
	sums := make([][]byte, len(hooks))
	known := false
	for i := range hooks {
		sums[i] = hooks[i].signed(text)
		known = known || sums[i] != nil
	}
	if !known {
		return "", nil, a.guard.Deny(r, web.RefusedUnknown, saysWrong)
	}
	body, err := web.ReadBody(c)
	if err != nil {
		return "", nil, err
	}
	for i := range hooks {
		if sums[i] != nil && hooks[i].signs(body, sums[i]) {
			a.guard.Admit(r)
			return network, body, nil
		}
	}
	return "", nil, a.guard.Deny(r, web.RefusedUnknown, saysWrong)
}

// hookAnswer tells what became of a call. Amity needs the status only.
type hookAnswer struct {
	Status  string      `json:"status" required:"true" enum:"success" description:"Always success."`
	Events  []hookEvent `json:"events" required:"true" nullable:"false" description:"What the call was turned into."`
	Ignored string      `json:"ignored,omitempty" description:"Why nothing was made of the call, or of a part of it."`
}

// hookEvent is one event that a call was turned into.
type hookEvent struct {
	ID     chatbell.EventID   `json:"id" required:"true" description:"The event's id, made of Amity's ids: the same when the call is repeated."`
	Type   chatbell.EventType `json:"type" required:"true" description:"The event's type."`
	Status string             `json:"status" required:"true" enum:"accepted,duplicate" description:"Whether it is durable now, or was already."`
}

var errMidway = errors.New("the broker failed midway")

func (a *api) postHook(c echo.Context) error {
	network, body, err := a.authentic(c)
	if err != nil {
		return err
	}
	now := a.now().UTC()
	call, err := readCall(body, now)
	if err != nil {
		a.rejected(1)
		return err
	}
	requests := make([]intake.Request, len(call.events))
	for i := range call.events {
		requests[i], err = intake.Event(&chatbell.Envelope{
			Network:     network,
			Event:       call.events[i],
			AcceptedAt:  now,
			Source:      chatbell.SourceEvent,
			TraceParent: web.TraceParent(c),
		})
		if err != nil {
			return err
		}
	}
	answer := hookAnswer{Status: "success", Events: make([]hookEvent, len(requests)), Ignored: call.ignored}
	if len(requests) == 0 {
		return c.JSON(http.StatusOK, answer)
	}
	statuses, err := a.intake.Accept(c.Request().Context(), requests)
	if err != nil {
		return err
	}
	for i, status := range statuses {
		answer.Events[i] = hookEvent{ID: call.events[i].ID, Type: call.events[i].Type, Status: "accepted"}
		switch status {
		case intake.Accepted:
		case intake.Duplicate:
			answer.Events[i].Status = "duplicate"
		case intake.Unknown: // Amity calls again, and what is in already is a duplicate then
			return &intake.Error{Cause: intake.Unavailable, RetryAfter: midwayRetry, Err: errMidway}
		}
	}
	return c.JSON(http.StatusOK, answer)
}
