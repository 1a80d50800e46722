package templates

import (
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"

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

// Names lists the built-in templates.
func Names() []string {
	return []string{ChannelCreated, ChannelJoined, ChannelJoinedMany, MessageText, MessageImage, MessageOther}
}

// english is where every search for a text ends.
const english = "en"

// text is a title or a body in one language, checked and ready to be rendered.
type text struct {
	id        string // go-i18n's message id
	src       string // the form "other"
	localizer *i18n.Localizer
	plural    bool // has forms besides "other"
	rtl       bool // its language is written from right to left
}

// words are the title and the body of one template in one language.
type words struct{ title, body *text }

// vocabulary is one language's words by template. It need not be complete.
type vocabulary map[string]words

// Builtin is the texts that come with chatbell. Networks share one.
type Builtin struct {
	languages map[string]vocabulary // by canonical tag, each complete
}

// LoadBuiltin reads and checks the built-in texts.
func LoadBuiltin() (*Builtin, error) {
	builtin := &Builtin{languages: map[string]vocabulary{}}
	files, err := locales.All()
	if err != nil {
		return nil, fmt.Errorf("read the built-in texts: %w", err)
	}
	var shelf bundles
	for _, f := range files {
		if err := builtin.add(&shelf, f); err != nil {
			return nil, fmt.Errorf("read %s: %w", f.Name, err)
		}
	}
	for tag, vocab := range builtin.languages {
		if err := builtin.check(tag, vocab); err != nil {
			return nil, fmt.Errorf("check the built-in texts in %s: %w", tag, err)
		}
	}
	return builtin, nil
}

// bundles keep variants of one language apart: go-i18n looks for the best match among
// the languages of a bundle, and takes pt-BR for pt although both are there.
type bundles []struct {
	bundle *i18n.Bundle
	bases  map[language.Base]bool
}

// without gives the first bundle that has nothing of that language.
func (b *bundles) without(base language.Base) *i18n.Bundle {
	for i := range *b {
		if s := &(*b)[i]; !s.bases[base] {
			s.bases[base] = true
			return s.bundle
		}
	}
	*b = append(*b, struct {
		bundle *i18n.Bundle
		bases  map[language.Base]bool
	}{i18n.NewBundle(language.English), map[language.Base]bool{base: true}})
	return (*b)[len(*b)-1].bundle
}

// add reads one language.
func (b *Builtin) add(shelf *bundles, f locales.File) error {
	file, err := i18n.ParseMessageFileBytes(f.TOML, f.Name, map[string]i18n.UnmarshalFunc{"toml": toml.Unmarshal})
	if err != nil {
		return err
	}
	base, _ := file.Tag.Base()
	bundle := shelf.without(base)
	if err := bundle.AddMessages(file.Tag, file.Messages...); err != nil {
		return err
	}
	vocab := vocabulary{}
	localizer := i18n.NewLocalizer(bundle, file.Tag.String())
	rtl := rightToLeft(file.Tag)
	for _, message := range file.Messages {
		forms := []string{message.Zero, message.One, message.Two, message.Few, message.Many, message.Other}
		for _, form := range forms {
			if _, err := parse(form); err != nil {
				return fmt.Errorf("%s: %w", message.ID, err)
			}
		}
		plural := strings.Join(forms, "") != message.Other
		vocab.put(message.ID, &text{
			id:        message.ID,
			src:       message.Other,
			localizer: localizer,
			plural:    plural,
			rtl:       rtl,
		})
	}
	b.languages[file.Tag.String()] = vocab
	return nil
}

// put takes a text whose id is the template's name and ".title" or ".body".
func (v vocabulary) put(id string, t *text) {
	if name, ok := strings.CutSuffix(id, ".title"); ok {
		v[name] = words{title: t, body: v[name].body}
	} else if name, ok := strings.CutSuffix(id, ".body"); ok {
		v[name] = words{title: v[name].title, body: t}
	}
}

// check makes sure that a language has every text, and that go-i18n takes it from the
// language that it is asked for.
func (b *Builtin) check(tag string, v vocabulary) error {
	for _, name := range Names() {
		wording := v[name]
		if wording.title == nil || wording.body == nil {
			return fmt.Errorf("%s lacks its title or its body", name)
		}
		_, got, err := wording.title.localizer.LocalizeWithTag(&i18n.LocalizeConfig{
			MessageID: wording.title.id, TemplateData: &values{in: &Input{}}, TemplateParser: parser{},
		})
		if err != nil {
			return err
		}
		if got.String() != tag {
			return fmt.Errorf("%s is taken from %s", name, got)
		}
	}
	return nil
}
