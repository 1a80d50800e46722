package centrifugo

import (
	"context"
	"net/http"
	"reflect"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"chatbell"
	"chatbell/handlers/web"
)

// grpcService is the service's name.
const grpcService = "centrifugal.centrifugo.api.CentrifugoApi"

// NewGRPC makes the handler of the surface for gRPC: it is served over HTTP/2, also without
// TLS.
func NewGRPC(cfg Config) (http.Handler, error) {
	made, err := newAPI(cfg)
	if err != nil {
		return nil, err
	}
	server := grpc.NewServer(grpc.ForceServerCodecV2(codec{}))
	service := grpc.ServiceDesc{ServiceName: grpcService, HandlerType: (*any)(nil)}
	routes := map[string]bool{}
	for _, m := range methods {
		service.Methods = append(service.Methods, grpc.MethodDesc{MethodName: camel(m.name), Handler: made.unary(m)})
	}
	service.Methods = append(service.Methods, grpc.MethodDesc{MethodName: "Batch", Handler: made.unaryBatch})
	for _, m := range service.Methods {
		routes["/"+grpcService+"/"+m.MethodName] = true
	}
	server.RegisterService(&service, made)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		answer := &answer{ResponseWriter: w, status: http.StatusOK}
		made.serveGRPC(server, answer, r)
		if made.Observer != nil {
			route := ""
			if routes[r.URL.Path] {
				route = r.URL.Path
			}
			made.Observer.Request(r.Method, route, answer.status, time.Since(start))
		}
	}), nil
}

// camel is a method's name in the service: DeviceRegister.
func camel(name string) string {
	var out strings.Builder
	for word := range strings.SplitSeq(name, "_") {
		out.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return out.String()
}

type callerKey struct{}

// serveGRPC lets callers through who have a key: metadata are headers.
func (a *api) serveGRPC(server *grpc.Server, w *answer, r *http.Request) {
	if r.ProtoMajor < 2 || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
		w.fail(http.StatusUnsupportedMediaType)
		return
	}
	who, err := a.guard.Identify(r, web.Server)
	if err != nil { // an answer of trailers alone
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Grpc-Status", "16") // UNAUTHENTICATED
		w.Header().Set("Grpc-Message", "send a server key as metadata: authorization: apikey KEY")
		w.WriteHeader(http.StatusOK)
		return
	}
	give, err := a.Bodies.Take(r.Context(), who.Network, r.ContentLength)
	if err != nil {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Grpc-Status", "8") // RESOURCE_EXHAUSTED
		w.Header().Set("Grpc-Message", "too many large calls of this network are under way; nothing was done, try again")
		w.WriteHeader(http.StatusOK)
		return
	}
	defer give()
	c := &call{network: who.Network, now: a.Now()}
	if text := r.Header.Get("traceparent"); chatbell.IsTraceParent(text) {
		c.trace = text
	}
	server.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, c)))
}

// Flush implements http.Flusher, which gRPC needs.
func (w *answer) Flush() {
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

type unaryHandler = func(srv any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error)

var (
	errNotCalled = status.Error(codes.Internal, "the call has no caller")
	errMessage   = status.Error(codes.InvalidArgument, "the message is not of this method's type")
)

// unary serves a method.
func (a *api) unary(m method) unaryHandler {
	return func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		c, ok := ctx.Value(callerKey{}).(*call)
		if !ok {
			return nil, errNotCalled
		}
		in := m.params()
		if err := decode(in); err != nil {
			return nil, errMessage
		}
		result, failed := a.run(ctx, c, m, in)
		if failed != nil && transportErrors(ctx) {
			return nil, status.Error(grpcCodes[failed.Code], failed.Message+": "+failed.Detail)
		}
		return m.reply(result, failed), nil
	}
}

// grpcCodes are for callers who ask for errors of the transport.
var grpcCodes = map[uint32]codes.Code{
	codeInternal: codes.Internal, codeNotFound: codes.NotFound, codeBadRequest: codes.InvalidArgument, codeNotAvailable: codes.InvalidArgument, codeConflict: codes.AlreadyExists,
}

func transportErrors(ctx context.Context) bool {
	mode := metadata.ValueFromIncomingContext(ctx, "x-centrifugo-error-mode")
	return len(mode) > 0 && strings.EqualFold(mode[0], "transport")
}

