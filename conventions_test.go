package chatbell_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

// What follows checks the promises of docs/architecture.md and CONTRIBUTING.md that a
// machine can check.

// ours is, for each package, which of our packages it may import: data flows one way.
// The suites and everything below testdata are left out; "*" puts parts together.
var ours = map[string][]string{
	".":                         {}, // the words: everybody's, so nobody's user
	"rules":                     {"."},
	"locales":                   {},
	"templates":                 {".", "locales"},
	"pipeline/push":             {"."},
	"pipeline/push/internal/h2": {".", "internal/neterror"},
	"pipeline/push/apns":        {".", "internal/backoff", "pipeline/push", "pipeline/push/internal/h2"},
	"pipeline/push/fcm":         {".", "internal/backoff", "pipeline/push", "pipeline/push/internal/h2"},
	"pipeline/push/providers":   {".", "pipeline/push", "pipeline/push/apns", "pipeline/push/fcm"},
	"pipeline/webhooks":         {".", "internal/backoff", "internal/neterror", "internal/safedial"},
	"pipeline/jetstream":        {}, // knows nothing of the product
	"pipeline/work":             {".", "pipeline/jetstream", "pipeline/push", "pipeline/webhooks", "rules", "templates"},
	"internal/row":              {}, // columns of any row type
	"pipeline/ledger/rowcodec":  {".", "internal/row"},
	"pipeline/ledger":           {".", "pipeline/jetstream", "pipeline/ledger/rowcodec", "pipeline/work"},
	"pipeline/intake":           {".", "pipeline/jetstream", "pipeline/work"},
	"pipeline/schedule":         {".", "internal/store", "pipeline/intake", "pipeline/work"},
	"pipeline/deadletter":       {".", "pipeline/jetstream", "pipeline/work"},
	"pipeline/deliver":          {".", "internal/backoff", "internal/fifo", "internal/store", "pipeline/jetstream", "pipeline/ledger", "pipeline/push", "pipeline/webhooks", "pipeline/work"},
	"pipeline/plan":             {".", "pipeline/deliver", "pipeline/jetstream", "pipeline/ledger", "pipeline/webhooks", "pipeline/work"},
	"pipeline/plan/chat":        {".", "pipeline/plan", "pipeline/work", "rules", "templates"},
	"pipeline/plan/push":        {".", "internal/store", "pipeline/plan", "pipeline/push", "pipeline/push/providers", "pipeline/work"},
	"pipeline":                  {".", "internal/backoff", "pipeline/deliver", "pipeline/jetstream", "pipeline/ledger", "pipeline/plan", "pipeline/plan/chat", "pipeline/webhooks", "pipeline/work"},
	"internal/store":            {"."},
	"internal/store/sqlite":     {".", "internal/store"},
	"analytics":                 {".", "internal/backoff", "pipeline/ledger/rowcodec", "internal/store"},
	"analytics/clickhouse":      {".", "analytics", "internal/neterror", "internal/row"},
	"analytics/engine":          {"internal/listen"}, // a part that other programs could use
	"handlers/centrifugo":       {".", "handlers/web", "internal/store", "pipeline/intake", "pipeline/plan/push", "pipeline/push/providers"},
	"handlers/native":           {".", "handlers/web", "handlers/web/openapi", "internal/store", "pipeline/deadletter", "pipeline/intake", "pipeline/push/providers"},
	"handlers/amity":            {".", "handlers/web", "handlers/web/openapi", "pipeline/intake", "pipeline/push", "pipeline/push/providers", "rules"},
	"handlers/status":           {"handlers/web", "handlers/web/openapi", "pipeline/intake"},
	"handlers/web":              {".", "handlers/web/openapi", "internal/listen", "internal/store", "pipeline/intake"}, // no surface
	"internal/front":            {"internal/listen"},
	"internal/datadir":          {},
	"internal/unshown":          {},
	"internal/memory":           {},
	"internal/keyring":          {".", "internal/config"},
	"internal/networks":         {".", "internal/config", "pipeline/push", "pipeline/work", "rules", "templates"},
	"internal/recording":        {".", "analytics", "internal/store", "pipeline/jetstream", "pipeline/ledger", "pipeline/work"},
	"internal/condition":        {".", "analytics", "analytics/engine", "internal/datadir", "internal/listen", "internal/metrics", "internal/store", "pipeline", "pipeline/intake", "pipeline/jetstream", "pipeline/work"},
	"internal/listen":           {},
	"handlers/web/openapi":      {}, // Go types in, a document out
	"internal/metrics":          {"."},
	"internal/neterror":         {},
	"internal/safedial":         {},
	"internal/backoff":          {},
	"internal/fifo":             {},
	"internal/config":           {".", "internal/safedial", "pipeline/deliver", "pipeline/push", "pipeline/push/providers", "pipeline/webhooks", "templates"},
	"internal/sandbox":          {".", "pipeline/push", "pipeline/push/providers", "pipeline/webhooks"}, // checks what customers would check
	"internal/demo":             {".", "internal/sandbox"},
	"internal/app":              {"*"},
	"cmd/chatbell":              {"*"},
	"bench":                     {"*"},
	"test/e2e":                  {"*"},
	"test/engine":               {"*"},
	"test/clickhouse":           {"*"},
	"test/command":              {"*"},
}

