package demo

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// step is one line of the script: a call of the API, and what a reader should know.
type step struct {
	Time    string          `json:"time"`
	Say     string          `json:"say"`
	Network string          `json:"network"`
	Method  string          `json:"method"`
	Path    string          `json:"path"`
	Body    json.RawMessage `json:"body"`
}

// isEvent reports whether the step posts an event.
func (s *step) isEvent() bool { return s.Path == "/v1/events" }

// eventID is the id of the event that the step posts.
func (s *step) eventID() string {
	var e struct {
		ID string `json:"id"`
	}
	_ = json.Unmarshal(s.Body, &e) // a body without an id has none
	return e.ID
}

// phone is one simulated device.
type phone struct {
	Network  string `json:"network"`
	User     string `json:"user"`
	Owner    string `json:"owner"`
	DeviceID string `json:"device_id"`
	Provider string `json:"provider"`
	Platform string `json:"platform"`
	Locale   string `json:"locale"`
	Token    string `json:"token"`
	Dead     bool   `json:"dead"`
}

// app is the app on the phone, as the sandbox's configuration names it.
func (p *phone) app() string { return "com." + p.Network + ".chat" }

// load reads a script's folder.
func load(dir string) (phones []phone, steps []step, err error) {
	data, err := os.ReadFile(filepath.Join(dir, "phones.json"))
	if err != nil {
		return nil, nil, fmt.Errorf("read the demo (run it in the project's folder, or name the script with --script): %w", err)
	}
	if err := json.Unmarshal(data, &phones); err != nil {
		return nil, nil, fmt.Errorf("read phones.json: %w", err)
	}
	data, err = os.ReadFile(filepath.Join(dir, "day.ndjson"))
	if err != nil {
		return nil, nil, fmt.Errorf("read the demo: %w", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		one := step{Method: "POST", Path: "/v1/events"}
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			return nil, nil, fmt.Errorf("read day.ndjson, line %d: %w", n, err)
		}
		steps = append(steps, one)
	}
	return phones, steps, lines.Err()
}
