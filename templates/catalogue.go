package templates

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/nicksnyder/go-i18n/v2/i18n"

	"chatbell"
)

// Config is what a catalogue is made of. The zero value is a catalogue of the
// built-in texts whose default is English.
type Config struct {
	// DefaultLocale is used where nobody says what they speak; empty means en. A
	// language without texts is taken for English.
	DefaultLocale string
	// Overrides by template (or "message.created" for all messages) and locale.
	Overrides map[string]map[string]Override
	// Builtin is shared by all catalogues of a process, because it is some hundred
	// kilobytes; nil loads a copy for this one alone.
	Builtin *Builtin
}

// Catalogue is one network's texts.
type Catalogue struct {
	languages map[string]*tongue // by canonical tag
	fallback  *tongue
	resolved  resolver
}

// tongue is one language of the catalogue, complete: what it lacks itself is taken
// from its parents, the network's default or English.
type tongue struct {
	tag    string
	words  vocabulary
	labels map[string]string // what stands for the text of a message without one, by template
}

// New makes a catalogue. A bad text of the network is a *ParseError, a bad default
// locale a chatbell.FieldError.
func New(cfg Config) (*Catalogue, error) {
	if cfg.Builtin == nil {
		builtin, err := LoadBuiltin()
		if err != nil {
			return nil, err
		}
		cfg.Builtin = builtin
	}
	own := &overrides{}
	if len(cfg.Overrides) > 0 {
		over, err := newOverrides(cfg.Overrides, cfg.Builtin)
		if err != nil {
			return nil, err
		}
		own = over
	}
	def, err := parseTag(cmp.Or(cfg.DefaultLocale, english))
	if err != nil {
		return nil, chatbell.FieldError{Pointer: "/default_locale", Detail: "must be a language tag, for example de, pt-BR or zh-Hant"}
	}
	cat := &Catalogue{languages: map[string]*tongue{}}
	fallback := append(candidates(def), english)
	for tag := range cfg.Builtin.languages {
		cat.languages[tag] = newTongue(tag, fallback, own, cfg.Builtin)
	}
	for tag := range own.languages {
		cat.languages[tag] = newTongue(tag, fallback, own, cfg.Builtin)
	}
	for _, tag := range fallback {
		if cat.fallback = cat.languages[tag]; cat.fallback != nil {
			break
		}
	}
	return cat, nil
}

// newTongue finds every text of a language. A network's own texts go before the
// built-in ones of the same language, and those before anything of another.
func newTongue(tag string, fallback []string, own *overrides, builtin *Builtin) *tongue {
	search := append(candidates(guessTag(tag)), fallback...)
	t := &tongue{tag: tag, words: vocabulary{}}
	for _, name := range Names() {
		var wording words
		for _, line := range search {
			for _, vocab := range []vocabulary{own.languages[line], builtin.languages[line]} {
				wording.title = cmp.Or(wording.title, vocab[name].title)
				wording.body = cmp.Or(wording.body, vocab[name].body)
			}
		}
		t.words[name] = wording
	}
	t.labels = labels(search, builtin)
	return t
}

// labels are what stands for the text of a message without one: the built-in bodies,
// which have no placeholders.
func labels(search []string, builtin *Builtin) map[string]string {
	for _, line := range search {
		if vocab := builtin.languages[line]; vocab != nil {
			image := vocab[MessageImage].body.src
			other := vocab[MessageOther].body.src
			return map[string]string{MessageImage: image, MessageOther: other, MessageText: other}
		}
	}
	return nil
}

// Has reports whether there is such a template.
func (c *Catalogue) Has(template string) bool {
	_, ok := c.fallback.words[template]
	return ok
}

// Locales lists the locales that Resolve can return.
func (c *Catalogue) Locales() []string {
	out := make([]string, 0, len(c.languages))
	for tag := range c.languages {
		out = append(out, tag)
	}
	slices.Sort(out)
	return out
}

// Input is what the placeholders stand for. Names may be anything that a stranger
// typed; [Name] falls back to an id.
type Input struct {
	Actor, Channel, Subject string
	// Text is the message's text. For messages without one it is what the language
	// calls them, for example "Image Message".
	Text string
	// Count is how many people the notification is about; it chooses the plural form.
	Count int
}

// Render makes a template's title and body in a locale that Resolve returned. The
// only error is a template that is not there.
func (c *Catalogue) Render(template, locale string, input Input) (chatbell.Text, error) {
	lang := c.languages[locale]
	if lang == nil {
		lang = c.fallback
	}
	wording, ok := lang.words[template]
	if !ok {
		return chatbell.Text{}, fmt.Errorf("render %q: there is no such template", clip(template))
	}
	input.Actor = cleanName(input.Actor)
	input.Channel = cleanName(input.Channel)
	input.Subject = cleanName(input.Subject)
	if input.Text == "" {
		input.Text = lang.labels[template]
	}
	title, err := wording.title.render(&input)
	if err != nil {
		return chatbell.Text{}, fmt.Errorf("render the title of %s in %s: %w", template, lang.tag, err)
	}
	body, err := wording.body.render(&input)
	if err != nil {
		return chatbell.Text{}, fmt.Errorf("render the body of %s in %s: %w", template, lang.tag, err)
	}
	return chatbell.Text{Locale: lang.tag, Title: title, Body: body}, nil
}

// render fills a text in.
func (t *text) render(in *Input) (string, error) {
	lc := i18n.LocalizeConfig{MessageID: t.id, TemplateData: &values{in: in, rtl: t.rtl}, TemplateParser: parser{}}
	if t.plural {
		lc.PluralCount = in.Count
	}
	return t.localizer.Localize(&lc)
}
