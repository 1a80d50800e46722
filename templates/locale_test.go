package templates_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"chatbell/templates"
)

func TestResolve(t *testing.T) {
	tests := []struct{ name, wish, want string }{
		{"exact", "de", "de"},
		{"region", "de-AT", "de"},
		{"region with texts of its own", "pt-BR", "pt-BR"},
		{"region without", "pt-PT", "pt"},
		{"parent of a parent", "pt-AO", "pt"},
		{"parent that is a continent", "es-MX", "es"},
		{"underscore", "pt_BR", "pt-BR"},
		{"upper and lower case", "EN-us", "en"},
		{"all upper case", "ZH-HANT-TW", "zh-Hant"},
		{"POSIX", "pt_BR.UTF-8", "pt-BR"},
		{"POSIX modifier", "de_DE@euro", "de"},
		{"Java", "zh_TW_#Hant", "zh-Hant"},
		{"Android", "zh-Hans-CN", "zh-Hans"},
		{"extension", "en-US-u-ca-buddhist", "en"},
		{"numbers", "ar-EG-u-nu-latn", "ar"},
		{"private use", "de-x-own", "de"},
		{"unknown region", "de-QZZ", "de"},
		{"Chinese", "zh", "zh-Hans"},
		{"China", "zh-CN", "zh-Hans"},
		{"Singapore", "zh-SG", "zh-Hans"},
		{"Taiwan", "zh-TW", "zh-Hant"},
		{"Hong Kong", "zh-HK", "zh-Hant"},
		{"Macau", "zh-MO", "zh-Hant"},
		{"Hong Kong in simplified script", "zh-Hans-HK", "zh-Hans"},
		{"pinyin is no script of ours", "zh-Latn", "it"},
		{"Indonesian's old code", "in-ID", "id"},
		{"Norwegian has no neighbour", "no", "it"},
		{"Bokmål", "nb-NO", "it"},
		{"a language of the same country is another", "ca-ES", "it"},
		{"nothing", "", "it"},
		{"undetermined", "und", "it"},
		{"root", "root", "it"},
		{"unknown language", "xx", "it"},
		{"POSIX C", "C", "it"},
		{"list", "de,en;q=0.5", "it"},
		{"blank", " ", "it"},
		{"line break", "de\n", "it"},
		{"NUL", "de\x00", "it"},
		{"not UTF-8", "\xff\xfe", "it"},
		{"star", "*", "it"},
		{"path", "../../etc/passwd", "it"},
		{"huge", strings.Repeat("de-", 1<<20), "it"},
		{"only punctuation", "#", "it"},
	}
	cat := newCatalogue(t, templates.Config{DefaultLocale: "it"})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 { // the second comes from memory
				if got := cat.Resolve(tt.wish); got != tt.want {
					t.Errorf("Resolve(%.40q) = %s, want %s", tt.wish, got, tt.want)
				}
			}
		})
	}
}

// TestResolveWithManyStrangers: more wishes than are remembered, from many at once.
func TestResolveWithManyStrangers(t *testing.T) {
	cat := newCatalogue(t, templates.Config{})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 2000 {
				wish := fmt.Sprintf("de-x-%d-%d", g, i)
				if got := cat.Resolve(wish); got != "de" {
					t.Errorf("Resolve(%s) = %s", wish, got)
					return
				}
				if got := cat.Resolve(strings.Repeat("de-", 99) + wish); got != "en" {
					t.Errorf("a wish of 300 bytes came to %s", got)
					return
				}
				if got := cat.Resolve("ja-JP"); got != "ja" {
					t.Errorf("Resolve(ja-JP) = %s", got)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := cat.Remembered(); n == 0 || n > templates.MaxResolved {
		t.Errorf("%d wishes are remembered, want 1 to %d", n, templates.MaxResolved)
	}
}

func FuzzResolve(f *testing.F) {
	for _, s := range []string{"de-AT", "zh_TW_#Hant", "", "\xff", "x-x-x", "i-klingon", "sgn-BE-FR", "en-a-bbb-x-a-ccc", "de-1996-u-co-phonebk"} {
		f.Add(s)
	}
	cat := newCatalogue(f, templates.Config{DefaultLocale: "tr"})
	known := cat.Locales()
	f.Fuzz(func(t *testing.T, wish string) {
		got := cat.Resolve(wish)
		if !slices.Contains(known, got) {
			t.Fatalf("Resolve(%q) = %q, which is no language of the catalogue", wish, got)
		}
		if again := cat.Resolve(wish); again != got {
			t.Fatalf("Resolve(%q) = %q, then %q", wish, got, again)
		}
	})
}
