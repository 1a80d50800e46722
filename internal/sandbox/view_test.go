package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"chatbell/internal/sandbox"
)

func noted(title string) sandbox.Arrival {
	return sandbox.Arrival{Notification: &sandbox.Notification{
		Time: time.Date(2026, 11, 20, 8, 0, 5, 0, time.UTC), Device: "a", Title: title, Body: "body", App: "app", CollapseID: "c",
	}}
}

func phones() *sandbox.Phones {
	return sandbox.NewPhones(sandbox.Phone{Token: "a", Owner: "Alice", Label: "iphone"})
}

func TestViewLines(t *testing.T) {
	var out bytes.Buffer
	v := sandbox.View{Out: &out, Phones: phones()}
	hook := sandbox.Arrival{Webhook: &sandbox.Webhook{
		Time: time.Date(2026, 11, 20, 8, 1, 0, 0, time.UTC), Hook: "globex", Attempt: 1, Status: 200, Standard: "valid", Amity: "missing",
		Body: []byte(`{"event":"channel.didJoin"}`),
	}}
	if err := v.Run(t.Context(), slices.Values([]sandbox.Arrival{noted("one"), hook, noted("two"), {Missed: 7}})); err != nil {
		t.Fatal(err)
	}
	want := "08:00:05 Alice · iphone: one | body (app)\n" +
		"webhook 08:01 globex channel.didJoin, signed, try 1, answered 200\n" +
		"08:00:05 Alice · iphone: two | body (app) [replaces an earlier one]\n" +
		"(7 arrivals came too fast to be shown)\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestViewRedraws(t *testing.T) {
	var out bytes.Buffer
	size := func() (int, int) { return 40, 24 }
	v := sandbox.View{Out: &out, Phones: phones(), Size: size, Every: time.Millisecond}
	drawn := func(yield func(sandbox.Arrival) bool) {
		yield(noted("one"))
	}
	if err := v.Run(t.Context(), drawn); err != nil {
		t.Fatal(err)
	}
	first := out.String()
	if !strings.Contains(first, "one") {
		t.Fatalf("not drawn: %q", first)
	}
	pictures := strings.Split(first, "\r\x1b[J")[1:]
	last := pictures[len(pictures)-1]
	if last != v.Phones.Render(40) {
		t.Errorf("the last drawing is not what the phones show:\n%s", last)
	}
	if len(pictures) > 1 {
		up := "\x1b[" + string(rune('0'+strings.Count(pictures[0], "\n"))) + "A"
		if !strings.HasSuffix(pictures[0], up) {
			t.Errorf("the second drawing does not begin where the first did: %q", pictures[0])
		}
	}
}

func TestViewFitsTheTerminal(t *testing.T) {
	for _, lines := range []int{30, 12, 5, 1} {
		var out bytes.Buffer
		p := day()
		v := sandbox.View{Out: &out, Phones: p, Size: func() (int, int) { return 80, lines }}
		if err := v.Run(t.Context(), slices.Values([]sandbox.Arrival{noted("x"), {Missed: 3}})); err != nil {
			t.Fatal(err)
		}
		for picture := range strings.SplitSeq(out.String(), "\r\x1b[J") {
			if n := strings.Count(picture, "\n"); n >= lines {
				t.Errorf("%d lines on a terminal of %d", n, lines)
			}
		}
	}
}

var errBroken = errors.New("broken pipe")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }

func TestViewReportsABrokenOutput(t *testing.T) {
	forever := func(yield func(sandbox.Arrival) bool) {
		for yield(noted("x")) {
		}
	}
	for _, size := range []func() (int, int){nil, func() (int, int) { return 40, 0 }} {
		v := sandbox.View{Out: broken{}, Size: size, Every: time.Millisecond}
		if err := v.Run(t.Context(), forever); !errors.Is(err, errBroken) {
			t.Errorf("got %v", err)
		}
	}
}

func TestViewFollowsAServer(t *testing.T) {
	r := start(t, sandbox.Config{})
	r.do(t, r.push(t, phone, alert("before", "")))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out bytes.Buffer
	v := sandbox.View{Out: &out, Size: func() (int, int) { return 80, 0 }}
	until := func(seq iter.Seq[sandbox.Arrival]) iter.Seq[sandbox.Arrival] {
		return func(yield func(sandbox.Arrival) bool) {
			for a := range seq {
				if !yield(a) {
					return
				}
				switch a.Notification.Title {
				case "before":
					r.do(t, r.push(t, phone, alert("live", "")))
				case "live":
					cancel()
				}
			}
		}
	}
	if err := v.Run(ctx, until(r.Follow(ctx, 0))); err != nil {
		t.Fatal(err)
	}
	if s := out.String(); !strings.Contains(s, "before") || !strings.Contains(s, "live") {
		t.Errorf("drawn: %s", s)
	}
}
