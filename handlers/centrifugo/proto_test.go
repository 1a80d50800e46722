package centrifugo

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// The Go types say what api.proto says: the same names, numbers and types.
func TestProto(t *testing.T) {
	data, err := os.ReadFile("api.proto")
	if err != nil {
		t.Fatal(err)
	}
	messages := map[string]string{}
	for _, m := range regexp.MustCompile(`(?s)message (\w+) \{(.*?)\}`).FindAllStringSubmatch(string(data), -1) {
		messages[strings.ToLower(m[1])] = m[2]
	}
	field := regexp.MustCompile(`(repeated |)(map<string, \w+>|\w+) (\w+) = (\d+);`)
	seen := map[reflect.Type]bool{}
	var compare func(typ reflect.Type)
	compare = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] {
			return
		}
		seen[typ] = true
		body, ok := messages[strings.ToLower(typ.Name())]
		if !ok {
			t.Errorf("api.proto has no message %s", typ.Name())
			return
		}
		want := map[string]string{}
		for _, f := range field.FindAllStringSubmatch(body, -1) {
			want[f[3]] = f[1] + f[2] + " = " + f[4]
		}
		got := map[string]string{}
		for f := range typ.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if number := f.Tag.Get("pb"); number != "" {
				got[name] = protoType(f.Type) + " = " + number
			}
			compare(f.Type)
		}
		if !reflect.DeepEqual(lower(got), lower(want)) {
			t.Errorf("%s is\n%v, api.proto says\n%v", typ.Name(), got, want)
		}
	}
	compare(reflect.TypeFor[Error]())
	a := reflect.TypeFor[*api]()
	for m := range a.Methods() {
		t.Errorf("the method %s is not private", m.Name)
	}
	for _, in := range []any{
		DeviceRegisterRequest{}, DeviceUpdateRequest{}, DeviceRemoveRequest{}, DeviceListRequest{}, DeviceTopicListRequest{}, DeviceTopicUpdateRequest{},
		UserTopicListRequest{}, UserTopicUpdateRequest{}, SendPushNotificationRequest{}, UpdatePushStatusRequest{}, CancelPushRequest{},
		DeviceRegisterResult{}, DeviceUpdateResult{}, DeviceRemoveResult{}, DeviceListResult{}, DeviceTopicListResult{}, DeviceTopicUpdateResult{},
		UserTopicListResult{}, UserTopicUpdateResult{}, BatchRequest{}, BatchResponse{}, SendPushNotificationResult{}, UpdatePushStatusResult{}, CancelPushResult{},
	} {
		compare(reflect.TypeOf(in))
	}
	if len(seen) < 40 {
		t.Errorf("only %d messages were compared; the test has gone blind", len(seen))
	}
}

func protoType(typ reflect.Type) string {
	switch {
	case typ == reflect.TypeFor[[]byte]() || typ.Name() == "RawMessage":
		return "bytes"
	case typ.Kind() == reflect.Slice:
		return "repeated " + protoType(typ.Elem())
	case typ.Kind() == reflect.Map:
		return "map<string, " + protoType(typ.Elem()) + ">"
	case typ.Kind() == reflect.Pointer:
		return protoType(typ.Elem())
	}
	return typ.Name()
}

func lower(in map[string]string) map[string]string {
	out := map[string]string{}
	for name, text := range in {
		out[name] = strings.ToLower(text)
	}
	return out
}
