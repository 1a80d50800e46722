package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"chatbell"
)

// benchmarked is a store with many small channels: two people each, one phone a person.
func benchmarked(b *testing.B, channels int) *Store {
	b.Helper()
	s, err := Open(b.Context(), Config{Path: filepath.Join(b.TempDir(), "db")})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	for i := range channels {
		channel := chatbell.ChannelID(fmt.Sprint("c", i))
		for _, side := range []string{"a", "b"} {
			id := fmt.Sprint(side, i)
			person := chatbell.User{ID: chatbell.UserID(id), Name: "Name " + id, Locale: "de"}
			if err := s.PutMember(b.Context(), "acme", channel, chatbell.Member{User: person}); err != nil {
				b.Fatal(err)
			}
			phone := chatbell.Device{ID: chatbell.DeviceID(id), User: person.ID, Provider: chatbell.ProviderAPNs, Token: id, App: "chat"}
			if _, err := s.RegisterDevice(b.Context(), "acme", phone); err != nil {
				b.Fatal(err)
			}
		}
	}
	return s
}

// BenchmarkAudience reads the audience of a pair as matching does, with a context that may
// end: from memory, and from the database.
func BenchmarkAudience(b *testing.B) {
	const channels = 200
	s := benchmarked(b, channels)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	turns := 0
	query := func() *chatbell.AudienceQuery {
		turns++
		return &chatbell.AudienceQuery{Network: "acme", Channel: chatbell.ChannelID(fmt.Sprint("c", turns%channels)), Limit: 1024}
	}
	b.Run("kept", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if list, err := s.Audience(ctx, *query()); err != nil || len(list) != 2 {
				b.Fatal(list, err)
			}
		}
	})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if list, _, err := s.readAudience(ctx, query()); err != nil || len(list) != 2 {
				b.Fatal(list, err)
			}
		}
	})
}
