package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

func newDeadLetters() *cobra.Command {
	var api client
	cmd := &cobra.Command{
		Use:   "dead-letters",
		Short: "List, replay or delete what was given up",
		Long: "List, replay or delete the dead letters of a network: events, and batches of pushes and webhook\n" +
			"calls, that were accepted and could not be worked off. The reason says what to mend; a replay puts\n" +
			"a dead letter back to where it was given up. What was done of it before is not done again, as far\n" +
			"as that is known: for half an hour.",
		Example: "  chatbell dead-letters list",
		Args:    unknownCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	api.register(cmd)
	cmd.AddCommand(listDeadLetters(&api),
		eachDeadLetter(&api, "replay", "Put dead letters back to where they were given up", "replayed", http.MethodPost, "/replay"),
		eachDeadLetter(&api, "delete", "Remove dead letters for good", "deleted", http.MethodDelete, ""))
	return cmd
}

// deadLetter is one as the API tells it.
type deadLetter struct {
	ID         string          `json:"id"`
	Kind       string          `json:"kind"`
	Reason     string          `json:"reason"`
	Tries      int             `json:"tries"`
	At         time.Time       `json:"at"`
	EventID    string          `json:"event_id,omitempty"`
	EventType  string          `json:"event_type,omitempty"`
	AcceptedAt *time.Time      `json:"accepted_at,omitempty"`
	Targets    int             `json:"targets,omitempty"`
	Payload    json.RawMessage `json:"payload,omitempty"`
	Bytes      int             `json:"payload_bytes"`
}

// maxDeadLetters bounds what one command lists or works through.
const maxDeadLetters = 100_000

// each calls f for the dead letters, page by page, up to a limit; there may be more.
func (c *client) each(ctx context.Context, limit int, visit func(deadLetter)) (more bool, err error) {
	query := url.Values{}
	for limit > 0 {
		query.Set("limit", strconv.Itoa(min(limit, 1000)))
		var page struct {
			Items []deadLetter `json:"items"`
			Next  string       `json:"next_cursor"`
		}
		if err := c.call(ctx, http.MethodGet, "/v1/dead-letters", query, &page); err != nil {
			return false, err
		}
		for _, one := range page.Items {
			visit(one)
		}
		limit -= len(page.Items)
		if page.Next == "" {
			return false, nil
		}
		query.Set("cursor", page.Next)
	}
	return true, nil
}

func listDeadLetters(api *client) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List dead letters, the oldest first",
		Long:  "List the dead letters of a network, the oldest first. With --output json each has its payload, if it is an event.",
		Example: "  chatbell dead-letters list --server http://127.0.0.1:8080\n" +
			"  chatbell dead-letters list --network acme --output json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := api.ready(cmd); err != nil {
				return err
			}
			if limit < 1 || limit > maxDeadLetters {
				return wrongUse(cmd, "--limit must be from 1 to %d", maxDeadLetters)
			}
			all := []deadLetter{}
			more, err := api.each(cmd.Context(), limit, func(one deadLetter) { all = append(all, one) })
			if err != nil {
				return err
			}
			if api.output == "json" {
				return printJSON(cmd.OutOrStdout(), all)
			}
			return printDeadLetters(cmd.OutOrStdout(), all, more)
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 100, "how many to list at most")
	return cmd
}

func printDeadLetters(w io.Writer, all []deadLetter, more bool) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "There are no dead letters.")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tGIVEN UP\tKIND\tEVENT\tTYPE\tTRIES\tREASON")
	for _, one := range all {
		fmt.Fprintf(table, "%s\t%s\t%s\t%q\t%s\t%d\t%q\n", one.ID, one.At.UTC().Format(time.DateTime), one.Kind, one.EventID, one.EventType, one.Tries, one.Reason)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	last := ""
	if more {
		last = "There are more: raise --limit. "
	}
	_, err := fmt.Fprintln(w, last+"When the cause is mended: chatbell dead-letters replay ID, or --all.")
	return err
}

// eachDeadLetter is a command that does the same to some dead letters, or to all.
func eachDeadLetter(api *client, use, short, done, method, suffix string) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   use + " [ID...]",
		Short: short,
		Long:  short + ": those with the given ids, or with --all those that there are when the command starts.",
		Example: "  chatbell dead-letters " + use + " 17\n" +
			"  chatbell dead-letters " + use + " --all --network acme",
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, ids []string) error {
			if err := api.ready(cmd); err != nil {
				return err
			}
			if all == (len(ids) > 0) {
				return wrongUse(cmd, "give ids, or --all")
			}
			ctx := cmd.Context()
			if all {
				if _, err := api.each(ctx, maxDeadLetters, func(one deadLetter) { ids = append(ids, one.ID) }); err != nil {
					return err
				}
			}
			n := 0
			for _, id := range ids {
				err := api.call(ctx, method, "/v1/dead-letters/"+url.PathEscape(id)+suffix, nil, nil)
				if isGone(err) && all {
					continue // somebody else was faster
				}
				if err != nil {
					return fmt.Errorf("dead letter %s, after %d were %s: %w", id, n, done, err)
				}
				n++
			}
			if api.output == "json" {
				return printJSON(cmd.OutOrStdout(), map[string]int{done: n})
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%d %s\n", n, done)
			return err
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all of the network")
	return cmd
}
