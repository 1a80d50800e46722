package app_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"chatbell/internal/app/apptest"
	"chatbell/internal/sandbox"
)

// centrifugo calls a method of the surface and wants a result.
func centrifugo(w *apptest.World, method string, params apptest.Event) map[string]any {
	w.T.Helper()
	body, err := json.Marshal(params)
	if err != nil {
		w.T.Fatal(err)
	}
	req, err := http.NewRequestWithContext(w.T.Context(), http.MethodPost, "http://"+w.Listener("centrifugo.listen")+"/api/"+method, strings.NewReader(string(body)))
	if err != nil {
		w.T.Fatal(err)
	}
	req.Header.Set("Authorization", "apikey "+apptest.Key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.T.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	var answer struct{ Result map[string]any }
	if err != nil || json.Unmarshal(data, &answer) != nil || answer.Result == nil {
		w.T.Fatalf("%s: %s %s, %v", method, resp.Status, data, err)
	}
	return answer.Result
}

// Pushes that come in over Centrifugo's API go to the devices that they choose, with their
// payloads, once each, and every outcome is a row.
func TestCentrifugo(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *apptest.Config) {
		c.Networks = []sandbox.Network{{ID: "acme", Key: apptest.Key, NoWebhook: true}}
		c.YAML = "centrifugo: {listen: 127.0.0.1:0, grpc_listen: 127.0.0.1:0}\n"
	})
	// One of each view, one of nobody, one without a payload for its provider.
	w.Device("ann", "apns", apptest.Token(1), "de-AT")
	register := func(user, provider, token, locale string, topics ...string) string {
		id, _ := centrifugo(w, "device_register", apptest.Event{
			"provider": provider, "token": token, "platform": "android", "user": user, "locale": locale, "topics": topics, "meta": apptest.Event{"app": "v2"},
		})["id"].(string)
		return id
	}
	cho := register("cho", "fcm", "token-cho", "pt-BR", "news")
	register("hu", "hms", "token-hu", "", "news")
	register("", "fcm", "token-of-nobody", "", "news")
	centrifugo(w, "user_topic_update", apptest.Event{"user": "ann", "op": "add", "topics": []string{"news"}})

	centrifugo(w, "send_push_notification", apptest.Event{
		"uid": "all", "use_meta": true, "recipient": apptest.Event{"filter": apptest.Event{"topics": []string{"news"}}},
		"localizations": apptest.Event{"pt": apptest.Event{"translations": apptest.Event{"hi": `Oi "tu"`}}},
		"notification": apptest.Event{
			"fcm":  apptest.Event{"message": apptest.Event{"notification": apptest.Event{"title": "{{default [[Hello]] .l10n.hi}} {{.device.user}}", "body": "{{.device.meta.app}}"}}},
			"apns": apptest.Event{"headers": apptest.Event{"apns-push-type": "alert"}, "payload": apptest.Event{"aps": apptest.Event{"alert": "Guten Tag"}}},
		},
	})
	w.Answers("SELECT user_id, target, outcome, reason, locale, source, event_type FROM deliveries WHERE event_id = 'all' ORDER BY user_id DESC", strings.Join([]string{
		"hu\thms\tsuppressed\tno_device\t\tcentrifugo\tpush",
		"cho\tfcm\taccepted\t\tpt\tcentrifugo\tpush",
		"ann\tapns\taccepted\t\tde-AT\tcentrifugo\tpush",
		"\tfcm\taccepted\t\t\tcentrifugo\tpush",
	}, "\n"))
	w.Answers("SELECT audience FROM events WHERE event_id = 'all'", "4")

	// The same uid again is the same push; people without devices, and tokens, have rows.
	centrifugo(w, "send_push_notification", apptest.Event{
		"uid": "all", "recipient": apptest.Event{"filter": apptest.Event{}}, "notification": apptest.Event{"fcm": apptest.Event{"message": apptest.Event{}}},
	})
	centrifugo(w, "send_push_notification", apptest.Event{
		"uid": "some", "analytics_uid": "campaign", "recipient": apptest.Event{"filter": apptest.Event{"users": []string{"cho", "nobody"}}},
		"notification": apptest.Event{"fcm": apptest.Event{"message": apptest.Event{"data": apptest.Event{"k": "v"}}}},
	})
	w.Answers("SELECT user_id, device_id, target, outcome, reason, subject_id FROM deliveries WHERE event_id = 'some' ORDER BY user_id",
		"cho\t"+cho+"\tfcm\taccepted\t\tcampaign\nnobody\t\tnone\tsuppressed\tno_device\tcampaign")
	centrifugo(w, "send_push_notification", apptest.Event{
		"uid": "raw", "recipient": apptest.Event{"apns_tokens": []string{apptest.Token(7), "no hex", apptest.Token(7), apptest.Token(8)}},
		"notification": apptest.Event{"apns": apptest.Event{"payload": apptest.Event{"aps": apptest.Event{}}}},
	})
	w.Answers("SELECT outcome, reason, count(), uniqExact(delivery_id) FROM deliveries WHERE event_id = 'raw' GROUP BY 1, 2 ORDER BY 1", "accepted\t\t2\t2\nfailed\tinvalid_token\t1\t1")
	w.Answers("SELECT count() FROM deliveries WHERE event_id = 'all'", "4")

	// What is over is not sent; what waits comes in its time, or not at all.
	soon := time.Now().Add(2 * time.Second).Unix()
	message := apptest.Event{"fcm": apptest.Event{"message": apptest.Event{}}}
	send := func(uid string, at, expire int64) {
		n := apptest.Event{"fcm": message["fcm"], "expire_at": expire}
		centrifugo(w, "send_push_notification", apptest.Event{"uid": uid, "send_at": at, "recipient": apptest.Event{"filter": apptest.Event{"ids": []string{cho}}}, "notification": n})
	}
	send("over", 0, time.Now().Add(-time.Minute).Unix())
	send("never", soon, 0)
	send("soon", soon, 0)
	centrifugo(w, "cancel_push", apptest.Event{"uid": "never"})
	w.Answers("SELECT event_id, outcome, reason, accepted_at = toDateTime("+fmt.Sprint(soon)+") FROM deliveries WHERE event_id IN ('over', 'never', 'soon') ORDER BY event_id",
		"over\texpired\texpired\t0\nsoon\taccepted\t\t1")

	// A device of this view is told of chat events like any other.
	w.Post(apptest.Event{
		"id": "chat", "type": "channel.created", "actor": apptest.Event{"id": "ann", "name": "Ann"}, "channel": apptest.Event{"id": "c", "name": "C"}, "members": []apptest.Event{{"id": "cho"}},
	})
	w.Answers("SELECT user_id, device_id, target, outcome, locale FROM deliveries WHERE event_id = 'chat' AND user_id = 'cho'", "cho\t"+cho+"\tfcm\taccepted\tpt-BR")

	centrifugo(w, "device_remove", apptest.Event{"ids": []string{cho}})
	if _, list := w.Call(http.MethodGet, "/v1/devices?user=cho", nil); !strings.Contains(list, `"devices":[]`) {
		t.Errorf("the device is still seen in the other view: %s", list)
	}
	knockGRPC(w)
	w.Stop()
}

// knockGRPC calls the surface's other port, which speaks gRPC: five bytes of frame and no
// message are a list of all devices.
func knockGRPC(w *apptest.World) {
	w.T.Helper()
	var h2c http.Protocols
	h2c.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &h2c}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(w.T.Context(), http.MethodPost,
		"http://"+w.Listener("centrifugo.grpc_listen")+"/centrifugal.centrifugo.api.CentrifugoApi/DeviceList", strings.NewReader("\x00\x00\x00\x00\x00"))
	if err != nil {
		w.T.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("TE", "trailers")
	req.Header.Set("Authorization", "apikey "+apptest.Key)
	resp, err := transport.RoundTrip(req)
	if err != nil {
		w.T.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.Trailer.Get("Grpc-Status") != "0" || !strings.Contains(string(data), "token-of-nobody") {
		w.T.Errorf("on gRPC: %s %v %v %q, %v", resp.Status, resp.Header, resp.Trailer, data, err)
	}
}
