package centrifugo_test

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// enums are the methods' numbers at the endpoint for all methods.
var enums = map[string]int{
	"device_register": 22, "device_update": 23, "device_remove": 24, "device_list": 25, "device_topic_list": 26, "device_topic_update": 27,
	"user_topic_list": 28, "user_topic_update": 29, "send_push_notification": 30, "update_push_status": 31, "cancel_push": 32, "publish": 1,
}

// step is one call of a story: its answer is an error of a code, or holds what is said.
type step struct {
	method, params string
	code           int
	// result is a regular expression, in which the ids of devices are named as the steps
	// have saved them.
	result string
	// save names the id in the result.
	save string
}

const (
	apnsToken    = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	subscription = `"{\"endpoint\":\"https://push.example/send/1\",\"keys\":{\"p256dh\":\"BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQtUbVlUls0VJXg7A8u-Ts1XbjhazAkj7I99e8QcYP7DkM\",\"auth\":\"tBHItJI5svbpez7KI4CCXg\"}}"`
)

// story is every method with its fields, and what is wrong with them.
var story = []step{
	// device_register
	{"device_register", `{"provider":"fcm","token":"t1","platform":"android","user":"ann","meta":{"app":"1"},"topics":["news","cats"],"timezone":"Europe/Berlin","locale":"de-AT"}`, 0, `^{"id":"fcm_[0-9a-v]{13}[a-z2-7]{26}"}$`, "ann"},
	{"device_register", `{"provider":"apns","token":"` + strings.ToUpper(apnsToken) + `","platform":"ios","user":"bob"}`, 0, `^{"id":"apns_`, "bob"},
	{"device_register", `{"provider":"webpush","token":` + subscription + `,"platform":"web"}`, 0, `^{"id":"webpush_`, "web"},
	{"device_register", `{"provider":"hms","token":"h1","platform":"android","user":"cho"}`, 0, `^{"id":"hms_`, "hms"},
	{"device_register", `{"provider":"fcm","token":"t1","platform":"android","user":"ann","topics":["news"],"locale":"de"}`, 0, `^{"id":"{ann}"}$`, ""},
	{"device_register", `{"id":"{ann}","provider":"fcm","token":"t2","platform":"android","user":"ann","topics":["news"],"locale":"de"}`, 0, `^{"id":"{ann}"}$`, ""},
	{"device_register", `{"id":"nobody-made-it","provider":"fcm","token":"t3","platform":"android"}`, 107, "", ""},
	{"device_register", `{"provider":"","token":"t3","platform":"android"}`, 107, "", ""},
	{"device_register", `{"provider":"sms","token":"t3","platform":"android"}`, 107, "", ""},
	{"device_register", `{"provider":"fcm","platform":"android"}`, 107, "", ""},
	{"device_register", `{"provider":"fcm","token":"t3"}`, 107, "", ""},
	{"device_register", `{"provider":"fcm","token":"t3","platform":"windows"}`, 107, "", ""},
	{"device_register", `{"provider":"apns","token":"not hexadecimal","platform":"ios"}`, 107, "", ""},
	{"device_register", `{"provider":"webpush","token":"{}","platform":"web"}`, 107, "", ""},
	{"device_register", `{"provider":"fcm","token":"t3","platform":"android","timezone":"Mars/Phobos"}`, 107, "", ""},
	{"device_register", `{"provider":"fcm","token":"t3","platform":"android","locale":"not a tag"}`, 107, "", ""},
	{"device_register", `{"provider":"fcm","token":"t3","platform":"android","topics":["a\u0007"]}`, 107, "", ""},
	{"device_register", `{"provider":"fcm","token":"t3","platform":"android","topics":["` + strings.Repeat("x", 201) + `"]}`, 107, "", ""},
	{"device_register", `{"provider":"fcm","token":"t3","platform":"android","meta":{"k":"` + strings.Repeat("x", 501) + `"}}`, 107, "", ""},
	{"device_register", `{"provider":"fcm","token":"t3","platform":"android","user":"` + strings.Repeat("x", 151) + `"}`, 107, "", ""},
	// device_list
	{"device_list", `{"filter":{"ids":["{ann}"]},"include_total_count":true,"include_topics":true}`, 0, `^{"items":\[{"id":"{ann}","platform":"android","provider":"fcm","token":"t2","user":"ann","created_at":\d{10},"updated_at":\d{10},"topics":\["news"\],"locale":"de"}\],"total_count":1}$`, ""},
	{"device_list", `{"filter":{"users":["bob"]}}`, 0, `^{"items":\[{"id":"{bob}","platform":"ios","provider":"apns","token":"` + apnsToken + `","user":"bob","created_at":\d+,"updated_at":\d+}\]}$`, ""},
	{"device_list", `{"filter":{"users":[""]},"include_webpush_keys":true}`, 0, `"token":"https://push.example/send/1",.*"webpush_keys":"{\\"p256dh\\":\\"BNcR.*\\",\\"auth\\":\\"tBH.*\\"}"`, ""},
	{"device_list", `{"filter":{"topics":["news"],"providers":["fcm"],"platforms":["android"]},"include_total_count":true}`, 0, `"total_count":1}$`, ""},
	{"device_list", `{"filter":{"topics":["cats"]}}`, 0, `^{"items":\[\]}$`, ""},
	{"device_list", `{"filter":{},"limit":3,"include_total_count":true}`, 0, `"next_cursor":"[^"]+","total_count":4}$`, ""},
	{"device_list", `{"filter":{},"limit":4}`, 0, `}\]}$`, ""},
	{"device_list", `{"filter":{},"limit":1001}`, 107, "", ""},
	{"device_list", `{"filter":{},"limit":-1}`, 107, "", ""},
	{"device_list", `{"filter":{},"cursor":"!"}`, 107, "", ""},
	// device_update
	{"device_update", `{"ids":["{ann}","{bob}"],"users":["ann"],"meta_update":{"meta":{"v":"2"}},"topics_update":{"op":"add","topics":["dogs"]},"timezone_update":{"timezone":"Asia/Tokyo"},"locale_update":{"locale":"ja"}}`, 0, `^{}$`, ""},
	{"device_list", `{"filter":{"topics":["dogs"]},"include_meta":true,"include_topics":true}`, 0, `"user":"ann",.*"meta":{"v":"2"},"topics":\["dogs","news"\],"timezone":"Asia/Tokyo","locale":"ja"}\]}$`, ""},
	{"device_update", `{"users":["bob"],"user_update":{"user":"rob"}}`, 0, `^{}$`, ""},
	{"device_list", `{"filter":{"users":["rob"]}}`, 0, `{bob}`, ""},
	{"device_update", `{"users":["nobody"],"locale_update":{"locale":""}}`, 0, `^{}$`, ""},
	{"device_update", `{"locale_update":{"locale":"de"}}`, 107, "", ""},
	{"device_update", `{"ids":["{ann}"]}`, 107, "", ""},
	{"device_update", `{"ids":["{ann}"],"topics_update":{"op":"toggle","topics":[]}}`, 107, "", ""},
	{"device_update", `{"ids":["{ann}"],"timezone_update":{"timezone":"Mars/Phobos"}}`, 107, "", ""},
	// device_topic_update, device_topic_list
	{"device_topic_update", `{"device_id":"{ann}","op":"add","topics":["birds"],"user":"ann"}`, 0, `^{}$`, ""},
	{"device_topic_update", `{"device_id":"{ann}","op":"add","topics":["fish"],"user":"bob"}`, 113, "", ""},
	{"device_topic_update", `{"device_id":"none","op":"add","topics":["fish"],"user":"bob"}`, 104, "", ""},
	{"device_topic_update", `{"device_id":"","op":"add","topics":["fish"]}`, 107, "", ""},
	{"device_topic_update", `{"device_id":"{ann}","op":"put","topics":["fish"]}`, 107, "", ""},
	{"device_topic_list", `{"filter":{"device_ids":["{ann}"]},"include_total_count":true}`, 0, `^{"items":\[{"id":"[^"]+","topic":"birds","device_id":"{ann}"},{"id":"[^"]+","topic":"dogs",.*"topic":"news",.*"total_count":3}$`, ""},
	{"device_topic_list", `{"filter":{"device_users":["ann"],"device_providers":["fcm"],"device_platforms":["android"],"topics":["dogs","fish"],"topic_prefix":"d"},"include_device":true}`, 0, `^{"items":\[{"id":"[^"]+","topic":"dogs","device_id":"{ann}","device":{"id":"{ann}".*}}\]}$`, ""},
	{"device_topic_list", `{"filter":{},"limit":1}`, 0, `"topic":"birds".*\],"next_cursor":"[^"]+"}$`, ""},
	{"device_topic_list", `{"filter":{},"cursor":"e30","limit":3}`, 0, `"topic":"birds"`, ""},
	{"device_topic_list", `{"filter":{"topic_prefix":"\u0000"}}`, 107, "", ""},
	// user_topic_update, user_topic_list
	{"user_topic_update", `{"user":"ann","op":"set","topics":["vip"]}`, 0, `^{}$`, ""},
	{"user_topic_update", `{"user":"","op":"add","topics":["all"]}`, 0, `^{}$`, ""},
	{"user_topic_update", `{"user":"ann","op":"","topics":["vip"]}`, 107, "", ""},
	{"user_topic_list", `{"filter":{"users":["ann"]},"include_total_count":true}`, 0, `^{"items":\[{"id":"[^"]+","user":"ann","topic":"vip"}\],"total_count":1}$`, ""},
	{"user_topic_list", `{"filter":{"topics":["all"],"topic_prefix":"a"}}`, 0, `^{"items":\[{"id":"[^"]+","topic":"all"}\]}$`, ""},
	{"user_topic_list", `{"limit":1}`, 0, `"next_cursor":"[^"]+"}$`, ""},
	{"device_list", `{"filter":{"topics":["vip"]}}`, 0, `{ann}`, ""},
	{"device_list", `{"filter":{"topics":["all"]}}`, 0, `^{"items":\[\]}$`, ""},
	// device_remove
	{"device_remove", `{"ids":["{hms}"],"users":["ann"]}`, 0, `^{}$`, ""},
	{"device_list", `{"filter":{"ids":["{hms}"]}}`, 0, `{hms}`, ""},
	{"device_remove", `{"ids":["{hms}"]}`, 0, `^{}$`, ""},
	{"device_remove", `{"users":["nobody"]}`, 0, `^{}$`, ""},
	{"device_list", `{"filter":{"ids":["{hms}"]}}`, 0, `^{"items":\[\]}$`, ""},
	{"device_remove", `{}`, 107, "", ""},
	{"device_register", `{"id":"{hms}","provider":"hms","token":"h1","platform":"android"}`, 0, `^{"id":"{hms}"}$`, ""},
	// The others
	{"publish", `{"channel":"c","data":{}}`, 108, "", ""},
	{"update_push_status", `{"analytics_uid":"p","status":"read"}`, 107, "", ""},
	{"update_push_status", `{"analytics_uid":"p","status":"interacted","device_id":"{ann}","msg_id":"m"}`, 108, "", ""},
}

