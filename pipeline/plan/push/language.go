package push

import (
	"maps"
	"slices"
	"strings"
)

// words are those of a language: of the tag, or else of the tag without its last part, and
// so on: pt-BR, then pt. None at all leaves it to the template's defaults.
func words(localizations map[string]map[string]string, locale string) (tag string, found map[string]string) {
	names := slices.Sorted(maps.Keys(localizations)) // the same each time
	for tag := canonical(locale); tag != ""; tag = parent(tag) {
		for _, name := range names {
			if canonical(name) == tag {
				return name, localizations[name]
			}
		}
	}
	return "", nil
}

// canonical compares tags without case, and however they are joined.
func canonical(tag string) string { return strings.ReplaceAll(strings.ToLower(tag), "_", "-") }

func parent(tag string) string {
	i := strings.LastIndexByte(tag, '-')
	if i < 0 {
		return ""
	}
	return tag[:i]
}
