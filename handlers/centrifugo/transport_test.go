package centrifugo_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const (
	key   = keyPrefix + "acme"
	asked = `{"filter":{}}`
)

// Every way to show a key, in its order; and what is wrong is 401 with nothing said.
func TestKeys(t *testing.T) {
	r := start(t)
	for name, x := range map[string]struct {
		query  string
		header []string
		status int
	}{
		"header":                   {"", []string{"X-API-Key", key}, 200},
		"authorization":            {"", []string{"Authorization", "apikey " + key}, 200},
		"scheme in capitals":       {"", []string{"Authorization", "ApiKey " + key}, 200},
		"query":                    {"?api_key=" + key, nil, 200},
		"header before the others": {"?api_key=wrong", []string{"X-API-Key", key, "Authorization", "apikey wrong"}, 200},
		"authorization and query":  {"?api_key=wrong", []string{"Authorization", "apikey " + key}, 200},
		"none":                     {"", nil, 401},
		"empty":                    {"?api_key=", []string{"X-API-Key", "", "Authorization", "apikey "}, 401},
		"wrong header, good query": {"?api_key=" + key, []string{"X-API-Key", "wrong"}, 401},
		"bearer":                   {"", []string{"Authorization", "Bearer " + key}, 401},
		"a client's key":           {"", []string{"X-API-Key", clientKey}, 401},
	} {
		for _, path := range []string{"/api/device_list", "/api", "/api/batch"} {
			body := map[string]string{"/api/device_list": asked, "/api": `{"method":"device_list","params":` + asked + `}`, "/api/batch": `{"commands":[{"device_list":` + asked + `}]}`}[path]
			status, said, _ := r.do(http.MethodPost, path+x.query, body, x.header...)
			if status != x.status || status == 401 && said != "" {
				t.Errorf("%s at %s: %d %q, want %d", name, path, status, said, x.status)
			}
		}
	}
}

// The paths are POST only, and no others.
func TestPaths(t *testing.T) {
	r := start(t)
	for _, x := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/api/device_list", 405}, {"PUT", "/api", 405}, {"GET", "/api/batch", 405}, {"OPTIONS", "/api/publish", 405},
		{"POST", "/api/nothing", 404}, {"POST", "/", 404}, {"POST", "/apidevice_list", 404}, {"POST", "/api/device_list/x", 404},
		{"POST", "/api/device_list/", 200}, {"POST", "/api/publish", 200},
	} {
		status, said, header := r.do(x.method, x.path, asked, "X-API-Key", key)
		if status != x.status || status == 405 && header.Get("Allow") != "POST" {
			t.Errorf("%s %s: %d %s, want %d", x.method, x.path, status, said, x.status)
		}
	}
}

// A caller may ask for errors of the transport: the error alone, with a status of its own.
func TestTransportErrors(t *testing.T) {
	r := start(t)
	r.call("device_register", `{"provider":"fcm","token":"t1","platform":"android","user":"ann"}`)
	device := r.call("device_list", asked)
	var list struct{ Items []struct{ ID string } }
	if err := json.Unmarshal(device.Result, &list); err != nil || len(list.Items) != 1 {
		t.Fatalf("%s, %v", device.Result, err)
	}
	for method, x := range map[string]struct {
		params string
		status int
		code   int
	}{
		"device_remove":       {`{}`, 400, 107},
		"publish":             {`{}`, 400, 108},
		"cancel_push":         {`{"uid":"u"}`, 404, 104},
		"device_topic_update": {`{"device_id":"` + list.Items[0].ID + `","op":"set","user":"bob"}`, 409, 113},
	} {
		status, said, header := r.do(http.MethodPost, "/api/"+method, x.params, "X-API-Key", key, "X-Centrifugo-Error-Mode", "transport")
		var failed struct {
			Code    int
			Message string
			Error   *json.RawMessage
		}
		if err := json.Unmarshal([]byte(said), &failed); err != nil || status != x.status || failed.Code != x.code || failed.Message != messages[x.code] || failed.Error != nil {
			t.Errorf("%s: %d %s, want %d with the code %d", method, status, said, x.status, x.code)
		}
		if header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %s", method, header)
		}
	}
	if status, said, _ := r.do(http.MethodPost, "/api/device_list", asked, "X-API-Key", key, "X-Centrifugo-Error-Mode", "transport"); status != 200 || !strings.HasPrefix(said, `{"result":`) {
		t.Errorf("a result: %d %s", status, said)
	}
}

