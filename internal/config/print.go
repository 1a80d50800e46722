package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Redacted is the whole configuration, with what the defaults say, as YAML that can be
// read again. Secrets that were given as env:NAME or file:PATH are shown so; of others
// *** is shown.
func (c *Config) Redacted() (string, error) {
	n, err := nodeOf(reflect.ValueOf(c).Elem())
	if err != nil {
		return "", fmt.Errorf("print configuration: %w", err)
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(n); err != nil {
		return "", fmt.Errorf("print configuration: %w", err)
	}
	if err := enc.Close(); err != nil {
		return "", fmt.Errorf("print configuration: %w", err)
	}
	return out.String(), nil
}

// RedactedJSON is what [Config.Redacted] says, with the same keys, as JSON.
func (c *Config) RedactedJSON() (json.RawMessage, error) {
	n, err := nodeOf(reflect.ValueOf(c).Elem())
	if err != nil {
		return nil, fmt.Errorf("print configuration: %w", err)
	}
	var tree map[string]any
	if err := n.Decode(&tree); err != nil {
		return nil, fmt.Errorf("print configuration: %w", err)
	}
	out, err := json.Marshal(tree)
	if err != nil {
		return nil, fmt.Errorf("print configuration: %w", err)
	}
	return out, nil
}

// nodeOf is a value as the file has it.
func nodeOf(v reflect.Value) (*yaml.Node, error) {
	n := &yaml.Node{}
	add := func(name string, v reflect.Value) error {
		inner, err := nodeOf(v)
		if name != "" {
			key := &yaml.Node{}
			key.SetString(name)
			n.Content = append(n.Content, key)
		}
		n.Content = append(n.Content, inner)
		return err
	}
	switch {
	case isGroup(v.Type()):
		n.Kind = yaml.MappingNode
		for f := range fieldsOf(v.Type()) {
			if err := add(f.name, f.in(v)); err != nil {
				return nil, err
			}
		}
	case v.Kind() == reflect.Slice:
		n.Kind = yaml.SequenceNode
		for i := range v.Len() {
			if err := add("", v.Index(i)); err != nil {
				return nil, err
			}
		}
	case v.Kind() == reflect.Map:
		n.Kind = yaml.MappingNode
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, key := range keys {
			if err := add(key.String(), v.MapIndex(key)); err != nil {
				return nil, err
			}
		}
	case v.Type() == durationType:
		n.SetString(formatDuration(time.Duration(v.Int())))
	default:
		return n, n.Encode(v.Interface())
	}
	return n, nil
}
