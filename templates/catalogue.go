package templates

import (
	"fmt"
	"sort"
	"strings"
	"sync"

	"github.com/BurntSushi/toml"
	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"

	"chatbell"
	"chatbell/locales"
)

// Names of the built-in templates.
const (
	ChannelCreated    = "channel.created"
	ChannelJoined     = "channel.joined"
	ChannelJoinedMany = "channel.joined.many"
	MessageText       = "message.text"
	MessageImage      = "message.image"
	MessageOther      = "message.other"
)

// messageCreated is the event type under which a network may override the texts of
// all messages at once.
const messageCreated = string(chatbell.MessageCreated)

// Override is a network's own text; an empty field keeps the built-in one.
type Override struct{ Title, Body string }

// Config is what a catalogue is made of.
type Config struct {
	// DefaultLocale is used where nobody says what they speak; empty means en.
	DefaultLocale string
	// Overrides by template (or "message.created" for all messages) and locale.
	Overrides map[string]map[string]Override
}

// ParseError says where one of a network's own texts is wrong.
type ParseError struct {
	Template, Locale, Field string // Field is title or body
	Line, Column            int    // from 1
	Detail                  string
}

// Error names the text, the place and what would be right.
func (e *ParseError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("template %s, locale %s: %s", e.Template, e.Locale, e.Detail)
	}
	return fmt.Sprintf("template %s, locale %s, %s, line %d, column %d: %s", e.Template, e.Locale, e.Field, e.Line, e.Column, e.Detail)
}

// Catalogue is one network's texts.
type Catalogue struct {
	languages map[string]*tongue // by canonical tag
	fallback  *tongue

	mu       sync.RWMutex
	resolved map[string]string
}

// tongue is one language of the catalogue.
type tongue struct {
	tag       string
	rtl       bool
	labels    map[string]string // what stands for the text of a message without one
	localizer *i18n.Localizer
}

// New makes a catalogue. A bad text of the network is a *ParseError.
func New(c Config) (*Catalogue, error) {
	bundle := i18n.NewBundle(language.English)
	bundle.RegisterUnmarshalFunc("toml", toml.Unmarshal)
	files, err := locales.All()
	if err != nil {
		return nil, fmt.Errorf("read the built-in texts: %w", err)
	}
	tags, labels := map[string]language.Tag{}, map[string]map[string]string{}
	for _, f := range files {
		mf, err := bundle.ParseMessageFileBytes(f.TOML, f.Name)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", f.Name, err)
		}
		for _, m := range mf.Messages {
			if err := checkMessage(m, f.Tag); err != nil {
				return nil, err
			}
			if err := bundle.AddMessages(mf.Tag, allForms(m)); err != nil {
				return nil, fmt.Errorf("read %s: %w", f.Name, err)
			}
		}
		tags[mf.Tag.String()], labels[mf.Tag.String()] = mf.Tag, bodies(mf.Messages)
	}
	if err := addOverrides(bundle, c.Overrides, tags); err != nil {
		return nil, err
	}
	cat := &Catalogue{languages: map[string]*tongue{}, resolved: map[string]string{}}
	def := orEnglish(lookup(tags, c.DefaultLocale))
	for name, tag := range tags {
		// What a language lacks comes from its parents, then the default, then English.
		cat.languages[name] = &tongue{tag: name, rtl: rightToLeft(tag), labels: firstLabels(labels, name, tag.Parent().String(), def, "en"), localizer: i18n.NewLocalizer(bundle, name, tag.Parent().String(), def, "en")}
	}
	cat.fallback = cat.languages[def]
	return cat, nil
}

func orEnglish(tag string) string {
	if tag == "" {
		return "en"
	}
	return tag
}

// allForms gives a text without a count in it to every plural form.
func allForms(m *i18n.Message) *i18n.Message {
	if m.One == "" && m.Few == "" && m.Many == "" && m.Zero == "" && m.Two == "" {
		return &i18n.Message{ID: m.ID, Zero: m.Other, One: m.Other, Two: m.Other, Few: m.Other, Many: m.Other, Other: m.Other}
	}
	return m
}

// bodies are the texts by template.
func bodies(messages []*i18n.Message) map[string]string {
	out := map[string]string{}
	for _, m := range messages {
		if name, ok := strings.CutSuffix(m.ID, ".body"); ok {
			out[name] = m.Other
		}
	}
	return out
}

func firstLabels(labels map[string]map[string]string, tags ...string) map[string]string {
	for _, tag := range tags {
		if l := labels[tag]; l != nil {
			return l
		}
	}
	return nil
}

// checkMessage parses every form of a message, so that nothing can fail later.
func checkMessage(m *i18n.Message, locale string) error {
	for _, src := range []string{m.Zero, m.One, m.Two, m.Few, m.Many, m.Other} {
		if _, err := parse(src); err != nil {
			return parseError(m.ID, locale, "", err)
		}
	}
	return nil
}

func parseError(template, locale, field string, err error) error {
	e := &ParseError{Template: template, Locale: locale, Field: field, Detail: err.Error()}
	if s, ok := err.(*syntaxError); ok { //nolint:errorlint // parse returns it bare
		e.Line, e.Column, e.Detail = s.Line, s.Column, s.Detail
	}
	return e
}

