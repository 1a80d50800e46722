package config_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"chatbell/internal/config"
)

// wanted are the problems that a file of testdata/bad says it has: "# want: TEXT | TEXT"
// on the line of the mistake, "# want-file: TEXT" for those that have no line.
var wanted = regexp.MustCompile(`# (want|want-file): (.*)$`)

// Each bad file is refused for all the reasons that it names, each with its line, and
// for no other; no message shows a secret (hunter2).
func TestBadFiles(t *testing.T) {
	for _, file := range files(t, "testdata/bad/*.yaml") {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			text := read(t, file)
			_, err := load(t, text)
			all, ok := config.AsError(err)
			if !ok {
				t.Fatalf("it was taken: %v", err)
			}
			told := map[int][]string{}
			for _, p := range all.Problems {
				if !strings.HasSuffix(p.File, "chatbell.yaml") {
					t.Errorf("the problem does not name its file: %+v", p)
				}
				told[p.Line] = append(told[p.Line], strings.TrimPrefix(p.String(), p.File+":"+strconv.Itoa(p.Line)+": "))
			}
			explained := 0
			for i, line := range strings.Split(text, "\n") {
				m := wanted.FindStringSubmatch(line)
				if m == nil {
					continue
				}
				number := i + 1
				if m[1] == "want-file" {
					number = 0
				}
				for want := range strings.SplitSeq(m[2], " | ") {
					if !strings.Contains(strings.Join(told[number], "\n"), want) {
						t.Errorf("line %d: want %q, told is\n%s", number, want, strings.Join(told[number], "\n"))
					}
				}
				explained += len(told[number])
				delete(told, number)
			}
			if explained == 0 || len(told) > 0 {
				t.Errorf("not wanted: %v", told)
			}
			if strings.Contains(fmt.Sprintf("%v %+v", err, all.Problems), "hunter2") {
				t.Errorf("a secret is shown: %v", err)
			}
		})
	}
}

// More problems than anybody reads are counted.
func TestManyProblems(t *testing.T) {
	var b strings.Builder
	for i := range 250 {
		fmt.Fprintf(&b, "zzzzzzzz%d: 1\n", i)
	}
	_, err := load(t, b.String())
	if err == nil || !strings.HasPrefix(err.Error(), "configuration: 250 problems\n") || !strings.HasSuffix(err.Error(), "\n  and 150 more") || strings.Count(err.Error(), "\n") != 101 {
		t.Errorf("got %v", err)
	}
}

// Aliases can multiply a short text beyond any memory, with mistakes or without.
func TestAliasBomb(t *testing.T) {
	many := func(first string, n int) string {
		return first + strings.Repeat(", "+strings.Fields(strings.ReplaceAll(first, "&", "*"))[0], n)
	}
	for element, want := range map[string]string{
		"{id: a, secret: 0123456789abcdef, scope: server}": "chatbell.yaml: has too many values; check its anchors and aliases",
		"{}": "and 10",
	} {
		_, err := load(t, "networks: ["+many("&n {id: a, keys: ["+many("&k "+element, 99)+"]}", 9_999)+"]\n")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
