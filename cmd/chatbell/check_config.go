package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"chatbell/internal/app"
)

func newCheckConfig() *cobra.Command {
	var flags configFlags
	cmd := &cobra.Command{
		Use: "check-config", Short: "Say what is wrong with a configuration, or print what it comes to",
		Example: "  chatbell check-config --config chatbell.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := flags.load()
			if err != nil {
				return err
			}
			if err := app.Check(cfg); err != nil {
				return err
			}
			out, err := cfg.Redacted()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\nThe configuration is good.\n", out)
			return err
		},
	}
	flags.register(cmd)
	return cmd
}
