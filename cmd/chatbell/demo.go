package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"chatbell/internal/demo"
)

func newDemo() *cobra.Command {
	var script string
	var keep bool
	cmd := &cobra.Command{
		Use: "demo", Short: "Play a day of chat on simulated phones",
		RunE: func(cmd *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find this executable: %w", err)
			}
			out := cmd.OutOrStdout()
			return demo.Run(cmd.Context(), demo.Config{Binary: self, Script: script, Out: out, Size: terminalSize(out), Keep: keep})
		},
	}
	cmd.Flags().StringVar(&script, "script", "testdata/demo", "folder with day.ndjson and phones.json")
	cmd.Flags().BoolVar(&keep, "keep", false, "leave everything running and print the addresses")
	return cmd
}

// terminalSize gives the size of a terminal; nil when the writer is none.
func terminalSize(w io.Writer) func() (columns, lines int) {
	if !isTerminal(w) {
		return nil
	}
	f, _ := w.(*os.File)
	return func() (int, int) {
		columns, lines, err := term.GetSize(int(f.Fd()))
		if err != nil {
			return 80, 24
		}
		return columns, lines
	}
}
