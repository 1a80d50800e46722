// Command chatbell is a notification server for chat backends. Each command has a
// file of its own; the work is done in the packages below.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// version is set when the binary is built.
var version = "dev"

// Exit codes of the contract. A command that a signal ends before it is done exits
// with 128 and the signal's number, as a shell says it: see [stopError].
const (
	exitFailed   = 1
	exitWrongUse = 2
)

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) }

// run is main with its surroundings given; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := checkCommand(root, args)
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	var wrong *usageError
	var stopped *stopError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintf(stderr, "chatbell: %v\nRun \"%s --help\" for %s.\n", err, wrong.command, wrong.about())
		return exitWrongUse
	case errors.As(err, &stopped):
		fmt.Fprintf(stderr, "chatbell: %v\n", err)
		return stopped.exitCode()
	default:
		fmt.Fprintf(stderr, "chatbell: %v\n", err)
		return exitFailed
	}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "chatbell",
		Short: "Notification server for chat backends",
		Long: "chatbell takes chat events over HTTP, decides who is to be told and in which language,\n" +
			"pushes to phones or calls webhooks, and records every outcome in ClickHouse.",
		Example: "  chatbell serve                      # a server with everything embedded, in ./data\n" +
			"  chatbell sandbox > sandbox.yaml     # simulated phones, and the configuration that uses them\n" +
			"  chatbell serve --config sandbox.yaml",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          unknownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("chatbell {{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(newServe(), newSandbox(), newCheckConfig(), newSecret(), newDeadLetters(), newDemo(), newVersion(), newEngine())
	root.SetHelpCommand(newHelp())
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	finish(root)
	return root
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Example: "  chatbell version",
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "chatbell", version)
			return err
		},
	}
}

// newLogger writes text for a person and JSON for a program.
func newLogger(w io.Writer, level slog.Leveler) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	if isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	return slog.New(slog.NewJSONHandler(w, opts))
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
