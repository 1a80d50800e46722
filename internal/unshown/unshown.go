// Package unshown keeps the secrets that were made and that nobody has seen, between their
// making and their showing: a start that fails or is killed in between loses none.
package unshown

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// fileName is where secrets are, in the data folder, between their making and their
// showing.
const fileName = "unshown.json"

// Secrets are the secrets that were made and that nobody has seen. Their hashes are in
// the store; they themselves are in a file of their own, so that a start that fails or
// is killed loses none, and the file is removed once they were shown.
type Secrets struct {
	path    string
	secrets map[string]string
}

// Load reads those of a data folder. A file that cannot be read is an error that ends with
// how to replace what was in it.
func Load(dir, howToReplace string) (*Secrets, error) {
	secrets := &Secrets{path: filepath.Join(dir, fileName), secrets: map[string]string{}}
	data, err := os.ReadFile(secrets.path)
	if errors.Is(err, fs.ErrNotExist) {
		return secrets, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &secrets.secrets)
	}
	if err != nil {
		return nil, fmt.Errorf("read the secrets that were not shown yet (%s): %w; if the file is damaged remove it, and replace them: %s", secrets.path, err, howToReplace)
	}
	return secrets, nil
}

// Make gives the secret that was made before, or makes it. It is on the disk when Make
// returns: its hash may be stored.
func (u *Secrets) Make(name string, fresh func() string) (string, error) {
	if secret := u.secrets[name]; secret != "" {
		return secret, nil
	}
	u.secrets[name] = fresh()
	if err := u.save(); err != nil {
		delete(u.secrets, name)
		return "", fmt.Errorf("keep a secret until it is shown: %w", err)
	}
	return u.secrets[name], nil
}

// Notice is what is said about a secret when it is shown.
type Notice struct {
	Name   string
	Format string // with one %s
}

// Show prints the secrets that nobody has seen, those that are named, and forgets them
// when they were printed: a process that dies in between shows them once more. It
// reports whether there were any.
func (u *Secrets) Show(out io.Writer, notices []Notice) (some bool, err error) {
	var text strings.Builder
	for _, one := range notices {
		if secret := u.secrets[one.Name]; secret != "" {
			fmt.Fprintf(&text, one.Format, secret)
		}
	}
	if text.Len() == 0 {
		return false, nil
	}
	if _, err := io.WriteString(out, text.String()); err != nil {
		return true, fmt.Errorf("show the secrets that were made; the next start tries again: %w", err)
	}
	for _, n := range notices {
		delete(u.secrets, n.Name)
	}
	if len(u.secrets) > 0 {
		return true, u.save()
	}
	return true, os.Remove(u.path)
}

// save replaces the file as a whole.
func (u *Secrets) save() error {
	data, err := json.Marshal(u.secrets)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(u.path), fileName+".*") // for nobody else to read
	if err != nil {
		return err
	}
	_, err = temp.Write(data)
	if err == nil {
		err = temp.Sync()
	}
	err = errors.Join(err, temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), u.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return syncFolder(filepath.Dir(u.path))
}

// syncFolder makes a folder's names survive a power cut.
func syncFolder(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer file.Close()
	return file.Sync()
}