// addOverrides puts a network's texts in front of the built-in ones. Those for all
// messages go first, so that one for a kind of message wins over them.
func addOverrides(bundle *i18n.Bundle, overrides map[string]map[string]Override, tags map[string]language.Tag) error {
	names := make([]string, 0, len(overrides))
	for name := range overrides {
		names = append(names, name)
	}
	sort.Slice(names, func(i, j int) bool {
		if (names[i] == messageCreated) != (names[j] == messageCreated) {
			return names[i] == messageCreated
		}
		return names[i] < names[j]
	})
	for _, name := range names {
		for locale, o := range overrides[name] {
			tag, err := parseTag(locale)
			if err != nil {
				return &ParseError{Template: name, Locale: locale, Detail: "is not a BCP 47 language tag, for example de or pt-BR"}
			}
			if err := addOverride(bundle, name, tag, o); err != nil {
				return err
			}
			tags[tag.String()] = tag
		}
	}
	return nil
}

func addOverride(bundle *i18n.Bundle, name string, tag language.Tag, o Override) error {
	targets := []string{name}
	switch name {
	case messageCreated:
		targets = []string{MessageText, MessageImage, MessageOther}
	case ChannelCreated, ChannelJoined, ChannelJoinedMany, MessageText, MessageImage, MessageOther:
	default:
		return &ParseError{Template: name, Locale: tag.String(), Detail: "there is no such template; there are " +
			strings.Join([]string{messageCreated, ChannelCreated, ChannelJoined, ChannelJoinedMany, MessageText, MessageImage, MessageOther}, ", ")}
	}
	for field, src := range map[string]string{"title": o.Title, "body": o.Body} {
		if src == "" {
			continue
		}
		if _, err := parse(src); err != nil {
			return parseError(name, tag.String(), field, err)
		}
		for _, t := range targets {
			if err := bundle.AddMessages(tag, allForms(&i18n.Message{ID: t + "." + field, Other: src})); err != nil {
				return fmt.Errorf("add template %s in %s: %w", name, tag, err)
			}
		}
	}
	return nil
}

// maxResolved bounds the remembered locales, because strangers choose them; some 200
// are in use in the world.
const maxResolved = 1024

// Resolve returns the locale whose texts will be used for a wish, which may be
// anything: the exact one, else a parent's, else the network's default.
func (c *Catalogue) Resolve(locale string) string {
	c.mu.RLock()
	got, ok := c.resolved[locale]
	c.mu.RUnlock()
	if ok {
		return got
	}
	got = c.find(locale)
	c.mu.Lock()
	if len(c.resolved) < maxResolved {
		c.resolved[locale] = got
	}
	c.mu.Unlock()
	return got
}

func (c *Catalogue) find(locale string) string {
	tags := make(map[string]language.Tag, len(c.languages))
	for name := range c.languages {
		tags[name] = language.Und
	}
	if got := lookup(tags, locale); got != "" {
		return got
	}
	return c.fallback.tag
}

// lookup walks from a locale to its parents; "" when none of them is known.
func lookup(tags map[string]language.Tag, locale string) string {
	tag, err := parseTag(locale)
	if err != nil {
		return ""
	}
	for t := tag; t != language.Und; t = t.Parent() {
		if _, ok := tags[t.String()]; ok {
			return t.String()
		}
	}
	// zh-TW and zh say their script only by custom; the tables of x/text know it.
	base, _ := tag.Base()
	script, confidence := tag.Script()
	if confidence != language.No {
		if name := base.String() + "-" + script.String(); hasKey(tags, name) {
			return name
		}
	}
	return ""
}

func hasKey(m map[string]language.Tag, k string) bool { _, ok := m[k]; return ok }

// maxLocale bounds a locale's text before it is parsed.
const maxLocale = 64

func parseTag(locale string) (language.Tag, error) {
	if locale == "" || len(locale) > maxLocale {
		return language.Und, fmt.Errorf("no language tag of at most %d bytes", maxLocale)
	}
	return language.Parse(strings.ReplaceAll(locale, "_", "-"))
}

// Input is what the placeholders stand for.
type Input struct {
	Actor, Channel, Subject string
	// Text is the message's text. For messages without one it is what the language
	// calls them, for example "Image Message".
	Text string
	// Count is how many people the notification is about; it chooses the plural form.
	Count int
}

// Render makes a template's title and body in a locale that Resolve returned.
func (c *Catalogue) Render(template, locale string, in Input) (chatbell.Text, error) {
	l := c.languages[locale]
	if l == nil {
		l = c.fallback
	}
	in.Actor, in.Channel, in.Subject = cleanName(in.Actor), cleanName(in.Channel), cleanName(in.Subject)
	if in.Text == "" && (template == MessageImage || template == MessageOther) {
		in.Text = l.labels[template]
	}
	v := &values{in: &in, rtl: l.rtl}
	title, err := l.render(template+".title", v)
	if err != nil {
		return chatbell.Text{}, err
	}
	body, err := l.render(template+".body", v)
	if err != nil {
		return chatbell.Text{}, err
	}
	return chatbell.Text{Locale: l.tag, Title: title, Body: body}, nil
}

func (l *tongue) render(id string, v *values) (string, error) {
	lc := i18n.LocalizeConfig{MessageID: id, TemplateData: v, TemplateParser: parser{}}
	if v.in.Count > 0 {
		lc.PluralCount = v.in.Count
	}
	s, err := l.localizer.Localize(&lc)
	if err != nil {
		return "", fmt.Errorf("render %s in %s: %w", id, l.tag, err)
	}
	return s, nil
}
