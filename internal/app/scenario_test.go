package app_test

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"golang.org/x/tools/txtar"

	"chatbell"
	"chatbell/internal/app/apptest"
	"chatbell/internal/polltest"
	"chatbell/internal/sandbox"
)

var update = flag.Bool("update", false, "write what was delivered into the scenarios")

const scenarios = "../../testdata/scenarios"

// scenario is a story of one network: see testdata/scenarios/README.md.
type scenario struct {
	file    string
	archive *txtar.Archive
	network sandbox.Network
	events  []string // ids, in the order in which they are posted
}

// columns are those of the table of deliveries.
const columns = "event | user | target | locale | outcome | reason | level | title | body"

func readScenario(t *testing.T, file string) *scenario {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	id := strings.TrimSuffix(filepath.Base(file), ".txtar")
	s := &scenario{file: file, archive: archive, network: sandbox.Network{ID: chatbell.NetworkID(id), Key: id + "-backend-key-0123456789"}}
	if len(bytes.TrimSpace(archive.Comment)) == 0 || archive.Files[len(archive.Files)-1].Name != "deliveries" {
		t.Fatalf("%s: begins with what it tells, and ends with the file deliveries", file)
	}
	for _, f := range archive.Files {
		if f.Name == "network" {
			s.configure(t, f.Data)
		}
	}
	return s
}

// configure reads the lines "key: value" of the file network.
func (s *scenario) configure(t *testing.T, data []byte) {
	t.Helper()
	for line := range lines(data) {
		key, value, _ := strings.Cut(line, ": ")
		switch key {
		case "default_locale":
			s.network.DefaultLocale = value
		case "delivery":
			s.network.Delivery = chatbell.DeliveryMode(value)
		default:
			t.Fatalf("%s: a network has default_locale and delivery, not %q", s.file, line)
		}
	}
}

// lines are those that say something.
func lines(data []byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for scan := bufio.NewScanner(bytes.NewReader(data)); scan.Scan(); {
			if line := strings.TrimSpace(scan.Text()); line != "" && !yield(line) {
				return
			}
		}
	}
}

// Each scenario is a story that is told to a server, all of them to the same one, with a
// network each.
func TestScenarios(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(scenarios, "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no scenarios: %v", err)
	}
	var all []*scenario
	cfg := apptest.Config{}
	for _, file := range files {
		s := readScenario(t, file)
		all = append(all, s)
		cfg.Networks = append(cfg.Networks, s.network)
	}
	w := apptest.Start(t, cfg)
	t.Run("all", func(t *testing.T) {
		for _, s := range all {
			t.Run(string(s.network.ID), func(t *testing.T) {
				t.Parallel()
				s.play(t, w.Backend(t, s.network.Key))
			})
		}
	})
	w.Stop()
}

// play does what the files say, in their order, and compares what was delivered.
func (s *scenario) play(t *testing.T, w *apptest.World) {
	t.Helper()
	for i, f := range s.archive.Files {
		switch f.Name {
		case "network":
		case "calls":
			s.recorded(w) // what was posted before is matched before
			s.call(t, w, f.Data)
		case "events":
			s.post(t, w, f.Data)
		case "deliveries":
			s.recorded(w)
			s.compare(t, w, &s.archive.Files[i])
		default:
			t.Fatalf("%s: there are network, calls, events and deliveries, no %q", s.file, f.Name)
		}
	}
}

func (s *scenario) call(t *testing.T, w *apptest.World, data []byte) {
	t.Helper()
	for line := range lines(data) {
		method, rest, _ := strings.Cut(line, " ")
		path, body, _ := strings.Cut(rest, " ")
		status, answer, err := w.Try(method, path, []byte(body))
		if err != nil || status >= http.StatusMultipleChoices {
			t.Fatalf("%s: %s: %d %s, %v", s.file, line, status, answer, err)
		}
	}
}

func (s *scenario) post(t *testing.T, w *apptest.World, data []byte) {
	t.Helper()
	var events []apptest.Event
	for line := range lines(data) {
		var e apptest.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%s: %s: %v", s.file, line, err)
		}
		id, ok := e["id"].(string)
		if !ok {
			t.Fatalf("%s: an event needs an id: %s", s.file, line)
		}
		events = append(events, e)
		if !slices.Contains(s.events, id) {
			s.events = append(s.events, id)
		}
	}
	w.Post(events...)
}

