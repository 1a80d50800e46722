package chatbell

// KeyScope is what an API key may do.
type KeyScope string

// The scopes: the chat backend, or the secret that signs users' tokens.
const (
	ScopeServer KeyScope = "server"
	ScopeClient KeyScope = "client"
)

// Key is an API key as it is stored: never the key itself.
type Key struct {
	ID      string
	Network NetworkID
	Scope   KeyScope
	// Hash is the SHA-256 of a server key. Keys are random and long, so that a plain
	// hash can be looked up and cannot be guessed.
	Hash []byte
}

// Endpoint is a customer's webhook.
type Endpoint struct {
	ID     EndpointID
	URL    string
	Secret string
	// Events are the event types, raw and rendered, that it wants; "*" means all.
	Events []string
	// Signatures are "standard", "amity" or both.
	Signatures []string
}
