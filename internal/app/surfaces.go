package app

import (
	"crypto/tls"
	"fmt"
	"net/http"

	"chatbell"
	"chatbell/handlers/amity"
	"chatbell/handlers/centrifugo"
	"chatbell/handlers/native"
	"chatbell/handlers/status"
	"chatbell/handlers/web"
	"chatbell/internal/config"
	"chatbell/internal/front"
	"chatbell/internal/metrics"
	"chatbell/pipeline/intake"
)

// Surface is one way in: what answers, at which paths of which listener.
type Surface struct {
	// Name is its name in errors.
	Name string
	// Listener is where it is served. Surfaces whose listeners have the same key share
	// one; what it is made of is what the first of them says.
	Listener Listener
	// Paths are where it answers, with all that is below them. One surface of a listener
	// may have none: it answers everything else.
	Paths []string
	// New makes the handler, when all parts are open.
	New func(Kit) (http.Handler, error)
}

// Listener is an address at which surfaces are served.
type Listener struct {
	// Key is the configuration key of the address, and Flag the command's flag for it, if
	// there is one.
	Key, Flag string
	// Address is host:port.
	Address string
	// TLS has the certificates; nil means none.
	TLS *tls.Config
	// Configure may change the server before it serves, for another protocol; nil changes
	// nothing.
	Configure func(*http.Server)
}

// Kit is what surfaces are made of.
type Kit struct {
	// Common is for [web.New].
	Common  web.Common
	Config  *config.Config
	Version string
	Intake  *intake.Intake
	State   native.State
	Dead    native.DeadLetters
	// Topics are the devices with what they subscribe to, Schedule keeps pushes until
	// their time.
	Topics   centrifugo.State
	Schedule centrifugo.Schedule
	Health   status.Health
	Metrics  *metrics.Registry
}

// surfaces is the list: a new surface gets an entry here.
func surfaces(cfg *config.Config) []Surface {
	main := Listener{Key: "listen", Flag: "(--listen)", Address: cfg.Listen}
	all := []Surface{
		{Name: "native", Listener: main, New: newNative},
		{Name: "amity", Listener: main, Paths: amity.Paths, New: newAmity},
		{Name: "status", Listener: main, Paths: status.Paths, New: newStatus},
	}
	if address := cfg.Centrifugo.Listen; address != "" {
		own := Listener{Key: "centrifugo.listen", Address: address}
		all = append(all, Surface{Name: "centrifugo", Listener: own, New: newCentrifugo})
	}
	if address := cfg.Centrifugo.GRPCListen; address != "" {
		own := Listener{Key: "centrifugo.grpc_listen", Address: address, Configure: withoutTLS}
		all = append(all, Surface{Name: "centrifugo on gRPC", Listener: own, New: newCentrifugoGRPC})
	}
	return all
}

// withoutTLS lets a server speak HTTP/2 without TLS, as gRPC does, and nothing else.
func withoutTLS(s *http.Server) {
	s.Protocols = new(http.Protocols)
	s.Protocols.SetUnencryptedHTTP2(true)
}

func newNative(kit Kit) (http.Handler, error) {
	return native.New(native.Config{
		Common: kit.Common,
		Intake: kit.Intake,
		State:  kit.State,

		DeadLetters: kit.Dead,
		Version:     kit.Version,
		Rejected:    func(events int) { kit.Metrics.Event(metrics.EventRejected, events) },
		Beside:      []web.Part{status.Part()},
	})
}

func newAmity(kit Kit) (http.Handler, error) {
	hooks := map[chatbell.NetworkID][]amity.Hook{}
	for i := range kit.Config.Networks {
		network := &kit.Config.Networks[i]
		for _, hook := range network.Amity {
			hooks[network.ID] = append(hooks[network.ID], amity.Hook{Secret: hook.Secret.Reveal(), Hex: hook.Signature == "hex"})
		}
	}
	return amity.New(amity.Config{
		Common:   kit.Common,
		Intake:   kit.Intake,
		State:    kit.State,
		Hooks:    hooks,
		Version:  kit.Version,
		Rejected: func(events int) { kit.Metrics.Event(metrics.EventRejected, events) },
	})
}

func newStatus(k Kit) (http.Handler, error) {
	return status.New(status.Config{
		Common:   k.Common,
		Health:   k.Health,
		Metrics:  k.Metrics.Handler(),
		Version:  k.Version,
		Document: "/openapi.json",
	})
}

func centrifugoOf(k Kit) centrifugo.Config {
	return centrifugo.Config{Common: k.Common, State: k.Topics, Intake: k.Intake, Schedule: k.Schedule}
}

func newCentrifugo(k Kit) (http.Handler, error)     { return centrifugo.New(centrifugoOf(k)) }
func newCentrifugoGRPC(k Kit) (http.Handler, error) { return centrifugo.NewGRPC(centrifugoOf(k)) }

// door is a listener that is open, with the surfaces behind it.
type door struct {
	key      string
	front    *front.Front
	surfaces []Surface
	handler  http.Handler // of all of them; nil until they are made
}

// make makes the surfaces of a door.
func (d *door) make(k Kit) error {
	var mounts []front.Mount
	for _, surface := range d.surfaces {
		handler, err := surface.New(k)
		if err != nil {
			return fmt.Errorf("make the surface %s: %w", surface.Name, err)
		}
		mounts = append(mounts, front.Mount{Paths: surface.Paths, Handler: handler})
	}
	d.handler = front.Mux(mounts...)
	return nil
}
