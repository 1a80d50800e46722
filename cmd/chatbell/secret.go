package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"chatbell/internal/keyring"
	"chatbell/pipeline/webhooks"
)

func newSecret() *cobra.Command {
	var key bool
	cmd := &cobra.Command{
		Use:   "secret",
		Short: "Make a webhook secret or an API key",
		Long: "Make a new random secret and print it. Nothing is stored: where it is put is where it is.\n\n" +
			"A webhook's secret has the form of the Standard Webhooks specification (whsec_ and 32\n" +
			"bytes in base64), so that the receiver's library takes it as it is. An API key (--key)\n" +
			"goes to networks[].keys[].secret of the configuration, and to the chat backend.",
		Example: "  chatbell secret                      # for networks[].webhooks[].secret\n" +
			"  chatbell secret --key > acme.key     # for networks[].keys[].secret, as file:acme.key",
		RunE: func(cmd *cobra.Command, _ []string) error {
			secret := webhooks.NewSecret()
			if key {
				secret = keyring.NewKey()
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), secret)
			return err
		},
	}
	cmd.Flags().BoolVar(&key, "key", false, "make an API key instead of a webhook's secret")
	return cmd
}
