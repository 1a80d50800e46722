package pipeline_test

import (
	"testing"

	"chatbell"
)

// Role lists of every level look at the roles that the event says of its actor, else at
// those that the store knows.
func TestActorsRoles(t *testing.T) {
	noBots := chatbell.Toggles{Modules: []chatbell.ModuleToggle{{Name: chatbell.ModuleChat, Roles: chatbell.RoleFilter{Exclude: []string{"bot"}}}}}
	for _, x := range []struct {
		what  string
		set   func(s *stage) error
		roles []string
		want  string
	}{
		{"no list", func(*stage) error { return nil }, nil, "b apns accepted /"},
		{"network", func(s *stage) error { return s.store.PutNetworkSettings(s.t.Context(), "acme", noBots) }, nil, "b none suppressed network/role_filtered"},
		{"user", func(s *stage) error {
			return s.store.PutUserSettings(s.t.Context(), "acme", "b", chatbell.UserSettings{Toggles: noBots})
		}, nil, "b none suppressed user/role_filtered"},
		{"channel", func(s *stage) error {
			return s.store.PutChannelSettings(s.t.Context(), "acme", "b", "c", chatbell.ChannelSettings{Toggles: noBots})
		}, nil, "b none suppressed channel/role_filtered"},
		{"the event knows better", func(s *stage) error { return s.store.PutNetworkSettings(s.t.Context(), "acme", noBots) }, []string{"admin"}, "b apns accepted /"},
	} {
		t.Run(x.what, func(t *testing.T) {
			s := start(t, nil)
			s.device("b", "tb", "")
			check(t, x.set(s))
			check(t, s.store.PutUser(t.Context(), "acme", chatbell.User{ID: "a", Roles: []string{"bot"}}))
			check(t, s.store.PutMember(t.Context(), "acme", "c", chatbell.Member{User: chatbell.User{ID: "a"}}))
			check(t, s.store.PutMember(t.Context(), "acme", "c", chatbell.Member{User: chatbell.User{ID: "b"}}))
			e := text("1", "a", "hi")
			e.Actor.Roles = x.roles
			s.post(e)
			s.wait(2)
			if s.outcomes()[x.want] != 1 {
				t.Errorf("outcomes %v, want %s", s.outcomes(), x.want)
			}
		})
	}
}
