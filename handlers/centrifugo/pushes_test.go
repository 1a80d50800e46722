package centrifugo_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"chatbell"
	"chatbell/internal/store"
	"chatbell/pipeline/intake"
	"chatbell/pipeline/plan/push"
)

const fcm = `"notification":{"fcm":{"message":{"notification":{"title":"Hi"}}}}`

// pushes are sends with their fields, and what is wrong with them.
var pushes = []step{
	{"send_push_notification", `{"recipient":{"filter":{"topics":["news"]}},` + fcm + `}`, 0, `^{"uid":"[A-Z2-7]{26}"}$`, ""},
	{"send_push_notification", `{"uid":"mine","analytics_uid":"many","optimize_for_reliability":true,"recipient":{"fcm_tokens":["t"]},` + fcm + `}`, 0, `^{"uid":"mine"}$`, ""},
	{"send_push_notification", `{"recipient":{"apns_tokens":["` + apnsToken + `"]},"notification":{"apns":{"headers":{"Apns-Push-Type":"alert"},"payload":{"aps":{}}},"expire_at":1800000060}}`, 0, `^{"uid":"`, ""},
	{"send_push_notification", `{"recipient":{"hms_tokens":["h"]},"notification":{"hms":{"message":{}}}}`, 0, `^{"uid":"`, ""},
	{"send_push_notification", `{"recipient":{"webpush_tokens":["{}"]},"notification":{"webpush":{"headers":{"TTL":"5"},"payload":{"title":"Hi"}}}}`, 0, `^{"uid":"`, ""},
	{"send_push_notification", `{"recipient":{"filter":{}},"use_meta":true,"localizations":{"pt":{"translations":{"hi":"Oi"}}},"notification":{"fcm":{"message":{"data":{"t":"{{default [[Hello]] .l10n.hi}} {{.device.user}} {{.device.meta.app}}"}}}}}`, 0, `^{"uid":"`, ""},
	{"send_push_notification", `{` + fcm + `}`, 107, "", ""},
	{"send_push_notification", `{"recipient":{},` + fcm + `}`, 107, "", ""},
	{"send_push_notification", `{"recipient":{"filter":{},"fcm_tokens":["t"]},` + fcm + `}`, 107, "", ""},
	{"send_push_notification", `{"recipient":{"filter":{}}}`, 107, "", ""},
	{"send_push_notification", `{"recipient":{"filter":{}},"notification":{}}`, 107, "", ""},
	{"send_push_notification", `{"recipient":{"filter":{}},"notification":{"fcm":{"message":"aGk="}}}`, 107, "", ""},
	{"send_push_notification", `{"recipient":{"apns_tokens":["` + apnsToken + `"]},` + fcm + `}`, 107, "", ""},
	{"send_push_notification", `{"recipient":{"fcm_tokens":[""]},` + fcm + `}`, 107, "", ""},
	{"send_push_notification", `{"recipient":{"fcm_tokens":["t"]},"use_templating":true,` + fcm + `}`, 107, "", ""},
	{"send_push_notification", `{"uid":"a\u0000b","recipient":{"filter":{}},` + fcm + `}`, 107, "", ""},
	{"send_push_notification", `{"send_at":1800000000000,"recipient":{"filter":{}},` + fcm + `}`, 107, "", ""},
	{"send_push_notification", `{"localizations":{"not a tag":{}},"recipient":{"filter":{}},` + fcm + `}`, 107, "", ""},
	{"send_push_notification", `{"recipient":{"fcm_topic":"news"},` + fcm + `}`, 108, "", ""},
	{"send_push_notification", `{"recipient":{"fcm_condition":"'a' in topics"},` + fcm + `}`, 108, "", ""},
	{"send_push_notification", `{"recipient":{"hms_topic":"news"},` + fcm + `}`, 108, "", ""},
	{"send_push_notification", `{"recipient":{"hms_condition":"'a' in topics"},` + fcm + `}`, 108, "", ""},
	{"send_push_notification", `{"limit_strategy":{"rate_limit":{"key":"k","policies":[{"rate":1,"interval_ms":1000}]}},"recipient":{"filter":{}},` + fcm + `}`, 108, "", ""},
	{"send_push_notification", `{"limit_strategy":{"time_limit":{"send_after_time":"09:00:00","send_before_time":"18:00:00"}},"recipient":{"filter":{}},` + fcm + `}`, 108, "", ""},
	{"send_push_notification", `{"uid":"tomorrow","send_at":1800086400,"recipient":{"filter":{}},` + fcm + `}`, 0, `^{"uid":"tomorrow"}$`, ""},
	{"send_push_notification", `{"uid":"tomorrow","send_at":1800086400,"recipient":{"filter":{}},` + fcm + `}`, 0, `^{"uid":"tomorrow"}$`, ""},
	{"send_push_notification", `{"uid":"tomorrow","send_at":1800086401,"recipient":{"filter":{}},` + fcm + `}`, 113, "", ""},
	{"cancel_push", `{"uid":"tomorrow"}`, 0, `^{}$`, ""},
	{"cancel_push", `{"uid":"tomorrow"}`, 104, "", ""},
	{"cancel_push", `{"uid":"mine"}`, 104, "", ""},
	{"cancel_push", `{"uid":""}`, 107, "", ""},
}

