package sqlite

import (
	"context"
	"strings"

	"chatbell"
)

// Each field of a user keeps the sequence that wrote it (name_seq and so on), because
// events that nobody orders among each other speak of the same user.

// eachField repeats a piece of SQL for each field of a user, whose name is the @.
func eachField(piece string, fields ...string) string {
	parts := make([]string, len(fields))
	for i, file := range fields {
		parts[i] = strings.ReplaceAll(piece, "@", file)
	}
	return strings.Join(parts, ",\n")
}

var (
	// eventUser takes the fields that an event names, where nothing newer is known.
	eventUser = `INSERT INTO users (network, id, name, locale, timezone, roles, name_seq, locale_seq, timezone_seq, roles_seq, seq)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, iif(?3 <> '', ?7, 0), iif(?4 <> '', ?7, 0), iif(?5 <> '', ?7, 0), iif(?6 <> '', ?7, 0), ?7)
		ON CONFLICT (network, id) DO UPDATE SET ` +
		eachField(`@ = iif(excluded.@ <> '' AND excluded.seq > MAX(@_seq, gone_seq), excluded.@, @),
			@_seq = iif(excluded.@ <> '' AND excluded.seq > MAX(@_seq, gone_seq), excluded.seq, @_seq)`, "name", "locale", "timezone", "roles") +
		`, deleted = iif(excluded.seq > seq, 0, deleted), seq = MAX(seq, excluded.seq)`

	// goneUser erases what is older than the deletion. It changes no row if the deletion
	// is known.
	goneUser = `INSERT INTO users (network, id, seq, deleted, gone_seq) VALUES (?2, ?3, ?1, 1, ?1)
		ON CONFLICT (network, id) DO UPDATE SET ` + eachField(`@ = iif(@_seq < excluded.seq, '', @)`, "name", "locale", "timezone", "roles") +
		`, deleted = iif(excluded.seq > seq, 1, deleted), seq = MAX(seq, excluded.seq), gone_seq = excluded.gone_seq
		WHERE excluded.gone_seq > gone_seq`

	// putUser replaces the whole, also by nothing.
	putUser = `INSERT INTO users (network, id, name, locale, timezone, roles, name_seq, locale_seq, timezone_seq, roles_seq, seq)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?7, ?7, ?7)
		ON CONFLICT (network, id) DO UPDATE SET ` + eachField(`@ = excluded.@, @_seq = MAX(@_seq, excluded.seq)`, "name", "locale", "timezone", "roles") +
		`, deleted = 0, seq = MAX(seq, excluded.seq)`

	// learnt fills in what a list of members says of a person, and erases nothing.
	learnt = `ON CONFLICT (network, id) DO UPDATE SET ` +
		eachField(`@ = iif(excluded.@ <> '', excluded.@, @), @_seq = iif(excluded.@ <> '', MAX(@_seq, excluded.seq), @_seq)`, "name", "locale", "timezone") +
		`, deleted = 0, seq = MAX(seq, excluded.seq)`

	learnUser = `INSERT INTO users (network, id, name, locale, timezone, name_seq, locale_seq, timezone_seq, seq)
		VALUES (?1, ?2, ?3, ?4, ?5, iif(?3 <> '', ?6, 0), iif(?4 <> '', ?6, 0), iif(?5 <> '', ?6, 0), ?6) ` + learnt
)

// User reads a user.
func (s *Store) User(ctx context.Context, network chatbell.NetworkID, id chatbell.UserID) (chatbell.User, error) {
	user := chatbell.User{ID: id}
	roles := ""
	err := s.read.QueryRowContext(ctx, `SELECT name, locale, timezone, roles FROM users WHERE network = ? AND id = ? AND deleted = 0`, network, id).
		Scan(&user.Name, &user.Locale, &user.Timezone, &roles)
	if err == nil {
		user.Roles, err = unlist(roles)
	}
	return user, found("user", err)
}

// PutUser replaces a user.
func (s *Store) PutUser(ctx context.Context, network chatbell.NetworkID, u chatbell.User) error {
	return s.do(ctx, "put user", func(ctx context.Context, q *tx) error {
		q.touchUser(network, u.ID)
		_, err := q.ExecContext(ctx, putUser, network, u.ID, u.Name, u.Locale, u.Timezone, list(u.Roles), s.now())
		return err
	})
}

// DeleteUser removes a user with devices, memberships and settings.
func (s *Store) DeleteUser(ctx context.Context, network chatbell.NetworkID, id chatbell.UserID) error {
	return s.do(ctx, "delete user", func(ctx context.Context, q *tx) error {
		deleting, err := s.deletion(ctx, q, network, `SELECT deleted = 0, seq FROM users WHERE network = ?1 AND id = ?2
			UNION ALL SELECT 1, seq FROM devices INDEXED BY devices_by_user WHERE network = ?1 AND user = ?2
			UNION ALL SELECT m.deleted = 0 AND m.gen = COALESCE(c.gen, 0), MAX(m.seq, COALESCE(c.list_seq, 0))
				FROM members m INDEXED BY members_by_user LEFT JOIN channels c ON c.network = m.network AND c.id = m.channel
				WHERE m.network = ?1 AND m.user = ?2`, id)
		if err != nil {
			return err
		}
		if err := deleting.deleteUser(ctx, id); err != nil {
			return err
		}
		if err := deleting.exec(ctx, `UPDATE members INDEXED BY members_by_user SET seq = ?1 - 1 WHERE network = ?2 AND user = ?3 AND seq = ?1`, deleting.seq, network, id); err != nil {
			return err
		}
		return deleting.restamp(ctx, "users", id)
	})
}

// deletion is a change that is newer than all rows of a thing, which may be newer than
// what is known to be accepted. The query gives the rows: whether they live, and seq.
func (s *Store) deletion(ctx context.Context, txn *tx, network chatbell.NetworkID, rows string, id any) (*change, error) {
	var live bool
	var newest int64
	err := txn.QueryRowContext(ctx, `SELECT COALESCE(MAX(live), 0), COALESCE(MAX(seq), 0) FROM (SELECT 0 AS live, 0 AS seq UNION ALL `+rows+`)`, network, id).Scan(&live, &newest)
	if err != nil {
		return nil, err
	}
	if !live {
		return nil, chatbell.ErrNotFound
	}
	return &change{q: txn, network: network, seq: max(s.now(), newest) + 1}, nil
}

// restamp brings a tombstone of the API back to the newest accepted sequence: an
// event that is accepted from now on counts again.
func (c *change) restamp(ctx context.Context, table string, id any) error {
	return c.exec(ctx, `UPDATE `+table+` SET seq = ?1 - 1, gone_seq = ?1 - 1 WHERE network = ?2 AND id = ?3 AND seq = ?1`, c.seq, c.network, id)
}
