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
	for _, c := range n.Credentials() {
		c.setDefaults()
	}
	for i := range n.Webhooks {
		w := &n.Webhooks[i]
		if len(w.Events) == 0 {
			w.Events = []string{"*"}
		}
		if len(w.Signature) == 0 {
			w.Signature = []string{webhooks.SignatureStandard}
		}
		w.URL.plain = []string{string(n.ID), string(w.ID)}
	}
}

func (n *Network) check(p *Problems, key string, private *safedial.Policy, all *names) {
	checkID(p, key+".id", string(n.ID))
	all.networks.once(p, key+".id", string(n.ID), "networks")
	if _, err := language.Parse(n.DefaultLocale); err != nil {
		p.Add(key+".default_locale", "must be a language tag (BCP 47)", "write it like en or pt-BR")
	}
	n.checkKeys(p, key, all)
	n.checkCredentials(p, key)
	n.checkWebhooks(p, key, private)
}

func (n *Network) checkKeys(p *Problems, key string, all *names) {
	own := seen{}
	for i, k := range n.Keys {
		at := fmt.Sprintf("%s.keys[%d]", key, i)
		checkID(p, at+".id", k.ID)
		own.once(p, at+".id", k.ID, "the network's keys")
		if k.Scope == chatbell.ScopeClient { // whose id alone names its network in a token
			all.clientKeys.once(p, at+".id", k.ID, "the client keys of all networks")
		}
		all.secret(p, at+".secret", k.Secret)
	}
}

// eventName is what an endpoint may ask for: a type of ours, an event's name at Amity,
// or all.
var eventName = regexp.MustCompile(`^(\*|[A-Za-z0-9._-]{1,64})$`)

func (n *Network) checkWebhooks(p *Problems, key string, private *safedial.Policy) {
	if len(n.Webhooks) == 0 && (n.Delivery == chatbell.DeliverWebhook || n.Delivery == chatbell.DeliverBoth) {
		at := p.place(key + ".delivery")
		at.value = ""
		p.add(at, key+".webhooks", "must not be empty when delivery is "+string(n.Delivery), "add a webhook, or set delivery to direct")
	}
	ids := seen{}
	for i := range n.Webhooks {
		w := &n.Webhooks[i]
		at := fmt.Sprintf("%s.webhooks[%d]", key, i)
		checkID(p, at+".id", string(w.ID))
		ids.once(p, at+".id", string(w.ID), "the network's webhooks")
		w.check(p, at, private)
	}
}

// check notes what is wrong with one webhook, whose key is at.
func (w *Webhook) check(p *Problems, at string, private *safedial.Policy) {
	if !w.URL.IsZero() && !p.Has(at+".url") {
		if err := private.Check(w.URL.Reveal()); err != nil {
			p.Add(at+".url", err.Error(), "")
		}
	}
	if !w.Secret.IsZero() && !p.Has(at+".secret") && !p.Has(at+".signature") {
		if err := webhooks.CheckSecret(w.Signature, w.Secret.Reveal()); err != nil {
			p.Add(at+".secret", err.Error(), "make one with: chatbell secret")
		}
	}
	for i, event := range w.Events {
		if !eventName.MatchString(event) {
			p.Add(fmt.Sprintf("%s.events[%d]", at, i), "must be an event's type or \"*\"", "write it like message.created")
		}
	}
	for i, scheme := range w.Signature {
		if slices.Contains(w.Signature[:i], scheme) {
			p.Add(fmt.Sprintf("%s.signature[%d]", at, i), "is given twice", "keep one")
		}
	}
}
