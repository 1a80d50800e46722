package sqlite

import (
	"encoding/json"
	"fmt"
)

// list is how roles are stored: JSON, or nothing.
func list(roles []string) string {
	if len(roles) == 0 {
		return ""
	}
	return encode(roles)
}

func unlist(s string) ([]string, error) {
	if s == "" {
		return nil, nil
	}
	var out []string
	return out, decode(s, &out)
}

// encode writes a value of ours, which cannot fail.
func encode(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err)) // maps and strings only: a programming error
	}
	return string(data)
}

func decode(s string, v any) error {
	if err := json.Unmarshal([]byte(s), v); err != nil {
		return fmt.Errorf("decode a stored %T: %w", v, err)
	}
	return nil
}
