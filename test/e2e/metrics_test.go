package e2e_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"chatbell"
	"chatbell/internal/app/apptest"
	"chatbell/internal/polltest"
	"chatbell/internal/sandbox"
)

// scrapeVariable names a folder that gets the scrape and the dashboard's expressions:
// scripts/check gives them to promtool.
const scrapeVariable = "TEST_CHATBELL_SCRAPE"

// A scraped scrape, after a bit of everything, and docs/metrics.md tell the same metrics,
// with the same types, labels and values.
func TestMetricsPage(t *testing.T) {
	t.Parallel()
	w := busyWorld(t)
	_, text := w.Call("GET", "/metrics", nil)
	handOver(t, []byte(text))
	page := readPage(t)
	got := parseScrape(t, text)
	for name, f := range page.families {
		scraped, ok := got[name]
		switch {
		case !ok:
			t.Errorf("docs/metrics.md tells of %s, which no scrape has", name)
		case scraped.kind != f.kind || !maps.EqualFunc(scraped.labels, f.labels, func(map[string]bool, map[string]bool) bool { return true }):
			t.Errorf("%s is a %s with %v, docs/metrics.md says a %s with %v", name, scraped.kind, keys(scraped.labels), f.kind, keys(f.labels))
		}
	}
	for name, f := range got {
		if _, ok := page.families[name]; !ok && strings.HasPrefix(name, "chatbell_") && !strings.HasPrefix(name, "chatbell_engine_process_") {
			t.Errorf("docs/metrics.md does not tell of %s", name)
		}
		if strings.HasPrefix(name, "chatbell_") {
			for label, values := range f.labels {
				page.check(t, name, label, values)
			}
		}
	}
	checkExpressions(t, page, got)
	w.Stop()
}

// The closed lists of the code are those of the page.
func TestMetricsPageLists(t *testing.T) {
	page := readPage(t)
	for _, k := range chatbell.TargetKinds {
		if !page.values["target"][string(k)] {
			t.Errorf("docs/metrics.md does not tell the target %s", k)
		}
	}
	for _, o := range chatbell.Outcomes {
		if !page.values["outcome"][string(o)] {
			t.Errorf("docs/metrics.md does not tell the outcome %s", o)
		}
	}
}

// busyWorld has had something of everything that is counted.
func busyWorld(t *testing.T) *apptest.World {
	t.Helper()
	const otherKey = "down-backend-key-0123456789"
	w := apptest.New(t, apptest.Config{
		Process: true, YAML: "retry: {webhooks: [1h]}", Networks: []sandbox.Network{{ID: "acme", Key: apptest.Key, NoWebhook: true}},
	})
	w.Configure(w.Configuration() + fmt.Sprintf(`  - id: down
    delivery: webhook
    keys: [{id: backend, secret: %s, scope: server}]
    webhooks: [{id: gone, url: "http://%s/hook?token=s3cret", secret: whsec_bWV0cmljcy1hbmQtbW9yZS1tZXRyaWNz, events: ["*"]}]
`, otherKey, polltest.NobodyListens(t)))
	w.Start()
	w.Device("bob", "apns", apptest.Token(1), "en")
	w.Device("carol", "fcm", "token-carol", "en")
	w.DeviceOf("com.nobody", "dave", "apns", apptest.Token(2), "en")
	w.Post(event{"id": "1", "type": "channel.created", "actor": event{"id": "alice"}, "channel": event{"id": "c"}, "members": []event{{"id": "bob"}, {"id": "carol"}, {"id": "dave"}, {"id": "erin"}}})
	w.As(otherKey, func() {
		w.Post(event{"id": "1", "type": "channel.created", "actor": event{"id": "alice"}, "channel": event{"id": "c"}, "members": []event{{"id": "bob"}}})
	})

	var crowd strings.Builder // more than are told directly
	for i := range 1100 {
		fmt.Fprintf(&crowd, "{\"id\":\"u%04d\"}\n", i)
	}
	if status, answer, err := w.Try("PUT", "/v1/channels/crowd/members", []byte(crowd.String()), "Content-Type", "application/x-ndjson"); err != nil || status >= 300 {
		t.Fatalf("%d %s %v", status, answer, err)
	}
	w.Post(event{"id": "2", "type": "message.created", "actor": event{"id": "u0000"}, "channel": event{"id": "crowd"}, "message": event{"id": "m", "type": "text", "text": "x"}})
	for path, want := range map[string]int{"/v1/events": http.StatusUnprocessableEntity, "/nowhere": http.StatusNotFound} {
		if status, _ := w.Call("POST", path, []event{{"type": "No Type"}}); status != want {
			t.Errorf("%s: status %d, want %d", path, status, want)
		}
	}
	w.Answers("SELECT count() FROM deliveries", fmt.Sprint(4+1100))
	w.Answers("SELECT provider_reason FROM attempts WHERE network = 'down'", strings.TrimSuffix(strings.Repeat("connection_refused\n", 2), "\n"))
	return w
}

