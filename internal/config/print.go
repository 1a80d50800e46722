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
	node, err := nodeOf(reflect.ValueOf(c).Elem())
	if err != nil {
		return "", fmt.Errorf("print configuration: %w", err)
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(node); err != nil {
		return "", fmt.Errorf("print configuration: %w", err)
	}
	if err := enc.Close(); err != nil {
		return "", fmt.Errorf("print configuration: %w", err)
	}
	return out.String(), nil
}

// RedactedJSON is what [Config.Redacted] says, with the same keys, as JSON.
func (c *Config) RedactedJSON() (json.RawMessage, error) {
	node, err := nodeOf(reflect.ValueOf(c).Elem())
	if err != nil {
		return nil, fmt.Errorf("print configuration: %w", err)
	}
	var tree map[string]any
	if err := node.Decode(&tree); err != nil {
		return nil, fmt.Errorf("print configuration: %w", err)
	}
	out, err := json.Marshal(tree)
	if err != nil {
		return nil, fmt.Errorf("print configuration: %w", err)
	}
	return out, nil
}

// nodeOf is a value as the file has it.
func nodeOf(value reflect.Value) (*yaml.Node, error) {
	node := &yaml.Node{}
	add := func(name string, v reflect.Value) error {
		inner, err := nodeOf(v)
		if name != "" {
			key := &yaml.Node{}
			key.SetString(name)
			node.Content = append(node.Content, key)
		}
		node.Content = append(node.Content, inner)
		return err
	}
	switch {
	case isGroup(value.Type()):
		node.Kind = yaml.MappingNode
		for entry := range fieldsOf(value.Type()) {
			if err := add(entry.name, entry.in(value)); err != nil {
				return nil, err
			}
		}
	case value.Kind() == reflect.Slice:
		node.Kind = yaml.SequenceNode
		for i := range value.Len() {
			if err := add("", value.Index(i)); err != nil {
				return nil, err
			}
		}
	case value.Kind() == reflect.Map:
		node.Kind = yaml.MappingNode
		keys := value.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, key := range keys {
			if err := add(key.String(), value.MapIndex(key)); err != nil {
				return nil, err
			}
		}
	case value.Type() == durationType:
		node.SetString(formatDuration(time.Duration(value.Int())))
	default:
		return node, node.Encode(value.Interface())
	}
	return node, nil
}
