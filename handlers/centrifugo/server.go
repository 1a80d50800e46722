package centrifugo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"chatbell"
	"chatbell/handlers/web"
	"chatbell/internal/store"
	"chatbell/pipeline/intake"
)

// State is what is kept of devices and topics. See package store for the contract.
type State interface {
	RegisterWithTopics(ctx context.Context, network chatbell.NetworkID, in store.Registration) (chatbell.DeviceID, error)
	ChangeDevices(ctx context.Context, network chatbell.NetworkID, choice store.DeviceChoice, change store.DeviceChange) error
	RemoveDevices(ctx context.Context, network chatbell.NetworkID, choice store.DeviceChoice) error
	ChosenDevices(ctx context.Context, network chatbell.NetworkID, page store.DevicePage) ([]store.TopicDevice, error)
	CountDevices(ctx context.Context, network chatbell.NetworkID, choice store.DeviceChoice) (int64, error)
	ChangeDeviceTopics(ctx context.Context, network chatbell.NetworkID, device chatbell.DeviceID, onlyIf chatbell.UserID, change store.TopicChange) error
	DeviceTopics(ctx context.Context, network chatbell.NetworkID, page store.TopicPage) ([]store.DeviceTopic, error)
	CountDeviceTopics(ctx context.Context, network chatbell.NetworkID, choice store.TopicChoice) (int64, error)
	ChangeUserTopics(ctx context.Context, network chatbell.NetworkID, user chatbell.UserID, change store.TopicChange) error
	UserTopics(ctx context.Context, network chatbell.NetworkID, page store.TopicPage) ([]store.UserTopic, error)
	CountUserTopics(ctx context.Context, network chatbell.NetworkID, choice store.TopicChoice) (int64, error)
}

// Intake takes pushes in. See [intake.Intake].
type Intake interface {
	Accept(ctx context.Context, requests []intake.Request) ([]intake.Status, error)
}

// Schedule keeps pushes until their time. See [chatbell/pipeline/schedule].
type Schedule interface {
	Put(ctx context.Context, in store.Scheduled) error
	Cancel(ctx context.Context, network chatbell.NetworkID, kind, id string) (bool, error)
}

// Config is what the surface is made of. All fields are required.
type Config struct {
	web.Common
	State    State
	Intake   Intake
	Schedule Schedule
}

type api struct {
	Config
	guard *web.Guard
}

// New makes the handler of the surface for HTTP.
func New(cfg Config) (http.Handler, error) {
	made, err := newAPI(cfg)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(made.serve), nil
}

func newAPI(cfg Config) (*api, error) {
	if cfg.Keys == nil || cfg.Log == nil || cfg.State == nil || cfg.Intake == nil || cfg.Schedule == nil {
		return nil, errors.New("surface centrifugo: Keys, Log, State, Intake and Schedule are required")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Bodies == nil {
		cfg.Bodies = web.NewBodies(nil)
	}
	return &api{Config: cfg, guard: web.NewGuard(cfg.Common, credential)}, nil
}

// credential is how Centrifugo's callers show their key: a header of their own; else
// Authorization, which then counts; else the query.
var credential = web.Credential{
	How: "send a server key as \"X-API-Key: <key>\", \"Authorization: apikey <key>\" or ?api_key=<key>",
	Read: func(r *http.Request) string {
		if key := r.Header.Get("X-API-Key"); key != "" {
			return key
		}
		if scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "apikey") {
			return strings.TrimSpace(key)
		}
		return r.URL.Query().Get("api_key")
	},
}

// prefix is where the API is.
const prefix = "/api"

// serve answers a request and counts it.
func (a *api) serve(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	answer := &answer{ResponseWriter: w, status: http.StatusOK}
	route, handle := a.route(strings.TrimSuffix(r.URL.Path, "/"))
	defer func() {
		if value := recover(); value != nil {
			if value == http.ErrAbortHandler { //nolint:errorlint // the value that net/http compares with
				panic(value)
			}
			a.Log.Error("handler panicked", "route", route, "panic", fmt.Sprint(value), "stack", string(debug.Stack()))
			answer.fail(http.StatusInternalServerError)
		}
		if a.Observer != nil {
			a.Observer.Request(r.Method, route, answer.status, time.Since(start))
		}
	}()
	switch {
	case route == "":
		answer.fail(http.StatusNotFound)
	case r.Method != http.MethodPost:
		answer.Header().Set("Allow", http.MethodPost)
		answer.fail(http.StatusMethodNotAllowed)
	default:
		a.authenticated(answer, r, handle)
	}
}

