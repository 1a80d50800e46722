package templates

import (
	"errors"
	"strings"
	"sync"

	"golang.org/x/text/language"
)

// maxLocale bounds the text of a locale that is looked at, in bytes: three times
// what any real one has.
const maxLocale = 64

// errNoLocale says that a text names no language.
var errNoLocale = errors.New("no language tag")

// parseTag reads a BCP 47 tag, in any case, also with the underscores of POSIX and
// Java, which Parse takes for hyphens.
func parseTag(locale string) (language.Tag, error) {
	if locale == "" || len(locale) > maxLocale {
		return language.Und, errNoLocale
	}
	tag, err := language.Parse(locale)
	if err == nil && tag.IsRoot() {
		err = errNoLocale
	}
	return tag, err
}

// guessTag reads what devices call a locale: besides BCP 47 also "pt_BR.UTF-8",
// "de_DE@euro" and Java's "zh_TW_#Hant". Of a tag with a part that nobody knows
// (de-QZZ) it takes the rest. It gives Und when there is nothing to understand.
func guessTag(locale string) language.Tag {
	if i := strings.IndexAny(locale, ".@#"); i >= 0 {
		locale = strings.TrimRight(locale[:i], "_-")
	}
	tag, err := parseTag(locale)
	var unknown language.ValueError
	if err != nil && !errors.As(err, &unknown) {
		return language.Und
	}
	return tag
}

// withScript is the language with the script that it is usually written in there:
// zh-TW becomes zh-Hant.
func withScript(tag language.Tag) language.Tag {
	base, _ := tag.Base()
	script, _ := tag.Script()
	out, err := language.Compose(base, script)
	if err != nil {
		return tag
	}
	return out
}

// candidates are the languages whose texts suit a wish, the best first: the tag, its
// parents, and the language in its script.
func candidates(tag language.Tag) []string {
	if tag.IsRoot() {
		return nil
	}
	var out []string
	for t := tag; !t.IsRoot(); t = t.Parent() {
		out = append(out, t.String())
	}
	return append(out, withScript(tag).String())
}

// maxResolved bounds the remembered locales, because strangers choose them; some 200
// are in use in the world.
const maxResolved = 1024

// resolver remembers what wishes came to.
type resolver struct {
	mu    sync.RWMutex
	known map[string]string
}

func (r *resolver) get(locale string) (string, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	got, ok := r.known[locale]
	return got, ok
}

// put forgets everything when it is full: whoever fills it with rubbish makes others
// look their language up again, not forever.
func (r *resolver) put(locale, resolved string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil || len(r.known) >= maxResolved {
		r.known = make(map[string]string)
	}
	r.known[strings.Clone(locale)] = resolved
}

// Resolve returns the locale whose texts will be used for a wish, which may be
// anything: the exact one, else a parent's, else the network's default.
func (c *Catalogue) Resolve(locale string) string {
	if locale == "" || len(locale) > maxLocale {
		return c.fallback.tag
	}
	if got, ok := c.resolved.get(locale); ok {
		return got
	}
	got := c.fallback.tag
	for _, tag := range candidates(guessTag(locale)) {
		if c.languages[tag] != nil {
			got = tag
			break
		}
	}
	c.resolved.put(locale, got)
	return got
}
