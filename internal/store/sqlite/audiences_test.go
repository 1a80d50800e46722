package sqlite

import (
	"fmt"
	"path/filepath"
	"testing"

	"chatbell"
)

// What is kept stays below its bound, whatever is asked for; when all is forgotten,
// nothing of it is left.
func TestKeptAudiencesAreBounded(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "db"), nil)
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	const channels = 40
	s.audiences.limit = 8 << 10
	kept := func() (n int) {
		for key, k := range s.audiences.kept {
			if len(k.people) == 0 {
				t.Errorf("%v is kept without its person", key)
			}
			n++
		}
		return n
	}
	ask := func(i int) {
		t.Helper()
		channel := chatbell.ChannelID(fmt.Sprint("c", i))
		list, err := s.Audience(t.Context(), chatbell.AudienceQuery{Network: "acme", Channel: channel, Limit: 10})
		if err != nil || len(list) != 1 {
			t.Fatalf("the audience of %s: %v, %v", channel, list, err)
		}
		if s.audiences.bytes > s.audiences.limit {
			t.Fatalf("%d bytes are kept", s.audiences.bytes)
		}
	}
	for i := range channels {
		member := chatbell.Member{User: chatbell.User{ID: chatbell.UserID(fmt.Sprint("u", i%7))}}
		if err := s.PutMember(t.Context(), "acme", chatbell.ChannelID(fmt.Sprint("c", i)), member); err != nil {
			t.Fatal(err)
		}
	}
	for i := range channels {
		ask(i)
		ask(i)
	}
	if n := kept(); n < 2 || n == channels {
		t.Errorf("%d of %d are kept", n, channels)
	}
	for i := range 7 {
		if err := s.PutUser(t.Context(), "acme", chatbell.User{ID: chatbell.UserID(fmt.Sprint("u", i)), Name: "New"}); err != nil {
			t.Fatal(err)
		}
	}
	if kept() != 0 || s.audiences.bytes != 0 || len(s.audiences.of) != 0 || len(s.audiences.reads) != 0 {
		t.Errorf("%d are kept, of %d bytes, %d people, %d reads", kept(), s.audiences.bytes, len(s.audiences.of), len(s.audiences.reads))
	}
}

// Only what is known to be whole and small is kept.
func TestLargeAudiencesAreNotKept(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "db"), nil)
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	for channel, n := range map[chatbell.ChannelID]int{"small": keptPeople, "large": keptPeople + 1} {
		if _, err := s.ReplaceMembers(t.Context(), "acme", channel, crowd(n, nil, func() {})); err != nil {
			t.Fatal(err)
		}
		for _, limit := range []int{1, n, n + 1} {
			list, err := s.Audience(t.Context(), chatbell.AudienceQuery{Network: "acme", Channel: channel, Limit: limit})
			if err != nil || len(list) != min(limit, n) {
				t.Fatalf("%d of %s: %v", len(list), channel, err)
			}
			_, kept := s.audiences.kept[channelKey{"acme", channel}]
			if want := channel == "small" && limit > n; kept != want {
				t.Errorf("%s, a page of %d: kept is %t", channel, limit, kept)
			}
		}
	}
}