// handler answers a call whose caller and body are known.
type handler func(a *api, w *answer, r *http.Request, c *call, body []byte)

// route finds what answers at a path, and the path's pattern.
func (a *api) route(path string) (string, handler) {
	switch path {
	case prefix:
		return prefix, (*api).serveLegacy
	case prefix + "/batch":
		return path, (*api).serveBatch
	}
	name, _ := strings.CutPrefix(path, prefix+"/")
	if m, ok := byName[name]; ok {
		return prefix + "/" + name, func(a *api, w *answer, r *http.Request, c *call, body []byte) { a.serveMethod(w, r, c, m, body) }
	}
	return "", nil
}

func (a *api) authenticated(w *answer, r *http.Request, handle handler) {
	who, err := a.guard.Identify(r, web.Server)
	if err != nil {
		w.status = http.StatusUnauthorized // with an empty body, whatever is wrong with the key
		w.WriteHeader(w.status)
		return
	}
	if r.ContentLength > web.MaxBody { // nobody has to wait for the end of it
		w.Header().Set("Connection", "close")
		w.fail(http.StatusRequestEntityTooLarge)
		return
	}
	give, err := a.Bodies.Take(r.Context(), who.Network, r.ContentLength)
	if err != nil {
		w.Header().Set("Retry-After", "1")
		w.fail(http.StatusTooManyRequests)
		return
	}
	defer give()
	body, status := readBody(w, r)
	if status != http.StatusOK {
		w.fail(status)
		return
	}
	c := &call{network: who.Network, now: a.Now()}
	if text := r.Header.Get("traceparent"); chatbell.IsTraceParent(text) {
		c.trace = text
	}
	handle(a, w, r, c, body)
}

// readBody reads a body up to the limit.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, int) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, web.MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, http.StatusRequestEntityTooLarge
	case err != nil: // the caller has left, or broke the transfer off
		return nil, http.StatusBadRequest
	case !utf8.Valid(body) || tooDeep(body):
		return nil, http.StatusBadRequest
	}
	return body, http.StatusOK
}

// maxDepth bounds the nesting of a body: what is taken in is wrapped before it is stored,
// and must still be readable then.
const maxDepth = 100

// tooDeep reports whether JSON is nested too deep; of what is no JSON it says anything.
func tooDeep(body []byte) bool {
	depth := 0
	quoted := false
	for i := 0; i < len(body); i++ {
		switch char := body[i]; {
		case quoted && char == '\\':
			i++
		case char == '"':
			quoted = !quoted
		case quoted:
		case char == '{' || char == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case char == '}' || char == ']':
			depth--
		}
	}
	return false
}

// response is what a call of one method is answered with.
type response struct {
	Error  *Error `json:"error,omitempty"`
	Result any    `json:"result,omitempty"`
}

func (a *api) serveMethod(w *answer, r *http.Request, c *call, m method, body []byte) {
	params, err := m.decode(body)
	if err != nil || len(body) == 0 {
		w.fail(http.StatusBadRequest)
		return
	}
	result, failed := a.run(r.Context(), c, m, params)
	if failed != nil && strings.EqualFold(r.Header.Get("X-Centrifugo-Error-Mode"), "transport") {
		w.json(words[failed.Code].status, failed)
		return
	}
	w.json(http.StatusOK, response{Error: failed, Result: result})
}

// run does a call. What is our own failure is logged.
func (a *api) run(ctx context.Context, c *call, m method, params any) (any, *Error) {
	result, err := a.safely(ctx, c, m, params)
	if err == nil {
		return result, nil
	}
	failed := asError(err)
	if failed.Code == codeInternal && ctx.Err() == nil {
		a.Log.Error("call failed", "surface", "centrifugo", "method", m.name, "network", c.network, "error", err)
	}
	return nil, failed
}

// safely turns a panic into an error: beside a command there are others of its batch.
func (a *api) safely(ctx context.Context, c *call, m method, params any) (result any, err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("the method panicked: %v\n%s", value, debug.Stack())
		}
	}()
	return m.run(ctx, a, c, params)
}

// answer remembers its status.
type answer struct {
	http.ResponseWriter

	status int
}

// fail answers with a status and its text, as net/http does.
func (w *answer) fail(status int) {
	w.status = status
	http.Error(w.ResponseWriter, http.StatusText(status), status)
}

func (w *answer) json(status int, value any) {
	data, err := json.Marshal(value)
	if err != nil {
		panic("encode an answer: " + err.Error()) // our own types only: a programming error
	}
	w.bytes(status, data)
}

func (w *answer) bytes(status int, data []byte) {
	w.status = status
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(data) // a caller who went away wants no answer
}