// A batch does all its commands, in their order or side by side, and replies in their order;
// one that fails harms no other.
func TestBatch(t *testing.T) {
	for _, parallel := range []bool{false, true} {
		r := start(t)
		var commands []string
		for i := range 50 {
			commands = append(commands, fmt.Sprintf(`{"user_topic_update":{"user":"u%d","op":"set","topics":["t"]}}`, i), `{"device_remove":{}}`)
		}
		commands = append(commands, `{}`, `{"nothing":{}}`, `{"publish":{}}`)
		body := fmt.Sprintf(`{"commands":[%s],"parallel":%t}`, strings.Join(commands, ","), parallel)
		status, said, _ := r.do(http.MethodPost, "/api/batch", body, "X-API-Key", key)
		var out struct{ Replies []map[string]json.RawMessage }
		if err := json.Unmarshal([]byte(said), &out); err != nil || status != 200 || len(out.Replies) != len(commands) {
			t.Fatalf("%d %.300s, %v", status, said, err)
		}
		for i, reply := range out.Replies {
			want := `{"user_topic_update":{}}`
			switch {
			case i >= 102:
				want = `"code":108`
			case i >= 100:
				want = `"code":104`
			case i%2 == 1:
				want = `{"error":{"code":107,"message":"bad request"`
			}
			if data, err := json.Marshal(reply); err != nil || !strings.Contains(string(data), want) {
				t.Errorf("reply %d is %s, want %s", i, data, want)
			}
		}
		if got := r.call("user_topic_list", `{"include_total_count":true,"limit":1}`); !strings.Contains(string(got.Result), `"total_count":50`) {
			t.Errorf("done was %s", got.Result)
		}
	}
}

// Bodies have a budget of memory, which a network shares with the other surfaces.
func TestMemoryForBodies(t *testing.T) {
	r := start(t)
	give, err := r.bodies.Take(t.Context(), "acme", 32<<20)
	if err != nil {
		t.Fatal(err)
	}
	status, _, header := r.do(http.MethodPost, "/api/device_list", `{}`, "X-API-Key", keyPrefix+"acme")
	if status != http.StatusTooManyRequests || header.Get("Retry-After") == "" {
		t.Errorf("without room: %d %v", status, header)
	}
	give()
	if status, body, _ := r.do(http.MethodPost, "/api/device_list", `{}`, "X-API-Key", keyPrefix+"acme"); status != http.StatusOK {
		t.Errorf("with room: %d %s", status, body)
	}
}

