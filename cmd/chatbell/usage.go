package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageError is a mistake on the command line itself.
type usageError struct {
	command string // whose help tells what would be right
	err     error
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// about says what the help is about.
func (e *usageError) about() string {
	if strings.Contains(e.command, " ") {
		return "its flags and examples"
	}
	return "the commands and their flags"
}

// wrongUse makes a mistake on the command line of a command.
func wrongUse(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{cmd.CommandPath(), fmt.Errorf(format, args...)}
}

// checkCommand refuses a command that does not exist, also when its help is asked
// for: cobra would show the help of chatbell itself, as if all were well.
func checkCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") ||
		args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd {
		return nil
	}
	return unknownCommand(root, args)
}

// unknownCommand walks down the names and says which of them is none of a command's.
func unknownCommand(cmd *cobra.Command, names []string) error {
	for _, name := range names {
		if !cmd.HasSubCommands() || strings.HasPrefix(name, "-") {
			return nil
		}
		next := child(cmd, name)
		if next == nil {
			return wrongUse(cmd, "unknown command %q%s", name, didYouMean(cmd, name, ""))
		}
		cmd = next
	}
	return nil
}

func child(cmd *cobra.Command, name string) *cobra.Command {
	for _, c := range cmd.Commands() {
		if c.Name() == name || c.HasAlias(name) {
			return c
		}
	}
	return nil
}

// flagError adds what was probably meant to what pflag says.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return wrongUse(cmd, "%w", err)
	}
	// Flags are as near to each other as commands are: cobra's own measure is used.
	var names cobra.Command
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		names.AddCommand(&cobra.Command{Use: f.Name, Run: func(*cobra.Command, []string) {}, Hidden: f.Hidden})
	})
	return wrongUse(cmd, "%w%s", err, didYouMean(&names, strings.TrimLeft(unknown.GetSpecifiedName(), "-"), "--"))
}

// didYouMean names the command below cmd that is nearest to a name, if one is near:
// two letters may be wrong.
func didYouMean(cmd *cobra.Command, name, prefix string) string {
	for cmd.SuggestionsMinimumDistance = 1; cmd.SuggestionsMinimumDistance <= 2; cmd.SuggestionsMinimumDistance++ {
		if near := cmd.SuggestionsFor(name); len(near) > 0 {
			return fmt.Sprintf("; did you mean %q?", prefix+near[0])
		}
	}
	return ""
}

// finish gives every command what all have in common: mistakes in the arguments are
// wrong use, and those without a rule of their own take none.
func finish(cmd *cobra.Command) {
	rule := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		switch {
		case rule != nil:
			var wrong *usageError
			if err := rule(cmd, args); err != nil && !errors.As(err, &wrong) {
				return wrongUse(cmd, "%w", err)
			} else if err != nil {
				return err
			}
		case len(args) > 0:
			return wrongUse(cmd, "%s takes no arguments, got %q", cmd.Name(), args[0])
		}
		return nil
	}
	if parent := cmd.Parent(); parent != nil && parent.Name() == "completion" { // made by cobra, without an example
		cmd.Example = "  chatbell completion " + cmd.Name()
	}
	if cmd.Name() == "completion" {
		cmd.Example = "  source <(chatbell completion bash)"
	}
	for _, c := range cmd.Commands() {
		finish(c)
	}
}

// newHelp is cobra's, but what it does not know is an error.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:     "help [command]",
		Short:   "Help about any command",
		Long:    "Help about any command, the same as \"chatbell [command] --help\".",
		Example: "  chatbell help serve",
		Args:    cobra.ArbitraryArgs,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			at, _, err := cmd.Root().Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []cobra.Completion
			for _, c := range at.Commands() {
				if c.IsAvailableCommand() {
					names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := unknownCommand(cmd.Root(), args); err != nil {
				return err
			}
			about, _, err := cmd.Root().Find(args)
			if err != nil {
				return wrongUse(cmd, "%w", err)
			}
			about.InitDefaultHelpFlag()
			about.InitDefaultVersionFlag()
			return about.Help()
		},
	}
}

// completeFile makes a shell offer files with these endings for a flag.
func completeFile(cmd *cobra.Command, flag string, endings ...string) {
	must(cmd.MarkFlagFilename(flag, endings...))
}

// completeFolder makes a shell offer folders for a flag.
func completeFolder(cmd *cobra.Command, flag string) { must(cmd.MarkFlagDirname(flag)) }

// must is for what fails only when a flag's name is written wrong here.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
