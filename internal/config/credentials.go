package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"sync"

	"chatbell/pipeline/push"
	"chatbell/pipeline/push/providers"
)

// pushCredentials are a network's credentials for the push providers of the build: a
// list under each provider's name, whose keys the provider declares. They are read and
// printed as if they were written into [Network]; [Network.Credentials] reads them.
type pushCredentials struct {
	// lists points to a struct of pushType, nil until something is read or asked for.
	lists any
}

var credentialsType = reflect.TypeFor[pushCredentials]()

// pushType is a struct with a list for each provider, in which a credential is a struct
// with a field for each option.
var pushType = sync.OnceValue(func() reflect.Type {
	var lists []reflect.StructField
	for _, p := range providers.All() {
		var options []reflect.StructField
		for _, o := range optionsOf(p) {
			options = append(options, structField(o.Name, len(options), optionType(o.Kind)))
		}
		credential := reflect.StructOf(options)
		lists = append(lists, structField(string(p.Name), len(lists), reflect.SliceOf(credential)))
	}
	return reflect.StructOf(lists)
})

// structField is a field that its key names; its own name means nothing.
func structField(key string, index int, t reflect.Type) reflect.StructField {
	return reflect.StructField{Name: "F" + strconv.Itoa(index), Type: t, Tag: reflect.StructTag(fmt.Sprintf("yaml:%q", key))}
}

func optionType(kind push.OptionKind) reflect.Type {
	if kind == push.Secret {
		return secretType
	}
	return reflect.TypeFor[string]()
}

// optionsOf are a provider's options, and the one that all credentials have.
func optionsOf(p *push.Provider) []push.Option {
	return append(slices.Clone(p.Options), push.Option{
		Name: push.OptionCAFile, Kind: push.File,
		Doc: "PEM file with certificate authorities that are trusted for this endpoint only. For tests.",
	})
}

// pushSettings is what is known of the providers' keys.
var pushSettings = sync.OnceValue(func() map[string]*setting {
	out := map[string]*setting{}
	for _, p := range providers.All() {
		list := "networks." + string(p.Name)
		out[list] = &setting{doc: p.Doc, count: counts(100, "each has connections of its own")}
		for _, o := range optionsOf(p) {
			s := &setting{
				doc:      o.Doc,
				kind:     o.Form,
				sample:   o.Sample,
				def:      o.Default,
				required: o.Required,
			}
			if o.Kind == push.File {
				s.kind = "file"
			}
			if o.Kind == push.Secret {
				s.bounds = lengths(1, 4096, "no provider's secret is longer")
			}
			out[list+"."+o.Name] = s
		}
	}
	return out
})

// isCredential reports whether a type is a credential's.
func isCredential(t reflect.Type) bool {
	return t.Name() == "" && t.NumField() > 0 && t.Field(0).Tag.Get("yaml") != ""
}

// pushFields are the keys of the credentials, which lie in a group's field i.
func pushFields(i int, yield func(field) bool) bool {
	lists := pushType()
	for j := range lists.NumField() {
		one := lists.Field(j)
		in := func(group reflect.Value) reflect.Value {
			held, _ := group.Field(i).Addr().Interface().(*pushCredentials) // fieldsOf has looked at its type
			return held.value().Field(j)
		}
		if !yield(field{one.Tag.Get("yaml"), one.Type, in}) {
			return false
		}
	}
	return true
}

// value is the struct of lists.
func (c *pushCredentials) value() reflect.Value {
	if c.lists == nil {
		c.lists = reflect.New(pushType()).Interface()
	}
	return reflect.ValueOf(c.lists).Elem()
}

// Credential is one of a network's credentials for a push provider.
type Credential struct {
	Provider *push.Provider
	// Key is where it lies in its network: apns[0].
	Key string

	values reflect.Value
}

// Credentials are those of all providers, in the order of the list of providers.
func (n *Network) Credentials() []Credential {
	var out []Credential
	lists := n.Push.value()
	for i, provider := range providers.All() {
		list := lists.Field(i)
		for j := range list.Len() {
			out = append(out, Credential{Provider: provider, Key: fmt.Sprintf("%s[%d]", provider.Name, j), values: list.Index(j)})
		}
	}
	return out
}

// Value is what an option says: of a File its path, of a Secret the secret itself. It is
// empty for what was not given and has no default.
func (c Credential) Value(option string) string {
	for o, value := range c.options() {
		if o.Name != option {
			continue
		}
		if secret, ok := value.Interface().(Secret); ok {
			return secret.Reveal()
		}
		return value.String()
	}
	return ""
}

// App is the app that the credential serves.
func (c Credential) App() string { return c.Value(c.Provider.App) }

// Options are the options with their values, as [Credential.Value] has them.
func (c Credential) Options() func(yield func(push.Option, string) bool) {
	return func(yield func(push.Option, string) bool) {
		for option := range c.options() {
			if !yield(option, c.Value(option.Name)) {
				return
			}
		}
	}
}

func (c Credential) options() func(yield func(push.Option, reflect.Value) bool) {
	return func(yield func(push.Option, reflect.Value) bool) {
		for i, option := range optionsOf(c.Provider) {
			if !yield(option, c.values.Field(i)) {
				return
			}
		}
	}
}

func (c Credential) secrets() func(yield func(string, Secret) bool) {
	return func(yield func(string, Secret) bool) {
		for option, value := range c.options() {
			if secret, ok := value.Interface().(Secret); ok && !yield(option.Name, secret) {
				return
			}
		}
	}
}

func (c Credential) setDefaults() {
	for option, value := range c.options() {
		if option.Default != "" && value.String() == "" {
			value.SetString(option.Default)
		}
	}
}

// rebase makes the files relative to the configuration.
func (c Credential) rebase(to func(string) string) {
	for option, value := range c.options() {
		if option.Kind == push.File {
			value.SetString(to(value.String()))
		}
	}
}

// checkCredentials checks what can be told of an option by itself. Whether a file holds
// what it should is for the provider.
func (n *Network) checkCredentials(problems *Problems, key string) {
	apps := map[*push.Provider]seen{}
	for _, credential := range n.Credentials() {
		place := key + "." + credential.Key
		if apps[credential.Provider] == nil {
			apps[credential.Provider] = seen{}
		}
		apps[credential.Provider].once(problems, place+"."+credential.Provider.App, credential.App(), "the network's "+string(credential.Provider.Name))
		for option, value := range credential.Options() {
			switch {
			case option.Kind == push.File:
				readable(problems, place+"."+option.Name, value)
			case option.Check != nil && value != "":
				if err := option.Check(value); err != nil {
					problems.Add(place+"."+option.Name, err.Error(), "")
				}
			}
		}
	}
}
