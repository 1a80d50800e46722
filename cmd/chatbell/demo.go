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
		Use:   "demo",
		Short: "Play a day of chat on simulated phones",
		Long: "Play a day of chat: start a sandbox and a server in a temporary folder, register phones,\n" +
			"post events, show what arrives, and ask ClickHouse what became of everything. Nothing is\n" +
			"left behind, also after Ctrl-C, which before the end of the day exits with 130.",
		Example: "  chatbell demo\n  chatbell demo --keep     # leave everything running, with the addresses and keys",
		RunE: func(cmd *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find this executable: %w", err)
			}
			out := cmd.OutOrStdout()
			sig := watchSignals(cmd.Context(), terminalGone()...)
			defer sig.release()
			return demo.Run(sig.ctx, demo.Config{
				Binary: self,
				Script: script,
				Out:    out,
				Size:   terminalSize(out),
				Keep:   keep,
				Hurry:  sig.again,
			})
		},
	}
	cmd.Flags().StringVar(&script, "script", "testdata/demo", "folder with day.ndjson and phones.json")
	cmd.Flags().BoolVar(&keep, "keep", false, "leave everything running and print the addresses")
	completeFolder(cmd, "script")
	return cmd
}

// terminalSize gives the size of a terminal; nil when the writer is none.
func terminalSize(w io.Writer) func() (columns, lines int) {
	if !isTerminal(w) {
		return nil
	}
	file, _ := w.(*os.File)
	return func() (int, int) {
		columns, lines, err := term.GetSize(int(file.Fd()))
		if err != nil {
			return 80, 24
		}
		return columns, lines
	}
}
