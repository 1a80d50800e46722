package chatbell_test

import (
	"go/scanner"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// namesProviders are the places outside of a provider's folder that may name one, with
// the reason.
var namesProviders = []string{
	"pipeline/push/providers/", // the list
	"internal/sandbox/",        // simulates Apple's and Google's services
	"internal/demo/",           // plays with the sandbox's phones
	"cmd/chatbell/sandbox.go",
	"handlers/centrifugo/",        // its messages do
	"handlers/native/examples.go", // an example has to name one
	"handlers/amity/examples.go",  // as above
	"bench/",                      // measures against Apple's client library
}

// Whoever adds a provider touches its folder and the list: no other code names one.
func TestConventionsProviders(t *testing.T) {
	tracked(t, func(name string, data []byte) {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || suite(folderOf(name)) || folderOf(name) == "." { // the root has the words of the API and of the rows
			return
		}
		if slices.ContainsFunc(append(namesProviders, "pipeline/push/apns/", "pipeline/push/fcm/"), func(p string) bool { return strings.HasPrefix(name, p) }) {
			return
		}
		files := token.NewFileSet()
		file := files.AddFile(name, -1, len(data))
		var s scanner.Scanner
		s.Init(file, data, nil, 0)
		for {
			at, kind, text := s.Scan()
			if kind == token.EOF {
				return
			}
			lower := strings.ToLower(text)
			if (kind == token.IDENT || kind == token.STRING) && (strings.Contains(lower, "apns") || strings.Contains(lower, "fcm")) {
				t.Errorf("%s names a push provider: %s; let it read pipeline/push/providers", files.Position(at), text)
			}
		}
	})
}

// folderOf is the folder of a file, as packages names it.
func folderOf(name string) string {
	i := strings.LastIndex(name, "/")
	if i < 0 {
		return "."
	}
	return name[:i]
}
