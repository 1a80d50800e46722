package rules_test

import (
	"fmt"
	"testing"
	"time"

	"chatbell"
	"chatbell/rules"
)

// choice is what one level may have set of everything that a level has.
type choice struct {
	enabled, module, event, roles int
}

// What a switch and a list of roles can be. The actor has the role member.
var (
	switches = [...]*bool{nil, new(true), new(false)}
	filters  = [...]chatbell.RoleFilter{{}, {Include: []string{"member"}}, {Exclude: []string{"member"}}}
)

// choices are all of them.
func choices() []choice {
	var out []choice
	for enabled := range switches {
		for module := range switches {
			for event := range switches {
				for roles := range filters {
					out = append(out, choice{enabled, module, event, roles})
				}
			}
		}
	}
	return out
}

// toggles are a choice as it is stored: the roles stand with the module, or, which has to
// come to the same, with the event.
func (c choice) toggles(withEvent bool) chatbell.Toggles {
	module := chatbell.ModuleToggle{Name: chatbell.ModuleChat, Enabled: switches[c.module]}
	event := chatbell.EventToggle{Name: chatbell.MessageCreated, Enabled: switches[c.event]}
	if withEvent {
		event.Roles = filters[c.roles]
	} else {
		module.Roles = filters[c.roles]
	}
	return chatbell.Toggles{Enabled: switches[c.enabled], Modules: []chatbell.ModuleToggle{module}, Events: []chatbell.EventToggle{event}}
}

const (
	unset = iota
	on
	off
)

// verdict is what a level's choice comes to, written down as Amity's documents and the
// contract say it, and not as the code does it.
func (c choice) verdict(level chatbell.Level, main chatbell.Reason) rules.Decision {
	switch {
	case c.enabled == off:
		return rules.Decision{Level: level, Reason: main}
	case c.module == off:
		return rules.Decision{Level: level, Reason: chatbell.ModuleOff}
	case c.event == off:
		return rules.Decision{Level: level, Reason: chatbell.EventOff}
	case c.roles == 2:
		return rules.Decision{Level: level, Reason: chatbell.RoleFiltered}
	}
	return rules.Decision{Notify: true}
}

// expected is the whole decision: the first level that says no, and before the channel's
// own switches its mode.
func expected(network, user, channel choice, mode chatbell.NotificationMode) rules.Decision {
	if d := network.verdict(chatbell.LevelNetwork, chatbell.NetworkOff); !d.Notify {
		return d
	}
	if d := user.verdict(chatbell.LevelUser, chatbell.UserOff); !d.Notify {
		return d
	}
	switch {
	case mode == chatbell.ModeSilent:
		return rules.Decision{Level: chatbell.LevelChannel, Reason: chatbell.ModeIsSilent}
	case mode == chatbell.ModeSubscribe && channel.enabled != on:
		return rules.Decision{Level: chatbell.LevelChannel, Reason: chatbell.NotSubscribed}
	}
	return channel.verdict(chatbell.LevelChannel, chatbell.ChannelOff)
}

// TestWholeTable plays network × user × channel, each with its main switch, module, event
// and roles, in each mode: some 1,600,000 situations.
func TestWholeTable(t *testing.T) {
	all := choices()
	stored := [2][]chatbell.Toggles{}
	for i := range stored {
		for _, c := range all {
			stored[i] = append(stored[i], c.toggles(i == 1))
		}
	}
	event := chatbell.Event{
		Type:    chatbell.MessageCreated,
		Actor:   chatbell.Person{ID: "alice", Roles: []string{"member"}},
		Message: &chatbell.Message{ID: "m", Type: chatbell.MessageText},
	}
	seen := map[rules.Decision]int{}
	played, wrong := 0, 0
	for _, mode := range chatbell.NotificationModes {
		for n := range all {
			context := rules.Context{
				Event: &event, Rule: rules.Builtin()[2], Network: stored[n%2][n],
				Channel: chatbell.Channel{NotificationMode: mode}, Now: time.Unix(1_795_000_000, 0),
			}
			for u := range all {
				user := chatbell.UserSettings{Toggles: stored[u%2][u]}
				for c := range all {
					bob := chatbell.Recipient{
						User: chatbell.User{ID: "bob"}, Member: true,
						Settings: &user, ChannelSettings: &chatbell.ChannelSettings{Toggles: stored[(u+c)%2][c]},
					}
					got, want := rules.Decide(&context, &bob), expected(all[n], all[u], all[c], mode)
					played++
					seen[want]++
					if got != want && wrong < 5 {
						wrong++
						t.Errorf("mode %s, network %+v, user %+v, channel %+v: decided %+v, want %+v", mode, all[n], all[u], all[c], got, want)
					}
				}
			}
		}
	}
	if want := 3 * 81 * 81 * 81; played != want {
		t.Errorf("%d situations were played, want %d", played, want)
	}
	if len(seen) != 15 {
		t.Errorf("the table comes to %d different decisions, want 15: %v", len(seen), fmt.Sprint(seen))
	}
}
