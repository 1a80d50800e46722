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
func Load(o Options) (*Config, error) {
	p := newProblems()
	doc := readFile(p, o.File)
	if err := p.err(); err != nil {
		return nil, err // all else would be guesses
	}
	doc.layEnv(p, o.Env)
	for _, key := range slices.Sorted(maps.Keys(o.Flags)) {
		doc.layFlag(key, o.Flags[key])
	}
	c := defaults()
	d := &decoder{p: p, doc: doc, env: o.Env, left: freeNodes + maxGrowth*doc.nodes}
	if o.File != "" {
		d.base = filepath.Dir(o.File)
	}
	d.decode(doc.root, into{value: reflect.ValueOf(c).Elem(), from: origin{file: o.File}})
	if d.left < 0 {
		p = newProblems() // those of what was multiplied are not worth telling
		p.add(origin{file: o.File}, "", "has too many values", "check its anchors and aliases")
		return nil, p.err()
	}
	c.rebase(d.rebase)
	c.check(p)
	if o.Check != nil {
		o.Check(c, p)
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	c.warn(p)
	return c, nil
}

// rebase makes the files of the configuration relative to it. The data folder and the
// engine are relative to the working folder, as on a command line.
func (c *Config) rebase(to func(string) string) {
	for i := range c.CAFiles {
		c.CAFiles[i] = to(c.CAFiles[i])
	}
	for i := range c.Networks {
		n := &c.Networks[i]
		for _, credential := range n.Credentials() {
			credential.rebase(to)
		}
	}
}
