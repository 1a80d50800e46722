package config

import (
	"fmt"
	"regexp"
	"slices"

	"golang.org/x/text/language"

	"chatbell"
	"chatbell/internal/safedial"
	"chatbell/pipeline/webhooks"
)

var idPattern = regexp.MustCompile(`^[a-z0-9_-]{1,64}$`)

func checkID(p *Problems, key, id string) {
	if id != "" && !idPattern.MatchString(id) {
		p.Add(key, "must be 1 to 64 characters of a-z, 0-9, underscore and hyphen", "")
	}
}

// setDefaults fills in what the file left out. Keep it equal to the defaults in the
// table; a test compares them.
func (n *Network) setDefaults() {
	if n.DefaultLocale == "" {
		n.DefaultLocale = "en"
	}
	if n.Delivery == "" {
		n.Delivery = chatbell.DeliverDirect
	}
	for i := range n.Keys {
		if n.Keys[i].Scope == "" {
			n.Keys[i].Scope = chatbell.ScopeServer
		}
	}
	for _, credential := range n.Credentials() {
		credential.setDefaults()
	}
	for i := range n.Amity {
		if n.Amity[i].Signature == "" {
			n.Amity[i].Signature = "base64"
		}
	}
	for i := range n.Webhooks {
		hook := &n.Webhooks[i]
		if len(hook.Events) == 0 {
			hook.Events = []string{"*"}
		}
		if len(hook.Signature) == 0 {
			hook.Signature = []string{webhooks.SignatureStandard}
		}
		hook.URL.plain = []string{string(n.ID), string(hook.ID)}
	}
}

func (n *Network) check(problems *Problems, key string, private *safedial.Policy, all *names) {
	checkID(problems, key+".id", string(n.ID))
	all.networks.once(problems, key+".id", string(n.ID), "networks")
	if _, err := language.Parse(n.DefaultLocale); err != nil {
		problems.Add(key+".default_locale", "must be a language tag (BCP 47)", "write it like en or pt-BR")
	}
	n.checkKeys(problems, key, all)
	n.checkCredentials(problems, key)
	n.checkWebhooks(problems, key, private)
	for i := range n.Amity {
		all.secrets.once(problems, fmt.Sprintf("%s.amity[%d].secret", key, i), n.Amity[i].Secret.Reveal(), "all keys, the admin key and the password")
	}
}

func (n *Network) checkKeys(problems *Problems, key string, all *names) {
	own := seen{}
	for i, one := range n.Keys {
		place := fmt.Sprintf("%s.keys[%d]", key, i)
		checkID(problems, place+".id", one.ID)
		own.once(problems, place+".id", one.ID, "the network's keys")
		if one.Scope == chatbell.ScopeClient { // whose id alone names its network in a token
			all.clientKeys.once(problems, place+".id", one.ID, "the client keys of all networks")
		}
		all.secret(problems, place+".secret", one.Secret)
	}
}

// eventName is what an endpoint may ask for: a type of ours, an event's name at Amity,
// or all.
var eventName = regexp.MustCompile(`^(\*|[A-Za-z0-9._-]{1,64})$`)

func (n *Network) checkWebhooks(problems *Problems, key string, private *safedial.Policy) {
	if len(n.Webhooks) == 0 && (n.Delivery == chatbell.DeliverWebhook || n.Delivery == chatbell.DeliverBoth) {
		place := problems.place(key + ".delivery")
		place.value = ""
		problems.add(place, key+".webhooks", "must not be empty when delivery is "+string(n.Delivery), "add a webhook, or set delivery to direct")
	}
	ids := seen{}
	for i := range n.Webhooks {
		hook := &n.Webhooks[i]
		where := fmt.Sprintf("%s.webhooks[%d]", key, i)
		checkID(problems, where+".id", string(hook.ID))
		ids.once(problems, where+".id", string(hook.ID), "the network's webhooks")
		hook.check(problems, where, private)
	}
}

// check notes what is wrong with one webhook, whose key is at.
func (w *Webhook) check(problems *Problems, place string, private *safedial.Policy) {
	if !w.URL.IsZero() && !problems.Has(place+".url") {
		if err := private.Check(w.URL.Reveal()); err != nil {
			problems.Add(place+".url", err.Error(), "")
		}
	}
	if !w.Secret.IsZero() && !problems.Has(place+".secret") && !problems.Has(place+".signature") {
		if err := webhooks.CheckSecret(w.Signature, w.Secret.Reveal()); err != nil {
			problems.Add(place+".secret", err.Error(), "make one with: chatbell secret")
		}
	}
	for i, event := range w.Events {
		if !eventName.MatchString(event) {
			problems.Add(fmt.Sprintf("%s.events[%d]", place, i), "must be an event's type or \"*\"", "write it like message.created")
		}
	}
	for i, scheme := range w.Signature {
		if slices.Contains(w.Signature[:i], scheme) {
			problems.Add(fmt.Sprintf("%s.signature[%d]", place, i), "is given twice", "keep one")
		}
	}
}
