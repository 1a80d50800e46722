package push_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/rivo/uniseg"
	"pgregory.net/rapid"

	"chatbell"
	"chatbell/pipeline/push"
)

// encode is a payload as plain as can be: title|body|data, each in JSON.
func encode(n *push.Content) ([]byte, error) {
	return json.Marshal([]any{n.Title, n.Body, n.ThreadID, n.Data})
}

func decode(t interface{ Fatal(...any) }, b []byte) (title, body string, data map[string]string) {
	var thread string
	if err := json.Unmarshal(b, &[]any{&title, &body, &thread, &data}); err != nil {
		t.Fatal(err)
	}
	return title, body, data
}

func TestFit(t *testing.T) {
	const family = "👩‍👩‍👧‍👦" // 25 bytes, one cluster
	data := map[string]string{"k": "v"}
	const fixed = len(`["","","",{"k":"v"}]`)
	for name, c := range map[string]struct {
		title, body string
		limit       int
		wantTitle   string
		wantBody    string
		wantData    bool
		whole       bool
	}{
		"fits exactly":                    {"ab", "cdef", fixed + 6, "ab", "cdef", true, true},
		"body is cut first":               {"ab", "cdefghij", fixed + 8, "ab", "cde…", true, false},
		"a trailing space goes too":       {"ab", "cd efghij", fixed + 8, "ab", "cd…", true, false},
		"a cluster is never torn":         {"ab", "c" + family + "dxyz", fixed + 2 + 1 + 25 + 2, "ab", "c…", true, false},
		"a cluster fits whole":            {"ab", "c" + family + "dxyz", fixed + 2 + 1 + 25 + 3, "ab", "c" + family + "…", true, false},
		"a combining mark stays":          {"ab", "e\u0301e\u0301e\u0301", fixed + 2 + 6 + 2, "ab", "e\u0301…", true, false},
		"escapes count":                   {"ab", "<<<<", fixed + 2 + 12 + 3, "ab", "<<…", true, false},
		"then the title":                  {"abcdefgh", "xyz0", fixed + 3 + 5, "ab…", "…", true, false},
		"then the data goes, texts again": {"abcd", "xyz0", len(`["","","",null]`) + 8, "abcd", "xyz0", false, false},
		"data gone and body cut":          {"ab", "cdefghijk", len(`["","","",null]`) + 7, "ab", "cd…", false, false},
		"invalid bytes are replaced":      {"a\xff", "b\xc3", fixed + 8, "a\uFFFD", "b\uFFFD", true, true},
		"an open isolate is closed":       {"ab", "\u2068name\u2069 wrote", fixed + 2 + 3 + 2 + 6, "ab", "\u2068na\u2069…", true, false},
		"a closed isolate is left alone":  {"ab", "\u2068n\u2069 wrote a lot", fixed + 2 + 7 + 4 + 3, "ab", "\u2068n\u2069 wro…", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			b, truncated, err := push.Fit(&push.Content{Title: c.title, Body: c.body, Data: data}, c.limit, encode)
			if err != nil {
				t.Fatal(err)
			}
			title, body, got := decode(t, b)
			if diff := cmp.Diff([]any{c.wantTitle, c.wantBody, c.wantData, !c.whole}, []any{title, body, got != nil, truncated}); diff != "" {
				t.Errorf("title, body, data, truncated (-want +got):\n%s", diff)
			}
			if len(b) > c.limit {
				t.Errorf("%d bytes, limit %d", len(b), c.limit)
			}
		})
	}
}

func TestFitGivesUp(t *testing.T) {
	_, _, err := push.Fit(&push.Content{Title: "t", Body: "b", ThreadID: strings.Repeat("x", 100)}, 100, encode)
	var se *chatbell.SendError
	if !errors.As(err, &se) || se.Reason != chatbell.PayloadTooLarge || se.Retry {
		t.Errorf("err = %v, want payload_too_large without retry", err)
	}
	broken := errors.New("broken")
	for _, n := range []int{0, 1, 3} { // fails at once, and in the middle of the search
		calls := 0
		_, _, err := push.Fit(&push.Content{Body: strings.Repeat("b", 500)}, 100, func(note *push.Content) ([]byte, error) {
			if calls++; calls > n {
				return nil, broken
			}
			return encode(note)
		})
		if !errors.Is(err, broken) {
			t.Errorf("after %d calls: err = %v, want that of encode", n, err)
		}
	}
}

// A cut text is the longest that fits, cut between clusters, whatever it holds.
func TestFitProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := &push.Content{Title: rapid.String().Draw(t, "title"), Body: rapid.String().Draw(t, "body")}
		limit := rapid.IntRange(30, 200).Draw(t, "limit")
		b, truncated, err := push.Fit(n, limit, encode)
		if err != nil {
			return
		}
		if len(b) > limit || !utf8.Valid(b) {
			t.Fatalf("%d bytes, limit %d, valid %t", len(b), limit, utf8.Valid(b))
		}
		title, body, _ := decode(t, b)
		if !truncated {
			if title != n.Title || body != n.Body {
				t.Fatalf("changed without saying so")
			}
			return
		}
		kept := strings.TrimRight(strings.TrimSuffix(body, "…"), "\u2069")
		if !strings.HasPrefix(n.Body, kept) {
			t.Fatalf("%q is no beginning of %q", kept, n.Body)
		}
		for rest, at, state := n.Body, 0, -1; at < len(kept); {
			var cluster string
			cluster, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
			if at += len(cluster); at > len(kept) && strings.TrimSpace(n.Body[len(kept):at]) != "" {
				t.Fatalf("%q tears the cluster %q", kept, cluster)
			}
		}
	})
}

func TestCollapseID(t *testing.T) {
	for id, same := range map[string]bool{
		"": true, "abc-1_2": true, strings.Repeat("x", 64): true,
		strings.Repeat("x", 65): false, "with space": false, "línea": false, "a\r\nb": false,
	} {
		got := push.CollapseID(id, 64)
		if (got == id) != same || len(got) > 64 || got != push.CollapseID(id, 64) {
			t.Errorf("CollapseID(%q) = %q", id, got)
		}
	}
	if push.CollapseID("a b", 64) == push.CollapseID("a c", 64) {
		t.Error("two ids collapse to one")
	}
}

func TestTraceParent(t *testing.T) {
	const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for s, want := range map[string]string{
		good: good, "": "", good + "0": "", strings.ToUpper(good): "", "ff" + good[2:]: "",
		strings.Replace(good, "-", "_", 1): "", good[:54] + "\n": "",
	} {
		if got := push.TraceParent(push.WithTraceParent(t.Context(), s)); got != want {
			t.Errorf("traceparent %q gives %q, want %q", s, got, want)
		}
	}
}

// A text of half a mebibyte costs about what one of the limit costs.
func BenchmarkFitHuge(b *testing.B) {
	n := &push.Content{Title: "t", Body: strings.Repeat("wörd ", 100_000)}
	for b.Loop() {
		if _, _, err := push.Fit(n, push.MaxPayload, encode); err != nil {
			b.Fatal(err)
		}
	}
}

// A background push is nothing without its data: it is refused, not emptied.
func TestFitKeepsDataOfBackground(t *testing.T) {
	c := &push.Content{Kind: push.Background, Data: map[string]string{"k": strings.Repeat("v", 100)}}
	_, _, err := push.Fit(c, 50, encode)
	var refused *chatbell.SendError
	if !errors.As(err, &refused) || refused.Reason != chatbell.PayloadTooLarge {
		t.Errorf("got %v", err)
	}
}
