package chatbell

import (
	"crypto/sha1" //nolint:gosec // UUIDv5 is defined over SHA-1 (RFC 9562 §5.5); nothing here relies on its strength.
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// Identifiers. Each has a type of its own, so that one cannot be passed as another.
type (
	// NetworkID names a customer (the tenant): [a-z0-9_-]{1,64}.
	NetworkID string
	// UserID names a user within its network, as the chat backend does: 1–150 characters.
	UserID string
	// ChannelID names a channel within its network, as the chat backend does: 1–150 characters.
	ChannelID string
	// EventID is the event's idempotency key within its network: 1–150 characters.
	EventID string
	// DeviceID is the caller's stable name of one push token within the network: 1–150 characters.
	DeviceID string
	// EndpointID names a customer's webhook within its network: [a-z0-9_-]{1,64}.
	EndpointID string
	// RuleID names a trigger rule within its network.
	RuleID string
	// UUID is the usual text form, 36 characters in lower case.
	UUID string
)

// MaxIDLength bounds the identifiers that a chat backend chooses, in characters.
const MaxIDLength = 150

// deliverySpace is the name space of delivery ids. It must never change: an id
// written yesterday has to be found again tomorrow.
var deliverySpace = [16]byte{0x6f, 0x1d, 0x2a, 0x1c, 0x53, 0x0e, 0x4b, 0x6a, 0x9a, 0x57, 0x0c, 0xb8, 0x1e, 0x55, 0xc4, 0x01}

// NewDeliveryID is the id of one notification at one target: the same whatever is
// retried, redelivered or replayed. The target is "none", or the kind of target and
// its id, for example "apns:phone-1" or "webhook:main".
func NewDeliveryID(network NetworkID, event EventID, rule RuleID, subject string, user UserID, target string) UUID {
	sum := sha1.New() //nolint:gosec // see the import
	sum.Write(deliverySpace[:])
	// A separator that no identifier may contain keeps ("ab","c") and ("a","bc") apart.
	for _, part := range [...]string{string(network), string(event), string(rule), subject, string(user), target} {
		sum.Write([]byte(part))
		sum.Write([]byte{0})
	}
	var raw [16]byte
	copy(raw[:], sum.Sum(nil))
	raw[6] = raw[6]&0x0f | 0x50
	raw[8] = raw[8]&0x3f | 0x80
	var b [36]byte
	hex.Encode(b[0:8], raw[0:4])
	b[8] = '-'
	hex.Encode(b[9:13], raw[4:6])
	b[13] = '-'
	hex.Encode(b[14:18], raw[6:8])
	b[18] = '-'
	hex.Encode(b[19:23], raw[8:10])
	b[23] = '-'
	hex.Encode(b[24:36], raw[10:16])
	return UUID(b[:])
}

// CollapseID is what makes a later notification replace an earlier one on the
// device: apns-collapse-id and FCM's notification.tag. About is the message's id,
// or else the event's id and the subject. APNs allows 64 bytes; this has 43.
func CollapseID(network NetworkID, channel ChannelID, about ...string) string {
	parts := append([]string{string(network), string(channel)}, about...)
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// EventKey is the broker's deduplication id of an event: a hash over network and
// event id, so that two networks which use the same event id cannot collide.
func EventKey(network NetworkID, event EventID) string {
	sum := sha256.Sum256([]byte(string(network) + "\x00" + string(event)))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}
