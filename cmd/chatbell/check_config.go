package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"chatbell/internal/config"
)

func newCheckConfig() *cobra.Command {
	var flags configFlags
	var output string
	var example bool
	cmd := &cobra.Command{
		Use:   "check-config",
		Short: "Say what is wrong with a configuration, or print what it comes to",
		Long: "Say all that is wrong with a configuration, each with its place and what to do, and exit 1;\n" +
			"or print what it comes to together with the defaults, the environment and the flags, as YAML\n" +
			"that can be read again. Secrets are printed as the env:NAME or file:PATH that they were given\n" +
			"as, else as ***. The verdict and warnings go to stderr.",
		Example: "  chatbell check-config --config chatbell.yaml\n" +
			"  chatbell check-config --config chatbell.yaml --output json | jq .problems\n" +
			"  chatbell check-config --example > chatbell.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			stdout := cmd.OutOrStdout()
			stderr := cmd.ErrOrStderr()
			if example {
				_, err := io.WriteString(stdout, config.Example())
				return err
			}
			switch output {
			case "yaml":
				cfg, err := flags.load()
				if err != nil {
					return err
				}
				return printConfig(stdout, stderr, cfg)
			case "json":
				return printCheck(stdout, flags.load)
			}
			return wrongUse(cmd, "--output must be yaml or json, not %q", output)
		},
	}
	flags.register(cmd)
	cmd.Flags().StringVar(&output, "output", "yaml", "yaml, or json for programs: verdict, problems, warnings and configuration")
	cmd.Flags().BoolVar(&example, "example", false, "print an annotated configuration with every key instead")
	return cmd
}

func printConfig(stdout, stderr io.Writer, cfg *config.Config) error {
	text, err := cfg.Redacted()
	if err != nil {
		return err
	}
	if _, err := io.WriteString(stdout, text); err != nil {
		return err
	}
	for _, warning := range cfg.Warnings {
		fmt.Fprintf(stderr, "warning: %s\n", warning)
	}
	_, err = fmt.Fprintln(stderr, "The configuration is good.")
	return err
}

// checked is the answer for programs.
type checked struct {
	Good          bool             `json:"good"`
	Problems      []config.Problem `json:"problems"`
	More          int              `json:"more_problems,omitempty"` // that are not listed
	Warnings      []config.Problem `json:"warnings"`
	Configuration json.RawMessage  `json:"configuration,omitempty"`
}

func printCheck(stdout io.Writer, load func() (*config.Config, error)) error {
	answer := checked{Problems: []config.Problem{}, Warnings: []config.Problem{}}
	cfg, err := load()
	if all, ok := config.AsError(err); ok {
		answer.Problems = all.Problems
		answer.More = all.More
		err = fmt.Errorf("the configuration has %d problems", len(all.Problems)+all.More)
	} else if err != nil {
		return err
	} else {
		answer.Good = true
		answer.Warnings = append(answer.Warnings, cfg.Warnings...)
		if answer.Configuration, err = cfg.RedactedJSON(); err != nil {
			return err
		}
	}
	enc := json.NewEncoder(stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if perr := enc.Encode(answer); perr != nil {
		return perr
	}
	return err
}
