package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// controlMux is the plain HTTP listener: webhooks, control and reading back.
func (s *Server) controlMux() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.getHelp)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusNotFound, map[string]string{"error": "there is no " + r.Method + " " + r.URL.Path + " here; GET / tells what there is"})
	})
	mux.HandleFunc("POST /hooks/{name}", s.hook)
	mux.HandleFunc("GET /notifications", s.getNotifications)
	mux.HandleFunc("DELETE /notifications", func(w http.ResponseWriter, _ *http.Request) {
		s.Reset()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /webhooks", s.getWebhooks)
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.Stats()) })
	mux.HandleFunc("GET /stream", s.getStream)
	mux.HandleFunc("GET /failures", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"failures": s.Failures()})
	})
	mux.HandleFunc("POST /failures", s.postFailures)
	mux.HandleFunc("DELETE /failures", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearFailures()
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

// getHelp is what a person sees who opens the sandbox's address.
func (s *Server) getHelp(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, `This is a chatbell sandbox. It simulates APNs (%s), FCM (%s)
and a customer's webhooks (POST /hooks/NAME, signatures are checked).

  GET    /notifications   accepted pushes, as the phones show them; ?device= ?provider= ?since= ?limit= ?shown=true
  GET    /webhooks        webhook calls, refused ones too; ?hook= ?since= ?limit=
  GET    /stream          both, live: a JSON object a line, or server-sent events
  GET    /stats           exact counters
  DELETE /notifications   forget all that arrived, counters too
  GET    /failures        the failures that were asked for
  POST   /failures        ask for one, or an array of them
  DELETE /failures        all is well again

For example, the next three pushes to APNs are answered with 503:

  curl %s/failures -d '{"provider": "apns", "status": 503, "count": 3}'
`, s.creds.APNsURL, s.creds.FCMURL, s.creds.URL)
}

// query reads the parameters that all lists share.
func query(r *http.Request, target string) (filter Query, err error) {
	values := r.URL.Query()
	filter = Query{Provider: values.Get("provider"), Target: values.Get(target), Limit: defaultLimit}
	if text := values.Get("since"); text != "" {
		if filter.Since, err = strconv.ParseUint(text, 10, 63); err != nil {
			return filter, fmt.Errorf("since must be the seq of an earlier answer, not %q", text)
		}
	}
	if text := values.Get("limit"); text != "" {
		if filter.Limit, err = strconv.Atoi(text); err != nil || filter.Limit < 1 || filter.Limit > maxLimit {
			return filter, fmt.Errorf("limit must be between 1 and %d, not %q", maxLimit, text)
		}
	}
	if x := values.Get("shown"); x != "" {
		if filter.Shown, err = strconv.ParseBool(x); err != nil {
			return filter, fmt.Errorf("shown must be true or false, not %q", x)
		}
	}
	return filter, nil
}

// Bounds of one answer.
const (
	defaultLimit = 1000
	maxLimit     = 100_000
)

func (s *Server) getNotifications(w http.ResponseWriter, r *http.Request) {
	filter, err := query(r, "device")
	if err != nil {
		badRequest(w, err)
		return
	}
	list := s.Notifications(filter)
	next := filter.Since
	if len(list) > 0 {
		next = list[len(list)-1].Seq
	}
	writeJSON(w, http.StatusOK, map[string]any{"notifications": list, "next": next})
}

func (s *Server) getWebhooks(w http.ResponseWriter, r *http.Request) {
	filter, err := query(r, "hook")
	if err != nil {
		badRequest(w, err)
		return
	}
	list := s.Webhooks(filter)
	next := filter.Since
	if len(list) > 0 {
		next = list[len(list)-1].Seq
	}
	writeJSON(w, http.StatusOK, map[string]any{"webhooks": list, "next": next})
}

// getStream writes what arrives, as it arrives, until the client goes away.
func (s *Server) getStream(w http.ResponseWriter, r *http.Request) {
	filter, err := query(r, "")
	if err != nil {
		badRequest(w, err)
		return
	}
	events := strings.Contains(r.Header.Get("Accept"), "text/event-stream")
	if events {
		w.Header().Set("Content-Type", "text/event-stream")
	} else {
		w.Header().Set("Content-Type", "application/x-ndjson")
	}
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	if out.Flush() != nil { // so that the client knows that it is connected
		return
	}
	for arrival := range s.Follow(r.Context(), filter.Since) {
		line, err := json.Marshal(arrival)
		if err != nil {
			s.log.Error("sandbox cannot encode an arrival", "error", err)
			continue
		}
		if events {
			line = append([]byte("data: "), append(line, '\n')...)
		}
		if _, err := w.Write(append(line, '\n')); err != nil || out.Flush() != nil {
			return
		}
	}
}

// maxFailures bounds the body with rules.
const maxFailures = 1 << 20

// postFailures takes one rule or an array of them, and answers with their ids.
func (s *Server) postFailures(w http.ResponseWriter, r *http.Request) {
	var raw json.RawMessage
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxFailures)).Decode(&raw); err != nil {
		badRequest(w, fmt.Errorf("the rules are not JSON: %w", err))
		return
	}
	if len(raw) > 0 && raw[0] != '[' {
		raw = append(append(json.RawMessage{'['}, raw...), ']')
	}
	var rules []Failure
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&rules); err != nil {
		badRequest(w, fmt.Errorf("a rule is not of the right form: %w", err))
		return
	}
	for i := range rules {
		if err := rules[i].validate(); err != nil {
			badRequest(w, fmt.Errorf("rule %d: %w", i, err))
			return
		}
	}
	ids := make([]string, len(rules))
	for i := range rules {
		ids[i] = s.failures.add(rules[i])
	}
	writeJSON(w, http.StatusCreated, map[string]any{"ids": ids})
}

func badRequest(w http.ResponseWriter, err error) {
	writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
}
