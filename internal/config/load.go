package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
	goyaml "go.yaml.in/yaml/v3"
)

// EnvPrefix is in front of every key in the environment.
const EnvPrefix = "CHATBELL_"

// Options says where a configuration comes from.
type Options struct {
	// File is the YAML file; empty means none.
	File string
	// Env is the environment, as os.Environ gives it.
	Env []string
	// Flags are the values of flags by key; they win.
	Flags map[string]any
}

// reservedEnv are variables with our prefix that are not configuration: the
// commands' own (contract §3).
var reservedEnv = map[string]bool{"CHATBELL_SERVER": true, "CHATBELL_KEY": true}

// maxFile bounds the configuration file: a thousand networks are far below it.
const maxFile = 16 << 20

// Load reads and checks a configuration. The error lists every problem, each with
// its key and what would be right.
func Load(o Options) (*Config, error) {
	k := koanf.New("\x00") // our keys have no such delimiter, so that no name is split
	base := ""
	if o.File != "" {
		info, err := os.Stat(o.File)
		if err != nil {
			return nil, fmt.Errorf("read configuration: %w", err)
		}
		if info.Size() > maxFile {
			return nil, fmt.Errorf("read configuration: %s has %d bytes, more than %d", o.File, info.Size(), maxFile)
		}
		data, err := os.ReadFile(o.File)
		if err != nil {
			return nil, fmt.Errorf("read configuration: %w", err)
		}
		if err := k.Load(rawbytes.Provider(data), yaml.Parser()); err != nil {
			return nil, fmt.Errorf("read configuration %s: %w", o.File, err)
		}
		base = filepath.Dir(o.File)
	}
	var p problems
	tree := k.Raw()
	fromEnv(&p, tree, o.Env)
	for key, v := range o.Flags {
		tree[key] = v
	}
	checkKeys(&p, tree, known(), "", "")
	if err := p.err(); err != nil {
		return nil, err
	}
	return decode(tree, base, o.Env)
}

// fromEnv lays the environment over the file. A name may be that of a variable of
// the contract in capitals; levels are joined by __; lists are a,b, or YAML.
func fromEnv(p *problems, tree map[string]any, env []string) {
	all := known()
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, EnvPrefix) || reservedEnv[name] || referenced(tree, name) {
			continue
		}
		path := strings.Split(strings.ToLower(strings.TrimPrefix(name, EnvPrefix)), "__")
		setPath(p, tree, all, path, name, value)
	}
}

// referenced reports whether the file itself names the variable (env:NAME): then it
// is a secret's place, not a key.
func referenced(v any, name string) bool {
	switch v := v.(type) {
	case string:
		return v == "env:"+name
	case map[string]any:
		for _, e := range v {
			if referenced(e, name) {
				return true
			}
		}
	case []any:
		for _, e := range v {
			if referenced(e, name) {
				return true
			}
		}
	}
	return false
}

func setPath(p *problems, tree map[string]any, s shape, path []string, name, value string) {
	for i, part := range path {
		child, ok := s[part]
		if !ok {
			child, ok = s["*"]
		}
		if !ok {
			p.add(name, "is in the environment, but there is no key %s%s", strings.Join(path[:i+1], "."), suggest(part, s))
			return
		}
		if i == len(path)-1 {
			tree[part] = value
			if child != nil || strings.HasPrefix(strings.TrimSpace(value), "[") { // a list or a group, written as YAML
				var v any
				if err := goyaml.Unmarshal([]byte(value), &v); err != nil {
					p.add(name, "must be YAML: %v", err)
					return
				}
				tree[part] = v
			}
			return
		}
		next, ok := tree[part].(map[string]any)
		if !ok {
			next = map[string]any{}
			tree[part] = next
		}
		tree, s = next, child
	}
}

// decode turns the tree into the struct, resolves secrets and paths, and checks the
// values.
func decode(tree map[string]any, base string, env []string) (*Config, error) {
	k := koanf.New("\x00")
	if err := k.Load(confmap.Provider(tree, ""), nil); err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	c := defaults()
	var p problems
	r := resolver{p: &p, base: base, env: env}
	conf := koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{
		Result: c, WeaklyTypedInput: true, ZeroFields: true, TagName: "koanf",
		DecodeHook: mapstructure.ComposeDecodeHookFunc(
			listHook, mapstructure.StringToTimeDurationHookFunc(), mapstructure.TextUnmarshallerHookFunc(), r.hook,
		),
	}}
	if err := k.UnmarshalWithConf("", c, conf); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	c.paths(base)
	c.check(&p)
	return c, p.err()
}

// listHook takes a list in one string, as the environment has it: a,b.
func listHook(from, to reflect.Type, v any) (any, error) {
	s, ok := v.(string)
	if !ok || from.Kind() != reflect.String || to.Kind() != reflect.Slice {
		return v, nil
	}
	list := []string{}
	for _, part := range strings.Split(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list, nil
}

// resolver looks up the secrets that are given by name.
type resolver struct {
	p    *problems
	base string
	env  []string
}

// hook is a mapstructure hook: a string on its way into a Secret may name a place.
func (r *resolver) hook(from, to reflect.Type, v any) (any, error) {
	s, ok := v.(string)
	if !ok || to != reflect.TypeFor[Secret]() || from.Kind() != reflect.String {
		return v, nil
	}
	if name, ok := strings.CutPrefix(s, "env:"); ok {
		for _, kv := range r.env {
			if n, value, _ := strings.Cut(kv, "="); n == name && value != "" {
				return value, nil
			}
		}
		r.p.add("env:"+name, "the environment variable %s is not set; set it, or remove the key", name)
		return "", nil
	}
	if path, ok := strings.CutPrefix(s, "file:"); ok {
		data, err := os.ReadFile(rebase(r.base, path))
		if err != nil {
			r.p.add("file:"+path, "cannot be read: %v", err)
			return "", nil
		}
		return strings.TrimRight(string(data), "\r\n"), nil
	}
	return s, nil
}

func rebase(base, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(base, path)
}

// paths makes the files of the configuration relative to it. The data folder is
// relative to the working folder, as on a command line.
func (c *Config) paths(base string) {
	for i := range c.CAFiles {
		c.CAFiles[i] = rebase(base, c.CAFiles[i])
	}
	for i := range c.Networks {
		n := &c.Networks[i]
		for j := range n.APNs {
			n.APNs[j].KeyFile, n.APNs[j].CAFile = rebase(base, n.APNs[j].KeyFile), rebase(base, n.APNs[j].CAFile)
		}
		for j := range n.FCM {
			n.FCM[j].CredentialsFile, n.FCM[j].CAFile = rebase(base, n.FCM[j].CredentialsFile), rebase(base, n.FCM[j].CAFile)
		}
	}
}
