package webhooks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"chatbell"
)

// PushNotificationCreated is the eventType of a rendered notification, and its name
// among an endpoint's events.
const PushNotificationCreated = "push-notification.created"

// MaxTargets bounds the people whom one call names; more are paged.
const MaxTargets = 1000

// bodyVersion tells receivers which form of the body this is.
const bodyVersion = "1"

// PushNotification is a rendered notification for a customer who delivers it.
type PushNotification struct {
	// ID names the call; the webhook-id is the right choice.
	ID      string
	Network chatbell.NetworkID
	// Event is what happened. Its actor is the senderId.
	Event *chatbell.Event
	// SubjectID is whom it is about where one event is about several; empty for all.
	SubjectID string
	// SentTime must be the same on every retry, or the body is not: the time at which
	// the event was accepted is a good choice.
	SentTime time.Time
	// Text is the title and body in the language of all targets.
	Text chatbell.Text
	// Targets are the people to tell, toggles applied.
	Targets []chatbell.UserID
	// Silent says that the targets should learn of it without being shown it.
	Silent bool
	// Page counts from 1 to Pages; 0 means 1.
	Page, Pages int
}

var (
	errNoEvent     = errors.New("a push-notification body needs an event")
	errManyTargets = fmt.Errorf("a push-notification body names at most %d targets; send pages", MaxTargets)
)

type pushBody struct {
	EventType string             `json:"eventType"`
	ID        string             `json:"id"`
	NetworkID chatbell.NetworkID `json:"networkId"`
	Path      chatbell.EventType `json:"path"`
	SenderID  chatbell.UserID    `json:"senderId"`
	SentTime  stamp              `json:"sentTime"`
	Version   string             `json:"version"`
	Data      pushData           `json:"data"`
}

type pushData struct {
	EventName   chatbell.EventType `json:"eventName"`
	IsBroadcast bool               `json:"isBroadcast"`
	TargetIDs   []chatbell.UserID  `json:"targetIds"`
	Notify      bool               `json:"notify"`
	Title       string             `json:"title"`
	Body        string             `json:"body"`
	Locale      string             `json:"locale,omitempty"`
	Page        int                `json:"page"`
	Pages       int                `json:"pages"`
	Channels    []channelEntity    `json:"channels"`
	Messages    []messageEntity    `json:"messages,omitempty"`
	Users       []userEntity       `json:"users"`
	Files       []struct{}         `json:"files"` // of which we know nothing
}

// PushNotificationBody is the body of one push-notification.created call. Equal
// notifications have equal bodies, byte for byte.
func PushNotificationBody(n *PushNotification) ([]byte, error) {
	if n.Event == nil {
		return nil, errNoEvent
	}
	if len(n.Targets) > MaxTargets {
		return nil, errManyTargets
	}
	page := max(n.Page, 1)
	return encode(&pushBody{
		EventType: PushNotificationCreated,
		ID:        n.ID,
		NetworkID: n.Network,
		Path:      n.Event.Type,
		SenderID:  n.Event.Actor.ID,
		SentTime:  stamp(n.SentTime),
		Version:   bodyVersion,
		Data: pushData{
			EventName: n.Event.Type,
			TargetIDs: nonNil(n.Targets),
			Notify:    !n.Silent,
			Title:     n.Text.Title,
			Body:      n.Text.Body,
			Locale:    n.Text.Locale,
			Page:      page,
			Pages:     max(n.Pages, page),
			Channels:  channelsOf(n.Event),
			Messages:  messagesOf(n.Event),
			Users:     concerned(n.Event, n.SubjectID),
			Files:     []struct{}{},
		},
	})
}

// concerned are the people whom the words name: the actor, and who joined. The
// members of a new channel are the targets already.
func concerned(e *chatbell.Event, subject string) []userEntity {
	people := []chatbell.Person{e.Actor}
	if e.Type == chatbell.ChannelJoined {
		for _, person := range e.Members {
			if subject == "" || string(person.ID) == subject {
				people = append(people, person)
			}
		}
	}
	return usersOf(people...)
}

// WantsPush reports whether an endpoint with these events asked for rendered
// notifications of this type: by "*", by [PushNotificationCreated], or by the type.
func WantsPush(events []string, t chatbell.EventType) bool {
	return slices.ContainsFunc(events, func(e string) bool {
		return e == "*" || e == PushNotificationCreated || e == string(t)
	})
}

// encode writes JSON without escaping what is harmless in JSON: texts stay readable.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode webhook body: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func nonNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// stamp is a time as JavaScript writes it: UTC, milliseconds.
type stamp time.Time

func (s stamp) MarshalText() ([]byte, error) {
	return time.Time(s).UTC().AppendFormat(nil, "2006-01-02T15:04:05.000Z"), nil
}

func (s stamp) IsZero() bool { return time.Time(s).IsZero() }
