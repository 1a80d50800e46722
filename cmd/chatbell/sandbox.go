package main

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"chatbell"
	"chatbell/internal/sandbox"
)

func newSandbox() *cobra.Command {
	var listen, dir string
	cmd := &cobra.Command{
		Use: "sandbox", Short: "Simulate APNs, FCM and a customer's webhook",
		Long: "Simulate APNs (HTTP/2 with TLS), FCM v1 with its token endpoint, and a webhook receiver.\n" +
			"Failures on request and what arrived are at the plain HTTP address: GET /notifications,\n" +
			"/webhooks, /stats, /stream; POST /failures. Keys are written to --dir.",
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			ctx, out := cmd.Context(), cmd.OutOrStdout()
			s, err := sandbox.Start(ctx, sandbox.Config{Listen: listen, Dir: dir, Logger: newLogger(cmd.ErrOrStderr(), slog.LevelInfo)})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.Close()) }()
			creds := s.Credentials()
			fmt.Fprintf(out, "# sandbox at %s; use it with this configuration:\n%s\n", creds.URL,
				creds.YAML(sandbox.Network{ID: "acme", Key: "env:ACME_KEY", Delivery: chatbell.DeliverDirect}))
			view := sandbox.View{Out: out, Size: terminalSize(out)}
			if err := view.Run(ctx, s.Follow(ctx, 0)); err != nil && ctx.Err() == nil {
				return err
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:9090", "address of webhooks, control and reading back; APNs and FCM take the next two ports")
	cmd.Flags().StringVar(&dir, "dir", "./sandbox", "folder for keys and certificates")
	return cmd
}
