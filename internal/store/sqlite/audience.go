package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"chatbell"
)

// recipientColumns are read for each person and device; one person has as many rows
// as devices, or one.
const recipientColumns = `
	m.user, m.member, COALESCE(u.name, ''), COALESCE(u.locale, ''), COALESCE(u.timezone, ''), COALESCE(u.roles, ''),
	us.settings, cs.settings,
	d.id, COALESCE(d.provider, ''), COALESCE(d.platform, ''), COALESCE(d.token, ''), COALESCE(d.app, ''),
	COALESCE(d.locale, ''), COALESCE(d.timezone, ''), COALESCE(d.sandbox, 0), COALESCE(d.registered_at, 0)`

// recipientJoins bring the settings and devices of each person m.
const recipientJoins = `
	LEFT JOIN users u ON u.network = ?1 AND u.id = m.user AND u.deleted = 0
	LEFT JOIN user_settings us ON us.network = ?1 AND us.user = m.user
	LEFT JOIN channel_settings cs ON cs.network = ?1 AND cs.user = m.user AND cs.channel = ?2
	LEFT JOIN devices d INDEXED BY devices_by_user ON d.network = ?1 AND d.user = m.user AND d.disabled = ''`

// Audience reads one page of a channel's members, in the order of their ids, with
// everything that the decision and the delivery need. Small channels are kept in memory;
// what the slice points to is shared, and nobody may change it.
func (s *Store) Audience(ctx context.Context, query chatbell.AudienceQuery) ([]chatbell.Recipient, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("read audience: %w", err)
	}
	if query.JoinedBefore > 0 { // asked once for each person who joins
		people, _, err := s.readAudience(ctx, &query)
		return people, err
	}
	if people, ok := s.audiences.page(&query); ok {
		return people, nil
	}
	read := s.audiences.begin(channelKey{query.Network, query.Channel})
	people, bytes, err := s.readAudience(ctx, &query)
	whole := err == nil && query.After == "" && len(people) < query.Limit
	s.audiences.end(read, people, bytes, whole)
	return people, err
}

// readAudience reads a page from the database, and estimates its size in memory.
func (s *Store) readAudience(ctx context.Context, query *chatbell.AudienceQuery) (people []chatbell.Recipient, bytes int, err error) {
	// A bare parameter as the LIMIT of a subquery would make SQLite plan the query anew
	// each time; hence the + 0.
	before := int64(query.JoinedBefore)
	rows, err := s.read.QueryContext(ctx, `SELECT `+recipientColumns+` FROM (
			SELECT user, 1 AS member FROM members INDEXED BY members_there
			WHERE `+inChannelNow("?1", "?2")+` AND user > ?3 AND deleted = 0
				AND (?4 = 0 OR iif(joined_seq < 0, (SELECT list_seq FROM channels WHERE network = ?1 AND id = ?2), joined_seq) < ?4)
			ORDER BY user LIMIT ?5 + 0) m`+recipientJoins+` ORDER BY m.user, d.id`,
		query.Network, query.Channel, query.After, before, query.Limit)
	if err != nil {
		return nil, 0, fmt.Errorf("read audience: %w", err)
	}
	return scanRecipients(rows)
}

// Recipients reads people by their ids, known or not, in the order of the ids.
func (s *Store) Recipients(ctx context.Context, network chatbell.NetworkID, channel chatbell.ChannelID, ids []chatbell.UserID) ([]chatbell.Recipient, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := s.read.QueryContext(ctx, `SELECT `+recipientColumns+` FROM (
			SELECT j.value AS user, j.key AS place, COALESCE((SELECT 1 FROM members
				WHERE `+inChannelNow("?1", "?2")+` AND user = j.value AND deleted = 0), 0) AS member
			FROM json_each(?3) j) m`+recipientJoins+` ORDER BY m.place, d.id`,
		network, channel, encode(ids))
	if err != nil {
		return nil, fmt.Errorf("read people: %w", err)
	}
	people, _, err := scanRecipients(rows)
	return people, err
}

// recipientRow is one row of the join.
type recipientRow struct {
	r                 chatbell.Recipient
	roles             string
	settings, channel sql.NullString
	device            sql.NullString
	d                 chatbell.Device
	sandbox           int
	registered        int64
}

// scanRecipients reads the rows of a join. Most channels are small: room for a whole
// page would be most of what matching allocates. It estimates the size in memory, too.
func scanRecipients(rows *sql.Rows) (out []chatbell.Recipient, bytes int, err error) {
	bytes = keptOverhead
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var row recipientRow
		user := &row.r.User
		if err := rows.Scan(&user.ID, &row.r.Member, &user.Name, &user.Locale, &user.Timezone, &row.roles, &row.settings, &row.channel,
			&row.device, &row.d.Provider, &row.d.Platform, &row.d.Token, &row.d.App, &row.d.Locale, &row.d.Timezone, &row.sandbox, &row.registered); err != nil {
			return nil, 0, fmt.Errorf("read audience: %w", err)
		}
		if n := len(out); n == 0 || out[n-1].User.ID != user.ID {
			if err := row.person(); err != nil {
				return nil, 0, err
			}
			out = append(out, row.r)
			bytes += row.personBytes()
		}
		if row.device.Valid {
			row.d.ID = chatbell.DeviceID(row.device.String)
			row.d.User = user.ID
			row.d.Sandbox = row.sandbox != 0
			row.d.RegisteredAt = time.UnixMilli(row.registered).UTC()
			last := &out[len(out)-1]
			last.Devices = append(last.Devices, row.d)
			bytes += row.deviceBytes()
		}
	}
	if err := rows.Err(); err != nil {
		return nil, 0, fmt.Errorf("read audience: %w", err)
	}
	return out, bytes, nil
}

// keptOverhead is what an audience takes besides its people, and personOverhead a person
// besides what is said of them: their places in maps.
const (
	keptOverhead   = 256
	personOverhead = 256
)

func (x *recipientRow) personBytes() int {
	user := &x.r.User
	texts := len(user.ID) + len(user.Name) + len(user.Locale) + len(user.Timezone)
	decoded := 4 * (len(x.roles) + len(x.settings.String) + len(x.channel.String)) // what JSON becomes
	return int(unsafe.Sizeof(x.r)) + personOverhead + texts + decoded
}

func (x *recipientRow) deviceBytes() int {
	device := &x.d
	return int(unsafe.Sizeof(*device)) + len(device.ID) + len(device.Platform) + len(device.Token) + len(device.App) + len(device.Locale) + len(device.Timezone)
}

// person decodes what a person has once, however many devices.
func (x *recipientRow) person() (err error) {
	if x.r.User.Roles, err = unlist(x.roles); err != nil {
		return err
	}
	if x.settings.Valid {
		x.r.Settings = new(chatbell.UserSettings)
		if err := decode(x.settings.String, x.r.Settings); err != nil {
			return err
		}
	}
	if x.channel.Valid {
		x.r.ChannelSettings = new(chatbell.ChannelSettings)
		return decode(x.channel.String, x.r.ChannelSettings)
	}
	return nil
}