// homes is where a third-party library may be imported, so that replacing one is the
// business of one folder. Where there are two, both need it for a reason of their own.
var homes = map[string][]string{
	"code.dny.dev/ssrf":                      {"internal/safedial"},
	"firebase.google.com/go/v4":              {"pipeline/push/fcm"},
	"google.golang.org/api":                  {"pipeline/push/fcm"},
	"golang.org/x/oauth2":                    {"pipeline/push/fcm"},
	"github.com/sideshow/apns2":              {"pipeline/push/apns"},
	"github.com/labstack/echo/v4":            {"handlers/web", "handlers/native", "handlers/amity", "handlers/status"}, // every surface on HTTP
	"google.golang.org/grpc":                 {"handlers/centrifugo"},
	"google.golang.org/protobuf":             {"handlers/centrifugo"},
	"github.com/swaggest":                    {"handlers/web/openapi"},
	"github.com/golang-jwt/jwt/v5":           {"handlers/web", "internal/sandbox"},                               // clients' tokens; APNs' check of ours
	"github.com/standard-webhooks":           {"pipeline/webhooks", "internal/sandbox"},                          // signing; checking as a customer does
	"github.com/rivo/uniseg":                 {"pipeline/push", "internal/sandbox"},                              // cutting texts; columns of the terminal
	"golang.org/x/text":                      {"templates", "handlers/web", "handlers/amity", "internal/config"}, // language tags are data of the API, too
	"github.com/nicksnyder/go-i18n/v2":       {"templates"},
	"github.com/BurntSushi/toml":             {"templates"},
	"github.com/ThreeDotsLabs/watermill":     {"pipeline", "pipeline/work", "pipeline/intake", "pipeline/ledger", "pipeline/plan", "pipeline/deliver", "pipeline/jetstream", "internal/app"}, // the stages, the adapter, subscribing
	"github.com/nats-io":                     {"pipeline/jetstream"},
	"github.com/pressly/goose/v3":            {"internal/store/sqlite", "analytics/clickhouse"},
	"modernc.org/sqlite":                     {"internal/store/sqlite"},
	"github.com/ClickHouse/clickhouse-go/v2": {"analytics/clickhouse", "analytics/engine"}, // the client; the engine's own reading of the native format
	"github.com/ClickHouse/ch-go":            {"analytics/engine"},
	"github.com/ebitengine/purego":           {"analytics/engine"},
	"github.com/andybalholm/brotli":          {"analytics/engine"}, // ClickHouse's HTTP interface
	"github.com/klauspost/compress":          {"analytics/engine"}, // as above
	"go.yaml.in/yaml/v3":                     {"internal/config"},
	"github.com/prometheus/client_golang":    {"internal/metrics"},
	"github.com/oklog/run":                   {"internal/app"},
	"github.com/spf13/cobra":                 {"cmd/chatbell"},
	"github.com/spf13/pflag":                 {"cmd/chatbell"}, // cobra's flags
	"golang.org/x/net":                       {"bench"},
	"golang.org/x/sync":                      {"bench"},
	"golang.org/x/tools":                     {"internal/app"}, // txtar, for its scenarios
	"golang.org/x/term":                      {"cmd/chatbell"},
	"pgregory.net/rapid":                     {"internal/store/storetest"},
	"github.com/google/go-cmp":               {"pipeline/push/pushtest"},
}

