package sqlite

import (
	"context"
	"fmt"

	"chatbell"
)

// Apply makes an event's change of the state: channels, members and users that it
// creates, names or removes. A row that a later event or a later call of the API has
// written stays as it is, so that a repeat or a delayed event is harmless. Empty
// fields never erase. Other events change nothing.
func (s *Store) Apply(ctx context.Context, seq uint64, env *chatbell.Envelope) error {
	event := &env.Event
	switch event.Type {
	case chatbell.ChannelCreated, chatbell.ChannelJoined, chatbell.ChannelLeft, chatbell.ChannelUpdated,
		chatbell.ChannelDeleted, chatbell.UserUpdated, chatbell.UserDeleted:
	default:
		return nil
	}
	if event.Channel.ID != "" {
		defer s.channels.forget(channelKey{env.Network, event.Channel.ID})
	}
	now := int64(seq)
	s.writer.saw(now)
	return s.do(ctx, "apply "+string(event.Type), func(ctx context.Context, q *tx) error {
		c := change{q: q, network: env.Network, seq: now}
		return c.apply(ctx, event)
	})
}

// A member leaves by an event if nothing newer is known of them: neither of their row, nor
// by a list that has become the channel's since.
var (
	leaveChannel = `UPDATE members SET deleted = 1, seq = ?1 WHERE ` + inChannelNow("?2", "?3") + ` AND user = ?4 AND seq < ?1 AND ` + unlessListed("?2", "?3", "?1")
	leaveAll     = `UPDATE members SET deleted = 1, seq = ?1 WHERE ` + inChannelNow("?2", "?3") + ` AND seq < ?1 AND ` + unlessListed("?2", "?3", "?1")
	// leaveEverywhere is about lists that come in, too.
	leaveEverywhere = `UPDATE members INDEXED BY members_by_user SET deleted = 1, seq = ?1 WHERE network = ?2 AND user = ?3 AND seq < ?1 AND ` +
		unlessListed("members.network", "members.channel", "?1")
)

// change is one event's writes.
type change struct {
	q       *tx
	network chatbell.NetworkID
	seq     int64
}

func (c *change) apply(ctx context.Context, event *chatbell.Event) error {
	switch event.Type {
	case chatbell.ChannelCreated, chatbell.ChannelJoined:
		if err := c.channel(ctx, &event.Channel); err != nil {
			return err
		}
		return c.join(ctx, event)
	case chatbell.ChannelUpdated:
		return c.channel(ctx, &event.Channel)
	case chatbell.ChannelLeft:
		c.q.touchChannel(c.network, event.Channel.ID)
		for i := range event.Members {
			if err := c.exec(ctx, leaveChannel,
				c.seq, c.network, event.Channel.ID, event.Members[i].ID); err != nil {
				return err
			}
			// A member whom nobody knew leaves a tombstone, so that an older "joined" that
			// comes later does not bring them back.
			if err := c.exec(ctx, `INSERT INTO members (network, channel, gen, user, joined_seq, seq, deleted)
				VALUES (?1, ?2, COALESCE((SELECT gen FROM channels WHERE network = ?1 AND id = ?2), 0), ?3, ?4, ?4, 1) ON CONFLICT DO NOTHING`,
				c.network, event.Channel.ID, event.Members[i].ID, c.seq); err != nil {
				return err
			}
		}
		return nil
	case chatbell.ChannelDeleted:
		return c.deleteChannel(ctx, event.Channel.ID)
	case chatbell.UserUpdated:
		return c.user(ctx, event.User, true)
	default:
		return c.deleteUser(ctx, event.User.ID)
	}
}

func (c *change) exec(ctx context.Context, query string, args ...any) error {
	_, err := c.q.ExecContext(ctx, query, args...)
	return err
}

func (c *change) channel(ctx context.Context, ref *chatbell.ChannelRef) error {
	return c.exec(ctx, `INSERT INTO channels (network, id, name, type, mode, seq) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (network, id) DO UPDATE SET
			name = CASE WHEN excluded.name <> '' THEN excluded.name ELSE name END,
			type = CASE WHEN excluded.type <> '' THEN excluded.type ELSE type END,
			mode = CASE WHEN excluded.mode <> '' THEN excluded.mode WHEN deleted = 1 THEN '' ELSE mode END,
			deleted = 0, seq = excluded.seq
		WHERE excluded.seq > seq`, c.network, ref.ID, ref.Name, ref.Type, ref.Mode, c.seq)
}

