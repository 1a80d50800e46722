package engine_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"chatbell/analytics/clickhouse/clickhousetest"
	"chatbell/internal/nodetest"
	"chatbell/internal/polltest"
)

// failure is an error as the client shows it.
type failure struct{ Message, Code, Type string }

// said is what the official Node client made of our answers. What is left out was null.
type said struct {
	Ping, PingSelect, QueryID, Left bool

	Stream struct {
		Count int
		Sum   string
	}
	Coding, Text                     string
	JSON                             struct{ Data any }
	Params, Setting, Session, After  any
	RefusedSetting, UnknownTable     failure
	Insert, Command, Midway, Aborted failure
}

// The official Node client works as with a server, with packed answers and without: its
// streams, parameters, settings, errors and ways of giving up.
func TestNodeClient(t *testing.T) {
	t.Parallel()
	s := filled(t)
	input, err := json.Marshal(map[string]string{"url": s.URL(), "username": "analyst", "password": password})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Plain, Packed said
		WrongPassword failure
	}
	if err := json.Unmarshal(nodetest.Run(t, "testdata/client.cjs", input), &got); err != nil {
		t.Fatal(err)
	}
	if got.WrongPassword.Type != "AUTHENTICATION_FAILED" {
		t.Errorf("a wrong password: %+v", got.WrongPassword)
	}
	if got.Plain.Coding != "" || got.Packed.Coding != "gzip" {
		t.Errorf("the answers are packed with %q and %q", got.Plain.Coding, got.Packed.Coding)
	}
	for name, c := range map[string]said{"plain": got.Plain, "packed": got.Packed} {
		if !c.Ping || !c.PingSelect || !c.QueryID || !c.Left {
			t.Errorf("%s: pings %v %v, query id %v, left a stream %v", name, c.Ping, c.PingSelect, c.QueryID, c.Left)
		}
		if c.Stream.Count != 200_000 || c.Stream.Sum != "19999900000" || c.Text != "\"one\"\n1\n" {
			t.Errorf("%s: stream %+v, text %q", name, c.Stream, c.Text)
		}
		for what, pair := range map[string][2]any{
			"JSON":       {c.JSON.Data, `[{"a": 0, "b": "row 0"}, {"a": 1, "b": "row 1"}]`},
			"parameters": {c.Params, `[{"n": 7, "s": "a'b\\c\t☎", "list": ["x", "y'z"], "at": "2023-11-14 22:13:20.123"}]`},
			"setting":    {c.Setting, `[{"n": 17}]`},
			"session":    {c.Session, `[{"n": 1}]`},
			"afterwards": {c.After, `[{"n": 1}]`},
		} {
			var want any
			if err := json.Unmarshal([]byte(pair[1].(string)), &want); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(pair[0], want) {
				t.Errorf("%s: %s: got %v, want %v", name, what, pair[0], want)
			}
		}
		for what, pair := range map[string][2]failure{
			"an exception behind rows": {c.Midway, failure{"boom", "395", "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"}},
			"a setting":                {c.RefusedSetting, failure{"max_network_bandwidth", "164", "READONLY"}},
			"an unknown table":         {c.UnknownTable, failure{"nope", "60", "UNKNOWN_TABLE"}},
			"an insert":                {c.Insert, failure{"readonly", "164", "READONLY"}},
			"a command":                {c.Command, failure{"readonly", "164", "READONLY"}},
			"an abort":                 {c.Aborted, failure{"aborted", "", ""}},
		} {
			if is, want := pair[0], pair[1]; !strings.Contains(is.Message, want.Message) || is.Code != want.Code || is.Type != want.Type {
				t.Errorf("%s: %s: got %+v, want %+v", name, what, is, want)
			}
		}
	}
	polltest.Until(t, "the aborted query to end", func() bool {
		return clickhousetest.AsWriter(t, s).Must("SELECT count() FROM system.processes WHERE startsWith(query, 'SELECT count() AS aborted')") == "0\n"
	})
}
