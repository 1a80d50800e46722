package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"chatbell/internal/sandbox"
)

func TestCollapsedNotificationsAreShownOnce(t *testing.T) {
	r := start(t, sandbox.Config{CountIDs: true})
	bearer := r.bearer(t)
	for _, req := range []*http.Request{
		r.push(t, phone, alert("first", ""), "apns-collapse-id", "c1"),
		r.push(t, other, alert("elsewhere", ""), "apns-collapse-id", "c1"),
		r.push(t, phone, alert("alone", "")),
		r.push(t, phone, alert("second", ""), "apns-collapse-id", "c1"),
		r.message(t, bearer, fcmBody("tok", "c1", "fcm first", "")),
		r.message(t, bearer, fcmBody("tok", "c1", "fcm second", "")),
		r.message(t, bearer, fcmBody("tok", "", "fcm alone", "")),
		r.message(t, bearer, fcmBody("tok", "", "fcm alone too", "")),
	} {
		if a := r.do(t, req); a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	var got struct {
		Notifications []sandbox.Notification
		Next          uint64
	}
	get(t, r, "/notifications?shown=true", &got)
	var titles []string
	for _, n := range got.Notifications {
		titles = append(titles, n.Title)
	}
	if s := strings.Join(titles, ", "); s != "elsewhere, alone, second, fcm second, fcm alone, fcm alone too" {
		t.Errorf("shown: %s", s)
	}
	if all := r.Notifications(sandbox.Query{}); len(all) != 8 {
		t.Errorf("%d kept, want 8", len(all))
	}
	if ids := r.Stats().IDs; ids.Unique != 6 || ids.Repeats != 2 || len(ids.Repeated) != 2 {
		t.Errorf("ids %+v", ids)
	}
}

func TestReadBack(t *testing.T) {
	r := start(t, sandbox.Config{Keep: 4})
	for i := range 6 {
		r.do(t, r.push(t, []string{phone, other}[i%2], alert(fmt.Sprint("n", i), "")))
	}
	var got struct {
		Notifications []sandbox.Notification
		Next          uint64
	}
	get(t, r, "/notifications", &got)
	if len(got.Notifications) != 4 || got.Notifications[0].Title != "n2" || got.Next != 6 {
		t.Errorf("ring of 4 after 6: %+v", got)
	}
	get(t, r, "/notifications?device="+phone+"&since=3", &got)
	if len(got.Notifications) != 1 || got.Notifications[0].Title != "n4" {
		t.Errorf("one device since 3: %+v", got.Notifications)
	}
	get(t, r, "/notifications?limit=1", &got)
	if len(got.Notifications) != 1 || got.Next != 3 {
		t.Errorf("limit 1: %+v", got)
	}
	for _, bad := range []string{"since=x", "limit=0", "limit=x", "shown=perhaps"} {
		if a := r.do(t, request(t, http.MethodGet, r.creds.URL+"/notifications?"+bad, "")); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d", bad, a.status)
		}
	}
	if a := r.do(t, request(t, http.MethodDelete, r.creds.URL+"/notifications", "")); a.status != http.StatusNoContent {
		t.Errorf("reset: %d", a.status)
	}
	if s := r.Stats().APNs; s.Accepted != 0 || s.Requests != 0 || len(r.Notifications(sandbox.Query{})) != 0 {
		t.Errorf("after the reset: %+v", s)
	}
	r.do(t, r.push(t, phone, alert("new", "")))
	if n := r.Notifications(sandbox.Query{}); len(n) != 1 || n[0].Seq != 7 {
		t.Errorf("after the reset: %+v", n)
	}
	for a := range r.Follow(t.Context(), 0) {
		if a.Notification != nil {
			if a.Notification.Seq != 7 {
				t.Errorf("after the reset a follower gets %+v", a.Notification)
			}
			break
		}
		if a.Missed != 6 {
			t.Errorf("after the reset %d were forgotten, want 6", a.Missed)
		}
	}
}

func TestStream(t *testing.T) {
	r := start(t, sandbox.Config{Keep: 2})
	for i := range 3 {
		r.do(t, r.push(t, phone, alert(fmt.Sprint("n", i), "")))
	}
	for _, accept := range []string{"", "text/event-stream"} {
		ctx, cancel := context.WithCancel(t.Context())
		req := request(t, http.MethodGet, r.creds.URL+"/stream", "", "accept", accept).WithContext(ctx)
		resp, err := r.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		dec := json.NewDecoder(&sseReader{r: resp.Body})
		next := func() (a sandbox.Arrival) {
			if err := dec.Decode(&a); err != nil {
				t.Fatal(err)
			}
			return a
		}
		if a := next(); a.Missed == 0 {
			t.Errorf("got %+v, want a note of what was forgotten", a)
		}
		next()
		if a := next(); a.Notification == nil {
			t.Errorf("got %+v", a)
		}
		r.do(t, r.push(t, phone, alert("live", "")))
		if a := next(); a.Notification == nil || a.Notification.Title != "live" {
			t.Errorf("got %+v, want what arrived meanwhile", a.Notification)
		}
		cancel()
		_ = resp.Body.Close()
	}
}

// sseReader leaves out what server-sent events write before the data.
type sseReader struct{ r io.Reader }

func (s *sseReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	copy(p, bytes.ReplaceAll(p[:n], []byte("data: "), []byte("      ")))
	return n, err
}
