package centrifugo

import (
	"fmt"
	"maps"
	"slices"
	"unicode"
	"unicode/utf8"

	"chatbell"
	"chatbell/handlers/web"
	"chatbell/internal/store"
	"chatbell/pipeline/push/providers"
)

// The bounds of what callers send. Those of devices are the native API's, which reads the
// same devices.
const (
	maxToken    = 1000
	maxMeta     = 32
	maxMetaText = 500
	// maxTopic is as long as a name that people still give.
	maxTopic = 200
	// maxValues bounds each list of a filter: there is a query for each value.
	maxValues = 1000
)

// checks collects what is wrong with the parameters of a call.
type checks struct{ web.Checker }

// result is nil, or a bad request that tells the first mistakes.
func (k *checks) result() error {
	found := k.Mistakes()
	if len(found) == 0 {
		return nil
	}
	const told = 3
	text := ""
	for _, one := range found[:min(told, len(found))] {
		if text != "" {
			text += "; "
		}
		text += one.Pointer + " " + one.Detail
	}
	return badRequest("%s", text)
}

// user checks the name of a user; nobody is one, too.
func (k *checks) user(pointer, id string) {
	if id != "" {
		k.ID(pointer, id)
	}
}

func (k *checks) topics(pointer string, topics []string) {
	if len(topics) > store.MaxTopics {
		k.Add(pointer, "must have at most %d", store.MaxTopics)
		return
	}
	for i, topic := range topics {
		k.topic(fmt.Sprintf("%s/%d", pointer, i), topic)
	}
}

func (k *checks) topic(pointer, topic string) {
	n := utf8.RuneCountInString(topic)
	if n < 1 || n > maxTopic || slices.ContainsFunc([]rune(topic), unicode.IsControl) {
		k.Add(pointer, "must have 1 to %d characters, none of them a control character", maxTopic)
	}
}

func (k *checks) meta(pointer string, meta map[string]string) {
	if len(meta) > maxMeta {
		k.Add(pointer, "must have at most %d entries", maxMeta)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(meta)) {
		switch {
		case len(name) > chatbell.MaxIDLength:
			k.Add(pointer, "must have names of at most %d bytes", chatbell.MaxIDLength)
		case len(meta[name]) > maxMetaText:
			k.Add(pointer+web.Escaped(name), "must have at most %d bytes", maxMetaText)
		}
	}
}

// values checks that a list of a filter is not too long, and gives it as the store takes it.
func values[S ~string](k *checks, pointer string, list []string) []S {
	if len(list) > maxValues {
		k.Add(pointer, "must have at most %d", maxValues)
		return nil
	}
	if len(list) == 0 {
		return nil
	}
	out := make([]S, len(list))
	for i, value := range list {
		out[i] = S(value)
	}
	return out
}

// op checks an operation on topics.
func (k *checks) op(pointer, op string) store.TopicOp {
	switch known := store.TopicOp(op); known {
	case store.TopicAdd, store.TopicRemove, store.TopicSet:
		return known
	}
	k.Add(pointer, "must be add, remove or set")
	return ""
}

// knownProviders are those of Centrifugo, whether or not this build can send to them.
var knownProviders = []chatbell.Provider{chatbell.ProviderFCM, chatbell.ProviderHMS, chatbell.ProviderAPNs, chatbell.ProviderWebPush}

// provider checks a provider and its token, and gives the token in the form in which it is
// kept.
func (k *checks) provider(name, token string) string {
	if !slices.Contains(knownProviders, chatbell.Provider(name)) {
		k.Add("/provider", "must be fcm, hms, apns or webpush")
	}
	limit := maxToken
	if name == string(chatbell.ProviderWebPush) {
		limit = maxSubscription
	}
	n := utf8.RuneCountInString(token)
	if n < 1 || n > limit || slices.ContainsFunc([]rune(token), unicode.IsControl) && name != string(chatbell.ProviderWebPush) {
		k.Add("/token", "must have 1 to %d characters, none of them a control character", limit)
		return ""
	}
	known, ok := providers.Find(chatbell.Provider(name))
	if !ok || name == string(chatbell.ProviderWebPush) {
		return token
	}
	kept, err := known.Token(token)
	if err != nil {
		k.Add("/token", "%s", err.Error())
	}
	return kept
}