type listed struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) map[string]listed {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, stderr.String())
	}
	all := map[string]listed{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all[local(p.ImportPath)] = p
	}
}

// local is a package's folder, or "" for a package that is not ours.
func local(importPath string) string {
	if importPath == "chatbell" {
		return "."
	}
	folder, ok := strings.CutPrefix(importPath, "chatbell/")
	if !ok {
		return ""
	}
	return folder
}

// suite says that a package holds tests that others run.
func suite(folder string) bool { return strings.HasSuffix(folder, "test") }

func TestConventionsImports(t *testing.T) {
	for folder, p := range packages(t) {
		allowed, ok := ours[folder]
		if !ok && !suite(folder) {
			t.Errorf("%s is a new package: say in conventions_test.go what it may import, and in docs/architecture.md what it is for", folder)
		}
		for _, imported := range p.Imports {
			if in := local(imported); in != "" {
				if !suite(folder) && !slices.Contains(allowed, "*") && !slices.Contains(allowed, in) {
					t.Errorf("%s imports %s: data flows the other way (see docs/architecture.md)", folder, in)
				}
				continue
			}
			if !strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
				continue // the standard library
			}
			places, known := home(imported)
			switch {
			case !known:
				t.Errorf("%s imports %s, which has no home: name one in conventions_test.go", folder, imported)
			case folder != "bench" && !suite(folder) && !slices.Contains(places, folder):
				t.Errorf("%s imports %s, whose home is %v", folder, imported, places)
			}
		}
	}
}

func home(imported string) ([]string, bool) {
	for module, places := range homes {
		if imported == module || strings.HasPrefix(imported, module+"/") {
			return places, true
		}
	}
	return nil, false
}

// A package's comment teaches: it says what the package is for, in whole sentences.
func TestConventionsPackageComments(t *testing.T) {
	for folder := range packages(t) {
		var comments []string
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			comments = append(comments, parsed.Doc.Text())
		}
		doc := strings.Join(comments, "")
		if !strings.HasPrefix(doc, "Package ") && !strings.HasPrefix(doc, "Command ") || len(strings.Fields(doc)) < 12 {
			t.Errorf("%s has no package comment that teaches: %q", folder, doc)
		}
	}
}

