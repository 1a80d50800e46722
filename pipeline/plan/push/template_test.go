package push

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A template is its payload with the values in it, whatever they are, and JSON all the same.
func TestTemplate(t *testing.T) {
	hostile := `"}],"x":"` + "\n<&>\u2028\x01"
	values := &Values{DeviceID: "d1", User: "ann", Meta: map[string]string{"app": hostile}, Words: map[string]string{"hi": "Hallo", "n": "2"}}
	for payload, want := range map[string]string{
		`{"a":1}`: `{"a":1}`,
		`{ "a" : "{{.device.id}}-{{.device.user}}", "n":1.50 }`:                    `{ "a" : "d1-ann", "n":1.50 }`,
		`{"a":"{{default [[hello]] .l10n.hi}} {{default [[}} \"x\"]] .l10n.no}}"}`: `{"a":"Hallo }} \"x\""}`,
		`{"a":"{{.l10n.no}}|{{.device.meta.none}}"}`:                               `{"a":"|"}`,
		`{"{{.device.id}}":["{{if eq .l10n.n [[2]]}}two{{else}}many{{end}}"]}`:     `{"d1":["two"]}`,
		`{"a":"[[not quoted]] }} {"}`:                                              `{"a":"[[not quoted]] }} {"}`,
		`{"a":"\u007b\u007b.device.id}}"}`:                                         `{"a":"d1"}`,
		`{"a":"{{.l10n.hi | default \"x\"}}{{- \" trimmed\" -}} "}`:                `{"a":"Hallo trimmed"}`,
		`{"a":"{{index .device.meta [[app]]}}"}`:                                   `{"a":` + quoted(t, hostile) + `}`,
		`{"a":"{{.device.meta.app}}"}`:                                             `{"a":` + quoted(t, hostile) + `}`,
	} {
		compiled, err := Compile([]byte(payload), true)
		if err != nil {
			t.Errorf("%s: %v", payload, err)
			continue
		}
		got, err := compiled.Render(values)
		if err != nil || string(got) != want || !json.Valid(got) {
			t.Errorf("%s:\n%s, %v; want\n%s", payload, got, err, want)
		}
	}
}

func quoted(t *testing.T, text string) string {
	t.Helper()
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// What never ends, makes much of little, or names what is not there, is refused in words, at
// once.
func TestHostileTemplates(t *testing.T) {
	start := time.Now()
	for action, says := range map[string]string{
		`{{range 1000000000}}x{{end}}`:                          "not possible here",
		`{{define "a"}}{{template "a"}}{{end}}{{template "a"}}`: "defines a template",
		`{{template "payload"}}`:                                "not possible here",
		`{{block "a" .}}{{end}}`:                                "defines a template",
		`{{with .device}}{{.id}}{{end}}`:                        "not possible here",
		`{{printf "%1000000000d" 1}}`:                           "the function printf",
		`{{print .device.id}}`:                                  "the function print",
		`{{call .device.id}}`:                                   "the function call",
		`{{if true}}{{range .l10n}}{{end}}{{end}}`:              "not possible here",
		`{{$x := .device.id}}{{$x}}`:                            "variables",
		`{{.}}`:                                                 "not possible here",
		`{{.device}}`:                                           "there is no .device",
		`{{.device.token}}`:                                     "there is no .device.token",
		`{{.device.meta.a}}`:                                    "use_meta",
		`{{(index .device.meta "a")}}`:                          "use_meta",
		`{{.device.id`:                                          "does not close",
		`{{default [[x .l10n.a}}`:                               "does not close",
		`{{nothing}}`:                                           "not a template",
		`{{if}}`:                                                "not a template",
		`{{end}}`:                                               "not a template",
		strings.Repeat("{{if .l10n.a}}", 20_000):                "not a template",
		"{{" + strings.Repeat("(", 20_000) + ".l10n.a" + strings.Repeat(")", 20_000) + "}}": "",
	} {
		payload, err := json.Marshal(map[string]string{"a": action})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Compile(payload, false); err == nil && says != "" || err != nil && (!strings.Contains(err.Error(), says) || len(err.Error()) > 2000) {
			t.Errorf("%.60s: %.300v, want %q", action, err, says)
		}
	}
	words := map[string]string{"w": strings.Repeat("x", 5000)}
	compiled, err := Compile([]byte(`{"a":"`+strings.Repeat("{{.l10n.w}}", 100)+`"}`), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := compiled.Render(&Values{Words: words}); err == nil {
		t.Error("half a megabyte was written")
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("it took %v", took)
	}
}

// The language is the tag, or what is left of it.
func TestWords(t *testing.T) {
	all := map[string]map[string]string{"pt": {"a": "pt"}, "pt-BR": {"a": "br"}, "zh_Hant": {"a": "hant"}}
	for locale, want := range map[string]string{"pt-BR": "pt-BR", "pt-br": "pt-BR", "pt-PT": "pt", "pt": "pt", "zh-Hant-TW": "zh_Hant", "zh": "", "en": "", "": ""} {
		if tag, found := words(all, locale); tag != want || (found == nil) != (want == "") {
			t.Errorf("%s speaks %q (%v), want %q", locale, tag, found, want)
		}
	}
}

// Whatever is written into a payload, what comes out is JSON, or an error.
func FuzzTemplate(f *testing.F) {
	f.Add(`{{default [[a]] .l10n.b}}`, "v")
	f.Add(`a {{if .l10n.b}}{{.device.user}}{{end}}`, `"\`)
	f.Fuzz(func(t *testing.T, text, value string) {
		payload, err := json.Marshal(map[string]string{"a": text})
		if err != nil {
			t.Fatal(err)
		}
		compiled, err := Compile(payload, true)
		if err != nil {
			return
		}
		out, err := compiled.Render(&Values{DeviceID: value, User: value, Words: map[string]string{"b": value}})
		if err == nil && !json.Valid(out) {
			t.Errorf("%q with %q is %s", text, value, out)
		}
		if err != nil && fmt.Sprint(err) == "" {
			t.Error("an error without words")
		}
	})
}
