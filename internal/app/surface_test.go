package app_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"chatbell"
	"chatbell/handlers/web"
	"chatbell/handlers/web/openapi"
	"chatbell/internal/app"
	"chatbell/internal/app/apptest"
	"chatbell/pipeline/intake"
)

// knocks is a surface of its own: whoever has a server key may knock, which is an event.
// That it is all in this file shows that a surface is a handler
// and an entry in the list.
func knocks(listener app.Listener) app.Surface {
	return app.Surface{
		Name:     "knocks",
		Listener: listener,
		Paths:    []string{"/knock"},
		New: func(k app.Kit) (http.Handler, error) {
			knock := func(c echo.Context) error {
				var in struct {
					ID string `json:"id"`
				}
				if err := web.ReadJSON(c, &in); err != nil {
					return err
				}
				check := &web.Checker{}
				check.ID("/id", in.ID)
				if err := check.Result(); err != nil {
					return err
				}
				request, err := intake.Event(&chatbell.Envelope{
					Network: web.CallerOf(c).Network,
					Event:   chatbell.Event{ID: chatbell.EventID(in.ID), Type: "knock"},
				})
				if err != nil {
					return err
				}
				got, err := k.Intake.Accept(c.Request().Context(), []intake.Request{request})
				if err != nil {
					return err
				}
				return c.JSON(http.StatusAccepted, got[0] == intake.Duplicate)
			}
			return web.New(web.Config{Common: k.Common, Name: "knocks", Routes: []web.Route{
				{Method: http.MethodPost, Path: "/knock", Handle: knock, Access: web.Server, Doc: openapi.Operation{ID: "knock"}},
			}})
		},
	}
}

// A surface is served beside the others, on their listener or on one of its own, with who
// calls, problems and the intake as they are for all.
func TestSurfaces(t *testing.T) {
	t.Parallel()
	var h2c http.Protocols
	h2c.SetUnencryptedHTTP2(true)
	own := app.Listener{Key: "knock_listen", Address: "127.0.0.1:0", Configure: func(s *http.Server) { s.Protocols = &h2c }}
	w := start(t, func(c *apptest.Config) {
		c.Options.Surfaces = []app.Surface{knocks(app.Listener{Key: "listen"}), knocks(own)}
	})
	for _, x := range []struct {
		method, path, key, body string
		status                  int
		says                    string
	}{
		{"POST", "/knock", apptest.Key, `{"id":"1"}`, 202, "false"},
		{"POST", "/knock", apptest.Key, `{"id":"1"}`, 202, "true"},
		{"POST", "/knock", apptest.Key, `{"id":""}`, 400, `"/id"`},
		{"POST", "/knock", "a-guess", `{"id":"1"}`, 401, "not known"},
		{"GET", "/knock", apptest.Key, "", 405, "POST"},
		{"GET", "/knock/knock", apptest.Key, "", 404, "/knock"},
		{"GET", "/v1/devices", apptest.Key, "", 200, `"devices"`}, // the others are as they were
		{"GET", "/healthz", "-", "", 200, `"ok"`},
	} {
		w.As(x.key, func() {
			status, answer, err := w.Try(x.method, x.path, []byte(x.body))
			if err != nil || status != x.status || !strings.Contains(answer, x.says) {
				t.Errorf("%s %s %s: %d %s, %v; want %d with %q", x.method, x.path, x.body, status, answer, err, x.status, x.says)
			}
		})
	}
	if _, metrics := w.Call("GET", "/metrics", nil); !strings.Contains(metrics, `route="/knock"`) {
		t.Error("the metrics do not know the surface's route")
	}

	transport := &http.Transport{Protocols: &h2c}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+w.Listener("knock_listen")+"/knock", strings.NewReader(`{"id":"1"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+apptest.Key)
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted || resp.ProtoMajor != 2 {
		t.Errorf("on its own listener: %s over %s", resp.Status, resp.Proto)
	}
	w.Stop()
}
