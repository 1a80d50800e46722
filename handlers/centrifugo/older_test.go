package centrifugo_test

import (
	"net/http"
	"testing"
)

// olderStory is what clients of the older product send to the endpoint for all methods.
var olderStory = []step{
	{"device_register", `{"platform":"apns","token":"t1","user":"ann","meta":{"a":"1"}}`, 0, `^{"id":"(fcm_\w+)","device":{"id":"fcm_\w+","platform":"ios","token":"t1","user":"ann","created_at":\d+,"updated_at":\d+,"meta":{"a":"1"}}}$`, "ann"},
	{"device_register", `{"id":"{ann}","platform":"android","token":"t2","user":"ann","meta":{"a":"1"}}`, 0, `"device":{"id":"{ann}","platform":"android","token":"t2"`, ""},
	{"device_register", `{"platform":"web","token":"t3","user":"bob"}`, 0, `"platform":"web"`, "bob"},
	{"device_register", `{"platform":"web","token":""}`, 107, "", ""},
	{"device_list", `{}`, 0, `^{"items":\[{"id":.*},{"id":.*}\]}$`, ""},
	{"device_list", `{"users":["ann"],"platforms":["android"],"tokens":["t2"],"ids":["{ann}"],"include_meta":true}`, 0, `^{"items":\[{"id":"{ann}",.*"meta":{"a":"1"}}\]}$`, ""},
	{"device_list", `{"users":["ann"]}`, 0, `"updated_at":\d+}\]}$`, ""},
	{"device_list", `{"limit":1}`, 0, `^{"items":\[{[^}]+}\],"has_more":true}$`, ""},
	{"device_list", `{"since":"{ann}"}`, 0, `^{"items":\[{"id":"{bob}"`, ""},
	{"device_list", `{"since":"{bob}"}`, 0, `^{"items":\[\]}$`, ""},
	{"device_subscription_add", `{"device_id":"{ann}","channels":["news","cats"]}`, 0, `^{}$`, ""},
	{"device_subscription_add", `{"device_id":"none","channels":["news"]}`, 104, "", ""},
	{"device_subscription_add", `{"device_id":"{bob}","channels":["news"]}`, 0, `^{}$`, ""},
	{"device_subscription_list", `{"device_ids":["{ann}"],"limit":1}`, 0, `^{"items":\[{"id":"([^"]+)","device_id":"{ann}","device_token":"t2","device_platform":"android","device_user":"ann","channel":"cats"}\],"has_more":true}$`, "first"},
	{"device_subscription_list", `{"device_ids":["{ann}"],"since":"{first}"}`, 0, `"channel":"news"}\]}$`, ""},
	{"device_subscription_list", `{"device_users":["bob"],"device_platforms":["web"],"channels":["news"]}`, 0, `"device_id":"{bob}"`, ""},
	{"device_subscription_list", `{"device_tokens":["t2","nothing"],"channels":["news"]}`, 0, `^{"items":\[{"id":"[^"]+","device_id":"{ann}"[^}]+}\]}$`, ""},
	{"device_subscription_list", `{"device_tokens":["nothing"]}`, 0, `^{"items":\[\]}$`, ""},
	{"device_subscription_remove", `{"device_id":"{ann}","channels":["cats"]}`, 0, `^{}$`, ""},
	{"device_subscription_list", `{"channels":["cats"]}`, 0, `^{"items":\[\]}$`, ""},
	{"send_push_notification", `{"recipient":{"channels":["news"]},"notification":{"fcm":{"notification":{"title":"Hi"},"android":{}}},"uid":"old","expire_at":1800000060}`, 0, `^{"uid":"old"}$`, ""},
	{"send_push_notification", `{"recipient":{"device_ids":["{ann}"]},"notification":{"fcm":{"data":{"k":"v"}}}}`, 0, `^{"uid":`, ""},
	{"send_push_notification", `{"recipient":{"fcm_tokens":["x"]},"notification":{"fcm":{"data":{"k":"v"}}}}`, 0, `^{"uid":`, ""},
	{"send_push_notification", `{"recipient":{"fcm_topic":"x"},"notification":{"fcm":{"data":{"k":"v"}}}}`, 108, "", ""},
	{"send_push_notification", `{"recipient":{},"notification":{"fcm":{"data":{"k":"v"}}}}`, 107, "", ""},
	{"device_remove", `{"tokens":["t3"]}`, 0, `^{}$`, ""},
	{"device_remove", `{"tokens":[]}`, 107, "", ""},
	{"device_list", `{"users":["bob"]}`, 0, `^{"items":\[\]}$`, ""},
	{"device_list", `{"filter":{"users":["ann"]}}`, 0, `^{"items":\[{"id":"{ann}","platform":"android","provider":"fcm"`, ""},
}

// Clients of the older product are answered in their words, from the same devices.
func TestOlderClients(t *testing.T) {
	r := start(t)
	r.play(olderStory, transports["legacy"])
	if sent := r.in.taken[0]; sent.To == nil || len(sent.To.Topics) != 1 || string(sent.Blocks["fcm"].Payload) != `{"notification":{"title":"Hi"},"android":{}}` || sent.ExpiresAt.Unix() != 1_800_000_060 {
		t.Errorf("the first push is %+v", sent)
	}
	for _, method := range []string{"device_subscription_add", "device_subscription_list"} {
		if status, _, _ := r.do(http.MethodPost, "/api/"+method, `{}`, "X-API-Key", key); status != http.StatusNotFound {
			t.Errorf("%s has a path of its own: %d", method, status)
		}
	}
}
