// Package locales holds the built-in texts, one file for each language, named
// active.<BCP 47 tag>.toml in go-i18n's format. Every file has every key of
// active.en.toml with the same placeholders, and each plural form that its language
// needs; a test checks that.
package locales

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed active.*.toml
var files embed.FS

// File is one language's texts.
type File struct {
	Tag  string // BCP 47
	Name string // active.<tag>.toml
	TOML []byte
}

// All reads every language, in the order of the tags.
func All() ([]File, error) {
	names, err := fs.Glob(files, "active.*.toml")
	if err != nil {
		return nil, err
	}
	out := make([]File, 0, len(names))
	for _, name := range names {
		data, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		tag := strings.TrimSuffix(strings.TrimPrefix(name, "active."), ".toml")
		out = append(out, File{Tag: tag, Name: name, TOML: data})
	}
	return out, nil
}
