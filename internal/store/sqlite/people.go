package sqlite

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"iter"

	"chatbell"
)

// now is the stamp of what the API writes. A row may be newer, if its event was
// matched already; then it keeps its own.
func (s *Store) now() int64 { return int64(s.seq()) } //nolint:gosec // sequences stay far below 2^63

// Channel reads a channel.
func (s *Store) Channel(ctx context.Context, network chatbell.NetworkID, id chatbell.ChannelID) (chatbell.Channel, error) {
	c, err := s.channels.get(channelKey{network, id}, func() (*chatbell.Channel, error) {
		c := &chatbell.Channel{ID: id}
		err := s.read.QueryRowContext(ctx, `SELECT name, type, mode FROM channels WHERE network = ? AND id = ? AND deleted = 0`, network, id).
			Scan(&c.Name, &c.Type, &c.NotificationMode)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, nil //nolint:nilnil // "there is none" is worth keeping, too
		}
		c.NotificationMode = cmp.Or(c.NotificationMode, chatbell.ModeDefault)
		return c, err
	})
	if err == nil && c == nil {
		err = sql.ErrNoRows
	}
	if err != nil {
		return chatbell.Channel{ID: id, NotificationMode: chatbell.ModeDefault}, found("channel", err)
	}
	return *c, nil
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
	return s.do(ctx, "delete channel", func(ctx context.Context, q querier) error {
		c, err := s.deletion(ctx, q, network, `SELECT deleted = 0, seq FROM channels WHERE network = ?1 AND id = ?2
			UNION ALL SELECT 0, seq FROM members WHERE network = ?1 AND channel = ?2`, id)
		if err != nil {
			return err
		}
		if err := c.deleteChannel(ctx, id); err != nil {
			return err
		}
		if err := c.exec(ctx, `UPDATE members SET seq = ?1 - 1 WHERE network = ?2 AND channel = ?3 AND seq = ?1`, c.seq, network, id); err != nil {
			return err
		}
		return c.restamp(ctx, "channels", id)
	})
}

const putMember = `INSERT INTO members (network, channel, user, roles, joined_seq, seq) VALUES (?, ?, ?, ?, ?, ?)
	ON CONFLICT (network, channel, user) DO UPDATE SET roles = excluded.roles,
		joined_seq = CASE WHEN deleted = 1 THEN excluded.joined_seq ELSE joined_seq END, deleted = 0, seq = MAX(seq, excluded.seq)`

