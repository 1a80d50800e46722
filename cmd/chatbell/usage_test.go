package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"chatbell/internal/keyring"
	"chatbell/pipeline/webhooks"
)

// every calls f for each command that a user can find.
func every(cmd *cobra.Command, f func(*cobra.Command)) {
	f(cmd)
	for _, c := range cmd.Commands() {
		every(c, f)
	}
}

var (
	// exampleCommand is a call of chatbell in a shell's line, up to what is the shell's.
	exampleCommand = regexp.MustCompile(`chatbell((?: [^ >|&;)#]+)+)`)
	exampleLine    = regexp.MustCompile(`(?m)^  \S.*$`)
)

// Every command's help has examples, and they are calls that chatbell understands.
func TestExamples(t *testing.T) {
	every(newRoot(), func(cmd *cobra.Command) {
		if cmd.Short == "" || cmd.Example == "" {
			t.Errorf("%s has no short help or no example", cmd.CommandPath())
		}
		for _, line := range exampleLine.FindAllString(cmd.Example, -1) {
			line, _, _ = strings.Cut(line, "   #")
			call := exampleCommand.FindStringSubmatch(line)
			if call == nil {
				t.Errorf("%s: no call of chatbell in %q", cmd.CommandPath(), line)
				continue
			}
			args := strings.Fields(call[1])
			root := newRoot() // flags remember
			if err := checkCommand(root, args); err != nil {
				t.Errorf("%s: %q: %v", cmd.CommandPath(), line, err)
				continue
			}
			named, rest, err := root.Find(args)
			if err != nil {
				t.Errorf("%s: %q: %v", cmd.CommandPath(), line, err)
				continue
			}
			if err := named.ParseFlags(rest); err != nil {
				t.Errorf("%s: %q: %v", cmd.CommandPath(), line, err)
			}
			if err := named.ValidateArgs(named.Flags().Args()); err != nil {
				t.Errorf("%s: %q: %v", cmd.CommandPath(), line, err)
			}
		}
	})
}

// An example that is wrong would be found.
func TestExamplesCanFail(t *testing.T) {
	for _, line := range []string{"serve --bogus", "surf", "version now"} {
		var out bytes.Buffer
		if code := run(t.Context(), strings.Fields(line), &out, &out); code != exitWrongUse {
			t.Errorf("chatbell %s exits with %d", line, code)
		}
	}
}

// A shell offers files for --config and folders for the folders.
func TestCompletion(t *testing.T) {
	for args, directive := range map[string]string{
		"serve --config ":        ":8\n", // cobra's ShellCompDirectiveFilterFileExt
		"check-config --config ": ":8\n",
		"serve --data ":          ":16\n", // ShellCompDirectiveFilterDirs
		"sandbox --dir ":         ":16\n",
		"demo --script ":         ":16\n",
	} {
		var out, complaints bytes.Buffer
		words := append([]string{cobra.ShellCompRequestCmd}, strings.Split(args, " ")...)
		if code := run(t.Context(), words, &out, &complaints); code != 0 || !strings.Contains(out.String(), directive) {
			t.Errorf("completing %q gives %d %q", args, code, &out)
		}
	}
}

// What "secret" makes is what the configuration wants, and never the same.
func TestSecret(t *testing.T) {
	seen := map[string]bool{}
	for _, args := range [][]string{{"secret"}, {"secret"}, {"secret", "--key"}, {"secret", "--key"}} {
		var out bytes.Buffer
		if code := run(t.Context(), args, &out, &out); code != 0 {
			t.Fatalf("exits with %d: %s", code, &out)
		}
		made := strings.TrimSuffix(out.String(), "\n")
		if seen[made] || strings.ContainsAny(made, " \n") {
			t.Errorf("%v made %q", args, made)
		}
		seen[made] = true
		wantPrefix, wantLength := "whsec_", len("whsec_")+44 // 32 bytes in base64
		if len(args) > 1 {
			wantPrefix, wantLength = "cb_", len(keyring.NewKey())
		} else if err := webhooks.CheckSecret(nil, made); err != nil {
			t.Errorf("%q: %v", made, err)
		}
		if !strings.HasPrefix(made, wantPrefix) || len(made) != wantLength {
			t.Errorf("%v made %q", args, made)
		}
	}
}