// What a call says reaches the pipeline: payloads as they were written, byte for byte.
func TestPushRequest(t *testing.T) {
	r := start(t)
	raw := `{"b":1.50, "a":[ 1e2,"\u00e9" ],"data":{"A":"1","a":"2"}}`
	got := r.call("send_push_notification", `{"uid":"u1","analytics_uid":"g","recipient":{"filter":{"users":["ann"],"topics":["x"],"providers":["fcm"]}},
		"notification":{"fcm":{"message":`+raw+`},"apns":{"headers":{"APNS-Topic":"com.acme"},"payload":{"aps":{}}},"expire_at":1800000500}}`)
	if got.Error.Code != 0 {
		t.Fatal(got.Error)
	}
	sent := r.in.last()
	if string(sent.Blocks["fcm"].Payload) != strings.ReplaceAll(raw, " ", "") && string(sent.Blocks["fcm"].Payload) != raw {
		t.Errorf("the payload is %s", sent.Blocks["fcm"].Payload)
	}
	if sent.Blocks["apns"].Headers["apns-topic"] != "com.acme" || sent.ID != "u1" || sent.Group != "g" || sent.Source != chatbell.SourceCentrifugo || sent.Network != "acme" {
		t.Errorf("sent: %+v", sent)
	}
	if !sent.ExpiresAt.Equal(time.Unix(1_800_000_500, 0)) || sent.AcceptedAt.Sub(now) > time.Second {
		t.Errorf("accepted %v, expires %v", sent.AcceptedAt, sent.ExpiresAt)
	}
	if want := (store.DeviceChoice{Users: []chatbell.UserID{"ann"}, Topics: []string{"x"}, Providers: []chatbell.Provider{"fcm"}}); fmt.Sprint(*sent.To) != fmt.Sprint(want) {
		t.Errorf("to %+v", *sent.To)
	}
	if got := r.call("send_push_notification", `{"uid":"at","send_at":1800000100,"recipient":{"fcm_tokens":["t"]},`+fcm+`}`); got.Error.Code != 0 {
		t.Fatal(got.Error)
	}
	due, err := r.state.ClaimScheduled(t.Context(), time.Unix(1_800_000_100, 0), 10)
	var kept push.Request
	if err != nil || len(due) != 1 || json.Unmarshal(due[0].Payload, &kept) != nil || !kept.AcceptedAt.Equal(time.Unix(1_800_000_100, 0)) || len(kept.Tokens) != 1 {
		t.Errorf("kept until its time: %+v, %v", due, err)
	}
	if past := r.call("send_push_notification", `{"send_at":1799999999,"recipient":{"fcm_tokens":["t"]},`+fcm+`}`); past.Error.Code != 0 || r.in.count() != 2 {
		t.Errorf("what is not ahead is sent now: %+v, %d", past.Error, r.in.count())
	}
}

// A pipeline that takes nothing is an internal error, which callers try again.
func TestPushNotTaken(t *testing.T) {
	r := start(t)
	r.in.answer = &intake.Error{Cause: intake.Overloaded, RetryAfter: time.Second, Err: errors.New("full")}
	got := r.call("send_push_notification", `{"recipient":{"filter":{}},`+fcm+`}`)
	if got.Status != 200 || got.Error.Code != 100 || strings.Contains(got.Error.Detail, "full") {
		t.Errorf("%+v", got)
	}
}