// What cannot be read is refused whole, and nothing of it is done.
func TestNothingDone(t *testing.T) {
	r := start(t)
	const add = `{"user_topic_update":{"user":"u","op":"set","topics":["t"]}}`
	const one = `{"method":"user_topic_update","params":{"user":"u","op":"set","topics":["t"]}}`
	for name, x := range map[string]struct {
		path, body string
		status     int
	}{
		"no JSON":                    {"/api/user_topic_update", `{"user":`, 400},
		"nothing":                    {"/api/user_topic_update", ``, 400},
		"another type":               {"/api/user_topic_update", `{"user":7,"op":"set"}`, 400},
		"a list":                     {"/api/user_topic_update", `[]`, 400},
		"more than one":              {"/api/user_topic_update", `{"user":"u","op":"set"}{}`, 400},
		"a number in quotes":         {"/api/device_list", `{"limit":"5"}`, 400},
		"no UTF-8":                   {"/api/user_topic_update", "{\"user\":\"\xff\",\"op\":\"set\"}", 400},
		"deep":                       {"/api/user_topic_update", strings.Repeat(`{"a":`, 101) + "1" + strings.Repeat("}", 101), 400},
		"very deep":                  {"/api/user_topic_update", strings.Repeat(`[`, 1_000_000), 400},
		"10 MB":                      {"/api/user_topic_update", `{"user":"` + strings.Repeat("u", 10<<20) + `"}`, 413},
		"batch: no JSON":             {"/api/batch", `{"commands":[` + add, 400},
		"batch: a bad one":           {"/api/batch", `{"commands":[` + add + `,{"device_list":{"limit":"x"}}]}`, 400},
		"batch: two in one":          {"/api/batch", `{"commands":[` + add + `,{"device_list":{},"device_remove":{}}]}`, 400},
		"batch: too many":            {"/api/batch", `{"commands":[` + add + strings.Repeat(`,{}`, 1000) + `]}`, 400},
		"batch: 10 MB":               {"/api/batch", `{"commands":[` + strings.Repeat(add+",", 170_000) + add + `]}`, 413},
		"stream: nothing":            {"/api", ` `, 400},
		"stream: no JSON":            {"/api", one + `{`, 400},
		"stream: an unknown method":  {"/api", one + "\n" + `{"method":"nothing"}`, 400},
		"stream: no object":          {"/api", one + "\n7", 400},
		"stream: too many":           {"/api", strings.Repeat(one, 1001), 400},
		"stream: a number too large": {"/api", one + `{"method":99999999999999999999}`, 400},
	} {
		status, said, _ := r.do(http.MethodPost, x.path, x.body, "X-API-Key", key)
		if status != x.status || strings.TrimSpace(said) != http.StatusText(x.status) {
			t.Errorf("%s: %d %.200s, want %d", name, status, said, x.status)
		}
	}
	if got := r.call("user_topic_list", asked); string(got.Result) != `{"items":[]}` {
		t.Errorf("done was %s", got.Result)
	}
}

// The endpoint for all methods takes a stream, and replies with a line for each.
func TestStream(t *testing.T) {
	r := start(t)
	status, said, header := r.do(http.MethodPost, "/api", `{"id":1,"method":"User_Topic_Update","params":{"user":"u","op":"add","topics":["t"]}}
		{"id":2,"method":28,"params":{"filter":{"users":["u"]}}}{"id":3,"method":"device_list","params":{"limit":"x"}}
		{"id":4,"method":0,"params":{}} {"id":5,"method":99} {"id":6} {"method":"device_remove"}`, "Authorization", "apikey "+key)
	lines := strings.Split(strings.TrimSuffix(said, "\n"), "\n")
	want := []string{
		`{"id":1,"result":{}}`, `{"id":2,"result":{"items":[{"id":"`, `{"id":3,"error":{"code":107,`, `{"id":4,"error":{"code":108,`,
		`{"id":5,"error":{"code":104,`, `{"id":6,"error":{"code":108,`, `{"error":{"code":107,`,
	}
	if status != 200 || len(lines) != len(want) || header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v\n%s", status, header, said)
	}
	for i := range want {
		if !strings.HasPrefix(lines[i], want[i]) {
			t.Errorf("line %d is %s, want %s", i, lines[i], want[i])
		}
	}
}