// family is a metric with the values of its labels.
type family struct {
	kind   string
	labels map[string]map[string]bool
}

var (
	typeLine   = regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`)
	sampleLine = regexp.MustCompile(`(?m)^([a-z_0-9]+)(?:\{(.*)\})? \S+$`)
	labelPair  = regexp.MustCompile(`([a-z_]+)="((?:[^"\\]|\\.)*)"`)
)

// parseScrape reads Prometheus' text format.
func parseScrape(t *testing.T, text string) map[string]*family {
	t.Helper()
	all := map[string]*family{}
	for _, m := range typeLine.FindAllStringSubmatch(text, -1) {
		all[m[1]] = &family{kind: m[2], labels: map[string]map[string]bool{}}
	}
	for _, m := range sampleLine.FindAllStringSubmatch(text, -1) {
		f := all[m[1]]
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if base, ok := strings.CutSuffix(m[1], suffix); ok && f == nil {
				f = all[base]
			}
		}
		if f == nil {
			t.Fatalf("%s has no type", m[1])
		}
		for _, pair := range labelPair.FindAllStringSubmatch(m[2], -1) {
			if pair[1] == "le" || pair[1] == "quantile" {
				continue
			}
			if f.labels[pair[1]] == nil {
				f.labels[pair[1]] = map[string]bool{}
			}
			f.labels[pair[1]][pair[2]] = true
		}
	}
	return all
}

// page is docs/metrics.md: the metrics, and the values that a label may have.
type page struct {
	families map[string]family
	values   map[string]map[string]bool
}

var code = regexp.MustCompile("`([^`]+)`")

func readPage(t *testing.T) page {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	p := page{families: map[string]family{}, values: map[string]map[string]bool{}}
	for line := range strings.Lines(string(data)) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || !strings.Contains(cells[1], "`") {
			continue
		}
		first := words(cells[1])
		if strings.HasPrefix(first[0], "chatbell_") {
			labels := map[string]map[string]bool{}
			for _, label := range words(cells[3]) {
				labels[label] = nil
			}
			p.families[first[0]] = family{strings.TrimSpace(cells[2]), labels}
			continue
		}
		for _, label := range first {
			p.values[label] = map[string]bool{}
			for _, v := range words(cells[2]) {
				p.values[label][v] = true
			}
		}
	}
	if len(p.families) < 30 || len(p.values) < 10 {
		t.Fatalf("docs/metrics.md has %d metrics and %d labels; the test has gone blind", len(p.families), len(p.values))
	}
	return p
}

// words are what stands in backquotes.
func words(cell string) (out []string) {
	for _, m := range code.FindAllStringSubmatch(cell, -1) {
		out = append(out, m[1])
	}
	return out
}

// check compares the values of a label with those of the page.
func (p *page) check(t *testing.T, name, label string, values map[string]bool) {
	t.Helper()
	for v := range values {
		var ok bool
		switch label {
		case "reason":
			ok = v == "none" || slices.Contains(chatbell.Reasons, chatbell.Reason(v)) || p.values[label][v]
		case "route":
			ok = v == "none" || strings.HasPrefix(v, "/")
		case "method":
			ok = v == "other" || strings.ToUpper(v) == v
		case "code":
			ok = len(v) == 3
		case "version", "goversion":
			ok = true
		default:
			ok = p.values[label][v]
		}
		if !ok || v == "" {
			t.Errorf("%s has the label %s=%q, of which docs/metrics.md does not tell", name, label, v)
		}
	}
}

func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
