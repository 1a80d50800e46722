package rowcodec_test

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"chatbell"
	"chatbell/pipeline/ledger/rowcodec"
)

// fill sets every field of a struct, so that none can be forgotten.
func fill(t *testing.T, v reflect.Value, n int) {
	for i := range v.NumField() {
		f := v.Field(i)
		switch x := f.Addr().Interface().(type) {
		case *time.Time:
			*x = time.UnixMicro(int64(1_800_000_000_000_000 + n*1000 + i)).UTC()
		default:
			switch f.Kind() {
			case reflect.String:
				f.SetString(v.Type().Field(i).Name + strings.Repeat("x", n))
			case reflect.Uint16, reflect.Uint32:
				f.SetUint(uint64(100*n + i))
			case reflect.Bool:
				f.SetBool(n%2 == 1)
			default:
				t.Fatalf("%s is of a kind that the form does not know", v.Type().Field(i).Name)
			}
		}
	}
}

// Every field of every row comes back, set or not.
func TestEveryField(t *testing.T) {
	in := &chatbell.Results{MaybeRepeat: true}
	for n := range 4 {
		var d chatbell.Delivery
		var a chatbell.Attempt
		var e chatbell.AcceptedEvent
		if n != 2 { // a row of nothing follows one of everything
			fill(t, reflect.ValueOf(&d).Elem(), n+1)
			fill(t, reflect.ValueOf(&a).Elem(), n+1)
			fill(t, reflect.ValueOf(&e).Elem(), n+1)
		}
		in.Deliveries, in.Attempts, in.Events = append(in.Deliveries, d), append(in.Attempts, a), append(in.Events, e)
	}
	same(t, in)
	same(t, &chatbell.Results{})
}

func same(t rapid.TB, in *chatbell.Results) {
	t.Helper()
	payload := rowcodec.Encode(in)
	h, err := rowcodec.ReadHead(payload)
	if want := (rowcodec.Head{MaybeRepeat: in.MaybeRepeat, Deliveries: len(in.Deliveries), Attempts: len(in.Attempts), Events: len(in.Events)}); err != nil || h != want {
		t.Fatalf("the head is %+v, %v; want %+v", h, err, want)
	}
	out := chatbell.Results{MaybeRepeat: in.MaybeRepeat}
	if err := rowcodec.Append(&out, payload); err != nil {
		t.Fatalf("%v", err)
	}
	if diff := cmp.Diff(in, &out); diff != "" {
		t.Fatalf("what comes back differs:\n%s", diff)
	}
}

// Rows of any sort, alike or not, come back.
func TestAnyRows(t *testing.T) {
	word := rapid.SampledFrom([]string{"", "a", "b", "\x00\xff", strings.Repeat("long", 100)})
	at := rapid.Custom(func(rt *rapid.T) time.Time {
		if rapid.Bool().Draw(rt, "none") {
			return time.Time{}
		}
		return time.UnixMicro(rapid.Int64Range(-62_135_596_800_000_000, 253_402_300_799_000_000).Draw(rt, "at")).UTC()
	})
	row := func(rt *rapid.T, v reflect.Value) {
		for _, f := range v.Fields() {
			if x, ok := f.Addr().Interface().(*time.Time); ok {
				*x = at.Draw(rt, "time")
				continue
			}
			switch f.Kind() {
			case reflect.String:
				f.SetString(word.Draw(rt, "text"))
			case reflect.Uint16:
				f.SetUint(uint64(rapid.Uint16().Draw(rt, "number")))
			case reflect.Uint32:
				f.SetUint(uint64(rapid.Uint32().Draw(rt, "number")))
			default:
				f.SetBool(rapid.Bool().Draw(rt, "truth"))
			}
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		in := &chatbell.Results{MaybeRepeat: rapid.Bool().Draw(rt, "repeat")}
		for range rapid.IntRange(0, 3).Draw(rt, "deliveries") {
			var d chatbell.Delivery
			row(rt, reflect.ValueOf(&d).Elem())
			in.Deliveries = append(in.Deliveries, d)
		}
		for range rapid.IntRange(0, 3).Draw(rt, "attempts") {
			var a chatbell.Attempt
			row(rt, reflect.ValueOf(&a).Elem())
			in.Attempts = append(in.Attempts, a)
		}
		for range rapid.IntRange(0, 3).Draw(rt, "events") {
			var e chatbell.AcceptedEvent
			row(rt, reflect.ValueOf(&e).Elem())
			in.Events = append(in.Events, e)
		}
		same(rt, in)
	})
}

