package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"chatbell"
)

// now is the stamp of what the API writes. A row may be newer, if its event was
// matched already; then it keeps its own.
func (s *Store) now() int64 {
	seq := int64(s.seq())
	s.writer.saw(seq)
	return seq
}

// NewestSequence is the greatest sequence of events that the store has seen: of those
// that it applied, and of those that were accepted when a call wrote. A stream whose
// events are to have an effect begins behind it.
func (s *Store) NewestSequence(ctx context.Context) (seq uint64, err error) {
	return seq, found("newest sequence", s.read.QueryRowContext(ctx, `SELECT seq FROM newest WHERE one = 1`).Scan(&seq))
}

// Channel reads a channel.
func (s *Store) Channel(ctx context.Context, network chatbell.NetworkID, id chatbell.ChannelID) (chatbell.Channel, error) {
	channel, err := s.channels.get(channelKey{network, id}, func() (*chatbell.Channel, error) {
		made := &chatbell.Channel{ID: id}
		err := s.read.QueryRowContext(ctx, `SELECT name, type, mode FROM channels WHERE network = ? AND id = ? AND deleted = 0`, network, id).
			Scan(&made.Name, &made.Type, &made.NotificationMode)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, nil //nolint:nilnil // "there is none" is worth keeping, too
		}
		made.NotificationMode = cmp.Or(made.NotificationMode, chatbell.ModeDefault)
		return made, err
	})
	if err == nil && channel == nil {
		err = sql.ErrNoRows
	}
	if err != nil {
		return chatbell.Channel{ID: id, NotificationMode: chatbell.ModeDefault}, found("channel", err)
	}
	return *channel, nil
}

// PutChannel replaces a channel; its members stay.
func (s *Store) PutChannel(ctx context.Context, network chatbell.NetworkID, c chatbell.Channel) error {
	defer s.channels.forget(channelKey{network, c.ID})
	_, err := s.exec(ctx, "put channel", `INSERT INTO channels (network, id, name, type, mode, seq) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (network, id) DO UPDATE SET name = excluded.name, type = excluded.type, mode = excluded.mode, deleted = 0, seq = MAX(seq, excluded.seq)`,
		network, c.ID, c.Name, c.Type, c.NotificationMode, s.now())
	return err
}

// DeleteChannel removes a channel with its members and their settings for it.
func (s *Store) DeleteChannel(ctx context.Context, network chatbell.NetworkID, id chatbell.ChannelID) error {
	defer s.channels.forget(channelKey{network, id})
	return s.do(ctx, "delete channel", func(ctx context.Context, q *tx) error {
		deleting, err := s.deletion(ctx, q, network, `SELECT deleted = 0, MAX(seq, list_seq) FROM channels WHERE network = ?1 AND id = ?2
			UNION ALL SELECT 0, seq FROM members WHERE `+inChannelNow("?1", "?2"), id)
		if err != nil {
			return err
		}
		if err := deleting.deleteChannel(ctx, id); err != nil {
			return err
		}
		if err := deleting.exec(ctx, `UPDATE members SET seq = ?1 - 1 WHERE `+inChannelNow("?2", "?3")+` AND seq = ?1`, deleting.seq, network, id); err != nil {
			return err
		}
		return deleting.restamp(ctx, "channels", id)
	})
}

const putMember = `INSERT INTO members (network, channel, gen, user, roles, joined_seq, seq)
	VALUES (?1, ?2, (SELECT gen FROM channels WHERE network = ?1 AND id = ?2), ?3, ?4, ?5, ?5)
	ON CONFLICT (network, channel, gen, user) DO UPDATE SET roles = excluded.roles,
		joined_seq = CASE WHEN deleted = 1 THEN excluded.joined_seq ELSE joined_seq END, deleted = 0, seq = MAX(seq, excluded.seq)`

// PutMember makes a user a member, or replaces the roles in the channel. A channel
// that nobody has named yet is made.
func (s *Store) PutMember(ctx context.Context, network chatbell.NetworkID, channel chatbell.ChannelID, member chatbell.Member) error {
	defer s.channels.forget(channelKey{network, channel})
	return s.do(ctx, "put member", func(ctx context.Context, txn *tx) error {
		txn.touchChannel(network, channel)
		txn.touchUser(network, member.ID)
		now := s.now()
		if err := s.ensureChannel(ctx, txn, network, channel, now); err != nil {
			return err
		}
		if _, err := txn.ExecContext(ctx, putMember, network, channel, member.ID, list(member.ChannelRoles), now); err != nil {
			return err
		}
		_, err := txn.ExecContext(ctx, learnUser, network, member.ID, member.Name, member.Locale, member.Timezone, now)
		return err
	})
}

func (s *Store) ensureChannel(ctx context.Context, q querier, network chatbell.NetworkID, id chatbell.ChannelID, at int64) error {
	_, err := q.ExecContext(ctx, `INSERT INTO channels (network, id, seq) VALUES (?, ?, ?)
		ON CONFLICT (network, id) DO UPDATE SET deleted = 0, seq = MAX(seq, excluded.seq) WHERE deleted = 1`, network, id, at)
	return err
}

// DeleteMember takes a user out of a channel.
func (s *Store) DeleteMember(ctx context.Context, network chatbell.NetworkID, channel chatbell.ChannelID, user chatbell.UserID) error {
	return s.do(ctx, "delete member", func(ctx context.Context, q *tx) error {
		q.touchChannel(network, channel)
		res, err := q.ExecContext(ctx, `UPDATE members SET deleted = 1, seq = MAX(seq, ?4) WHERE `+inChannelNow("?1", "?2")+` AND user = ?3 AND deleted = 0`,
			network, channel, user, s.now())
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return chatbell.ErrNotFound
	})
}

// Members lists a channel's members in the order of their ids.
func (s *Store) Members(ctx context.Context, network chatbell.NetworkID, channel chatbell.ChannelID, after chatbell.UserID, limit int) (out []chatbell.Member, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT m.user, m.roles, COALESCE(u.name, ''), COALESCE(u.locale, ''), COALESCE(u.timezone, ''), COALESCE(u.roles, '')
		FROM (SELECT user, roles FROM members WHERE `+inChannelNow("?1", "?2")+` AND user > ?3 AND deleted = 0 ORDER BY user LIMIT ?4 + 0) m
		LEFT JOIN users u ON u.network = ?1 AND u.id = m.user AND u.deleted = 0 ORDER BY m.user`, network, channel, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list members: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var member chatbell.Member
		var inChannel, own string
		if err := rows.Scan(&member.ID, &inChannel, &member.Name, &member.Locale, &member.Timezone, &own); err != nil {
			return nil, fmt.Errorf("list members: %w", err)
		}
		var e1, e2 error
		member.ChannelRoles, e1 = unlist(inChannel)
		member.Roles, e2 = unlist(own)
		if err := errors.Join(e1, e2); err != nil {
			return nil, err
		}
		out = append(out, member)
	}
	return out, rows.Err()
}
