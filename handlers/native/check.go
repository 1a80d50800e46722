package native

import (
	"fmt"
	"regexp"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"

	"chatbell"
)

var (
	typePattern = regexp.MustCompile(`^[a-z0-9._-]{1,64}$`)
	namePattern = regexp.MustCompile(`^[a-z0-9._-]{1,64}$`)
)

// Bounds of texts that strangers send, in bytes or characters as named.
const (
	maxName  = 1000  // characters of a name
	maxText  = 20000 // characters of a message, as at Amity
	maxRoles = 100
	maxRole  = 150
)

// checkID says what is wrong with an identifier; empty when nothing is.
func checkID(id string) string {
	n := utf8.RuneCountInString(id)
	if n < 1 || n > chatbell.MaxIDLength {
		return fmt.Sprintf("must have 1 to %d characters", chatbell.MaxIDLength)
	}
	for _, r := range id {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return "must not contain control characters"
		}
	}
	return ""
}

// checker collects what is wrong.
type checker struct{ errs []chatbell.FieldError }

// maxMistakes bounds an answer: a body can have more mistakes than it has bytes to spare.
const maxMistakes = 100

func (k *checker) add(pointer, detail string, args ...any) {
	if len(k.errs) == maxMistakes {
		return
	}
	k.errs = append(k.errs, field(pointer, detail, args...))
}

func (k *checker) id(pointer, id string) {
	if detail := checkID(id); detail != "" {
		k.add(pointer, "%s", detail)
	}
}

// samePathID refuses an id in the body that is another than the path's: one of them
// would have to be ignored, and it could be the one that was meant.
func (k *checker) samePathID(body, path string) {
	if body != "" && body != path {
		k.add("/id", "must be %q, as in the path, or be left out", path)
	}
}

func (k *checker) short(pointer, s string, limit int) {
	if utf8.RuneCountInString(s) > limit {
		k.add(pointer, "must have at most %d characters", limit)
	}
}

func (k *checker) locale(pointer, s string) {
	if s == "" {
		return
	}
	if len(s) > 64 {
		k.add(pointer, "must have at most 64 characters")
		return
	}
	if _, err := language.Parse(s); err != nil {
		k.add(pointer, "must be a BCP 47 language tag, for example en or pt-BR")
	}
}

func (k *checker) timezone(pointer, s string) {
	if s == "" {
		return
	}
	if _, err := time.LoadLocation(s); err != nil || s == "Local" {
		k.add(pointer, "must be an IANA time zone, for example Europe/Berlin")
	}
}

func (k *checker) roles(pointer string, roles []string) {
	if len(roles) > maxRoles {
		k.add(pointer, "must be at most %d", maxRoles)
		return
	}
	for i, r := range roles {
		if r == "" || utf8.RuneCountInString(r) > maxRole {
			k.add(fmt.Sprintf("%s/%d", pointer, i), "must have 1 to %d characters", maxRole)
		}
	}
}

func (k *checker) person(pointer string, p *chatbell.Person) {
	k.id(pointer+"/id", string(p.ID))
	k.details(pointer, p)
}

func (k *checker) details(pointer string, p *chatbell.Person) {
	k.short(pointer+"/name", p.Name, maxName)
	k.locale(pointer+"/locale", p.Locale)
	k.timezone(pointer+"/timezone", p.Timezone)
	k.roles(pointer+"/roles", p.Roles)
}

// needs is what each built-in event type must carry.
var needs = map[chatbell.EventType]struct{ channel, members, message, user bool }{
	chatbell.ChannelCreated: {channel: true},
	chatbell.ChannelUpdated: {channel: true},
	chatbell.ChannelDeleted: {channel: true},
	chatbell.ChannelJoined:  {channel: true, members: true},
	chatbell.ChannelLeft:    {channel: true, members: true},
	chatbell.ChannelRead:    {channel: true, user: true},
	chatbell.MessageCreated: {channel: true, message: true},
	chatbell.MessageUpdated: {channel: true, message: true},
	chatbell.MessageDeleted: {channel: true, message: true},
	chatbell.UserUpdated:    {user: true},
	chatbell.UserDeleted:    {user: true},
}

// The years of an event: what ClickHouse's DateTime64 and its clients keep.
const (
	minYear = 1970
	maxYear = 2200
)

// checkEvent says everything that is wrong with an event.
func checkEvent(e *chatbell.Event) []chatbell.FieldError {
	k := &checker{}
	if e.ID != "" {
		k.id("/id", string(e.ID))
	}
	if !typePattern.MatchString(string(e.Type)) {
		k.add("/type", "must be an event type: 1 to 64 characters of a-z, 0-9, dot, underscore and hyphen")
	}
	if y := e.Time.UTC().Year(); !e.Time.IsZero() && (y < minYear || y > maxYear) {
		k.add("/time", "must be within the years %d to %d in UTC", minYear, maxYear)
	}
	need := needs[e.Type]
	if !e.Actor.IsZero() {
		k.person("/actor", &e.Actor)
	}
	k.channel(e, need.channel)
	k.message(e, need.message)
	k.members(e, need.members)
	switch {
	case e.User != nil:
		k.person("/user", e.User)
	case need.user:
		k.add("/user", "is required for %s", e.Type)
	}
	if e.Badge != nil && *e.Badge < 0 {
		k.add("/badge", "must not be negative")
	}
	return k.errs
}

func (k *checker) channel(e *chatbell.Event, required bool) {
	c := &e.Channel
	if *c == (chatbell.ChannelRef{}) {
		if required {
			k.add("/channel", "is required for %s", e.Type)
		}
		return
	}
	k.id("/channel/id", string(c.ID))
	k.short("/channel/name", c.Name, maxName)
	k.short("/channel/type", c.Type, chatbell.MaxIDLength)
}

func (k *checker) message(e *chatbell.Event, required bool) {
	m := e.Message
	if m == nil {
		if required {
			k.add("/message", "is required for %s", e.Type)
		}
		return
	}
	k.id("/message/id", m.ID)
	gone := m.Type == "" && e.Type == chatbell.MessageDeleted // what is gone has no type any more
	if !gone && !slices.Contains(chatbell.MessageTypes[:], m.Type) {
		k.add("/message/type", "must be text, image, file, audio, video or custom")
	}
	k.short("/message/text", m.Text, maxText)
	k.short("/message/thread_id", m.ThreadID, chatbell.MaxIDLength)
	if len(m.Mentions) > chatbell.MaxEventMembers {
		k.add("/message/mentions", "must be at most %d", chatbell.MaxEventMembers)
		return
	}
	for i, id := range m.Mentions {
		k.id(fmt.Sprintf("/message/mentions/%d", i), string(id))
	}
}

func (k *checker) members(e *chatbell.Event, required bool) {
	switch n := len(e.Members); {
	case n == 0 && required:
		k.add("/members", "must name at least one person for %s", e.Type)
	case n > chatbell.MaxEventMembers:
		k.add("/members", "must be at most %d; put more with PUT /v1/channels/{channel}/members", chatbell.MaxEventMembers)
		return
	}
	for i := range e.Members {
		k.person(fmt.Sprintf("/members/%d", i), &e.Members[i])
	}
}