// Messages wait in the broker while the program is replaced: their form stays.
func TestFormStays(t *testing.T) {
	in := &chatbell.Results{
		Deliveries: []chatbell.Delivery{
			{Network: "n", EventID: "e", UserID: "a", Target: chatbell.TargetAPNs, ProviderStatus: 410, FinishedAt: time.UnixMicro(1).UTC()},
			{Network: "n", EventID: "e", UserID: "b", Target: chatbell.TargetAPNs, ProviderStatus: 410, FinishedAt: time.UnixMicro(1).UTC(), Attempts: 2},
		},
		Attempts: []chatbell.Attempt{{WillRetry: true}},
		Events:   []chatbell.AcceptedEvent{{Audience: 300}},
	}
	const want = "0100020101" + "9381c008016e01650161" + "0461706e73" + "9a03" + "02" + "9080" + "100162" + "02" + "8020" + "8002" + "ac02"
	if got := hex.EncodeToString(rowcodec.Encode(in)); got != want {
		t.Errorf("the form has changed:\n got %s\nwant %s", got, want)
	}
}

// What is not a message, or not a whole one, is refused, and leaves the rows before it.
func TestMalformed(t *testing.T) {
	good := rowcodec.Encode(&chatbell.Results{Deliveries: []chatbell.Delivery{{Network: "acme", FinishedAt: time.UnixMicro(5), LatencyMS: 7}}})
	huge := binary.AppendUvarint([]byte{1, 0}, 1<<62)
	bad := map[string][]byte{
		"nothing": nil, "JSON": []byte(`{"deliveries":[]}`), "another version": append([]byte{2}, good[1:]...), "an unknown flag": append([]byte{1, 2}, good[2:]...),
		"more at the end": append(append([]byte(nil), good...), 0), "too many rows": append(huge, 0, 0),
		"an unknown field":            {1, 0, 1, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x01},
		"a number that does not fit":  {1, 0, 1, 0, 0, 0x80, 0x80, 0x40, 0xff, 0xff, 0x7f},
		"a text beyond the end":       {1, 0, 1, 0, 0, 1, 9, 'x'},
		"a number that does not stop": {1, 0, 1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	}
	for i := range good {
		bad[fmt.Sprint("cut at ", i)] = good[:i]
	}
	for what, payload := range bad {
		out := chatbell.Results{Events: []chatbell.AcceptedEvent{{EventID: "before"}}}
		if err := rowcodec.Append(&out, payload); !errors.Is(err, rowcodec.ErrMalformed) {
			t.Errorf("%s: %v, want ErrMalformed", what, err)
		}
		if len(out.Deliveries) != 0 || len(out.Events) != 1 {
			t.Errorf("%s left %+v", what, out)
		}
	}
}

// No bytes make reading panic or take more than its due; what is read can be written
// and read again.
func FuzzAppend(f *testing.F) {
	f.Add(rowcodec.Encode(&chatbell.Results{Deliveries: []chatbell.Delivery{{Network: "acme", LatencyMS: 7}, {Network: "acme", UserID: "b"}}, Attempts: []chatbell.Attempt{{Number: 1, WillRetry: true}}}))
	f.Add(rowcodec.Encode(&chatbell.Results{Events: []chatbell.AcceptedEvent{{EventID: "e", EventTime: time.UnixMicro(-5)}}, MaybeRepeat: true}))
	f.Fuzz(func(t *testing.T, payload []byte) {
		var out chatbell.Results
		if rowcodec.Append(&out, payload) != nil {
			return
		}
		var again chatbell.Results
		if err := rowcodec.Append(&again, rowcodec.Encode(&out)); err != nil || !cmp.Equal(out, again) {
			t.Errorf("read, written and read again it differs: %v", err)
		}
	})
}
