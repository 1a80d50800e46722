package templates

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"

	"chatbell"
)

// messageCreated is the event type under which a network may override the texts of
// all messages at once.
const messageCreated = string(chatbell.MessageCreated)

// Longest texts of a network, in characters; the limits of Amity's settings.
const (
	maxTitle = 1000
	maxBody  = 5000
)

// Override is a network's own text; an empty field keeps the built-in one.
type Override struct{ Title, Body string }

// ParseError says where one of a network's own texts is wrong.
type ParseError struct {
	Template, Locale string
	Field            string // title, body, or empty where the template or the locale is wrong
	Line, Column     int    // from 1; the column counts characters; 0 where Field is empty
	Detail           string // what would be right
}

// Error names the text, the place and what would be right.
func (e *ParseError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("template %s, locale %s: %s", e.Template, e.Locale, e.Detail)
	}
	return fmt.Sprintf("template %s, locale %s, %s, line %d, column %d: %s", e.Template, e.Locale, e.Field, e.Line, e.Column, e.Detail)
}

// overrides collects a network's own texts by language.
type overrides struct {
	bundle    *i18n.Bundle
	localizer *i18n.Localizer
	languages map[string]vocabulary
}

// newOverrides checks and collects. All texts lie in the bundle under one language,
// with ids that name their own: go-i18n finds the best match among its languages,
// and "en-US" would do for "en". They have no plural forms, so that nothing else
// depends on the language there.
func newOverrides(all map[string]map[string]Override, builtin *Builtin) (*overrides, error) {
	over := &overrides{bundle: i18n.NewBundle(language.English), languages: map[string]vocabulary{}}
	over.localizer = i18n.NewLocalizer(over.bundle, english)
	// In this order message.created comes before message.text and its like, so that a
	// text for a kind of message wins over one for all.
	for _, name := range slices.Sorted(maps.Keys(all)) {
		seen := map[string]string{}
		for _, locale := range slices.Sorted(maps.Keys(all[name])) {
			tag, err := builtin.overrideTag(locale)
			if err != nil {
				return nil, &ParseError{Template: clip(name), Locale: clip(locale), Detail: err.Error()}
			}
			if other, twice := seen[tag.String()]; twice {
				return nil, &ParseError{Template: name, Locale: locale, Detail: "is the same language as " + other + "; keep one of them"}
			}
			seen[tag.String()] = locale
			if err := over.add(name, locale, tag, all[name][locale]); err != nil {
				return nil, err
			}
		}
	}
	return over, nil
}

// overrideTag reads the language of an override. What has built-in texts only by its
// script is meant to be that: zh is zh-Hans.
func (b *Builtin) overrideTag(locale string) (language.Tag, error) {
	tag, err := parseTag(locale)
	if err != nil {
		return tag, errors.New("is no language tag; write one like de, pt-BR or zh-Hant")
	}
	if base, _ := tag.Base(); tag.String() == base.String() && b.languages[tag.String()] == nil {
		if scripted := withScript(tag); b.languages[scripted.String()] != nil {
			return scripted, nil
		}
	}
	return tag, nil
}

// add takes a network's text of one template in one language.
func (o *overrides) add(name, locale string, tag language.Tag, text Override) error {
	targets := []string{name}
	if name == messageCreated {
		targets = []string{MessageText, MessageImage, MessageOther}
	} else if !slices.Contains(Names(), name) {
		return &ParseError{Template: clip(name), Locale: locale, Detail: "there is no such template; there are " +
			strings.Join(append(Names(), messageCreated), ", ")}
	}
	for _, form := range []struct {
		name, src string
		limit     int
	}{{"title", text.Title, maxTitle}, {"body", text.Body, maxBody}} {
		if form.src == "" {
			continue
		}
		if err := checkText(form.name, form.src, form.limit); err != nil {
			return &ParseError{
				Template: name,
				Locale:   locale,
				Field:    form.name,
				Line:     err.Line,
				Column:   err.Column,
				Detail:   err.Detail,
			}
		}
		for _, target := range targets {
			if err := o.put(target+"."+form.name, tag, form.src); err != nil {
				return fmt.Errorf("add template %s in %s: %w", name, locale, err)
			}
		}
	}
	return nil
}

func (o *overrides) put(id string, tag language.Tag, src string) error {
	changed := &text{id: tag.String() + "/" + id, src: src, localizer: o.localizer, rtl: rightToLeft(tag)}
	if err := o.bundle.AddMessages(language.English, &i18n.Message{ID: changed.id, Other: src}); err != nil {
		return err
	}
	vocab := o.languages[tag.String()]
	if vocab == nil {
		vocab = vocabulary{}
		o.languages[tag.String()] = vocab
	}
	vocab.put(id, changed)
	return nil
}

// checkText refuses what parse does not see: a text that is too long, not UTF-8,
// blank, or holds characters that no phone shows.
func checkText(field, src string, limit int) *syntaxError {
	if n := utf8.RuneCountInString(src); n > limit {
		return at(src, 0, fmt.Sprintf("has %d characters; at most %d are allowed", n, limit))
	}
	if strings.TrimSpace(src) == "" {
		return at(src, 0, "is blank; leave it out to keep the built-in text")
	}
	for i, char := range src {
		switch {
		case char == utf8.RuneError && !strings.HasPrefix(src[i:], "\uFFFD"):
			return at(src, i, "is not UTF-8")
		case unicode.IsControl(char) && (field == "title" || char != '\n'):
			return at(src, i, fmt.Sprintf("holds the control character %U; remove it", char))
		}
	}
	_, err := parse(src)
	return err
}
