package app_test

import (
	"fmt"
	"testing"

	"chatbell"
	"chatbell/internal/app/apptest"
	"chatbell/internal/sandbox"
)

// TestStranger is a chat backend that posts the three events and looks at the phones,
// the webhook and ClickHouse.
func TestStranger(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *apptest.Config) { c.Networks[0].Delivery = chatbell.DeliverBoth })
	w.Device("alice", "apns", apptest.Token(1), "en")
	w.Device("bob", "apns", apptest.Token(2), "de")
	w.Device("chiyo", "fcm", "token-chiyo", "")
	w.Device("dave", "fcm", "token-dave", "fr")
	w.Device("mallory", "fcm", "token-mallory", "en") // never a member
	channel := event{"id": "general", "name": "General"}
	w.Post(
		event{"id": "1", "type": "channel.created", "actor": event{"id": "alice", "name": "Alice"}, "channel": channel,
			"members": []event{{"id": "alice"}, {"id": "bob"}, {"id": "chiyo", "locale": "ja"}, {"id": "erin"}}},
		event{"id": "2", "type": "channel.joined", "actor": event{"id": "dave", "name": "Dave"}, "channel": channel, "members": []event{{"id": "dave", "name": "Dave"}}},
		event{"id": "3", "type": "message.created", "actor": event{"id": "alice", "name": "Alice"}, "channel": channel, "message": event{"id": "m1", "type": "text", "text": "Hi all"}},
		event{"id": "3", "type": "message.created", "actor": event{"id": "alice", "name": "Alice"}, "channel": channel, "message": event{"id": "m1", "type": "text", "text": "Hi all"}},
	)
	w.Eventually("all three events are recorded", func() bool {
		return w.Query("SELECT count() FROM events") == "3"
	})
	got := map[string]int{}
	for _, n := range w.Box.Notifications(sandbox.Query{}) {
		got[n.Device+" | "+n.Title+" | "+n.Body]++
	}
	want := map[string]int{
		apptest.Token(2) + " | General | Du bist jetzt Mitglied von General!": 1,
		"token-chiyo | General | Generalのメンバーになりました！":                         1,
		apptest.Token(1) + " | Dave | Dave has joined General":                1,
		apptest.Token(2) + " | Dave | Dave ist General beigetreten":           1,
		"token-chiyo | Dave | DaveさんがGeneralに参加しました":                          1,
		apptest.Token(2) + " | Alice (General) | Hi all":                      1,
		"token-chiyo | Alice (General) | Hi all":                              1,
		"token-dave | Alice (General) | Hi all":                               1,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("phones show\n%v\nwant\n%v", got, want)
	}
	for _, h := range w.Box.Webhooks(sandbox.Query{}) {
		if h.Standard != sandbox.SignatureValid || h.Amity == sandbox.SignatureInvalid {
			t.Errorf("webhook %s: signatures %s and %s", h.ID, h.Standard, h.Amity)
		}
	}
	for sql, want := range map[string]string{
		"SELECT count() - uniqExact(delivery_id) FROM deliveries":                                                                      "0",
		"SELECT count() FROM deliveries WHERE outcome = 'accepted' AND target IN ('apns','fcm')":                                       "8",
		"SELECT groupArray(event_id) FROM (SELECT event_id FROM deliveries WHERE user_id='alice' AND reason='self' ORDER BY event_id)": "['1','3']",
		"SELECT count() FROM deliveries WHERE user_id='erin' AND reason='no_device' AND level='device'":                                "3",
		"SELECT count() FROM deliveries WHERE user_id='mallory'":                                                                       "0",
		"SELECT uniqExact(user_id) FROM deliveries WHERE target='webhook' AND outcome='accepted' AND event_id='3'":                     "4",
		"SELECT sum(deliveries) = (SELECT count() FROM deliveries) FROM deliveries_hourly":                                             "1",
	} {
		w.Answers(sql, want)
	}
	w.Stop()
}
