package centrifugo

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"chatbell"
	"chatbell/internal/store"
	"chatbell/pipeline/intake"
	"chatbell/pipeline/plan/push"
)

const (
	// maxAhead is how far ahead a push may be scheduled: whoever means longer has mistaken
	// milliseconds for seconds.
	maxAhead = 366 * 24 * time.Hour
	// maxWords bounds the languages of a push, and the words of one.
	maxWords = 200
)

// sendPush takes a push in, or keeps it until its time.
func (a *api) sendPush(ctx context.Context, c *call, in *SendPushNotificationRequest) (*SendPushNotificationResult, error) {
	request, due, err := c.push(in)
	if err != nil {
		return nil, err
	}
	payload, err := request.Encode()
	if errors.Is(err, push.ErrTooLarge) {
		return nil, badRequest("the push is larger than %d bytes: name fewer tokens in one call", push.MaxRequest)
	}
	if err != nil {
		return nil, err
	}
	if !due.IsZero() {
		err := a.Schedule.Put(ctx, store.Scheduled{
			Network: c.network,
			Kind:    string(push.Kind),
			ID:      request.ID,
			Key:     request.Key(),
			DueAt:   due,
			Payload: payload,
		})
		return &SendPushNotificationResult{UID: request.ID}, err
	}
	got, err := a.Intake.Accept(ctx, []intake.Request{{
		Kind:    push.Kind,
		Network: c.network,
		ID:      request.ID,
		Key:     request.Key(),
		Payload: payload,
	}})
	if err != nil {
		return nil, err
	}
	if got[0] == intake.Unknown {
		return nil, errors.New("the broker does not say whether it has the push")
	}
	return &SendPushNotificationResult{UID: request.ID}, nil
}

// push is what a call asks for, as the pipeline has it, and when its time is; zero for now.
func (c *call) push(in *SendPushNotificationRequest) (*push.Request, time.Time, error) {
	if in.LimitStrategy != nil && (in.LimitStrategy.RateLimit != nil || in.LimitStrategy.TimeLimit != nil) {
		return nil, time.Time{}, notAvailable("limit_strategy: pushes are not limited by rate or time of day in this build")
	}
	check := &checks{}
	out := &push.Request{
		Network:     c.network,
		ID:          in.UID,
		AcceptedAt:  c.now.UTC(),
		Source:      chatbell.SourceCentrifugo,
		TraceParent: c.trace,
		Templating:  in.UseTemplating || len(in.Localizations) > 0,
		Meta:        in.UseMeta,
	}
	if in.UID == "" {
		out.ID = rand.Text()
	}
	check.ID("/uid", out.ID)
	if in.AnalyticsUID != out.ID && in.AnalyticsUID != "" {
		check.ID("/analytics_uid", in.AnalyticsUID)
		out.Group = in.AnalyticsUID
	}
	due := check.due(in.SendAt, c.now)
	if !due.IsZero() {
		out.AcceptedAt = due
	}
	out.Localizations = check.localizations(in.Localizations)
	if err := check.recipient(in.Recipient, out); err != nil {
		return nil, due, err
	}
	check.blocks(in.Notification, out)
	check.templates(out)
	return out, due, check.result()
}

// due checks when a push is to be sent; what is not ahead is sent now.
func (k *checks) due(at int64, now time.Time) time.Time {
	switch when := time.Unix(at, 0).UTC(); {
	case at == 0:
	case at < 0 || at > now.Add(maxAhead).Unix():
		k.Add("/send_at", "must be seconds since 1970, within a year from now")
	case when.After(now):
		return when
	}
	return time.Time{}
}

func (k *checks) localizations(in map[string]*PushLocalization) map[string]map[string]string {
	if len(in) > maxWords {
		k.Add("/localizations", "must have at most %d languages", maxWords)
		return nil
	}
	out := make(map[string]map[string]string, len(in))
	for locale, one := range in {
		k.Locale("/localizations", locale)
		if one == nil {
			continue
		}
		if len(one.Translations) > maxWords {
			k.Add("/localizations/"+locale, "must have at most %d translations", maxWords)
		}
		out[locale] = one.Translations
	}
	return out
}

// recipient reads to whom a push goes: exactly one of the ways to say it.
func (k *checks) recipient(in *PushRecipient, out *push.Request) error {
	if in == nil {
		in = &PushRecipient{}
	}
	native := in.FCMTopic + in.FCMCondition + in.HMSTopic + in.HMSCondition
	ways := 0
	for _, given := range []bool{
		in.Filter != nil, len(in.FCMTokens) > 0, in.FCMTopic != "", in.FCMCondition != "", len(in.HMSTokens) > 0,
		in.HMSTopic != "", in.HMSCondition != "", len(in.APNsTokens) > 0, len(in.WebpushTokens) > 0,
	} {
		if given {
			ways++
		}
	}
	switch {
	case ways != 1:
		k.Add("/recipient", "must have exactly one of filter, fcm_tokens, fcm_topic, fcm_condition, hms_tokens, hms_topic, hms_condition, apns_tokens and webpush_tokens")
		return nil
	case native != "":
		return notAvailable("topics and conditions of FCM and HMS themselves are not in this build: use topics of devices, in recipient.filter.topics")
	case in.Filter != nil:
		choice := k.devices("/recipient/filter", in.Filter)
		out.To = &choice
		return nil
	case out.Templating:
		k.Add("/use_templating", "templates and localizations need recipient.filter: nothing is known of a token")
	}
	for provider, tokens := range map[chatbell.Provider][]string{
		chatbell.ProviderFCM: in.FCMTokens, chatbell.ProviderHMS: in.HMSTokens, chatbell.ProviderAPNs: in.APNsTokens, chatbell.ProviderWebPush: in.WebpushTokens,
	} {
		for i, token := range tokens {
			if token == "" || len(token) > maxSubscription {
				k.Add(fmt.Sprintf("/recipient/%s_tokens/%d", provider, i), "must have 1 to %d bytes", maxSubscription)
			}
			out.Tokens = append(out.Tokens, push.Token{Provider: provider, Token: token})
		}
	}
	return nil
}

