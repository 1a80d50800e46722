package main

import (
	"github.com/spf13/cobra"

	"chatbell/analytics/engine"
)

// newEngine is the process that the server starts for the embedded ClickHouse.
func newEngine() *cobra.Command {
	return &cobra.Command{
		Use:     "engine",
		Hidden:  true,
		Short:   "The embedded ClickHouse engine; started by serve",
		Example: "  chatbell engine   # not for use by hand",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return engine.Serve(cmd.Context(), engine.Inherited())
		},
	}
}