// PutMember makes a user a member, or replaces the roles in the channel. A channel
// that nobody has named yet is made.
func (s *Store) PutMember(ctx context.Context, network chatbell.NetworkID, channel chatbell.ChannelID, m chatbell.Member) error {
	defer s.channels.forget(channelKey{network, channel})
	return s.do(ctx, "put member", func(ctx context.Context, q querier) error {
		at := s.now()
		if err := s.ensureChannel(ctx, q, network, channel, at); err != nil {
			return err
		}
		if _, err := q.ExecContext(ctx, putMember, network, channel, m.ID, list(m.ChannelRoles), at, at); err != nil {
			return err
		}
		_, err := q.ExecContext(ctx, learnUser, network, m.ID, m.Name, m.Locale, m.Timezone, at)
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
	n, err := s.exec(ctx, "delete member", `UPDATE members SET deleted = 1, seq = MAX(seq, ?) WHERE network = ? AND channel = ? AND user = ? AND deleted = 0`,
		s.now(), network, channel, user)
	if err == nil && n == 0 {
		err = fmt.Errorf("delete member: %w", chatbell.ErrNotFound)
	}
	return err
}

// Members lists a channel's members in the order of their ids.
func (s *Store) Members(ctx context.Context, network chatbell.NetworkID, channel chatbell.ChannelID, after chatbell.UserID, limit int) (out []chatbell.Member, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT m.user, m.roles, COALESCE(u.name, ''), COALESCE(u.locale, ''), COALESCE(u.timezone, ''), COALESCE(u.roles, '')
		FROM members m LEFT JOIN users u ON u.network = m.network AND u.id = m.user AND u.deleted = 0
		WHERE m.network = ? AND m.channel = ? AND m.user > ? AND m.deleted = 0 ORDER BY m.user LIMIT ?`, network, channel, after, limit)
	if err != nil {
		return nil, fmt.Errorf("list members: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var m chatbell.Member
		var inChannel, own string
		if err := rows.Scan(&m.ID, &inChannel, &m.Name, &m.Locale, &m.Timezone, &own); err != nil {
			return nil, fmt.Errorf("list members: %w", err)
		}
		var e1, e2 error
		m.ChannelRoles, e1 = unlist(inChannel)
		m.Roles, e2 = unlist(own)
		if err := errors.Join(e1, e2); err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, rows.Err()
}

// stagingPage bounds the members of one write while a bulk list comes in.
const stagingPage = 500

// ReplaceMembers makes a channel's members exactly those of a list, which may be
// long and slow to come: it is collected beside the channel first, and takes effect
// in one step. An error of the list changes nothing.
func (s *Store) ReplaceMembers(ctx context.Context, network chatbell.NetworkID, channel chatbell.ChannelID, members iter.Seq2[chatbell.Member, error]) (n int, err error) {
	id := rand.Text()
	defer func() {
		_, e := s.exec(context.WithoutCancel(ctx), "clean up members", `DELETE FROM member_staging WHERE import = ?`, id)
		err = errors.Join(err, e)
	}()
	page := make([]chatbell.Member, 0, stagingPage)
	for m, err := range members {
		if err != nil {
			return 0, err
		}
		if page = append(page, m); len(page) == stagingPage {
			if err := s.stage(ctx, id, page); err != nil {
				return 0, err
			}
			page = page[:0]
		}
	}
	if err := s.stage(ctx, id, page); err != nil {
		return 0, err
	}
	return s.swapMembers(ctx, id, network, channel)
}

func (s *Store) stage(ctx context.Context, id string, page []chatbell.Member) error {
	return s.do(ctx, "collect members", func(ctx context.Context, q querier) error {
		for i := range page {
			m := &page[i]
			if _, err := q.ExecContext(ctx, `INSERT OR REPLACE INTO member_staging VALUES (?, ?, ?, ?, ?, ?)`,
				id, m.ID, m.Name, m.Locale, m.Timezone, list(m.ChannelRoles)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Store) swapMembers(ctx context.Context, id string, network chatbell.NetworkID, channel chatbell.ChannelID) (n int, err error) {
	defer s.channels.forget(channelKey{network, channel})
	err = s.do(ctx, "replace members", func(ctx context.Context, q querier) error {
		at := s.now()
		if err := s.ensureChannel(ctx, q, network, channel, at); err != nil {
			return err
		}
		for _, query := range []string{
			`UPDATE members SET deleted = 1, seq = MAX(seq, ?1) WHERE network = ?2 AND channel = ?3 AND deleted = 0
				AND user NOT IN (SELECT user FROM member_staging WHERE import = ?4)`,
			`INSERT INTO members (network, channel, user, roles, joined_seq, seq) SELECT ?2, ?3, user, roles, ?1, ?1 FROM member_staging WHERE import = ?4
				ON CONFLICT (network, channel, user) DO UPDATE SET roles = excluded.roles,
					joined_seq = CASE WHEN deleted = 1 THEN excluded.joined_seq ELSE joined_seq END, deleted = 0, seq = MAX(seq, excluded.seq)`,
			// Who joined before the list, and is not in it, does not come later.
			`UPDATE channels SET gone_seq = MAX(gone_seq, ?1) WHERE network = ?2 AND id = ?3 AND ?4 = ?4`,
			`INSERT INTO users (network, id, name, locale, timezone, name_seq, locale_seq, timezone_seq, seq)
				SELECT ?2, user, name, locale, timezone, iif(name <> '', ?1, 0), iif(locale <> '', ?1, 0), iif(timezone <> '', ?1, 0), ?1
				FROM member_staging WHERE import = ?4 AND ?3 = ?3 ` + learnt,
		} {
			if _, err := q.ExecContext(ctx, query, at, network, channel, id); err != nil {
				return err
			}
		}
		return q.QueryRowContext(ctx, `SELECT COUNT(*) FROM member_staging WHERE import = ?`, id).Scan(&n)
	})
	return n, err
}
