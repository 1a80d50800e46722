package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// client calls the API of a running server.
type client struct {
	server, key, network string
	output               string
	http                 http.Client
}

const (
	defaultServer = "http://127.0.0.1:8080"
	// callTimeout bounds one call: the longest are answered within seconds.
	callTimeout = 30 * time.Second
	// maxAnswer bounds what is read of an answer, in bytes.
	maxAnswer = 64 << 20
)

// register adds the flags that all commands have which call a server.
func (c *client) register(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	flags.StringVar(&c.server, "server", "", "address of the server (CHATBELL_SERVER, default "+defaultServer+")")
	flags.StringVar(&c.key, "key", "", "server key or admin key (better CHATBELL_KEY: others can see a command's arguments)")
	flags.StringVar(&c.network, "network", "", "network to act for, with the admin key")
	flags.StringVar(&c.output, "output", "text", "text, or json for programs")
}

// ready completes the flags from the environment, and checks them.
func (c *client) ready(cmd *cobra.Command) error {
	c.server = strings.TrimSuffix(cmp.Or(c.server, os.Getenv("CHATBELL_SERVER"), defaultServer), "/")
	c.key = cmp.Or(c.key, os.Getenv("CHATBELL_KEY"))
	c.http.Timeout = callTimeout
	if address, err := url.Parse(c.server); err != nil || address.Host == "" {
		return wrongUse(cmd, "--server must be an address like %s", defaultServer)
	}
	if c.output != "text" && c.output != "json" {
		return wrongUse(cmd, "--output must be text or json, not %q", c.output)
	}
	if c.key == "" {
		return wrongUse(cmd, "a key is needed: set CHATBELL_KEY, or give --key")
	}
	return nil
}

// problem is what a server says went wrong.
type problem struct {
	Status int                                `json:"status"`
	Title  string                             `json:"title"`
	Detail string                             `json:"detail"`
	Errors []struct{ Pointer, Detail string } `json:"errors"`
}

func (p *problem) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "the server says %d %s: %s", p.Status, p.Title, p.Detail)
	for _, one := range p.Errors {
		fmt.Fprintf(&text, "; %s %s", one.Pointer, one.Detail)
	}
	return text.String()
}

// call makes a call without a body and reads the answer into a value, which may be nil.
func (c *client) call(ctx context.Context, method, path string, query url.Values, into any) error {
	if c.network != "" {
		if query == nil {
			query = url.Values{}
		}
		query.Set("network", c.network)
	}
	address := c.server + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%w; is a server running there? --server or CHATBELL_SERVER names another", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		said := &problem{Status: resp.StatusCode, Title: http.StatusText(resp.StatusCode)}
		_ = json.Unmarshal(body, said) // a proxy's answer is no problem of ours
		return said
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%s is no chatbell: its answer cannot be read: %w", c.server, err)
	}
	return nil
}

// isGone reports whether there is no such object.
func isGone(err error) bool {
	var said *problem
	return errors.As(err, &said) && said.Status == http.StatusNotFound
}

// printJSON prints one value for programs.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
