package centrifugo_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"chatbell/handlers/centrifugo"
	"chatbell/handlers/web"
	"chatbell/pipeline/schedule"
)

const service = "/centrifugal.centrifugo.api.CentrifugoApi/"

// described is api.proto as the library of Protocol Buffers has it, so that its own encoding
// stands at the other end.
func described(t testing.TB) protoreflect.FileDescriptor {
	t.Helper()
	data, err := os.ReadFile("api.proto")
	if err != nil {
		t.Fatal(err)
	}
	file := &descriptorpb.FileDescriptorProto{Name: new("api.proto"), Package: new("centrifugal.centrifugo.api"), Syntax: new("proto3")}
	field := regexp.MustCompile(`(repeated |)(map<string, (\w+)>|\w+) (\w+) = (\d+);`)
	for _, m := range regexp.MustCompile(`(?s)message (\w+) \{(.*?)\}`).FindAllStringSubmatch(string(data), -1) {
		message := &descriptorpb.DescriptorProto{Name: new(m[1])}
		for _, f := range field.FindAllStringSubmatch(m[2], -1) {
			number, err := strconv.Atoi(f[5])
			if err != nil {
				t.Fatal(err)
			}
			one := fieldOf(f[4], int32(number), f[2])
			if f[1] != "" {
				one.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
			}
			if f[3] != "" {
				entry := strings.ReplaceAll(f[4], "_", "") + "Entry"
				entry = strings.ToUpper(entry[:1]) + entry[1:]
				message.NestedType = append(message.NestedType, &descriptorpb.DescriptorProto{
					Name: new(entry), Field: []*descriptorpb.FieldDescriptorProto{fieldOf("key", 1, "string"), fieldOf("value", 2, f[3])},
					Options: &descriptorpb.MessageOptions{MapEntry: new(true)},
				})
				one = fieldOf(f[4], int32(number), m[1]+"."+entry)
				one.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
			}
			message.Field = append(message.Field, one)
		}
		file.MessageType = append(file.MessageType, message)
	}
	out, err := protodesc.NewFile(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func fieldOf(name string, number int32, typ string) *descriptorpb.FieldDescriptorProto {
	out := &descriptorpb.FieldDescriptorProto{Name: new(name), JsonName: new(name), Number: new(number), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}
	known := map[string]descriptorpb.FieldDescriptorProto_Type{
		"string": descriptorpb.FieldDescriptorProto_TYPE_STRING, "bytes": descriptorpb.FieldDescriptorProto_TYPE_BYTES, "bool": descriptorpb.FieldDescriptorProto_TYPE_BOOL,
		"int32": descriptorpb.FieldDescriptorProto_TYPE_INT32, "int64": descriptorpb.FieldDescriptorProto_TYPE_INT64, "uint32": descriptorpb.FieldDescriptorProto_TYPE_UINT32,
	}
	if scalar, ok := known[typ]; ok {
		out.Type = scalar.Enum()
		return out
	}
	out.Type = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
	out.TypeName = new(".centrifugal.centrifugo.api." + typ)
	return out
}

// grpcRig is the surface on gRPC, and a client of it.
type grpcRig struct {
	*rig

	file protoreflect.FileDescriptor
	conn *grpc.ClientConn
}

func startGRPC(t testing.TB) *grpcRig {
	t.Helper()
	r := start(t)
	handler, err := centrifugo.NewGRPC(centrifugo.Config{
		Common:   web.Common{Keys: keys{}, Log: discard, Now: ticking()},
		State:    r.state,
		Intake:   r.in,
		Schedule: schedule.New(schedule.Config{Store: r.state, Intake: r.in, Log: discard}),
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	conn, err := grpc.NewClient("passthrough:///"+strings.TrimPrefix(server.URL, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &grpcRig{rig: r, file: described(t), conn: conn}
}

// invoke calls a method with a message in JSON, in the library's own encoding, and gives the
// answer in JSON with the names of the messages.
func (r *grpcRig) invoke(method, message string, pairs ...string) (string, error) {
	r.Helper()
	in := dynamicpb.NewMessage(r.file.Messages().ByName(protoreflect.Name(method + "Request")))
	if err := protojson.Unmarshal([]byte(message), in); err != nil {
		r.Fatalf("%s: %s: %v", method, message, err)
	}
	out := dynamicpb.NewMessage(r.file.Messages().ByName(protoreflect.Name(method + "Response")))
	ctx := metadata.AppendToOutgoingContext(r.Context(), pairs...)
	if err := r.conn.Invoke(ctx, service+method, in, out); err != nil {
		return "", err
	}
	data, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(out)
	if err != nil {
		r.Fatal(err)
	}
	if len(out.GetUnknown()) > 0 {
		r.Errorf("%s answers with unknown fields %x", method, out.GetUnknown())
	}
	return string(data), nil
}

// asBytes writes the payloads of a message in base64, as JSON of Protocol Buffers has bytes.
func asBytes(t testing.TB, params string) string {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal([]byte(params), &all); err != nil {
		t.Fatal(err)
	}
	notification, _ := all["notification"].(map[string]any)
	for _, block := range notification {
		fields, _ := block.(map[string]any)
		for _, name := range []string{"message", "payload"} {
			if value, ok := fields[name]; ok {
				raw, err := json.Marshal(value)
				if err != nil {
					t.Fatal(err)
				}
				fields[name] = base64.StdEncoding.EncodeToString(raw)
			}
		}
	}
	data, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// camelOf is a method's name in the service.
func camelOf(name string) string {
	var out strings.Builder
	for word := range strings.SplitSeq(name, "_") {
		out.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return out.String()
}

// quotedNumber is how JSON of Protocol Buffers has numbers of 64 bits.
var quotedNumber = regexp.MustCompile(`"(created_at|updated_at|total_count)":\s*"(\d+)"`)

// Every method and field says on gRPC what it says on HTTP, to a client with the library's own
// encoding.
func TestGRPC(t *testing.T) {
	r := startGRPC(t)
	var all []step
	for _, s := range append(append([]step{}, story...), pushes...) {
		if s.method != "publish" { // not in our service
			all = append(all, s)
		}
	}
	for i := range all { // lists are in another order and form in that library's JSON; one is looked at below
		if strings.HasSuffix(all[i].method, "_list") {
			all[i].result = ""
		}
	}
	calls := 0
	r.play(all, func(_ *rig, name string, _ int, params string) answer {
		calls++
		if name == "send_push_notification" {
			params = asBytes(t, params)
		}
		said, err := r.invoke(camelOf(name), params, "authorization", "apikey "+key)
		if err != nil {
			t.Fatalf("%s %s: %v", name, params, err)
		}
		var out answer
		if err := json.Unmarshal([]byte(said), &out); err != nil {
			t.Fatalf("%s: %v", said, err)
		}
		out.Status = http.StatusOK
		out.Error.Detail = "is not in the message"
		if out.Error.Code == 0 {
			out.Result = compacted(t, out.Result)
		}
		return out
	})
	if calls < 80 {
		t.Errorf("only %d calls were made", calls)
	}
	said, err := r.invoke("DeviceList", `{"filter":{"users":["rob"]},"include_total_count":true}`, "authorization", "apikey "+key)
	said = quotedNumber.ReplaceAllString(string(compacted(t, json.RawMessage(said))), `"$1":$2`)
	if err != nil || !regexp.MustCompile(`"items":\[{.*"token":"`+apnsToken+`".*"user":"rob".*"total_count":1`).MatchString(said) {
		t.Errorf("a list is %s, %v", said, err)
	}
	if sent := r.in.last(); sent.Network != "acme" || len(sent.Blocks) == 0 {
		t.Errorf("the last push is %+v", sent)
	}
}

func compacted(t testing.TB, raw json.RawMessage) json.RawMessage {
	t.Helper()
	var value any
	if len(raw) == 0 {
		return raw
	}
	if err := json.Unmarshal(raw, &value); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Who has no key is told so by gRPC's own status, and so is who asks for errors of the
// transport.
func TestGRPCErrors(t *testing.T) {
	r := startGRPC(t)
	for name, x := range map[string]struct {
		method, message string
		pairs           []string
		code            codes.Code
	}{
		"no key":        {"DeviceList", `{}`, nil, codes.Unauthenticated},
		"wrong key":     {"DeviceList", `{}`, []string{"authorization", "apikey wrong"}, codes.Unauthenticated},
		"other header":  {"DeviceList", `{}`, []string{"x-api-key", key}, codes.OK},
		"bad request":   {"DeviceRemove", `{}`, []string{"authorization", "apikey " + key, "x-centrifugo-error-mode", "transport"}, codes.InvalidArgument},
		"not found":     {"CancelPush", `{"uid":"u"}`, []string{"authorization", "apikey " + key, "x-centrifugo-error-mode", "transport"}, codes.NotFound},
		"in the answer": {"CancelPush", `{"uid":"u"}`, []string{"authorization", "apikey " + key}, codes.OK},
	} {
		if _, err := r.invoke(x.method, x.message, x.pairs...); status.Code(err) != x.code {
			t.Errorf("%s: %v, want %s", name, err, x.code)
		}
	}
	ctx := metadata.AppendToOutgoingContext(context.Background(), "authorization", "apikey "+key)
	empty := dynamicpb.NewMessage(r.file.Messages().ByName("DeviceListRequest"))
	if err := r.conn.Invoke(ctx, service+"Publish", empty, empty); status.Code(err) != codes.Unimplemented {
		t.Errorf("a method that is not there: %v", err)
	}
	// A message of another type: the filter is a number there.
	other := dynamicpb.NewMessage(r.file.Messages().ByName("Error"))
	if err := protojson.Unmarshal([]byte(`{"code":5}`), other); err != nil {
		t.Fatal(err)
	}
	if err := r.conn.Invoke(ctx, service+"DeviceList", other, empty); status.Code(err) != codes.Internal { // as gRPC says it
		t.Errorf("a message of another type: %v", err)
	}
	if status, _, _ := r.do(http.MethodGet, "/"+service, ""); status != http.StatusNotFound {
		t.Errorf("the other port knows it: %d", status)
	}
}

// A batch is one of messages, too.
func TestGRPCBatch(t *testing.T) {
	r := startGRPC(t)
	for _, parallel := range []string{"false", "true"} {
		said, err := r.invoke("Batch", `{"commands":[{"user_topic_update":{"user":"u","op":"set","topics":["t"]}},{"device_remove":{}},{},{"user_topic_list":{}}],"parallel":`+parallel+`}`,
			"authorization", "apikey "+key)
		var out struct{ Replies []map[string]json.RawMessage }
		if err != nil || json.Unmarshal([]byte(said), &out) != nil || len(out.Replies) != 4 {
			t.Fatalf("%s, %v", said, err)
		}
		for i, want := range []string{"user_topic_update", "error", "error", "user_topic_list"} {
			if len(out.Replies[i]) != 1 || out.Replies[i][want] == nil {
				t.Errorf("reply %d is %s, want %s", i, out.Replies[i], want)
			}
		}
	}
	_, err := r.invoke("Batch", `{"commands":[{"device_list":{},"device_remove":{}}]}`, "authorization", "apikey "+key)
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("two in one: %v", err)
	}
}
