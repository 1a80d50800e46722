package templates_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"chatbell"
	"chatbell/templates"
)

func newCatalogue(t testing.TB, c templates.Config) *templates.Catalogue {
	t.Helper()
	cat, err := templates.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return cat
}

// texts are overrides of one template.
func texts(template string, byLocale map[string]templates.Override) map[string]map[string]templates.Override {
	return map[string]map[string]templates.Override{template: byLocale}
}

// TestAmity holds the English texts to Amity's, letter for letter.
func TestAmity(t *testing.T) {
	in := templates.Input{Actor: "Alice", Channel: "General", Subject: "Dave", Text: "Hi all", Count: 1}
	bare := in
	bare.Text = ""
	tests := []struct {
		template    string
		in          templates.Input
		title, body string
	}{
		{templates.ChannelCreated, in, "General", "You're now member of General!"},
		{templates.ChannelJoined, in, "Dave", "Dave has joined General"},
		{templates.MessageText, in, "Alice (General)", "Hi all"},
		{templates.MessageImage, bare, "Alice (General)", "Image Message"},
		{templates.MessageImage, in, "Alice (General)", "Image Message"},
		{templates.MessageOther, bare, "Alice (General)", "Special message"},
		{templates.MessageText, bare, "Alice (General)", "Special message"},
	}
	cat := newCatalogue(t, templates.Config{})
	for _, tt := range tests {
		got, err := cat.Render(tt.template, "en", tt.in)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(chatbell.Text{Locale: "en", Title: tt.title, Body: tt.body}, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.template, diff)
		}
	}
}

