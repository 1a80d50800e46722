package main

import (
	"log/slog"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"chatbell/internal/app"
	"chatbell/internal/config"
)

// configFlags are the flags that say where the configuration is and what overrides
// it; later sources win: file, environment, flags.
type configFlags struct {
	file, data, listen string
}

func (f *configFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.file, "config", "", "configuration file (YAML)")
	cmd.Flags().StringVar(&f.data, "data", "", "folder of the embedded stores (default ./data)")
	cmd.Flags().StringVar(&f.listen, "listen", "", "address of the API (default 127.0.0.1:8080)")
	completeFile(cmd, "config", "yaml", "yml")
	completeFolder(cmd, "data")
}

func (f *configFlags) load() (*config.Config, error) {
	flags := map[string]string{}
	if f.data != "" {
		flags["data"] = f.data
	}
	if f.listen != "" {
		flags["listen"] = f.listen
	}
	return config.Load(config.Options{File: f.file, Env: os.Environ(), Flags: flags, Check: app.Check})
}

func newServe() *cobra.Command {
	var flags configFlags
	var debug bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: "Run the server. Without any configuration it keeps everything in ./data, listens on\n" +
			"127.0.0.1:8080, makes the network \"default\" and prints its API key once it is ready.\n\n" +
			"The configuration is the file, then the environment (CHATBELL_ and the key in capitals,\n" +
			"levels joined by __), then flags; later wins. \"chatbell check-config\" prints what it comes to.\n\n" +
			"SIGTERM and SIGINT drain: no new work is taken, work in hand is finished or handed back,\n" +
			"within shutdown_timeout; a second one ends the process at once. SIGHUP is ignored with a\n" +
			"word in the log: nothing can be reloaded yet, a changed configuration needs a restart.",
		Example: "  chatbell serve\n" +
			"  chatbell serve --config chatbell.yaml --data /var/lib/chatbell\n" +
			"  CHATBELL_CLICKHOUSE_LISTEN=127.0.0.1:9123 chatbell serve --listen 127.0.0.1:9080",
		RunE: func(cmd *cobra.Command, _ []string) error {
			sig := watchSignals(cmd.Context())
			defer sig.release()
			cfg, err := flags.load()
			if err != nil {
				return err
			}
			syscall.Umask(0o077) // what is written is nobody else's business, whatever the folder
			level := slog.LevelInfo
			if debug {
				level = slog.LevelDebug
			}
			log := newLogger(cmd.ErrOrStderr(), level)
			sig.exitOnSecond(log, "ending at once: work in hand is neither finished nor handed back; the next start does it again")
			defer explainHangup(log)()
			for _, warning := range cfg.Warnings {
				log.Warn("odd configuration", "problem", warning.String())
			}
			server, err := app.New(sig.ctx, cfg, app.Options{Version: version, Log: log, Notices: cmd.OutOrStdout()})
			if err != nil && sig.ctx.Err() != nil {
				log.Info("stopped before it was ready", "error", err)
				return nil
			}
			if err != nil {
				return err
			}
			return server.Run(sig.ctx)
		},
	}
	flags.register(cmd)
	cmd.Flags().BoolVar(&debug, "debug", false, "log more")
	return cmd
}
