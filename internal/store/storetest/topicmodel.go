package storetest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"chatbell"
	"chatbell/internal/store"
)

// modelled is what a store of devices with topics should hold: a few maps.
type modelled struct {
	devices map[chatbell.DeviceID]*modelDevice
	lists   map[chatbell.UserID]map[string]bool
}

type modelDevice struct {
	user, token string
	topics      map[string]bool
}

func (m *modelled) register(r store.Registration) chatbell.DeviceID {
	id := r.Device.ID
	for known, d := range m.devices {
		if d.token == r.Device.Token {
			if id == "" {
				id = known
			} else if id != known {
				delete(m.devices, known)
			}
		}
	}
	if id == "" {
		id = r.NewID
	}
	made := &modelDevice{user: string(r.Device.User), token: r.Device.Token, topics: map[string]bool{}}
	for _, topic := range r.Topics {
		made.topics[topic] = true
	}
	maps.Copy(made.topics, m.lists[""])
	maps.Copy(made.topics, m.lists[r.Device.User])
	m.devices[id] = made
	return id
}

func applyTopics(list map[string]bool, change store.TopicChange) {
	if change.Op == store.TopicSet {
		clear(list)
	}
	for _, topic := range change.Topics {
		if change.Op == store.TopicRemove {
			delete(list, topic)
		} else {
			list[topic] = true
		}
	}
}

func (m *modelled) userList(user chatbell.UserID, change store.TopicChange) {
	list := m.lists[user]
	if list == nil {
		list = map[string]bool{}
		m.lists[user] = list
	}
	before := maps.Clone(list)
	applyTopics(list, change)
	for _, d := range m.devices {
		if user == "" || d.user != string(user) {
			continue
		}
		if change.Op == store.TopicSet {
			maps.DeleteFunc(d.topics, func(topic string, _ bool) bool { return before[topic] && !list[topic] })
			maps.Copy(d.topics, list)
			continue
		}
		applyTopics(d.topics, change)
	}
}