func TestOverrides(t *testing.T) {
	in := templates.Input{Actor: "Ann", Channel: "Plaza", Subject: "Dave", Text: "hi", Count: 30}
	body := func(s string) map[string]templates.Override {
		return map[string]templates.Override{"de": {Body: s}}
	}
	tests := []struct {
		name      string
		def       string
		overrides map[string]map[string]templates.Override
		template  string
		locale    string
		want      chatbell.Text
	}{
		{
			"body only", "", texts("channel.created", body("Willkommen in {{ .Channel }}.")), "channel.created", "de",
			chatbell.Text{Locale: "de", Title: "Plaza", Body: "Willkommen in Plaza."},
		},
		{
			"another language is untouched", "", texts("channel.created", body("x")), "channel.created", "en",
			chatbell.Text{Locale: "en", Title: "Plaza", Body: "You're now member of Plaza!"},
		},
		{
			"for all messages", "", texts("message.created", body("{{.Actor}}: {{.Text}}")), "message.text", "de",
			chatbell.Text{Locale: "de", Title: "Ann (Plaza)", Body: "Ann: hi"},
		},
		{
			"one kind of message wins over all", "", map[string]map[string]templates.Override{
				"message.created": body("all"), "message.text": body("text"), "channel.joined": body("c"),
			}, "message.text", "de",
			chatbell.Text{Locale: "de", Title: "Ann (Plaza)", Body: "text"},
		},
		{
			"a region inherits", "", texts("message.text", map[string]templates.Override{"de-AT": {Title: "Servus, {{.Actor}}"}}), "channel.created", "de-AT",
			chatbell.Text{Locale: "de-AT", Title: "Plaza", Body: "Du bist jetzt Mitglied von Plaza!"},
		},
		{
			"a region does not speak for the language", "", texts("message.text", map[string]templates.Override{"en-US": {Body: "howdy"}}), "message.text", "en-GB",
			chatbell.Text{Locale: "en", Title: "Ann (Plaza)", Body: "hi"},
		},
		{
			"a new language takes the rest from the default", "de", texts("message.text", map[string]templates.Override{"sv": {Title: "Från {{.Actor}}"}}), "channel.joined.many", "sv",
			chatbell.Text{Locale: "sv", Title: "Plaza", Body: "30 Personen sind Plaza beigetreten"},
		},
		{
			"a language without plural rules", "", texts("message.text", map[string]templates.Override{"tlh": {Title: "nuqneH {{.Actor}}"}}), "message.text", "tlh",
			chatbell.Text{Locale: "tlh", Title: "nuqneH Ann", Body: "hi"},
		},
		{
			"zh is meant to be zh-Hans", "", texts("message.text", map[string]templates.Override{"zh": {Title: "{{.Actor}}说"}}), "message.text", "zh-Hans-CN",
			chatbell.Text{Locale: "zh-Hans", Title: "Ann说", Body: "hi"},
		},
		{
			"plural text in one form", "", texts("channel.joined.many", map[string]templates.Override{"ar": {Body: "+{{.Count}}"}}), "channel.joined.many", "ar",
			chatbell.Text{Locale: "ar", Title: "Plaza", Body: "+30"},
		},
		{
			"single braces are letters", "", texts("message.text", map[string]templates.Override{"en": {Body: "{a} } {{.Text}} {"}}), "message.text", "en",
			chatbell.Text{Locale: "en", Title: "Ann (Plaza)", Body: "{a} } hi {"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cat := newCatalogue(t, templates.Config{DefaultLocale: tt.def, Overrides: tt.overrides})
			got, err := cat.Render(tt.template, cat.Resolve(tt.locale), in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestOverrideForImages: {{.Text}} stands for what an image is called.
func TestOverrideForImages(t *testing.T) {
	cat := newCatalogue(t, templates.Config{Overrides: texts("message.created", map[string]templates.Override{"de": {Body: "{{.Actor}}: {{.Text}}"}})})
	for template, want := range map[string]string{"message.image": "Ann: Bildnachricht", "message.other": "Ann: Besondere Nachricht"} {
		got, err := cat.Render(template, "de", templates.Input{Actor: "Ann"})
		if err != nil || got.Body != want {
			t.Errorf("%s = %q, %v, want %q", template, got.Body, err, want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	one := func(template, locale, title, body string) map[string]map[string]templates.Override {
		return texts(template, map[string]templates.Override{locale: {Title: title, Body: body}})
	}
	tests := []struct {
		name         string
		overrides    map[string]map[string]templates.Override
		field        string
		line, column int
		detail       string
	}{
		{"unknown placeholder", one("message.text", "de", "", "Hallo {{.Name}}"), "body", 1, 7, `".Name" is no placeholder; there are .Actor, .Channel, .Subject, .Text, .Count`},
		{"column counts characters", one("message.text", "de", "", "für\nÄÖÜ {{.name}}"), "body", 2, 5, `".name"`},
		{"no dot", one("message.text", "de", "{{Actor}}", ""), "title", 1, 1, `"Actor"`},
		{"never closed", one("message.text", "de", "Hi {{.Actor", ""), "title", 1, 4, "never closed"},
		{"closed by one", one("message.text", "de", "Hi {{.Actor} you", ""), "title", 1, 4, "never closed"},
		{"never opened", one("message.text", "de", "Hi .Actor}} {{.Actor}}", ""), "title", 1, 10, "never opened"},
		{"three braces", one("message.text", "de", "{{{.Actor}}}", ""), "title", 1, 1, `"{.Actor"`},
		{"three closing", one("message.text", "de", "{{.Actor}}}}", ""), "title", 1, 11, "never opened"},
		{"pipeline", one("message.text", "de", "{{.Actor | html}}", ""), "title", 1, 1, "no placeholder"},
		{"function", one("message.text", "de", `{{printf "%s" .Actor}}`, ""), "title", 1, 1, "no placeholder"},
		{"loop", one("message.text", "de", "", "{{range .Actor}}x{{end}}"), "body", 1, 1, "no placeholder"},
		{"definition", one("message.text", "de", "", `{{define "x"}}{{end}}`), "body", 1, 1, "no placeholder"},
		{"comment", one("message.text", "de", "", "a{{/* x */}}"), "body", 1, 2, "no placeholder"},
		{"trim markers", one("message.text", "de", "", "{{- .Text -}}"), "body", 1, 1, "no placeholder"},
		{"field of a field", one("message.text", "de", "", "{{.Text.X}}"), "body", 1, 1, "no placeholder"},
		{"empty braces", one("message.text", "de", "", "{{}}"), "body", 1, 1, "no placeholder"},
		{"huge placeholder", one("message.text", "de", "", "{{"+strings.Repeat("ä", 2000)+"}}"), "body", 1, 1, "…"},
		{"newline in a placeholder", one("message.text", "de", "", "{{\n.Text}}"), "body", 1, 1, "no placeholder"},
		{"for all messages", one("message.created", "de", "", "{{.X}}"), "body", 1, 1, "no placeholder"},
		{"not UTF-8", one("message.text", "de", "", "a\xffb"), "body", 1, 2, "not UTF-8"},
		{"newline in a title", one("message.text", "de", "a\nb", ""), "title", 1, 2, "U+000A"},
		{"NUL in a body", one("message.text", "de", "", "a\nb\x00"), "body", 2, 2, "U+0000"},
		{"blank", one("message.text", "de", " ", ""), "title", 1, 1, "blank"},
		{"long title", one("message.text", "de", strings.Repeat("ä", 1001), ""), "title", 1, 1, "at most 1000"},
		{"long body", one("message.text", "de", "", strings.Repeat("ä", 5001)), "body", 1, 1, "at most 5000"},
		{"unknown template", one("message.sticker", "de", "", "x"), "", 0, 0, "there is no such template; there are channel.created"},
		{"no locale", one("message.text", "", "", "x"), "", 0, 0, "no language tag"},
		{"no language", one("message.text", "und", "", "x"), "", 0, 0, "no language tag"},
		{"unknown language", one("message.text", "xx", "", "x"), "", 0, 0, "no language tag"},
		{"unknown region", one("message.text", "de-QZZ", "", "x"), "", 0, 0, "no language tag"},
		{"POSIX locale", one("message.text", "de_DE.UTF-8", "", "x"), "", 0, 0, "no language tag"},
		{
			"a language twice", texts("message.text", map[string]templates.Override{"pt-BR": {Body: "x"}, "pt_br": {Body: "y"}}),
			"", 0, 0, "is the same language as pt-BR",
		},
		{
			"a script twice", texts("message.text", map[string]templates.Override{"zh": {Body: "x"}, "zh-Hans": {Body: "y"}}),
			"", 0, 0, "is the same language as zh",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := templates.New(templates.Config{Overrides: tt.overrides})
			var bad *templates.ParseError
			if !errors.As(err, &bad) {
				t.Fatalf("New = %v, want a *ParseError", err)
			}
			if bad.Field != tt.field || bad.Line != tt.line || bad.Column != tt.column || !strings.Contains(bad.Detail, tt.detail) {
				t.Errorf("New = %v, want %s, line %d, column %d: …%s…", err, tt.field, tt.line, tt.column, tt.detail)
			}
			if tt.overrides[bad.Template] == nil || !strings.Contains(err.Error(), bad.Template) || len(err.Error()) > 400 {
				t.Errorf("the error does not name the template, or talks too much: %v", err)
			}
		})
	}
}

func TestDefaultLocale(t *testing.T) {
	for locale, want := range map[string]string{"": "en", "de": "de", "de-CH": "de", "pt_BR": "pt-BR", "zh-TW": "zh-Hant", "sv": "en"} {
		if got := newCatalogue(t, templates.Config{DefaultLocale: locale}).Resolve("xx"); got != want {
			t.Errorf("default %q: unknown wishes come to %s, want %s", locale, got, want)
		}
	}
	for _, locale := range []string{"garbage!", "und", "xx", strings.Repeat("a", 1000)} {
		_, err := templates.New(templates.Config{DefaultLocale: locale})
		var field chatbell.FieldError
		if !errors.As(err, &field) || field.Pointer != "/default_locale" {
			t.Errorf("default %q: %v, want an error at /default_locale", locale, err)
		}
	}
}

func TestRenderRefusesUnknownTemplates(t *testing.T) {
	cat := newCatalogue(t, templates.Config{})
	for _, name := range []string{"", "message", "message.created", "own"} {
		if _, err := cat.Render(name, "en", templates.Input{}); err == nil || cat.Has(name) {
			t.Errorf("template %q: %v, want an error", name, err)
		}
	}
	for _, name := range templates.Names() {
		if !cat.Has(name) {
			t.Errorf("template %q is not there", name)
		}
	}
	// A locale that Resolve never returns is no reason to say nothing.
	if got, err := cat.Render("message.text", "klingon", templates.Input{Text: "hi"}); err != nil || got.Locale != "en" {
		t.Errorf("unknown locale: %+v, %v", got, err)
	}
}

// TestSharedBuiltin: networks that share the built-in texts do not see each other's.
func TestSharedBuiltin(t *testing.T) {
	builtin, err := templates.LoadBuiltin()
	if err != nil {
		t.Fatal(err)
	}
	own := newCatalogue(t, templates.Config{Builtin: builtin, Overrides: texts("message.text", map[string]templates.Override{"en": {Title: "own"}})})
	other := newCatalogue(t, templates.Config{Builtin: builtin})
	for cat, want := range map[*templates.Catalogue]string{own: "own", other: "Ann"} {
		if got, err := cat.Render("message.text", "en", templates.Input{Actor: "Ann"}); err != nil || got.Title != want {
			t.Errorf("title %q, %v, want %q", got.Title, err, want)
		}
	}
}

// FuzzNew: a network's text is refused with its place, or renders whatever the names
// are, without a trace of the placeholders.
func FuzzNew(f *testing.F) {
	f.Add("Hi {{.Actor}}", "{{.Text}} {{ .Count }}", "Ann", "de")
	f.Add("{{.Actor}", "}}{{", "\u202eevil\u2069", "zh_TW")
	f.Add("{{{.Actor}}}", "{{range .}}{{end}}", "محمد", "ar-EG")
	f.Add("\xff", "{{\n.Text\n}}", "", "")
	builtin, err := templates.LoadBuiltin()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, title, body, name, locale string) {
		cat, err := templates.New(templates.Config{
			Builtin:   builtin,
			Overrides: texts("channel.joined.many", map[string]templates.Override{locale: {Title: title, Body: body}}),
		})
		if err != nil {
			var bad *templates.ParseError
			if !errors.As(err, &bad) || bad.Detail == "" || (bad.Field != "") != (bad.Line > 0 && bad.Column > 0) {
				t.Fatalf("New(%q, %q, %q) = %v, want a *ParseError with its place", locale, title, body, err)
			}
			return
		}
		for _, n := range []int{-1, 0, 1, 2, 5, 21, 1_000_000} {
			got, err := cat.Render("channel.joined.many", cat.Resolve(locale), templates.Input{Actor: name, Channel: name, Subject: name, Text: "t", Count: n})
			if err != nil {
				t.Fatalf("New took (%q, %q, %q), which does not render: %v", locale, title, body, err)
			}
			if !strings.Contains(name, "{{") && strings.Contains(got.Title+got.Body, "{{.") {
				t.Fatalf("(%q, %q) renders as %q, %q", title, body, got.Title, got.Body)
			}
		}
	})
}

func ExampleCatalogue_Render() {
	cat, err := templates.New(templates.Config{DefaultLocale: "en"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, wish := range []string{"en", "de-AT", "pt_BR", "zh-TW", "tlh"} {
		text, err := cat.Render(templates.ChannelJoinedMany, cat.Resolve(wish), templates.Input{Channel: "General", Count: 25})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s → %s: %s\n", wish, text.Locale, text.Body)
	}
	// Output:
	// en → en: 25 people have joined General
	// de-AT → de: 25 Personen sind General beigetreten
	// pt_BR → pt-BR: 25 pessoas entraram em General
	// zh-TW → zh-Hant: 25人已加入General
	// tlh → en: 25 people have joined General
}

func ExampleNew_refused() {
	_, err := templates.New(templates.Config{Overrides: map[string]map[string]templates.Override{
		"channel.created": {"de": {Body: "Willkommen in\n{{.Kanal}}!"}},
	}})
	fmt.Println(err)
	// Output:
	// template channel.created, locale de, body, line 2, column 1: ".Kanal" is no placeholder; there are .Actor, .Channel, .Subject, .Text, .Count
}

func BenchmarkRender(b *testing.B) {
	cat := newCatalogue(b, templates.Config{})
	in := templates.Input{Actor: "Alice", Channel: "General", Subject: "Dave", Text: "Hi all", Count: 25}
	for _, locale := range []string{"en", "ar"} {
		for _, template := range []string{templates.MessageText, templates.ChannelJoinedMany} {
			b.Run(locale+"/"+template, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := cat.Render(template, locale, in); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	cat := newCatalogue(b, templates.Config{})
	b.Run("known", func(b *testing.B) {
		for b.Loop() {
			cat.Resolve("pt_BR")
		}
	})
	b.Run("new", func(b *testing.B) {
		i := 0
		for b.Loop() {
			i++
			cat.Resolve(fmt.Sprintf("de-x-%d", i%100_000))
		}
	})
}

func BenchmarkNew(b *testing.B) {
	builtin, err := templates.LoadBuiltin()
	if err != nil {
		b.Fatal(err)
	}
	for name, c := range map[string]templates.Config{"alone": {}, "shared": {Builtin: builtin}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				newCatalogue(b, c)
			}
		})
	}
}