// tracked calls f for each file that is or would be committed.
func tracked(t *testing.T, f func(name string, data []byte)) {
	t.Helper()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{".git", ".cache", "bin", "data", "node_modules"}, name) {
				return filepath.SkipDir
			}
			return nil
		}
		data, err := os.ReadFile(name)
		if err == nil {
			f(filepath.ToSlash(name), data)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

var (
	inBackticks = regexp.MustCompile("`([^`\n]+)`")
	linked      = regexp.MustCompile(`\]\(([^)\s#]+)[^)]*\)`)
	aPath       = regexp.MustCompile(`^(\.[a-z]+/|[a-z0-9_]+/)[A-Za-z0-9_./-]*$|^[A-Za-z_-]+\.(go|md|yml|mod|yaml)$`)
	firstFolder = regexp.MustCompile(`^[^/]+`)
)

// Paths that documents name exist; those of a user's machine are not ours to check.
func TestConventionsPathsInDocuments(t *testing.T) {
	checked := 0
	tracked(t, func(name string, data []byte) {
		if !strings.HasSuffix(name, ".md") {
			return
		}
		for _, m := range linked.FindAllSubmatch(data, -1) {
			if target := string(m[1]); !strings.Contains(target, "://") {
				checked++
				mustExist(t, name, path.Join(path.Dir(name), target))
			}
		}
		for _, m := range inBackticks.FindAllSubmatch(data, -1) {
			target := string(m[1])
			if !aPath.MatchString(target) || strings.Contains(target, "...") {
				continue
			}
			if _, err := os.Stat(firstFolder.FindString(target)); err != nil && !strings.HasSuffix(target, ".go") {
				continue // not in our tree: an option, a route, a user's file
			}
			if strings.HasPrefix(target, "data/") || strings.HasPrefix(target, "bin/") || strings.HasPrefix(target, ".cache/") {
				continue // made when the program runs
			}
			checked++
			mustExist(t, name, target)
		}
	})
	if checked < 20 {
		t.Errorf("only %d paths were found in the documents; the test has gone blind", checked)
	}
}

func mustExist(t *testing.T, document, target string) {
	t.Helper()
	if _, err := os.Stat(target); err != nil {
		t.Errorf("%s names %s, which does not exist", document, target)
	}
}

const maxLines = 500 // a file holds one idea

// The words are spelled in pieces, because this file is checked as well.
var forbidden = map[*regexp.Regexp]string{
	regexp.MustCompile(`\bt\.Skip` + `(f|Now)?\(`):            "a skipped test proves nothing; make it run everywhere",
	regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`): "open work belongs into an issue",
	regexp.MustCompile(`time\.Sleep` + `\(`):                  "wait for what is to happen, not for a while (in a synctest bubble, say so on the line)",
}

func TestConventionsFiles(t *testing.T) {
	tracked(t, func(name string, data []byte) {
		if !strings.HasSuffix(name, ".go") {
			return
		}
		lines := strings.Split(string(data), "\n")
		if len(lines) > maxLines {
			t.Errorf("%s has %d lines; split it at an idea (at most %d)", name, len(lines), maxLines)
		}
		for i, line := range lines {
			for re, why := range forbidden {
				if re.MatchString(line) && !strings.Contains(line, "bubble") {
					t.Errorf("%s:%d: %s", name, i+1, why)
				}
			}
		}
	})
}

var placeholder = regexp.MustCompile(`\{\{[^}]*\}\}`)

// messages is what a locale file says: key, plural form, and the placeholders in it.
func messages(t *testing.T, file string) map[string]map[string]string {
	t.Helper()
	var raw map[string]any
	if _, err := toml.DecodeFile(file, &raw); err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]string{}
	var walk func(prefix string, v map[string]any)
	walk = func(prefix string, v map[string]any) {
		for k, val := range v {
			switch val := val.(type) {
			case string:
				if out[prefix] == nil {
					out[prefix] = map[string]string{}
				}
				used := placeholder.FindAllString(val, -1)
				slices.Sort(used)
				out[prefix][k] = strings.Join(used, " ")
			case map[string]any:
				walk(strings.TrimPrefix(prefix+"."+k, "."), val)
			}
		}
	}
	walk("", raw)
	return out
}

// Every language has every key of English, with the same placeholders.
func TestConventionsLocales(t *testing.T) {
	files, err := filepath.Glob("locales/active.*.toml")
	if err != nil || len(files) < 20 {
		t.Fatalf("found %d locales (%v)", len(files), err)
	}
	english := messages(t, "locales/active.en.toml")
	for _, file := range files {
		got := messages(t, file)
		if a, b := slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(english)); !slices.Equal(a, b) {
			t.Errorf("%s has the keys %q, English has %q", file, a, b)
			continue
		}
		for key, forms := range got {
			if _, ok := forms["other"]; !ok {
				t.Errorf("%s: %s has no form \"other\"", file, key)
			}
			for form, used := range forms {
				want := english[key]["other"]
				if exactNumber[path.Base(file)+" "+form] && !strings.Contains(used, count) && strings.Contains(want, count) {
					used += count
				}
				if form != "description" && used != want {
					t.Errorf("%s: %s (%s) uses %s, English uses %s", file, key, form, used, want)
				}
			}
		}
	}
}

// exactNumber has the plural forms that stand for one number only: their words say it.
var exactNumber = map[string]bool{"active.ar.toml zero": true, "active.ar.toml one": true, "active.ar.toml two": true}

const count = " {{.Count}}"

// A replaced module is a debt: each has its reason beside it.
func TestConventionsModule(t *testing.T) {
	data, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if strings.Contains(line, "=>") && !strings.Contains(line, "//") {
			t.Errorf("go.mod replaces a module without a reason on the line: %s", strings.TrimSpace(line))
		}
	}
}
