package web

import (
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"

	"chatbell"
)

// Bounds of texts that strangers send, in characters.
const (
	MaxName   = 1000
	maxLocale = 64
	maxRoles  = 100 // roles of one person
	maxRole   = 150
)

// CheckID says what is wrong with an identifier; empty when nothing is.
func CheckID(id string) string {
	n := utf8.RuneCountInString(id)
	if n < 1 || n > chatbell.MaxIDLength {
		return fmt.Sprintf("must have 1 to %d characters", chatbell.MaxIDLength)
	}
	for _, char := range id {
		if unicode.IsControl(char) || char == utf8.RuneError {
			return "must not contain control characters"
		}
	}
	return ""
}

// Checker collects what is wrong with an input. The zero value has found nothing.
type Checker struct{ errs []chatbell.FieldError }

// maxMistakes bounds an answer: a body can have more mistakes than it has bytes to spare.
const maxMistakes = 100

// Add notes a mistake at a place.
func (k *Checker) Add(pointer, detail string, args ...any) {
	if len(k.errs) == maxMistakes {
		return
	}
	k.errs = append(k.errs, Field(pointer, detail, args...))
}

// Mistakes are what was found, in its order.
func (k *Checker) Mistakes() []chatbell.FieldError { return k.errs }

// Result makes a problem of what was found; nil when nothing was.
func (k *Checker) Result() error {
	if len(k.errs) == 0 {
		return nil
	}
	return Invalid(k.errs...)
}

// ID checks an identifier.
func (k *Checker) ID(pointer, id string) {
	if detail := CheckID(id); detail != "" {
		k.Add(pointer, "%s", detail)
	}
}

// SamePathID refuses an id in the body that is another than the path's: one of them
// would have to be ignored, and it could be the one that was meant.
func (k *Checker) SamePathID(body, path string) {
	if body != "" && body != path {
		k.Add("/id", "must be %q, as in the path, or be left out", path)
	}
}

// Short checks that a text has at most so many characters.
func (k *Checker) Short(pointer, s string, limit int) {
	if utf8.RuneCountInString(s) > limit {
		k.Add(pointer, "must have at most %d characters", limit)
	}
}

// Locale checks a language tag, if there is one.
func (k *Checker) Locale(pointer, text string) {
	if text == "" {
		return
	}
	if len(text) > maxLocale {
		k.Add(pointer, "must have at most %d characters", maxLocale)
		return
	}
	if _, err := language.Parse(text); err != nil {
		k.Add(pointer, "must be a BCP 47 language tag, for example en or pt-BR")
	}
}

// Timezone checks the name of a time zone, if there is one.
func (k *Checker) Timezone(pointer, s string) {
	if s == "" {
		return
	}
	if _, err := time.LoadLocation(s); err != nil || s == "Local" {
		k.Add(pointer, "must be an IANA time zone, for example Europe/Berlin")
	}
}

// Roles checks a list of roles.
func (k *Checker) Roles(pointer string, roles []string) {
	if len(roles) > maxRoles {
		k.Add(pointer, "must be at most %d", maxRoles)
		return
	}
	for i, r := range roles {
		if r == "" || utf8.RuneCountInString(r) > maxRole {
			k.Add(fmt.Sprintf("%s/%d", pointer, i), "must have 1 to %d characters", maxRole)
		}
	}
}

// Person checks a person with their id.
func (k *Checker) Person(pointer string, p *chatbell.Person) {
	k.ID(pointer+"/id", string(p.ID))
	k.Short(pointer+"/name", p.Name, MaxName)
	k.Locale(pointer+"/locale", p.Locale)
	k.Timezone(pointer+"/timezone", p.Timezone)
	k.Roles(pointer+"/roles", p.Roles)
}
