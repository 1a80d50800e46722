package sandbox_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rivo/uniseg"

	"chatbell/internal/sandbox"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func day() *sandbox.Phones {
	p := sandbox.NewPhones(
		sandbox.Phone{Token: "a", Label: "alice-iphone", Owner: "Alice", Locale: "en"},
		sandbox.Phone{Token: "b", Label: "bernd-pixel", Owner: "Bernd", Locale: "de"},
		sandbox.Phone{Token: "c", Label: "chiyo-iphone", Owner: "千代", Locale: "ja"},
		sandbox.Phone{Token: "d", Label: "amal-galaxy", Owner: "أمل", Locale: "ar"},
		sandbox.Phone{Token: "e"},
	)
	for i, n := range []sandbox.Notification{
		{Device: "b", Title: "Berlin Launch", Body: "Du bist jetzt Mitglied von Berlin Launch!"},
		{Device: "c", Title: "Berlin Launch", Body: "Berlin Launchのメンバーになりました!これは二行に分けられるほど長い文章です。"},
		{Device: "d", Title: "Berlin Launch", Body: "أنت الآن عضو في \u2068Berlin Launch\u2069!"},
		{Device: "a", App: "com.acme.chat", Title: "千代 (Berlin Launch)", Body: "first draft", CollapseID: "m1"},
		{Device: "a", App: "com.acme.chat", Title: "千代 (Berlin Launch)", Body: "The text after it was corrected 👩‍👩‍👧, with more words than fit into the two lines of a box", CollapseID: "m1"},
		{Device: "b", Title: "Alice", Body: "1"}, {Device: "b", Title: "Alice", Body: "2"}, {Device: "b", Title: "Alice", Body: "3"},
		{Device: "stranger-with-a-long-token", Title: "evil\x1b[2J\nname \u202egnp", Body: strings.Repeat("x", 200)},
	} {
		n.Seq, n.Time = uint64(i), time.Date(2026, 11, 20, 8, i, 0, 0, time.UTC)
		p.Add(n)
	}
	at := time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC)
	p.AddWebhook(sandbox.Webhook{Hook: "globex", Time: at, Attempt: 1, Status: 200, Standard: "valid", Amity: "valid", Body: []byte(
		`{"eventType":"push-notification.created","path":"message.created","data":{"targetIds":["x","y"],"title":"Gina (Ops)","body":"deployed"}}`)})
	p.AddWebhook(sandbox.Webhook{Hook: "globex", Time: at, Attempt: 2, Status: 401, Standard: "invalid", Body: []byte(`{"event":"message.didCreate","data":{}}`)})
	p.AddWebhook(sandbox.Webhook{Hook: "globex", Time: at, Attempt: 1, Standard: "missing", Amity: "missing", Body: []byte(`[]`)})
	return p
}

func TestRender(t *testing.T) {
	for _, width := range []int{80, 40} {
		got := day().Render(width)
		golden(t, fmt.Sprint("phones-", width), got)
		checkPicture(t, got, width)
	}
}

// checkPicture finds lines that are too wide and boxes that are not straight.
func checkPicture(t *testing.T, picture string, width int) {
	t.Helper()
	for line := range strings.Lines(picture) {
		line = strings.TrimSuffix(line, "\n")
		w := uniseg.StringWidth(line)
		if w > width {
			t.Errorf("%d columns, at most %d: %s", w, width, line)
		}
		if strings.ContainsAny(line, "\x1b\r\t") {
			t.Errorf("control characters in %q", line)
		}
		if strings.HasSuffix(line, "│") != strings.HasPrefix(line, "│") {
			t.Errorf("a border is missing: %s", line)
		}
	}
}

func TestRenderPhonesThatGotNothing(t *testing.T) {
	p := sandbox.NewPhones(sandbox.Phone{Token: "a", Owner: "Alice"})
	if got := p.Render(40); !strings.Contains(got, "Alice") || !strings.Contains(got, "nothing yet") {
		t.Error(got)
	}
	if got := sandbox.NewPhones().Render(40); got != "" {
		t.Errorf("nobody: %q", got)
	}
}

func TestAddReplaces(t *testing.T) {
	p := sandbox.NewPhones(sandbox.Phone{Token: "a", Owner: "Alice"})
	for i, want := range []bool{false, true, false, false} {
		n := sandbox.Notification{Device: "a", Title: fmt.Sprint("n", i), CollapseID: []string{"x", "x", "y", ""}[i]}
		if name, replaced := p.Add(n); replaced != want || name != "Alice" {
			t.Errorf("%d: %s, replaced %t", i, name, replaced)
		}
	}
	if got := p.Render(40); strings.Contains(got, "n0") || !strings.Contains(got, "n1") {
		t.Error(got)
	}
}

func TestPhonesAreBounded(t *testing.T) {
	p := sandbox.NewPhones()
	for i := range 1000 {
		p.Add(sandbox.Notification{Device: fmt.Sprint("d", i), Title: "t"})
		p.Add(sandbox.Notification{Device: "d0", Title: "t"})
	}
	got := p.Render(40)
	if n := strings.Count(got, "╭"); n > 24 {
		t.Errorf("%d boxes", n)
	}
	if !strings.Contains(got, "and 998 more") {
		t.Error(got)
	}
}

func FuzzRender(f *testing.F) {
	for _, s := range []string{"", "Hi", "千代", "أمل \u2068x\u2069", "\x1b[31m", "e\u0301", "👩‍👩‍👧", "\xff", "a\u202eb", strings.Repeat("長", 99), "\u200d", "﷽"} {
		f.Add(s, s, 40)
	}
	f.Fuzz(func(t *testing.T, title, body string, width int) {
		width = max(20, width%200)
		p := sandbox.NewPhones(sandbox.Phone{Token: "a", Owner: body})
		p.Add(sandbox.Notification{Device: "a", Title: title, Body: body, App: title})
		p.Add(sandbox.Notification{Device: title, Title: body})
		p.AddWebhook(sandbox.Webhook{Hook: title, Body: []byte(body)})
		checkPicture(t, p.Render(width), width)
	})
}
