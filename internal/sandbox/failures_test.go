package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"chatbell/internal/polltest"
	"chatbell/internal/sandbox"
)

func TestFailuresOfAPNs(t *testing.T) {
	r := start(t, sandbox.Config{})
	r.fail(t, `[{"provider":"apns","target":"`+phone+`","status":503,"count":2,"retry_after":"7"},
		{"provider":"apns","target":"0011*","reason":"TooManyRequests","count":1},
		{"provider":"fcm","status":500}]`)
	for range 2 {
		a := r.do(t, r.push(t, phone, alert("a", "b")))
		want(t, a, http.StatusServiceUnavailable, `{"reason":"ServiceUnavailable"}`)
		if got := a.header.Get("retry-after"); got != "7" {
			t.Errorf("retry-after = %q", got)
		}
	}
	want(t, r.do(t, r.push(t, other, alert("a", "b"))), http.StatusOK, "")
	want(t, r.do(t, r.push(t, phone, alert("a", "b"))), http.StatusTooManyRequests, `{"reason":"TooManyRequests"}`)
	want(t, r.do(t, r.push(t, phone, alert("a", "b"))), http.StatusOK, "")
	s := r.Stats().APNs
	if diff := cmp.Diff(map[string]int64{"ServiceUnavailable": 2, "TooManyRequests": 1}, s.Refused); diff != "" || s.Accepted != 2 || s.Requests != 5 {
		t.Errorf("stats %+v\n%s", s, diff)
	}
	var left struct{ Failures []sandbox.Failure }
	get(t, r, "/failures", &left)
	if len(left.Failures) != 1 || left.Failures[0].Provider != "fcm" {
		t.Errorf("left: %+v", left.Failures)
	}
}

func TestDeadTokens(t *testing.T) {
	r := start(t, sandbox.Config{})
	r.fail(t, `{"target":"`+phone+`","dead":true,"dead_since":"2026-11-20T10:00:00Z"}`)
	r.fail(t, `{"target":"tok","dead":true}`)
	want(t, r.do(t, r.push(t, phone, alert("a", "b"))), http.StatusGone, `{"reason":"Unregistered","timestamp":1795168800000}`)
	want(t, r.do(t, r.push(t, other, alert("a", "b"))), http.StatusOK, "")
	bearer := r.bearer(t)
	a := r.do(t, r.message(t, bearer, fcmBody("tok", "", "a", "b")))
	want(t, a, http.StatusNotFound, `{"error":{"code":404,"details":[{"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError","errorCode":"UNREGISTERED"}],"message":"Requested entity was not found.","status":"NOT_FOUND"}}`)
	if a := r.do(t, request(t, http.MethodDelete, r.creds.URL+"/failures", "")); a.status != http.StatusNoContent {
		t.Errorf("DELETE /failures: %d", a.status)
	}
	want(t, r.do(t, r.push(t, phone, alert("a", "b"))), http.StatusOK, "")
}

func TestFailuresOfFCM(t *testing.T) {
	r := start(t, sandbox.Config{})
	bearer := r.bearer(t)
	for rule, contains := range map[string]string{
		`{"provider":"fcm","status":429,"count":1,"retry_after":"3"}`: `"errorCode":"QUOTA_EXCEEDED"`,
		`{"provider":"fcm","status":503,"count":1}`:                   `"errorCode":"UNAVAILABLE"`,
		`{"provider":"fcm","reason":"SENDER_ID_MISMATCH","count":1}`:  `"status":"PERMISSION_DENIED"`,
		`{"provider":"fcm","reason":"INVALID_ARGUMENT","count":1}`:    `registration token`,
		`{"provider":"fcm","status":418,"count":1}`:                   `"code":418`,
		`{"status":500,"count":1}`:                                    `"errorCode":"INTERNAL"`,
	} {
		r.fail(t, rule)
		a := r.do(t, r.message(t, bearer, fcmBody("tok", "", "a", "b")))
		if a.status == http.StatusOK || !strings.Contains(a.body, contains) {
			t.Errorf("%s: %d %s", rule, a.status, a.body)
		}
	}
	r.fail(t, `{"provider":"oauth","status":503,"count":1}`)
	if a := r.accessToken(t, nil); a.status != http.StatusServiceUnavailable {
		t.Errorf("token endpoint: %d %s", a.status, a.body)
	}
	r.bearer(t)
}