func (m *modelled) String() string {
	var out []string
	for id, d := range m.devices {
		out = append(out, fmt.Sprint(id, " ", d.user, " ", d.token, " ", strings.Join(slices.Sorted(maps.Keys(d.topics)), ",")))
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// pictureOfDevices is what the store holds, written as the model is.
func (f *fixture) pictureOfDevices() string {
	f.Helper()
	list, err := f.ChosenDevices(f.Context(), acme, store.DevicePage{Limit: 1000, Topics: true})
	f.must(err)
	out := make([]string, len(list))
	for i, d := range list {
		out[i] = fmt.Sprint(d.ID, " ", d.User, " ", d.Token, " ", strings.Join(d.Topics, ","))
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// topicModel: whatever is done, the store holds what the model does.
func topicModel(t *testing.T, f *fixture) {
	users := rapid.SampledFrom([]chatbell.UserID{"", "a", "b"})
	names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"x", "y", "z", "w"}), 0, 3, rapid.ID)
	ops := rapid.SampledFrom([]store.TopicOp{store.TopicAdd, store.TopicRemove, store.TopicSet})
	serial := 0
	rapid.Check(t, func(rt *rapid.T) {
		f.must(f.RemoveDevices(t.Context(), acme, store.DeviceChoice{Topics: []string{"x", "y", "z", "w"}}))
		f.must(f.RemoveDevices(t.Context(), acme, store.DeviceChoice{Users: []chatbell.UserID{"", "a", "b"}}))
		m := &modelled{devices: map[chatbell.DeviceID]*modelDevice{}, lists: map[chatbell.UserID]map[string]bool{}}
		for _, user := range []chatbell.UserID{"", "a", "b"} {
			f.must(f.ChangeUserTopics(t.Context(), acme, user, store.TopicChange{Op: store.TopicSet}))
		}
		anyDevice := func(rt *rapid.T) chatbell.DeviceID {
			known := slices.Sorted(maps.Keys(m.devices))
			if len(known) == 0 {
				return "none"
			}
			return rapid.SampledFrom(known).Draw(rt, "device")
		}
		rt.Repeat(map[string]func(*rapid.T){
			"register": func(rt *rapid.T) {
				serial++
				r := registration("", string(users.Draw(rt, "user")), rapid.SampledFrom([]string{"t1", "t2", "t3"}).Draw(rt, "token"), names.Draw(rt, "topics")...)
				r.NewID = chatbell.DeviceID(fmt.Sprintf("n%06d", serial))
				if rapid.Bool().Draw(rt, "by id") {
					if id := anyDevice(rt); id != "none" {
						r.Device.ID = id
					}
				}
				got, err := f.RegisterWithTopics(t.Context(), acme, r)
				if want := m.register(r); err != nil || got != want {
					rt.Fatalf("registered as %s, %v; want %s", got, err, want)
				}
			},
			"user's list": func(rt *rapid.T) {
				user := users.Draw(rt, "user")
				change := store.TopicChange{Op: ops.Draw(rt, "op"), Topics: names.Draw(rt, "topics")}
				f.must(f.ChangeUserTopics(t.Context(), acme, user, change))
				m.userList(user, change)
			},
			"device's topics": func(rt *rapid.T) {
				id := anyDevice(rt)
				change := store.TopicChange{Op: ops.Draw(rt, "op"), Topics: names.Draw(rt, "topics")}
				err := f.ChangeDeviceTopics(t.Context(), acme, id, "", change)
				if d := m.devices[id]; d != nil {
					f.must(err)
					applyTopics(d.topics, change)
				}
			},
			"other user": func(rt *rapid.T) {
				id := anyDevice(rt)
				user := users.Draw(rt, "user")
				f.must(f.ChangeDevices(t.Context(), acme, byID(id), store.DeviceChange{User: &user}))
				if d := m.devices[id]; d != nil {
					d.user = string(user)
				}
			},
			"remove": func(rt *rapid.T) {
				id := anyDevice(rt)
				f.must(f.RemoveDevices(t.Context(), acme, byID(id)))
				delete(m.devices, id)
			},
			"": func(rt *rapid.T) {
				if got := f.pictureOfDevices(); got != m.String() {
					rt.Fatalf("the store holds\n%s\nwant\n%s", got, m)
				}
			},
		})
	})
}

// concurrentDevices: 64 clients on the same 100 phones. Whatever their order was, a token is
// one device's, first registrations at the same time are of one device, and each device has
// its user's topics and no other user's.
func concurrentDevices(t *testing.T, f *fixture) {
	const clients = 64
	const phones = 100
	var all sync.WaitGroup
	first := make([]map[chatbell.DeviceID]bool, phones)
	var mu sync.Mutex
	for client := range clients {
		all.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(client)))
			for i, n := range random.Perm(phones) {
				user := fmt.Sprint("u", random.IntN(5))
				r := registration("", user, fmt.Sprint("t", n), "own:"+user)
				r.NewID = chatbell.DeviceID(fmt.Sprintf("c%02d-%02d", client, n))
				id, err := f.RegisterWithTopics(t.Context(), acme, r)
				if err != nil {
					t.Errorf("register: %v", err)
					return
				}
				mu.Lock()
				if first[n] == nil {
					first[n] = map[chatbell.DeviceID]bool{}
				}
				first[n][id] = true
				mu.Unlock()
				if i%10 == 0 {
					change := store.TopicChange{Op: []store.TopicOp{store.TopicAdd, store.TopicRemove, store.TopicSet}[random.IntN(3)], Topics: []string{fmt.Sprint(user, ":", random.IntN(4))}}
					if err := f.ChangeUserTopics(t.Context(), acme, chatbell.UserID(user), change); err != nil {
						t.Errorf("a user's list: %v", err)
					}
				}
			}
		})
	}
	all.Wait()
	for n, ids := range first {
		if len(ids) != 1 {
			t.Errorf("phone %d is the devices %v, want one", n, ids)
		}
	}
	lists := map[string]string{}
	topics, err := f.UserTopics(t.Context(), acme, store.TopicPage{Limit: 1000})
	f.must(err)
	for _, one := range topics {
		lists[string(one.User)] += " " + one.Topic
	}
	devices, err := f.ChosenDevices(t.Context(), acme, store.DevicePage{Limit: 1000, Topics: true})
	f.must(err)
	f.equal("how many devices there are", len(devices), phones)
	for _, d := range devices {
		want := slices.Sorted(slices.Values(strings.Fields("own:" + string(d.User) + lists[string(d.User)])))
		f.equal("the topics of "+string(d.ID), d.Topics, want)
	}
}
