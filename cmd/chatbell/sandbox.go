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
	var listen, dir, app string
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Simulate APNs, FCM and a customer's webhook",
		Long: "Simulate APNs (HTTP/2 with TLS), FCM v1 with its token endpoint, and a webhook receiver,\n" +
			"until it is stopped.\n\n" +
			"Standard output gets the configuration that uses it, with the network \"acme\", and nothing\n" +
			"else; what arrives is shown on standard error. Keys are made once, in --dir: the API key of\n" +
			"acme is in acme.key there.\n\n" +
			"What arrived can be read back at the plain HTTP address (GET /notifications, /webhooks,\n" +
			"/stats, /stream), and failures are asked for there (POST /failures); GET / tells how.",
		Example: "  chatbell sandbox > sandbox.yaml\n" +
			"  chatbell serve --config sandbox.yaml     # in another terminal\n" +
			"  chatbell sandbox --app com.example.chat --listen 127.0.0.1:7070 --dir /tmp/sandbox",
		RunE: func(cmd *cobra.Command, _ []string) error {
			sig := watchSignals(cmd.Context(), terminalGone()...)
			defer sig.release()
			log := newLogger(cmd.ErrOrStderr(), slog.LevelInfo)
			sig.exitOnSecond(log, "ending at once")
			if app == "" {
				return wrongUse(cmd, "--app must not be empty: it is the app that phones are registered with, such as %s", sandboxApp)
			}
			return runSandbox(cmd, sig, sandbox.Config{Listen: listen, Dir: dir, Topics: []string{app}, Logger: log})
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:9090", "address of webhooks, control and reading back; APNs and FCM take the next two ports")
	cmd.Flags().StringVar(&dir, "dir", "./sandbox", "folder for keys and certificates")
	cmd.Flags().StringVar(&app, "app", sandboxApp, "app of the phones: the bundle id at APNs, which refuses others, and the app at FCM")
	completeFolder(cmd, "dir")
	return cmd
}

// The network that the printed configuration has, and the app that its devices name if
// no other is asked for.
const (
	sandboxNetwork = "acme"
	sandboxApp     = "com.acme.chat"
)

// runSandbox shows what arrives until the command is stopped, which is how it ends well.
func runSandbox(cmd *cobra.Command, sig *signals, cfg sandbox.Config) (err error) {
	srv, err := sandbox.Start(sig.ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.Close()) }()
	creds := srv.Credentials()
	keyFile, err := srv.NetworkKey(sandboxNetwork)
	if err != nil {
		return err
	}
	// In one write, so that whoever waits for the file to be there finds all of it.
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "# The sandbox at %s. Start a server that uses it:\n#   chatbell serve --config THIS_FILE\n# and call it with the API key in %s.\n%s",
		creds.URL, keyFile, creds.YAML(sandbox.Network{
			ID:       sandboxNetwork,
			App:      cfg.Topics[0],
			Key:      "file:" + keyFile,
			Delivery: chatbell.DeliverDirect,
		}))
	if err != nil {
		return fmt.Errorf("print the configuration: %w", err)
	}
	view := sandbox.View{Out: cmd.ErrOrStderr(), Size: terminalSize(cmd.ErrOrStderr())}
	if err := view.Run(sig.ctx, srv.Follow(sig.ctx, 0)); err != nil && sig.ctx.Err() == nil {
		return err
	}
	return nil
}
