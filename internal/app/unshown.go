package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"chatbell"
)

// What can be made at a first start, by the names that the file has.
const (
	unshownKey      = "api_key"
	unshownPassword = "clickhouse_password"
)

// unshownFile is where secrets are, in the data folder, between their making and their
// showing.
const unshownFile = "unshown.json"

// unshown are the secrets that were made and that nobody has seen. Their hashes are in
// the store; they themselves are in a file of their own, so that a start that fails or
// is killed loses none, and the file is removed once they were shown.
type unshown struct {
	path    string
	secrets map[string]string
}

func loadUnshown(dir string) (*unshown, error) {
	u := &unshown{path: filepath.Join(dir, unshownFile), secrets: map[string]string{}}
	data, err := os.ReadFile(u.path)
	if errors.Is(err, fs.ErrNotExist) {
		return u, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &u.secrets)
	}
	if err != nil {
		return nil, fmt.Errorf("read the secrets that were not shown yet (%s): %w; if the file is damaged remove it, and replace them: %s", u.path, err, howToReplace)
	}
	return u, nil
}

// make gives the secret that was made before, or makes it. It is on the disk when make
// returns: its hash may be stored.
func (u *unshown) make(name string, fresh func() string) (string, error) {
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

// notice is what is said about a secret when it is shown.
type notice struct {
	name   string
	format string // with one %s
}

// show prints the secrets that nobody has seen, those that are named, and forgets them
// when they were printed: a process that dies in between shows them once more. It
// reports whether there were any.
func (u *unshown) show(out io.Writer, notices []notice) (some bool, err error) {
	var text strings.Builder
	for _, n := range notices {
		if secret := u.secrets[n.name]; secret != "" {
			fmt.Fprintf(&text, n.format, secret)
		}
	}
	if text.Len() == 0 {
		return false, nil
	}
	if _, err := io.WriteString(out, text.String()); err != nil {
		return true, fmt.Errorf("show the secrets that were made; the next start tries again: %w", err)
	}
	for _, n := range notices {
		delete(u.secrets, n.name)
	}
	if len(u.secrets) > 0 {
		return true, u.save()
	}
	return true, os.Remove(u.path)
}

// save replaces the file as a whole.
func (u *unshown) save() error {
	data, err := json.Marshal(u.secrets)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(u.path), unshownFile+".*") // for nobody else to read
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
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// howToReplace is for whoever has lost a secret that was made.
const howToReplace = `an API key by naming the network "default" with a key of your own in the configuration file ` +
	`("chatbell secret --key" makes one), the password of ClickHouse by setting clickhouse_password`

const keyNotice = `Made the network "default". Its API key, shown this once and kept only as a hash:

    %s

When it is lost, or known to others, replace it: name the network in a configuration file,
with a key of your own ("chatbell secret --key" makes one), and it does not work any more:

    networks: [{id: default, keys: [{id: backend, secret: THE_NEW_KEY}]}]

`

// showSecrets prints what was made and not shown so far, now that the start has
// succeeded, or says what to do about what was shown before.
func (a *App) showSecrets(ctx context.Context) error {
	var notices []notice
	keyed, err := a.madeKey(ctx)
	if err != nil {
		return err
	}
	if keyed {
		notices = append(notices, notice{unshownKey, keyNotice})
	}
	if a.cfg.EmbeddedClickHouse() && a.cfg.ClickHousePassword.IsZero() {
		notices = append(notices, notice{unshownPassword, fmt.Sprintf(
			"Made a password for ClickHouse at http://%s, user %q, shown this once and kept only as a hash:\n\n    %%s\n\nTo replace it set clickhouse_password.\n\n",
			strings.ReplaceAll(a.cfg.ClickHouseListen, "%", "%%"), strings.ReplaceAll(a.cfg.ClickHouseUser, "%", "%%"))})
	}
	some, err := a.unshown.show(a.opts.Notices, notices)
	if !some && len(notices) > 0 {
		a.log.Info("the secrets that were made at the first start were shown then; they are kept as hashes", "when_lost_replace", howToReplace)
	}
	return err
}

// madeKey reports whether the key that was made for the network "default" is in force.
func (a *App) madeKey(ctx context.Context) (bool, error) {
	if hasServerKey(a.cfg, defaultNetwork) {
		return false, nil
	}
	keys, err := a.store.Keys(ctx)
	if err != nil {
		return false, fmt.Errorf("read keys: %w", err)
	}
	for _, k := range keys {
		if k.Network == defaultNetwork {
			return true, nil
		}
	}
	return false, nil
}

// defaultNetwork is the network of a start without any.
const defaultNetwork chatbell.NetworkID = "default"