func (c *change) join(ctx context.Context, event *chatbell.Event) error {
	c.q.touchChannel(c.network, event.Channel.ID)
	for i := range event.Members {
		person := &event.Members[i]
		// Nobody joins a channel, or as a user, that was deleted later; nor a channel whose
		// list of members came later.
		if err := c.exec(ctx, `INSERT INTO members (network, channel, gen, user, roles, joined_seq, seq)
			SELECT ?1, ?2, COALESCE((SELECT gen FROM channels WHERE network = ?1 AND id = ?2), 0), ?3, ?4, ?5, ?5
			WHERE NOT EXISTS (SELECT 1 FROM channels WHERE network = ?1 AND id = ?2 AND MAX(gone_seq, list_seq) >= ?5)
				AND NOT EXISTS (SELECT 1 FROM users WHERE network = ?1 AND id = ?3 AND gone_seq >= ?5)
			ON CONFLICT (network, channel, gen, user) DO UPDATE SET
				roles = CASE WHEN excluded.roles <> '' OR deleted = 1 THEN excluded.roles ELSE roles END,
				joined_seq = CASE WHEN deleted = 1 THEN excluded.joined_seq ELSE joined_seq END,
				deleted = 0, seq = excluded.seq
			WHERE excluded.seq > seq`, c.network, event.Channel.ID, person.ID, list(person.Roles), c.seq); err != nil {
			return err
		}
		if err := c.user(ctx, person, false); err != nil {
			return err
		}
	}
	return nil
}

// user learns what an event says of a person. Roles in a list of members are those
// in the channel; only user.updated speaks of the user's own.
func (c *change) user(ctx context.Context, person *chatbell.Person, withRoles bool) error {
	c.q.touchUser(c.network, person.ID)
	roles := ""
	if withRoles {
		roles = list(person.Roles)
	}
	return c.exec(ctx, eventUser, c.network, person.ID, person.Name, person.Locale, person.Timezone, roles, c.seq)
}

func (c *change) deleteChannel(ctx context.Context, id chatbell.ChannelID) error {
	c.q.touchChannel(c.network, id)
	if err := c.exec(ctx, `INSERT INTO channels (network, id, seq, deleted, gone_seq) VALUES (?1, ?2, ?3, 1, ?3)
		ON CONFLICT (network, id) DO UPDATE SET deleted = 1, name = '', type = '', mode = '', seq = excluded.seq, gone_seq = excluded.seq
		WHERE excluded.seq > seq`, c.network, id, c.seq); err != nil {
		return err
	}
	if err := c.exec(ctx, leaveAll, c.seq, c.network, id); err != nil {
		return err
	}
	return c.exec(ctx, `DELETE FROM channel_settings INDEXED BY channel_settings_by_channel WHERE network = ? AND channel = ?
		AND EXISTS (SELECT 1 FROM channels WHERE network = ?1 AND id = ?2 AND deleted = 1)`, c.network, id)
}

func (c *change) deleteUser(ctx context.Context, id chatbell.UserID) error {
	c.q.touchUser(c.network, id)
	res, err := c.q.ExecContext(ctx, goneUser, c.seq, c.network, id)
	if err != nil {
		return fmt.Errorf("delete user: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err // a repeat: settings and devices may be of a new life
	}
	for _, statement := range []string{ // without INDEXED BY, SQLite would read the whole network
		leaveEverywhere,
		// A device that was registered after the event was accepted belongs to a new life.
		`DELETE FROM devices INDEXED BY devices_by_user WHERE network = ?2 AND user = ?3 AND seq < ?1`,
		`DELETE FROM user_settings WHERE network = ?2 AND user = ?3 AND EXISTS (SELECT 1 FROM users WHERE network = ?2 AND id = ?3 AND deleted = 1 AND seq = ?1)`,
		`DELETE FROM channel_settings WHERE network = ?2 AND user = ?3 AND EXISTS (SELECT 1 FROM users WHERE network = ?2 AND id = ?3 AND deleted = 1 AND seq = ?1)`,
	} {
		if err := c.exec(ctx, statement, c.seq, c.network, id); err != nil {
			return fmt.Errorf("delete user: %w", err)
		}
	}
	return nil
}