// blocks reads the payloads.
func (k *checks) blocks(in *PushNotification, out *push.Request) {
	if in == nil {
		k.Add("/notification", "must hold what is to be sent")
		return
	}
	out.Blocks = map[chatbell.Provider]push.Block{}
	if in.FCM != nil {
		k.block(out, "/notification/fcm/message", chatbell.ProviderFCM, nil, in.FCM.Message)
	}
	if in.HMS != nil {
		k.block(out, "/notification/hms/message", chatbell.ProviderHMS, nil, in.HMS.Message)
	}
	if in.APNs != nil {
		k.block(out, "/notification/apns/payload", chatbell.ProviderAPNs, in.APNs.Headers, in.APNs.Payload)
	}
	if in.Webpush != nil {
		k.block(out, "/notification/webpush/payload", chatbell.ProviderWebPush, in.Webpush.Headers, in.Webpush.Payload)
	}
	needed := out.Tokens
	missing := slices.ContainsFunc(needed, func(t push.Token) bool { _, ok := out.Blocks[t.Provider]; return !ok })
	if len(out.Blocks) == 0 || missing {
		k.Add("/notification", "must have the payload for the provider of the recipient: fcm.message, hms.message, apns.payload or webpush.payload")
	}
	switch {
	case in.ExpireAt < 0 || in.ExpireAt > out.AcceptedAt.Add(maxAhead).Unix():
		k.Add("/notification/expire_at", "must be seconds since 1970, within a year from the sending")
	case in.ExpireAt > 0:
		out.ExpiresAt = time.Unix(in.ExpireAt, 0).UTC()
	}
}

func (k *checks) block(out *push.Request, pointer string, provider chatbell.Provider, headers map[string]string, payload json.RawMessage) {
	raw := bytes.TrimSpace(payload)
	if provider != chatbell.ProviderWebPush && (len(raw) == 0 || raw[0] != '{') || len(raw) == 0 || !json.Valid(raw) || !utf8.Valid(raw) || tooDeep(raw) {
		k.Add(pointer, "must be a JSON object, nested at most %d levels deep", maxDepth)
		return
	}
	if len(raw) > push.MaxRendered {
		k.Add(pointer, "must have at most %d bytes", push.MaxRendered)
		return
	}
	block := push.Block{Payload: raw}
	if len(headers) > 0 {
		block.Headers = make(map[string]string, len(headers))
		for name, value := range headers {
			block.Headers[strings.ToLower(name)] = value
		}
		block.App = block.Headers["apns-topic"] // at APNs the topic is the app
	}
	out.Blocks[provider] = block
}

// templates checks that templates can be read, and written for a device of which nothing is
// known.
func (k *checks) templates(out *push.Request) {
	if !out.Templating {
		return
	}
	for provider, block := range out.Blocks {
		compiled, err := push.Compile(block.Payload, out.Meta)
		if err == nil {
			_, err = compiled.Render(&push.Values{})
		}
		if err != nil {
			k.Add("/notification/"+string(provider), "%s", err.Error())
		}
	}
}

// statuses are what an app can say of a push.
var statuses = []string{"delivered", "interacted"}

func (a *api) updatePushStatus(_ context.Context, _ *call, in *UpdatePushStatusRequest) (*UpdatePushStatusResult, error) {
	check := &checks{}
	check.ID("/analytics_uid", in.AnalyticsUID)
	if !slices.Contains(statuses, in.Status) {
		check.Add("/status", "must be delivered or interacted")
	}
	if err := check.result(); err != nil {
		return nil, err
	}
	return nil, notAvailable("what apps say of their pushes is not recorded in this build")
}

// cancelPush takes a push back that waits for its time.
func (a *api) cancelPush(ctx context.Context, c *call, in *CancelPushRequest) (*CancelPushResult, error) {
	check := &checks{}
	check.ID("/uid", in.UID)
	if err := check.result(); err != nil {
		return nil, err
	}
	cancelled, err := a.Schedule.Cancel(ctx, c.network, string(push.Kind), in.UID)
	if err != nil {
		return nil, err
	}
	if !cancelled {
		return nil, failure(codeNotFound, "no push of this uid waits for its time: there is none, or it was sent")
	}
	return &CancelPushResult{}, nil
}
