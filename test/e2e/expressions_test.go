package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// expression is PromQL that stands in a file for operators.
type expression struct{ where, text string }

// alertExpressions are those of the alert rules.
func alertExpressions(t *testing.T) (out []expression) {
	t.Helper()
	data, err := os.ReadFile("../../deploy/prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			out = append(out, expression{r.Alert, r.Expr})
		}
	}
	return out
}

type panel struct {
	Title   string
	Type    string
	GridPos struct{ X, Y, W, H int }
	Targets []struct {
		Expr       string
		Datasource struct{ Type, UID string }
	}
}

// dashboardExpressions are those of the dashboard, with its variables filled in.
func dashboardExpressions(t *testing.T) (out []expression) {
	t.Helper()
	data, err := os.ReadFile("../../deploy/grafana/chatbell.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct{ Panels []panel }
	if err := json.Unmarshal(data, &board); err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*")
	for i, p := range board.Panels {
		for _, other := range board.Panels[:i] {
			a, b := p.GridPos, other.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("the panels %q and %q lie upon each other", p.Title, other.Title)
			}
		}
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("the panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			if target.Datasource.UID != "${datasource}" {
				t.Errorf("the panel %q asks the data source %q, not the variable's", p.Title, target.Datasource.UID)
			}
			text := fill.Replace(target.Expr)
			if strings.Contains(text, "$") {
				t.Errorf("the panel %q has a variable that nobody fills: %s", p.Title, text)
			}
			out = append(out, expression{p.Title, text})
		}
	}
	return out
}

// writeRules writes expressions as rules, so that promtool parses them with Prometheus' own
// parser.
func writeRules(t *testing.T, file string, all []expression) {
	t.Helper()
	var b strings.Builder
	b.WriteString("groups:\n  - name: dashboard\n    rules:\n")
	for i, e := range all {
		fmt.Fprintf(&b, "      - {record: 'dashboard:expression:%d', expr: %q}\n", i, e.text)
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

var (
	metricName = regexp.MustCompile(`\b(?:chatbell|process|go)_[a-z_0-9]+\b|\bup\b`)
	selector   = regexp.MustCompile(`\b((?:chatbell|process|go)_[a-z_0-9]+)\{([^}]*)\}`)
	matcher    = regexp.MustCompile(`([a-z_]+)(=~|!~|!=|=)"([^"]*)"`)
	grouping   = regexp.MustCompile(`\b(?:by|without|on|ignoring) \(([^)]*)\)`)
)

// theirs are the labels that Prometheus adds, and that of buckets.
var theirs = []string{"instance", "job", "le"}

// checkExpressions compares the metrics, labels and values of the alert rules and of the
// dashboard with a scrape and the page.
func checkExpressions(t *testing.T, page page, scrape map[string]*family) {
	t.Helper()
	family := func(name string) *family {
		for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
			if base, ok := strings.CutSuffix(name, suffix); ok && scrape[base] != nil {
				return scrape[base]
			}
		}
		return nil
	}
	all := append(alertExpressions(t), dashboardExpressions(t)...)
	asked := map[string]bool{}
	for _, e := range all {
		labels := slices.Clone(theirs)
		for _, name := range metricName.FindAllString(e.text, -1) {
			f := family(name)
			if f == nil && name != "up" {
				t.Errorf("%s asks for %s, which no scrape has: %s", e.where, name, e.text)
				continue
			}
			asked[name] = true
			if f != nil {
				labels = slices.AppendSeq(labels, maps.Keys(f.labels))
			}
		}
		for _, s := range selector.FindAllStringSubmatch(e.text, -1) {
			f := family(s[1])
			for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
				if f == nil || slices.Contains(theirs, m[1]) {
					continue
				}
				if f.labels[m[1]] == nil {
					t.Errorf("%s asks for the label %s, which %s has not", e.where, m[1], s[1])
					continue
				}
				for v := range strings.SplitSeq(m[3], "|") {
					if m[1] != "code" { // a pattern of three digits
						page.check(t, e.where+": "+s[1], m[1], map[string]bool{v: true})
					}
				}
			}
		}
		for _, g := range grouping.FindAllStringSubmatch(e.text, -1) {
			for label := range strings.SplitSeq(g[1], ", ") {
				if !slices.Contains(labels, label) {
					t.Errorf("%s groups by %s, which none of its metrics has: %s", e.where, label, e.text)
				}
			}
		}
	}
	if len(all) < 60 || len(asked) < 35 {
		t.Errorf("%d expressions ask for %d metrics; the test has gone blind", len(all), len(asked))
	}
}

// handOver gives promtool what it judges, where scripts/check asks for it.
func handOver(t *testing.T, scrape []byte) {
	t.Helper()
	dir := os.Getenv(scrapeVariable)
	if dir == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(dir, "metrics.txt"), scrape, 0o600); err != nil {
		t.Fatal(err)
	}
	writeRules(t, filepath.Join(dir, "dashboard.yml"), dashboardExpressions(t))
}
