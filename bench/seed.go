package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"chatbell"
	"chatbell/internal/store/sqlite"
)

func user(i int) string  { return fmt.Sprintf("u%07d", i) }
func token(i int) string { return fmt.Sprintf("%064x", i+1) }

// seed puts people with a device each, and channels, into the store before the server
// starts: what is measured is the sending, not the registering.
func (r *rig) seed(ctx context.Context, people int, channels map[string][]int) (err error) {
	if err := os.MkdirAll(r.data(), 0o700); err != nil {
		return err
	}
	store, err := sqlite.Open(ctx, sqlite.Config{Path: filepath.Join(r.data(), "chatbell.db")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	for id, members := range channels {
		if err := store.PutChannel(ctx, network, chatbell.Channel{ID: chatbell.ChannelID(id), Name: "General"}); err != nil {
			return err
		}
		if _, err := store.ReplaceMembers(ctx, network, chatbell.ChannelID(id), list(members)); err != nil {
			return err
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range 256 { // writers that wait together are committed together
		group.Go(func() error {
			for i := int(next.Add(1)) - 1; i < people; i = int(next.Add(1)) - 1 {
				if _, err := store.RegisterDevice(ctx, network, chatbell.Device{
					ID:       chatbell.DeviceID("d" + user(i)),
					User:     chatbell.UserID(user(i)),
					Provider: chatbell.ProviderAPNs,
					Token:    token(i),
					App:      bundle,
					Locale:   "en",
				}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func list(members []int) iter.Seq2[chatbell.Member, error] {
	return func(yield func(chatbell.Member, error) bool) {
		for _, i := range members {
			if !yield(chatbell.Member{User: chatbell.User{ID: chatbell.UserID(user(i))}}, nil) {
				return
			}
		}
	}
}

// message is an event of the chat backend.
func message(id, channel, actor string) []byte {
	return fmt.Appendf(nil, `{"id":%q,"type":"message.created","actor":{"id":%q,"name":"Alice"},"channel":{"id":%q,"name":"General"},"message":{"id":%q,"type":"text","text":"Has anybody seen my keys?"}}`,
		id, actor, channel, "m-"+id)
}
