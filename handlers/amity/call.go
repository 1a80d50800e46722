package amity

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"chatbell"
	"chatbell/handlers/web"
)

// call is what a webhook's call comes to.
type call struct {
	events []chatbell.Event
	// ignored says why nothing was made of the call; empty when something was.
	ignored string
}

// reading is a call that is being read.
type reading struct {
	check *web.Checker
	// name is the event's at Amity.
	name string
	// data are the members of what it carries, raw all of it.
	data   map[string]json.RawMessage
	raw    json.RawMessage
	people *people
	now    time.Time
	out    call
}

// makers turn a call into events, by the name of Amity's event.
var makers = map[string]func(*reading){
	"channel.didCreate":      func(r *reading) { r.channels(chatbell.ChannelCreated, "", true) },
	"channel.didJoin":        func(r *reading) { r.channels(chatbell.ChannelJoined, "", true) },
	"channel.didLeave":       func(r *reading) { r.channels(chatbell.ChannelLeft, "", true) },
	"channel.didAddUsers":    func(r *reading) { r.channels(chatbell.ChannelJoined, "adderId", true) },
	"channel.didRemoveUsers": func(r *reading) { r.channels(chatbell.ChannelLeft, "removerId", true) },
	"channel.didBan":         func(r *reading) { r.channels(chatbell.ChannelLeft, "actorId", true) },
	"channel.didUpdate":      func(r *reading) { r.channels(chatbell.ChannelUpdated, "userId", false) },
	"channel.didUpdateMeta":  func(r *reading) { r.channels(chatbell.ChannelUpdated, "userId", false) },
	"channel.didClose":       func(r *reading) { r.channels(chatbell.ChannelUpdated, "userId", false) },
	"channel.didDelete":      func(r *reading) { r.channels(chatbell.ChannelDeleted, "userId", false) },

	"message.didCreate":         func(r *reading) { r.messages(chatbell.MessageCreated) },
	"message.didUpdate":         func(r *reading) { r.messages(chatbell.MessageUpdated) },
	"message.didDelete":         func(r *reading) { r.messages(chatbell.MessageDeleted) },
	"message.didFlag":           func(r *reading) { r.messages("message.flagged") },
	"message.didUnflag":         func(r *reading) { r.messages("message.unflagged") },
	"message.didClearflag":      func(r *reading) { r.messages("message.flags_cleared") },
	"message.didAddReaction":    func(r *reading) { r.messages("message.reaction_added") },
	"message.didRemoveReaction": func(r *reading) { r.messages("message.reaction_removed") },

	"user.didCreate":      func(r *reading) { r.users(nil) },
	"user.didUpdate":      func(r *reading) { r.users(nil) },
	"user.profileReset":   func(r *reading) { r.users(nil) },
	"user.didBan":         func(r *reading) { r.users(ban) },
	"user.didGlobalBan":   func(r *reading) { r.users(ban) },
	"user.didUnban":       func(r *reading) { r.users(unban) },
	"user.didGlobalUnban": func(r *reading) { r.users(unban) },
	"user.didDelete":      func(r *reading) { r.users(func(u *userEntity) { u.IsDeleted = true }) },
}

func ban(u *userEntity) {
	banned := true
	u.IsGlobalBan = &banned
}

func unban(u *userEntity) {
	banned := false
	u.IsGlobalBan = &banned
	u.IsBanned = nil
}

// unused are the beginnings of the names of events that are known and not used.
var unused = []string{"follow.", "poll.", "user.", "v3.", "video-streaming.", "post.", "comment.", "community.", "story.", "file.", "tag."}