// Hostile pushes are refused in words, at once, and nothing is accepted.
func TestHostilePushes(t *testing.T) {
	r := start(t)
	push := func(message string) string {
		data, err := json.Marshal(map[string]string{"t": message})
		if err != nil {
			t.Fatal(err)
		}
		return `{"use_templating":true,"recipient":{"filter":{}},"notification":{"fcm":{"message":` + string(data) + `}}}`
	}
	many := `"` + strings.Repeat(`t","`, 300_000) + `t"`
	ids := `"` + strings.Repeat(`d","`, 1000) + `d"`
	for name, params := range map[string]string{
		"a loop":            push(`{{range 1000000000}}{{range 1000000000}}x{{end}}{{end}}`),
		"a call of itself":  push(`{{define "a"}}{{template "a"}}{{template "a"}}{{end}}{{template "a"}}`),
		"much of little":    push(`{{printf "%2000000000d" 1}}`),
		"an open action":    push(`{{.device.id`),
		"what is not there": push(`{{.device.token}}`),
		"a large payload":   push(strings.Repeat("x", 70_000)),
		"many tokens":       `{"recipient":{"fcm_tokens":[` + many + `]},"notification":{"fcm":{"message":{}}}}`,
		"a long filter":     `{"recipient":{"filter":{"ids":[` + ids + `]}},"notification":{"fcm":{"message":{}}}}`,
		"an endless uid":    `{"uid":"` + strings.Repeat("u", 151) + `","recipient":{"filter":{}},"notification":{"fcm":{"message":{}}}}`,
		"before time began": `{"send_at":-5,"recipient":{"filter":{}},"notification":{"fcm":{"message":{}}}}`,
		"after all time":    `{"send_at":9223372036854775807,"recipient":{"filter":{}},"notification":{"fcm":{"message":{}}}}`,
		"expires never":     `{"recipient":{"filter":{}},"notification":{"fcm":{"message":{}},"expire_at":9223372036854775807}}`,
	} {
		got := r.call("send_push_notification", params)
		if got.Error.Code != 107 || got.Error.Detail == "" || len(got.Error.Detail) > 3000 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if n := r.in.count(); n != 0 {
		t.Errorf("%d were accepted", n)
	}
}

// Limits hold at their edges: what just fits is taken.
func TestEdges(t *testing.T) {
	r := start(t)
	list := func(n int) string {
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprintf(`"t%d"`, i)
		}
		return strings.Join(names, ",")
	}
	for params, code := range map[string]int{
		`{"user":"u","op":"set","topics":[` + list(1000) + `]}`:                             0,
		`{"user":"u2","op":"set","topics":[` + list(1001) + `]}`:                            107,
		`{"user":"u3","op":"set","topics":["` + strings.Repeat("é", 200) + `"]}`:            0,
		`{"user":"u4","op":"set","topics":["` + strings.Repeat("é", 201) + `"]}`:            107,
		`{"user":"` + strings.Repeat("é", 150) + `","op":"set","topics":[]}`:                0,
		`{"user":"` + strings.Repeat("é", 151) + `","op":"set","topics":[]}`:                107,
		`{"user":"u5","op":"set","topics":["` + strings.Repeat(`a"],"x":["`, 2000) + `b"]}`: 0,
	} {
		if got := r.call("user_topic_update", params); got.Error.Code != code {
			t.Errorf("%.80s: %+v, want the code %d", params, got, code)
		}
	}
	full := `{"provider":"fcm","token":"` + strings.Repeat("t", 1000) + `","platform":"android","user":"u","topics":["own"]}`
	if got := r.call("device_register", full); got.Error.Code != 107 {
		t.Errorf("1,000 topics of the user and one more: %+v", got)
	}
	if got := r.call("device_register", strings.Replace(full, `"own"`, ``, 1)); got.Error.Code != 0 {
		t.Errorf("1,000 topics of the user: %+v", got)
	}
	if got := r.call("device_register", strings.Replace(full, `"ttt`, `"tttt`, 1)); got.Error.Code != 107 {
		t.Errorf("a token of 1,001 characters: %+v", got)
	}
	if got := r.call("device_list", asked); strings.Count(string(got.Result), `"id"`) != 1 {
		t.Errorf("kept was %.300s", got.Result)
	}
}
