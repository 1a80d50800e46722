package app_test

import (
	"testing"

	"chatbell/internal/app/apptest"
	"chatbell/internal/sandbox"
)

func TestMain(m *testing.M) { apptest.Main(m) }

// start starts the server for the network acme.
func start(t *testing.T, change ...func(*apptest.Config)) *apptest.World {
	t.Helper()
	cfg := apptest.Config{Networks: []sandbox.Network{{ID: "acme", Key: apptest.Key}}}
	for _, c := range change {
		c(&cfg)
	}
	return apptest.Start(t, cfg)
}

type event = apptest.Event
