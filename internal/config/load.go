package config

import (
	"maps"
	"path/filepath"
	"reflect"
	"slices"
)

// Options says where a configuration comes from.
type Options struct {
	// File is the YAML file; empty means none.
	File string
	// Env is the environment, as os.Environ gives it.
	Env []string
	// Flags are the values of flags by key; they win.
	Flags map[string]string
	// Check, if any, looks into what the configuration names (keys, texts), so that it is
	// told together with all else. The configuration can have mistakes: what depends on
	// a key with one is left out (Problems.Has).
	Check func(*Config, *Problems)
}

// Load reads and checks a configuration. The error is an *[Error] with every problem,
// each with its place, its key and what would be right.
func Load(opts Options) (*Config, error) {
	problems := newProblems()
	doc := readFile(problems, opts.File)
	if err := problems.err(); err != nil {
		return nil, err // all else would be guesses
	}
	doc.layEnv(problems, opts.Env)
	for _, key := range slices.Sorted(maps.Keys(opts.Flags)) {
		doc.layFlag(key, opts.Flags[key])
	}
	cfg := defaults()
	dec := &decoder{p: problems, doc: doc, env: opts.Env, left: freeNodes + maxGrowth*doc.nodes}
	if opts.File != "" {
		dec.base = filepath.Dir(opts.File)
	}
	dec.decode(doc.root, into{value: reflect.ValueOf(cfg).Elem(), from: origin{file: opts.File}})
	if dec.left < 0 {
		problems = newProblems() // those of what was multiplied are not worth telling
		problems.add(origin{file: opts.File}, "", "has too many values", "check its anchors and aliases")
		return nil, problems.err()
	}
	cfg.rebase(dec.rebase)
	cfg.check(problems)
	if opts.Check != nil {
		opts.Check(cfg, problems)
	}
	if err := problems.err(); err != nil {
		return nil, err
	}
	cfg.warn(problems)
	return cfg, nil
}

// rebase makes the files of the configuration relative to it. The data folder and the
// engine are relative to the working folder, as on a command line.
func (c *Config) rebase(resolve func(string) string) {
	for i := range c.CAFiles {
		c.CAFiles[i] = resolve(c.CAFiles[i])
	}
	for i := range c.Networks {
		network := &c.Networks[i]
		for _, credential := range network.Credentials() {
			credential.rebase(resolve)
		}
	}
}
