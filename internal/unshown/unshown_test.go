package unshown

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// closed is a standard output that nobody reads.
type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// A secret that was made is shown once, and whatever happens before, it is not lost.
func TestUnshown(t *testing.T) {
	dir := t.TempDir()
	load := func() *Secrets {
		t.Helper()
		u, err := Load(dir, "by a new one")
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	number := 0
	made := func(u *Secrets, name string) string {
		t.Helper()
		secret, err := u.Make(name, func() string { number++; return name + strings.Repeat("x", number) })
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	both := []Notice{{"key", "the key is %s\n"}, {"password", "the password is %s\n"}}

	key, password := made(load(), "key"), made(load(), "password") // a start each, which ended before it could show anything
	if key == password || made(load(), "key") != key {
		t.Errorf("the second start makes another key than %q", key)
	}
	if _, err := load().Show(closed{}, both); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("showing to nobody: %v", err)
	}
	info, err := os.Stat(filepath.Join(dir, fileName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v %v", info, err)
	}
	var out strings.Builder
	if some, err := load().Show(&out, both[:1]); !some || err != nil || out.String() != "the key is "+key+"\n" {
		t.Errorf("showing the key: %v %v %q", some, err, &out)
	}
	out.Reset()
	if some, err := load().Show(&out, both); !some || err != nil || out.String() != "the password is "+password+"\n" {
		t.Errorf("showing the rest: %v %v %q", some, err, &out)
	}
	if some, err := load().Show(closed{}, both); some || err != nil {
		t.Errorf("showing again: %v %v", some, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left are %v %v", left, err)
	}
}

// A file that cannot be read is told with what to do, and without what is in it.
func TestUnshownDamaged(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, fileName), []byte(`{"api_key": "cb_secret`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(dir, "by a new one")
	if err == nil || !strings.Contains(err.Error(), "if the file is damaged remove it, and replace them: by a new one") || strings.Contains(err.Error(), "cb_secret") {
		t.Errorf("the error is %v", err)
	}
}

// Without a place to keep it a secret is not made: its hash would be stored.
func TestUnshownNowhere(t *testing.T) {
	u := &Secrets{path: filepath.Join(t.TempDir(), "gone", fileName), secrets: map[string]string{}}
	if secret, err := u.Make("key", func() string { return "x" }); err == nil || secret != "" {
		t.Errorf("it made %q %v", secret, err)
	}
}