// readCall turns a signed body into events. The error names what is wrong by its place.
func readCall(body []byte, now time.Time) (call, error) {
	var in struct {
		Event string          `json:"event"`
		Data  json.RawMessage `json:"data"`
	}
	if !utf8.Valid(body) {
		return call{}, web.Invalid(web.Field("", "must be valid UTF-8"))
	}
	if err := web.DecodeObject(body, &in); err != nil {
		return call{}, err
	}
	r := &reading{check: &web.Checker{}, name: in.Event, raw: in.Data, now: now}
	switch maker := makers[in.Event]; {
	case in.Event == "":
		r.check.Add("/event", "is required")
	case maker == nil:
		return call{ignored: whyUnused(in.Event)}, nil
	case json.Unmarshal(in.Data, &r.data) != nil || r.data == nil:
		r.check.Add("/data", "must be an object")
	default:
		r.people = newPeople(r.check, "/data/users", entities[userEntity](r.check, "/data/users", r.data["users"]))
		maker(r)
		r.finish()
	}
	return r.out, r.check.Result()
}

func whyUnused(name string) string {
	if name == "moderation.didBan" {
		return "moderation.didBan is not used: it says that a message had a forbidden word and was not sent, and nobody is to be told"
	}
	for _, beginning := range unused {
		if strings.HasPrefix(name, beginning) {
			return fmt.Sprintf("%.64s is not used: chatbell tells of chats", name)
		}
	}
	return fmt.Sprintf("%.64q is no event that chatbell knows", name)
}

// maxEvents bounds the events of one call, as of one request of our own API.
const maxEvents = 1000

// finish checks what holds for every event.
func (r *reading) finish() {
	if len(r.out.events) > maxEvents {
		r.check.Add("/data", "must come to at most %d events, and comes to %d", maxEvents, len(r.out.events))
		return
	}
	for i := range r.out.events {
		event := &r.out.events[i]
		if event.Time.IsZero() {
			event.Time = r.now
		}
		event.Time = event.Time.UTC()
		if data, err := json.Marshal(event); err != nil || len(data) > chatbell.MaxEventSize {
			r.check.Add("/data", "must come to events of at most %d bytes each", chatbell.MaxEventSize)
		}
	}
}

// add puts an event into the call's.
func (r *reading) add(event *chatbell.Event) { r.out.events = append(r.out.events, *event) }

// The years of an event: what ClickHouse's DateTime64 and its clients keep.
const (
	minYear = 1970
	maxYear = 2200
)

// when is the first of some times that is known; the zero value is now.
func (r *reading) when(at string, times ...time.Time) time.Time {
	for _, t := range times {
		if t.IsZero() {
			continue
		}
		if y := t.UTC().Year(); y < minYear || y > maxYear {
			r.check.Add(at, "must have times within the years %d to %d", minYear, maxYear)
		}
		return t
	}
	return time.Time{}
}

// fingerprint stands for what a call carries, where nothing in it names that very event:
// a call that is repeated has the same.
func (r *reading) fingerprint() string {
	var compact bytes.Buffer
	if err := json.Compact(&compact, r.raw); err != nil {
		return "" // it was decoded before
	}
	sum := sha256.Sum256(compact.Bytes())
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// eventID is the id of an event that Amity's ids and times name. Where they are too long
// for an id, a hash of them is.
func (r *reading) eventID(parts ...string) chatbell.EventID {
	id := strings.Join(slices.Insert(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), 0, r.name), ":")
	if web.CheckID(id) == "" {
		return chatbell.EventID(id)
	}
	sum := sha256.Sum256([]byte(id))
	return chatbell.EventID(r.name + ":" + base64.RawURLEncoding.EncodeToString(sum[:]))
}

// stamp is a time as a part of an id.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "0"
	}
	return t.UTC().Format("20060102T150405.000")
}

// text reads a string of what the call carries.
func (r *reading) text(name string) string {
	raw := r.data[name]
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		r.check.Add("/data/"+name, "must be a string")
	}
	return text
}

// texts reads a list of strings.
func (r *reading) texts(name string) []string {
	raw := r.data[name]
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	var list []string
	if err := json.Unmarshal(raw, &list); err != nil {
		wrong := web.JSONError(err, raw, &list)
		r.check.Add("/data/"+name+wrong.Pointer, "%s", wrong.Detail)
	}
	return list
}