// Command is one command of a batch: one of its fields.
type Command struct {
	DeviceRegister       *DeviceRegisterRequest       `json:"device_register" pb:"25"`
	DeviceUpdate         *DeviceUpdateRequest         `json:"device_update" pb:"26"`
	DeviceRemove         *DeviceRemoveRequest         `json:"device_remove" pb:"27"`
	DeviceList           *DeviceListRequest           `json:"device_list" pb:"28"`
	DeviceTopicList      *DeviceTopicListRequest      `json:"device_topic_list" pb:"29"`
	DeviceTopicUpdate    *DeviceTopicUpdateRequest    `json:"device_topic_update" pb:"30"`
	UserTopicList        *UserTopicListRequest        `json:"user_topic_list" pb:"31"`
	UserTopicUpdate      *UserTopicUpdateRequest      `json:"user_topic_update" pb:"32"`
	SendPushNotification *SendPushNotificationRequest `json:"send_push_notification" pb:"33"`
	UpdatePushStatus     *UpdatePushStatusRequest     `json:"update_push_status" pb:"34"`
	CancelPush           *CancelPushRequest           `json:"cancel_push" pb:"35"`
}

// Reply is the reply to one command of a batch: one of its fields.
type Reply struct {
	Error                *Error                      `json:"error" pb:"2"`
	DeviceRegister       *DeviceRegisterResult       `json:"device_register" pb:"25"`
	DeviceUpdate         *DeviceUpdateResult         `json:"device_update" pb:"26"`
	DeviceRemove         *DeviceRemoveResult         `json:"device_remove" pb:"27"`
	DeviceList           *DeviceListResult           `json:"device_list" pb:"28"`
	DeviceTopicList      *DeviceTopicListResult      `json:"device_topic_list" pb:"29"`
	DeviceTopicUpdate    *DeviceTopicUpdateResult    `json:"device_topic_update" pb:"30"`
	UserTopicList        *UserTopicListResult        `json:"user_topic_list" pb:"31"`
	UserTopicUpdate      *UserTopicUpdateResult      `json:"user_topic_update" pb:"32"`
	SendPushNotification *SendPushNotificationResult `json:"send_push_notification" pb:"33"`
	UpdatePushStatus     *UpdatePushStatusResult     `json:"update_push_status" pb:"34"`
	CancelPush           *CancelPushResult           `json:"cancel_push" pb:"35"`
}

// BatchRequest is the message of that name.
type BatchRequest struct {
	Commands []*Command `json:"commands" pb:"1"`
	Parallel bool       `json:"parallel" pb:"2"`
}

// BatchResponse is the message of that name.
type BatchResponse struct {
	Replies []*Reply `json:"replies" pb:"1"`
}

// command finds the method of a command.
func (c *Command) command() command {
	value := reflect.ValueOf(c).Elem()
	found := command{method: unknown(""), params: struct{}{}}
	given := 0
	for i := range value.NumField() {
		if field := value.Field(i); !field.IsNil() {
			given++
			found = command{method: byName[value.Type().Field(i).Tag.Get("json")], params: field.Interface()}
		}
	}
	if given > 1 {
		return command{failed: errJSON}
	}
	return found
}

// set puts a result into its field.
func (r *Reply) set(m *method, result any) {
	value := reflect.ValueOf(r).Elem()
	for i := range value.NumField() {
		if value.Type().Field(i).Tag.Get("json") == m.name {
			value.Field(i).Set(reflect.ValueOf(result))
		}
	}
}

//nolint:revive // the order of arguments is gRPC's
func (a *api) unaryBatch(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	c, ok := ctx.Value(callerKey{}).(*call)
	if !ok {
		return nil, errNotCalled
	}
	var in BatchRequest
	if decode(&in) != nil || len(in.Commands) > maxCommands {
		return nil, errMessage
	}
	commands := make([]command, len(in.Commands))
	for i, one := range in.Commands {
		if commands[i] = one.command(); commands[i].failed != nil {
			return nil, errMessage
		}
	}
	out := &BatchResponse{Replies: make([]*Reply, len(commands))}
	a.each(ctx, commands, in.Parallel, func(ctx context.Context, i int) {
		out.Replies[i] = &Reply{}
		result, failed := a.run(ctx, c, commands[i].method, commands[i].params)
		if out.Replies[i].Error = failed; failed == nil {
			out.Replies[i].set(&commands[i].method, result)
		}
	})
	return out, nil
}
