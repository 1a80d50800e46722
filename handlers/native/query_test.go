package native_test

import (
	"net/url"
	"strings"
	"testing"
)

// An id is whatever the chat backend says, also with percent signs in it: it is decoded
// once, so that two ids stay two.
func TestIDsAreDecodedOnce(t *testing.T) {
	r := start(t)
	ids := []string{"100%", "50%41", "50A", "a/b", "a%2Fb", "%252F", "a b", "a+b", "ü", "..", "?#", ":user", "a;b"}
	for _, id := range ids {
		r.ok("PUT", "/v1/users/"+url.PathEscape(id), `{"name":"named `+id+`"}`)
	}
	for _, id := range ids {
		same(t, id, r.ok("GET", "/v1/users/"+url.PathEscape(id), "").body, `{"id":"`+id+`","name":"named `+id+`"}`)
	}
	r.ok("PUT", "/v1/channels/100%25/members/50%2541", `{"name":"M"}`)
	same(t, "the members", r.ok("GET", "/v1/channels/100%25/members", "").body, `{"members":[{"id":"50%41","name":"M"}]}`)
	for _, bad := range []string{"%00", "a%0Ab", "%ff", "%c3%28", strings.Repeat("x", 151)} {
		wrong := r.problem(r.do(request{method: "GET", path: "/v1/users/" + bad}), 400)
		if wrong["/user"] == "" {
			t.Errorf("%.20s: mistakes at %v", bad, wrong)
		}
	}
}

// Removing a device for one user must not become removing it for whoever has it because
// the user could not be read.
func TestBadQueriesRemoveNothing(t *testing.T) {
	r := start(t)
	r.ok("POST", "/v1/devices", `{"device_id":"d","user":"bob","provider":"fcm","token":"t"}`)
	for _, query := range []string{
		"device_id=d&user=%zz", "device_id=d&user=%", "device_id=d&user=a;b", "device_id=d&user=", "device_id=d&user=%ff", "device_id=d&user=%00",
		"device_id=d&user=eve&user=bob", "device_id=x&device_id=d", "device_id=", "",
	} {
		r.problem(r.do(request{method: "DELETE", path: "/v1/devices?" + query}), 400)
	}
	r.problem(r.do(request{method: "DELETE", path: "/v1/devices?device_id=d&user=eve"}), 404)
	if a := r.ok("GET", "/v1/devices?user=bob", ""); !strings.Contains(a.body, `"d"`) {
		t.Errorf("the device is gone: %s", a.body)
	}
	for _, query := range []string{"user=%zz", "user=%ff", "user=%00", "user=a&user=b", "limit=1;2"} {
		r.problem(r.do(request{method: "GET", path: "/v1/devices?" + query}), 400)
	}
	r.ok("DELETE", "/v1/devices?device_id=d&user=bob", "")
}
