package chatbell_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"chatbell"
)

var update = flag.Bool("update", false, "write docs/reasons.md anew")

const reasonsHead = `# Reasons

Why somebody was not told, or why telling them failed: the column ` + "`reason`" + ` of the tables ` + "`deliveries`" + ` and ` + "`attempts`" + ` ([columns](columns.md)),
and the label ` + "`reason`" + ` of the [metrics](metrics.md). It is empty (in metrics ` + "`none`" + `) when the notification was accepted. When several
speak against one, [precedence](precedence.md) says which is given. In ` + "`attempts`" + ` the outcome of a try that failed is always ` + "`failed`" + `.

This page is made from the code; after a change run

    go test . -run TestReasonsPage -update

| reason | outcome | it means | what to do |
|---|---|---|---|
`

// docs/reasons.md is what the code says.
func TestReasonsPage(t *testing.T) {
	var page strings.Builder
	page.WriteString(reasonsHead)
	for _, d := range chatbell.ReasonDocs {
		means := d.Means
		if d.Later {
			means += " Not in this build."
		}
		fmt.Fprintf(&page, "| `%s` | %s | %s | %s |\n", d.Reason, d.Outcome, means, d.Mend)
	}
	path := filepath.Join("docs", "reasons.md")
	if *update {
		if err := os.WriteFile(path, []byte(page.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != page.String() {
		t.Errorf("docs/reasons.md is not what the code says (%v); run: go test . -run TestReasonsPage -update", err)
	}
}

var (
	reasonConstant = regexp.MustCompile(`(?m)^\t\w+ +Reason = "(\w+)"$`)
	oneSentence    = regexp.MustCompile(`^[A-Z][^|\n]+\.$`)
)

// Every reason is described, once, in sentences.
func TestEveryReasonIsDescribed(t *testing.T) {
	source, err := os.ReadFile("reasons.go")
	if err != nil {
		t.Fatal(err)
	}
	constants := reasonConstant.FindAllSubmatch(source, -1)
	if len(constants) != len(chatbell.Reasons) || len(constants) < 30 {
		t.Errorf("there are %d reasons, %d are described", len(constants), len(chatbell.Reasons))
	}
	for _, m := range constants {
		if !slices.Contains(chatbell.Reasons, chatbell.Reason(m[1])) {
			t.Errorf("ReasonDocs does not describe %s", m[1])
		}
	}
	for _, d := range chatbell.ReasonDocs {
		if !slices.Contains(chatbell.Outcomes[:], d.Outcome) || d.Outcome == chatbell.Accepted {
			t.Errorf("%s ends %q", d.Reason, d.Outcome)
		}
		if !oneSentence.MatchString(d.Means) || !oneSentence.MatchString(d.Mend) {
			t.Errorf("%s is not described in sentences: %q, %q", d.Reason, d.Means, d.Mend)
		}
	}
}
