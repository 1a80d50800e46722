// Package providers is the list of the push providers of this build: the one place
// outside of a provider's own folder that names it. The configuration, the API, its
// document and the networks read it.
package providers

import (
	"slices"

	"chatbell"
	"chatbell/pipeline/push"
	"chatbell/pipeline/push/apns"
	"chatbell/pipeline/push/fcm"
)

var all = []*push.Provider{
	apns.Provider,
	fcm.Provider,
}

// All are the providers, in the order of the documents.
func All() []*push.Provider { return slices.Clone(all) }

// Find finds a provider by its name.
func Find(name chatbell.Provider) (*push.Provider, bool) {
	i := slices.IndexFunc(all, func(p *push.Provider) bool { return p.Name == name })
	if i < 0 {
		return nil, false
	}
	return all[i], true
}

// Names are the providers' names, in the same order.
func Names() []chatbell.Provider {
	names := make([]chatbell.Provider, len(all))
	for i, provider := range all {
		names[i] = provider.Name
	}
	return names
}

// Add lists one more provider. It is for a build that has providers of its own, and for
// tests: call it from an init function, before anything reads the list.
func Add(p *push.Provider) { all = append(all, p) }
