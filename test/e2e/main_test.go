package e2e_test

import (
	"testing"

	"chatbell/internal/app/apptest"
	"chatbell/internal/sandbox"
)

func TestMain(m *testing.M) { apptest.Main(m) }

// acme is the network of most tests.
func acme() []sandbox.Network { return []sandbox.Network{{ID: "acme", Key: apptest.Key}} }

type event = apptest.Event
