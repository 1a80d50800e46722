package providers_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"chatbell"
	"chatbell/internal/app/apptest"
	"chatbell/internal/config"
	"chatbell/internal/sandbox"
	"chatbell/pipeline/push"
	"chatbell/pipeline/push/providers"
)

// pager is a provider that is all in this file, which shows what another one takes: a
// Provider, a Notifier, and an entry in the list.
var pager = &push.Provider{
	Name: "pager",
	Doc:  "Credentials of a paging service, one for each app.",
	App:  "app",
	Options: []push.Option{
		{Name: "app", Doc: "The app.", Sample: "com.acme.chat", Required: true},
		{Name: "pass", Kind: push.Secret, Doc: "The pass.", Sample: "env:PAGER_PASS", Required: true},
		{Name: "area", Doc: "The area.", Default: "north"},
	},
	Platform: chatbell.PlatformAndroid,
	Tokens:   "the pager's number",
	Token: func(token string) (string, error) {
		if strings.Trim(token, "0123456789 ") != "" {
			return "", errors.New("must be a pager's number")
		}
		return strings.ReplaceAll(token, " ", ""), nil
	},
	New: func(c push.Credential) (push.NotifierCloser, error) {
		if c.Options["pass"] != pagerPass {
			return nil, &push.OptionError{Option: "pass", Err: errors.New("is not the paging service's")}
		}
		return &paging{area: c.Options["area"]}, nil
	},
}

const pagerPass = "a-pass-for-the-pager"

// paged is what the service was asked to show, by number and area.
var paged sync.Map

// paging implements push.NotifierCloser.
type paging struct{ area string }

// page implements push.Payload.
type page string

func (page) Truncated() bool { return false }
func (p page) Size() int     { return len(p) }

func (n *paging) Prepare(note *push.Content) (push.Payload, error) {
	return page(note.Title + ": " + note.Body), nil
}

func (n *paging) Send(_ context.Context, p push.Payload, t push.Target) (push.Receipt, error) {
	words, ok := p.(page)
	if !ok {
		return push.Receipt{}, &chatbell.SendError{Reason: chatbell.Other, Err: errors.New("pager: a foreign payload")}
	}
	paged.Store(t.Token+" "+n.area, string(words))
	return push.Receipt{ProviderID: "page-1", Status: http.StatusOK}, nil
}

func (n *paging) Close() error { return nil }

func init() { providers.Add(pager) }

func TestMain(m *testing.M) { apptest.Main(m) }

// A provider in the list can be configured, devices are registered for it, the document
// tells of it, and notifications reach it and have their row.
func TestFakeProvider(t *testing.T) {
	w := apptest.New(t, apptest.Config{Networks: []sandbox.Network{{ID: "acme", Key: apptest.Key, NoWebhook: true}}})
	w.Configure(w.Configuration() + "    pager:\n      - {app: com.acme.chat, pass: " + pagerPass + "}\n")
	w.Start()
	if status, answer := w.Call(http.MethodPost, "/v1/devices", apptest.Event{
		"device_id": "p", "user": "bob", "provider": "pager", "token": "CALL ME", "app": "com.acme.chat",
	}); status != http.StatusUnprocessableEntity && status != http.StatusBadRequest || !strings.Contains(answer, "must be a pager's number") {
		t.Errorf("a bad token: %d %s", status, answer)
	}
	w.Device("bob", "pager", "555 01 99", "en")
	e := apptest.Created("c", "bob")
	e["actor"] = apptest.Event{"id": "alice", "name": "Alice"}
	w.Post(e)
	w.Eventually("the pager shows it", func() bool {
		_, ok := paged.Load("5550199 north")
		return ok
	})
	w.Answers("SELECT target, platform, outcome, provider_id FROM deliveries WHERE user_id = 'bob'", "pager\tandroid\taccepted\tpage-1")
	if _, document := w.Call(http.MethodGet, "/openapi.json", nil); !strings.Contains(document, "`pager` the pager's number, on android if the device does not say") {
		t.Error("the document does not tell of the pager")
	}
	w.Stop()
}

// Its options are in the reference and the example, and a secret of it is not printed.
func TestFakeProviderConfiguration(t *testing.T) {
	if !strings.Contains(config.Reference(), "## `networks.pager` (list)") || !strings.Contains(config.Example(), "pass: env:PAGER_PASS") {
		t.Error("the reference or the example lacks it")
	}
	w := apptest.New(t, apptest.Config{Networks: []sandbox.Network{{ID: "acme", Key: apptest.Key, NoWebhook: true}}})
	w.Configure(w.Configuration() + "    pager:\n      - {app: com.acme.chat, pass: " + pagerPass + "}\n")
	c, err := config.Load(config.Options{File: w.File()})
	if err != nil {
		t.Fatal(err)
	}
	printed, err := c.Redacted()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(printed, pagerPass) || !strings.Contains(printed, "area: north") {
		t.Errorf("printed:\n%s", printed)
	}
}
