package templates_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"

	"chatbell/locales"
	"chatbell/templates"
)

var update = flag.Bool("update", false, "write the golden files")

// TestGolden renders every template in every language, with names of both
// directions and every plural form that a count can choose. The isolating marks are
// written out, so that a diff shows them.
func TestGolden(t *testing.T) {
	cat := newCatalogue(t, templates.Config{})
	marks := strings.NewReplacer("\u2068", "<FSI>", "\u2069", "<PDI>", "\u202f", "<NNBSP>", "\u00a0", "<NBSP>")
	for _, locale := range cat.Locales() {
		t.Run(locale, func(t *testing.T) {
			var b strings.Builder
			for _, name := range templates.Names() {
				for _, in := range goldenInputs(name) {
					got, err := cat.Render(name, locale, in)
					if err != nil {
						t.Fatal(err)
					}
					fmt.Fprintf(&b, "%s %d\n  %s\n  %s\n", name, in.Count, marks.Replace(got.Title), marks.Replace(got.Body))
				}
			}
			path := filepath.Join("testdata", locale+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatalf("%v; go test ./templates -update writes it", err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Errorf("%s (-want +got); go test ./templates -update accepts it\n%s", path, diff)
			}
		})
	}
}

func goldenInputs(name string) []templates.Input {
	latin := templates.Input{Actor: "Alice", Channel: "General", Subject: "Dave", Text: "Hi all 👋"}
	arabic := templates.Input{Actor: "محمد", Channel: "الأصدقاء", Subject: "أمل", Text: "مرحبا"}
	if name != templates.ChannelJoinedMany {
		return []templates.Input{latin, arabic}
	}
	var in []templates.Input
	for _, n := range []int{0, 1, 2, 3, 5, 11, 21, 22, 25, 100, 101, 111, 1000, 1_000_000} {
		latin.Count = n
		in = append(in, latin)
	}
	return in
}

// TestEveryCount: each language has the plural forms that its counts ask for.
func TestEveryCount(t *testing.T) {
	cat := newCatalogue(t, templates.Config{})
	counts := []int{-1, 1000, 10_000, 100_000, 1_000_000, 2_000_000, 1 << 40}
	for n := range 202 {
		counts = append(counts, n)
	}
	for _, locale := range cat.Locales() {
		for _, n := range counts {
			got, err := cat.Render(templates.ChannelJoinedMany, locale, templates.Input{Channel: "General", Count: n})
			if err != nil {
				t.Errorf("%s, %d: %v", locale, n, err)
			}
			if !strings.Contains(got.Body, "General") {
				t.Errorf("%s, %d: %q does not say where", locale, n, got.Body)
			}
		}
	}
}

// TestLocalesAgree: every language has the keys of English with the same
// placeholders. Only a plural form that stands for a single number may do without it.
func TestLocalesAgree(t *testing.T) {
	files, err := locales.All()
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Fields("en th de fr es pt pt-BR it nl pl tr ru uk ar hi id vi ja ko zh-Hans zh-Hant")
	byTag := map[string]map[string]map[string]string{}
	for _, f := range files {
		var keys map[string]map[string]string
		if err := toml.Unmarshal(f.TOML, &keys); err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		byTag[f.Tag] = keys
	}
	slices.Sort(want)
	var have []string
	for tag := range byTag {
		have = append(have, tag)
	}
	slices.Sort(have)
	if diff := cmp.Diff(want, have); diff != "" {
		t.Fatalf("languages (-want +got)\n%s", diff)
	}
	for tag, keys := range byTag {
		for key, english := range byTag["en"] {
			if keys[key]["other"] == "" {
				t.Errorf("%s: %s has no text", tag, key)
			}
			for form, text := range keys[key] {
				if diff := cmp.Diff(placeholdersOf(english["other"]), placeholdersOf(text)); diff != "" && !saysTheNumber(tag, form, english["other"], text) {
					t.Errorf("%s: %s, %s (-en +%s)\n%s", tag, key, form, tag, diff)
				}
			}
		}
		for key := range keys {
			if byTag["en"][key] == nil {
				t.Errorf("%s: %s is not in English", tag, key)
			}
		}
	}
}

// saysTheNumber reports whether a form stands for one number only, says it in words,
// and has all other placeholders. The Russian form "one" is no such form: it is that
// of 21 too.
func saysTheNumber(tag, form, english, text string) bool {
	if tag != "ar" {
		return false
	}
	all := slices.DeleteFunc(placeholdersOf(english), func(p string) bool { return p == ".Count" })
	return slices.Contains([]string{"zero", "one", "two"}, form) && slices.Equal(all, placeholdersOf(text))
}

func placeholdersOf(text string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`\{\{(.*?)\}\}`).FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	slices.Sort(out)
	return out
}
