package e2e_test

import (
	"fmt"
	"testing"

	"chatbell"
	"chatbell/internal/sandbox"
)

// TestStranger is a chat backend that posts the three events and looks at the phones,
// the webhook and ClickHouse.
func TestStranger(t *testing.T) {
	w := newWorld(t, sandbox.Config{}, "", sandbox.Network{ID: "acme", Key: key, Delivery: chatbell.DeliverBoth})
	w.start()
	w.device("alice", "apns", hex(1), "en")
	w.device("bob", "apns", hex(2), "de")
	w.device("chiyo", "fcm", "token-chiyo", "")
	w.device("dave", "fcm", "token-dave", "fr")
	w.device("mallory", "fcm", "token-mallory", "en") // never a member
	channel := m{"id": "general", "name": "General"}
	w.post(
		m{"id": "1", "type": "channel.created", "actor": m{"id": "alice", "name": "Alice"}, "channel": channel,
			"members": []m{{"id": "alice"}, {"id": "bob"}, {"id": "chiyo", "locale": "ja"}, {"id": "erin"}}},
		m{"id": "2", "type": "channel.joined", "actor": m{"id": "dave", "name": "Dave"}, "channel": channel, "members": []m{{"id": "dave", "name": "Dave"}}},
		m{"id": "3", "type": "message.created", "actor": m{"id": "alice", "name": "Alice"}, "channel": channel, "message": m{"id": "m1", "type": "text", "text": "Hi all"}},
		m{"id": "3", "type": "message.created", "actor": m{"id": "alice", "name": "Alice"}, "channel": channel, "message": m{"id": "m1", "type": "text", "text": "Hi all"}},
	)
	w.eventually("all three events are recorded", func() bool {
		return w.query("SELECT count() FROM chatbell.events") == "3"
	})
	got := map[string]int{}
	for _, n := range w.box.Notifications(sandbox.Query{}) {
		got[n.Device+" | "+n.Title+" | "+n.Body]++
	}
	want := map[string]int{
		hex(2) + " | General | Du bist jetzt Mitglied von General!": 1,
		"token-chiyo | General | Generalのメンバーになりました！":               1,
		hex(1) + " | Dave | Dave has joined General":                1,
		hex(2) + " | Dave | Dave ist General beigetreten":           1,
		"token-chiyo | Dave | DaveさんがGeneralに参加しました":                1,
		hex(2) + " | Alice (General) | Hi all":                      1,
		"token-chiyo | Alice (General) | Hi all":                    1,
		"token-dave | Alice (General) | Hi all":                     1,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("phones show\n%v\nwant\n%v", got, want)
	}
	for _, h := range w.box.Webhooks(sandbox.Query{}) {
		if h.Standard != sandbox.SignatureValid || h.Amity == sandbox.SignatureInvalid {
			t.Errorf("webhook %s: signatures %s and %s", h.ID, h.Standard, h.Amity)
		}
	}
	for sql, want := range map[string]string{
		"SELECT count() - uniqExact(delivery_id) FROM chatbell.deliveries":                                                                      "0",
		"SELECT count() FROM chatbell.deliveries WHERE outcome = 'accepted' AND target IN ('apns','fcm')":                                       "8",
		"SELECT groupArray(event_id) FROM (SELECT event_id FROM chatbell.deliveries WHERE user_id='alice' AND reason='self' ORDER BY event_id)": "['1','3']",
		"SELECT count() FROM chatbell.deliveries WHERE user_id='erin' AND reason='no_device' AND level='device'":                                "3",
		"SELECT count() FROM chatbell.deliveries WHERE user_id='mallory'":                                                                       "0",
		"SELECT uniqExact(user_id) FROM chatbell.deliveries WHERE target='webhook' AND outcome='accepted' AND event_id='3'":                     "4",
		"SELECT sum(deliveries) = (SELECT count() FROM chatbell.deliveries) FROM chatbell.deliveries_hourly":                                    "1",
	} {
		w.answers(sql, want)
	}
	w.stop()
}
