package rowcodec_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"chatbell"
	"chatbell/pipeline/ledger/rowcodec"
)

// told is what telling a thousand people of one message leaves behind.
func told() *chatbell.Results {
	const n = 1000
	at := time.UnixMicro(1_800_000_000_000_000).UTC()
	out := &chatbell.Results{Events: []chatbell.AcceptedEvent{{Network: "acme", EventID: "e1", EventTime: at, AcceptedAt: at, Audience: n}}}
	for i := range n {
		user, device := chatbell.UserID(fmt.Sprint("user-", i)), chatbell.DeviceID(fmt.Sprint("device-", i))
		id, end := chatbell.NewDeliveryID("acme", "e1", "message", "", user, string(device)), at.Add(time.Duration(i)*37*time.Microsecond)
		provider := fmt.Sprintf("123e4567-e89b-12d3-a456-%012d", i)
		out.Deliveries = append(out.Deliveries, chatbell.Delivery{
			Network: "acme", EventID: "e1", EventType: chatbell.MessageCreated, ChannelID: "general", UserID: user, DeviceID: device, DeliveryID: id,
			Target: chatbell.TargetAPNs, Platform: chatbell.PlatformIOS, App: "com.acme.chat", Locale: "en", Template: "message.text", Outcome: chatbell.Accepted,
			Attempts: 1, ProviderID: provider, ProviderStatus: 200, EventTime: at, AcceptedAt: at, FinishedAt: end, LatencyMS: 12, Source: chatbell.SourceEvent,
		})
		out.Attempts = append(out.Attempts, chatbell.Attempt{
			Network: "acme", EventID: "e1", DeliveryID: id, UserID: user, DeviceID: device, Target: chatbell.TargetAPNs, Number: 1, At: end,
			DurationMS: 3, Outcome: chatbell.Accepted, ProviderID: provider, ProviderStatus: 200,
		})
	}
	return out
}

// Both forms, there and back: what the package's comment says of them.
func BenchmarkForms(b *testing.B) {
	rows := told()
	for name, form := range map[string]struct {
		encode func() ([]byte, error)
		decode func([]byte, *chatbell.Results) error
	}{
		"rowcodec": {
			func() ([]byte, error) { return rowcodec.Encode(rows), nil },
			func(data []byte, out *chatbell.Results) error { return rowcodec.Append(out, data) },
		},
		"json": {
			func() ([]byte, error) { return json.Marshal(rows) },
			func(data []byte, out *chatbell.Results) error { return json.Unmarshal(data, out) },
		},
	} {
		b.Run(name, func(b *testing.B) {
			var size int
			for b.Loop() {
				data, err := form.encode()
				if err != nil {
					b.Fatal(err)
				}
				var out chatbell.Results
				if err := form.decode(data, &out); err != nil || out.Rows() != rows.Rows() {
					b.Fatalf("%d rows, %v", out.Rows(), err)
				}
				size = len(data)
			}
			b.ReportMetric(float64(size)/float64(rows.Rows()), "B/row")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows.Rows()), "ns/row")
		})
	}
}
