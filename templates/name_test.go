package templates_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"chatbell"
	"chatbell/templates"
)

func TestName(t *testing.T) {
	family := "👩\u200d👩\u200d👧"
	tests := []struct{ what, name, want string }{
		{"plain", "Ann Lee", "Ann Lee"},
		{"letters of the world", "Żółć 田中さん محمد", "Żółć 田中さん محمد"},
		{"an emoji of several", family, family},
		{"Persian with a joiner", "می\u200cخواهم", "می\u200cخواهم"},
		{"line break", "Ann\nLee", "Ann Lee"},
		{"line breaks of all kinds", "a\r\nb\u2028c\u2029d\u0085e\tf", "a  b c d e f"},
		{"blanks at the ends", "  Ann \n", "Ann"},
		{"control characters", "A\x00n\x1bn\x7f", "Ann"},
		{"override", "Ann\u202egpj.exe", "Anngpj.exe"},
		{"isolates", "\u2066Ann\u2069\u2069", "Ann"},
		{"marks", "\u200eAnn\u200f\u061c", "Ann"},
		{"invisible", "A\u200bnn\ufeff", "Ann"},
		{"not UTF-8", "A\xffnn", "A\ufffdnn"},
		{"200 characters", strings.Repeat("ä", 200), strings.Repeat("ä", 200)},
		{"201 characters", strings.Repeat("ä", 201), strings.Repeat("ä", 200) + "…"},
		{"201 letters", strings.Repeat("a", 201), strings.Repeat("a", 200) + "…"},
		{"cut after a joiner", strings.Repeat("ä", 199) + "\u200d" + "👧", strings.Repeat("ä", 199) + "…"},
		{"nothing", "", "user-1"},
		{"blanks", "   ", "user-1"},
		{"nothing that shows", "\u202e\u200b\x00 ", "user-1"},
	}
	for _, tt := range tests {
		t.Run(tt.what, func(t *testing.T) {
			if got := templates.Name(tt.name, "user-1"); got != tt.want {
				t.Errorf("Name(%q) = %q, want %q", tt.name, got, tt.want)
			}
		})
	}
}

// FuzzName: what comes out can stand in any title.
func FuzzName(f *testing.F) {
	f.Add("Ann\u202e\n", "id")
	f.Add(strings.Repeat("👩\u200d", 300), "\xff")
	f.Add(" \u2028", "\x00")
	f.Fuzz(func(t *testing.T, name, id string) {
		got := templates.Name(name, id)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > 201 || got != strings.Trim(got, " ") {
			t.Fatalf("Name(%q, %q) = %q", name, id, got)
		}
		for _, r := range got {
			if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
				t.Fatalf("Name(%q, %q) = %q, which holds %U", name, id, got, r)
			}
		}
		if utf8.RuneCountInString(got) <= 200 && templates.Name(got, "") != got {
			t.Fatalf("Name(%q) changes its own result", got)
		}
	})
}

// TestDirection: a name that goes the other way is isolated among other words only.
// The marks stand as < and > here.
func TestDirection(t *testing.T) {
	const mohammed, hebrew = "محمد", "רות"
	tests := []struct {
		name, template, locale string
		in                     templates.Input
		title, body            string
	}{
		{"no turn", "channel.joined", "en", templates.Input{Subject: "Dave", Channel: "General"}, "Dave", "Dave has joined General"},
		{"Arabic name in English", "channel.joined", "en", templates.Input{Subject: mohammed, Channel: "General"}, mohammed, "<" + mohammed + "> has joined General"},
		{"Hebrew name in English", "message.text", "en", templates.Input{Actor: hebrew, Channel: "General", Text: "hi"}, "<" + hebrew + "> (General)", "hi"},
		{"Latin name in Arabic", "channel.joined", "ar", templates.Input{Subject: "Dave", Channel: "General"}, "Dave", "انضم <Dave> إلى <General>"},
		{"Arabic name in Arabic", "channel.joined", "ar", templates.Input{Subject: mohammed, Channel: "General"}, mohammed, "انضم " + mohammed + " إلى <General>"},
		{"title of two names", "message.text", "ar", templates.Input{Actor: "Dave", Channel: mohammed, Text: "hi"}, "<Dave> (" + mohammed + ")", "hi"},
		{"the first strong character decides", "message.text", "en", templates.Input{Actor: "12 👍 " + mohammed + " x", Channel: "x " + mohammed, Text: "hi"}, "<12 👍 " + mohammed + " x> (x " + mohammed + ")", "hi"},
		{"digits and emoji have no direction", "message.text", "ar", templates.Input{Actor: "007", Channel: "🎉", Text: "hi"}, "007 (🎉)", "hi"},
		{"Japanese name in Arabic", "channel.joined", "ar", templates.Input{Subject: "田中", Channel: mohammed}, "田中", "انضم <田中> إلى " + mohammed},
		{"Arabic message in English", "message.text", "en", templates.Input{Actor: "Ann", Channel: "General", Text: mohammed}, "Ann (General)", mohammed},
		{"an isolate of the name's own", "channel.joined", "en", templates.Input{Subject: "\u2067" + mohammed, Channel: "General"}, mohammed, "<" + mohammed + "> has joined General"},
		{"no channel", "message.text", "en", templates.Input{Actor: "Ann", Text: "hi"}, "Ann", "hi"},
		{"no actor", "message.text", "en", templates.Input{Channel: "General", Text: "hi"}, "(General)", "hi"},
		{"neither", "message.text", "en", templates.Input{Text: "hi"}, "", "hi"},
		{"own text, with words", "message.image", "en", templates.Input{Actor: "Ann", Text: mohammed}, "Ann", "Ann: <" + mohammed + ">"},
		{"own text, blanks are no words", "message.image", "de", templates.Input{Actor: mohammed, Text: mohammed}, " " + mohammed, mohammed + " "},
		{"a language that falls back speaks as the text does", "channel.joined", "he", templates.Input{Subject: "Dave", Channel: hebrew}, "Dave", "Dave has joined <" + hebrew + ">"},
		{"and its own text as itself", "message.image", "he", templates.Input{Actor: "Dave", Text: "hi"}, "Dave", "<Dave> שלח"},
	}
	cat := newCatalogue(t, templates.Config{Overrides: texts("message.image", map[string]templates.Override{
		"en": {Body: "{{.Actor}}: {{.Text}}"},
		"de": {Title: " {{.Actor}}", Body: "{{.Text}} "},
		"he": {Body: "{{.Actor}} שלח"},
	})})
	marks := strings.NewReplacer("\u2068", "<", "\u2069", ">")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := cat.Render(tt.template, tt.locale, tt.in)
			if err != nil {
				t.Fatal(err)
			}
			got.Title, got.Body = marks.Replace(got.Title), marks.Replace(got.Body)
			if diff := cmp.Diff(chatbell.Text{Locale: tt.locale, Title: tt.title, Body: tt.body}, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