// Every method and field, and what is wrong with them, says the same over every transport.
func TestMethods(t *testing.T) {
	r := start(t)
	for _, transport := range slices.Sorted(maps.Keys(transports)) {
		t.Run(transport, func(t *testing.T) {
			r := &rig{TB: t, in: r.in, state: r.state, url: r.url}
			r.play(append(slices.Clone(story), pushes...), transports[transport])
		})
	}
}

func (r *rig) play(story []step, call func(r *rig, name string, enum int, params string) answer) {
	ids := map[string]string{}
	id := regexp.MustCompile(`"id":"([^"]+)"`)
	for i, s := range story {
		named := func(text string) string {
			for name, id := range ids {
				text = strings.ReplaceAll(text, "{"+name+"}", id)
			}
			return text
		}
		got := call(r, s.method, enums[s.method], named(s.params))
		what := fmt.Sprintf("%d %s %.200s", i, s.method, named(s.params))
		switch {
		case got.Status != http.StatusOK || got.Error.Code != s.code:
			r.Errorf("%s: %d, %+v, want the code %d", what, got.Status, got.Error, s.code)
		case s.code != 0 && (messages[s.code] != got.Error.Message || got.Error.Detail == "" || got.Result != nil):
			r.Errorf("%s: %+v %s, want %q and what to do", what, got.Error, got.Result, messages[s.code])
		case s.code == 0 && !regexp.MustCompile(named(s.result)).Match(got.Result):
			r.Errorf("%s:\n%s, want\n%s", what, got.Result, named(s.result))
		}
		if found := id.FindSubmatch(got.Result); s.save != "" && found != nil {
			ids[s.save] = string(found[1])
		}
	}
}

var messages = map[int]string{100: "internal server error", 104: "not found", 107: "bad request", 108: "not available", 113: "conflict"}