// recorded waits until all events so far are recorded.
func (s *scenario) recorded(w *apptest.World) {
	w.Answers(fmt.Sprintf("SELECT uniqExact(event_id) FROM events WHERE network = '%s'", s.network.ID), fmt.Sprint(len(s.events)))
}

// settled is how long nothing more has to come after all events are recorded, before a
// table counts as another one than was expected.
const settled = 3 * time.Second

func (s *scenario) compare(t *testing.T, w *apptest.World, want *txtar.File) {
	t.Helper()
	var got [][]string
	last, since := "", time.Now()
	polltest.Wait(t, func() bool {
		got = s.delivered(t, w)
		if now := table(got); now != last {
			last, since = now, time.Now()
		}
		return !*update && slices.EqualFunc(got, cells(want.Data), slices.Equal) || time.Since(since) > settled
	})
	if slices.EqualFunc(got, cells(want.Data), slices.Equal) {
		return
	}
	if !*update {
		t.Errorf("%s: delivered was\n%s\nwant\n%s", s.file, table(got), want.Data)
		return
	}
	want.Data = []byte(table(got))
	if err := os.WriteFile(s.file, txtar.Format(s.archive), 0o600); err != nil {
		t.Error(err)
	}
}

// cells reads a table.
func cells(data []byte) [][]string {
	var rows [][]string
	for line := range lines(data) {
		if row := strings.Split(line, "|"); len(rows) > 0 || strings.TrimSpace(row[0]) != "event" {
			for i := range row {
				row[i] = strings.TrimSpace(row[i])
			}
			rows = append(rows, row)
		}
	}
	return rows
}

var trailing = regexp.MustCompile(`(?m) +$`)

// table writes one.
func table(rows [][]string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, strings.ReplaceAll(columns, " | ", "\t| "))
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t| "))
	}
	_ = w.Flush() // into memory
	return trailing.ReplaceAllString(b.String(), "")
}

// delivered are the network's rows as analysts see them, with the words that arrived.
func (s *scenario) delivered(t *testing.T, w *apptest.World) [][]string {
	t.Helper()
	pushed := map[string]sandbox.Notification{}
	for _, n := range w.Box.Notifications(sandbox.Query{}) {
		pushed[n.ProviderID] = n
	}
	called := s.called(t, w)
	answer := w.Query("SELECT event_id, user_id, toString(target), locale, toString(outcome), toString(reason), toString(level), toString(event_type), provider_id" +
		fmt.Sprintf(" FROM deliveries WHERE network = '%s' FORMAT JSONCompactEachRow", s.network.ID))
	var rows [][]string
	for line := range lines([]byte(answer)) {
		var row []string
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		words := pushed[row[8]]
		if row[2] == string(chatbell.TargetWebhook) {
			words = called[row[7]+" "+row[1]]
		}
		rows = append(rows, append(row[:7:7], words.Title, words.Body))
	}
	slices.SortFunc(rows, func(a, b []string) int {
		if x := cmp.Compare(slices.Index(s.events, a[0]), slices.Index(s.events, b[0])); x != 0 {
			return x
		}
		return slices.Compare(a[1:], b[1:])
	})
	return rows
}

// called are the words of the webhook calls, by the event's type and whom they name.
func (s *scenario) called(t *testing.T, w *apptest.World) map[string]sandbox.Notification {
	t.Helper()
	out := map[string]sandbox.Notification{}
	for _, h := range w.Box.Webhooks(sandbox.Query{Target: string(s.network.ID)}) {
		var body struct {
			Path string
			Data struct {
				TargetIDs   []string
				Title, Body string
			}
		}
		if err := json.Unmarshal(h.Body, &body); err != nil {
			t.Fatal(err)
		}
		for _, user := range body.Data.TargetIDs {
			out[body.Path+" "+user] = sandbox.Notification{Title: body.Data.Title, Body: body.Data.Body}
		}
	}
	return out
}