func TestFailuresWithoutAnswer(t *testing.T) {
	r := start(t, sandbox.Config{})
	t.Run("latency", func(t *testing.T) {
		r.fail(t, `{"provider":"apns","latency":"50ms","count":1}`)
		begin := time.Now()
		want(t, r.do(t, r.push(t, phone, alert("a", "b"))), http.StatusOK, "")
		if took := time.Since(begin); took < 50*time.Millisecond {
			t.Errorf("took %s", took)
		}
	})
	t.Run("disconnect after accepting", func(t *testing.T) {
		before := r.Stats().APNs.Accepted
		r.fail(t, `{"provider":"apns","disconnect":true,"accept":true,"count":1}`)
		resp, err := r.client.Do(r.push(t, phone, alert("a", "b")))
		if err == nil {
			_ = resp.Body.Close()
			t.Error("there was an answer")
		}
		if got := r.Stats().APNs.Accepted; got != before+1 {
			t.Errorf("%d accepted, want %d", got, before+1)
		}
	})
	t.Run("hang", func(t *testing.T) {
		r.fail(t, `{"provider":"apns","hang":true}`)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		resp, err := r.client.Do(r.push(t, phone, alert("a", "b")).WithContext(ctx))
		if err == nil {
			_ = resp.Body.Close()
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// hanging makes a push that hangs, and tells of its end.
func (r *rig) hanging(t *testing.T) <-chan error {
	t.Helper()
	if _, err := r.Fail(sandbox.Failure{Hang: true, Count: 1}); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	req := r.push(t, phone, alert("a", "b"))
	go func() {
		resp, err := r.client.Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		done <- err
	}()
	polltest.Until(t, "the request hangs: it has used the rule up", func() bool { return len(r.Failures()) == 0 })
	return done
}

// TestCloseEndsWhatHangs leaves a hanging request behind; Close has to end it, and
// goleak sees it if it does not.
func TestCloseEndsWhatHangs(t *testing.T) {
	r := start(t, sandbox.Config{})
	done := r.hanging(t)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := polltest.Receive(t, "the request's end", done); err == nil {
		t.Error("there was an answer")
	}
}

// What hangs by a rule ends with the rule, without an answer; who comes after it gets one.
func TestClearingEndsWhatHangs(t *testing.T) {
	r := start(t, sandbox.Config{})
	done := r.hanging(t)
	r.ClearFailures()
	if err := polltest.Receive(t, "the request's end", done); err == nil {
		t.Error("there was an answer")
	}
	want(t, r.do(t, r.push(t, phone, alert("a", "b"))), http.StatusOK, "")
}

func TestBadFailures(t *testing.T) {
	r := start(t, sandbox.Config{})
	for _, bad := range []string{
		``, `{`, `{}`, `{"provider":"hms","status":500}`, `{"status":99}`, `{"dead":true}`, `{"dead":true,"target":"a*"}`,
		`{"status":500,"count":-1}`, `{"latency":"50"}`, `{"latency":"-1s"}`, `{"sttus":500}`, `[{"status":500},{}]`,
	} {
		if a := r.do(t, request(t, http.MethodPost, r.creds.URL+"/failures", bad)); a.status != http.StatusBadRequest || !strings.Contains(a.body, `"error"`) {
			t.Errorf("%s: %d %s", bad, a.status, a.body)
		}
	}
	if left := r.Failures(); len(left) != 0 {
		t.Errorf("kept %+v", left)
	}
}

func TestCountOnly(t *testing.T) {
	r := start(t, sandbox.Config{CountOnly: true, CountIDs: true})
	bearer := r.bearer(t)
	r.fail(t, `{"target":"tok-dead","dead":true}`)
	for range 2 {
		want(t, r.do(t, r.push(t, phone, "not looked into", "apns-collapse-id", "c")), http.StatusOK, "")
		if a := r.do(t, r.message(t, bearer, fcmBody("tok", "c", "a", "b"))); a.status != http.StatusOK {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if a := r.do(t, r.message(t, bearer, fcmBody("tok-dead", "c", "a", "b"))); a.status != http.StatusNotFound {
		t.Errorf("dead: %d %s", a.status, a.body)
	}
	s := r.Stats()
	if s.APNs.Accepted != 2 || s.FCM.Accepted != 2 || s.IDs.Unique != 2 || s.IDs.Repeats != 2 || s.APNs.FirstAt.After(s.APNs.LastAt) {
		t.Errorf("stats %+v, ids %+v", s, s.IDs)
	}
	if n := r.Notifications(sandbox.Query{}); len(n) != 0 {
		t.Errorf("kept %+v", n)
	}
	if !strings.Contains(fmt.Sprint(s.IDs.Repeated), "fcm tok c") {
		t.Errorf("repeated: %q", s.IDs.Repeated)
	}
}
