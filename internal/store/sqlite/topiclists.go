package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"chatbell"
	"chatbell/internal/store"
)

// Topics are listed in the order of their names, then of whose they are. Where the names
// are given, there is a query for each; otherwise one goes through the names, or through
// the topics of the devices and users that are given. ?1 is the network, ?2 and ?3 where
// the page before ended, ?4 how many are on it, ?5 the name, ?6 and ?7 the bounds of the
// prefix.
const (
	afterTopic    = ` AND t.topic >= ?2 AND (t.topic, t.device) > (?2, ?3)`
	afterUser     = ` AND t.topic >= ?2 AND (t.topic, t.user) > (?2, ?3)`
	between       = ` AND t.topic >= ?6 AND t.topic < ?7`
	topicColumns  = `SELECT t.topic, ` + `d.id, d.user, d.provider, d.platform, d.token, d.app, d.locale, d.timezone, d.sandbox, d.meta, d.registered_at, d.disabled, COALESCE(r.created_at, d.registered_at), COALESCE(r.updated_at, d.registered_at), COALESCE(r.webpush_keys, '')`
	joinDevice    = ` CROSS JOIN devices d ON d.network = t.network AND d.id = t.device ` + record
	topicsByName  = ` FROM device_topics t INDEXED BY device_topics_by_topic ` + joinDevice + ` WHERE t.network = ?1` + between
	topicsOfThese = ` FROM (SELECT id FROM devices WHERE network = ?1 AND id IN (SELECT value FROM json_each(?8))
			UNION SELECT id FROM devices INDEXED BY devices_by_user WHERE network = ?1 AND ?8 IS NULL AND user IN (SELECT value FROM json_each(?9))) list
		CROSS JOIN device_topics t ON t.network = ?1 AND t.device = list.id ` + joinDevice + ` WHERE t.network = ?1` + between
	topicResidue = ` AND (?5 IS NULL OR t.topic IN (SELECT value FROM json_each(?5)))
		AND (?8 IS NULL OR d.id IN (SELECT value FROM json_each(?8)))
		AND (?9 IS NULL OR d.user IN (SELECT value FROM json_each(?9)))
		AND (?10 IS NULL OR d.provider IN (SELECT value FROM json_each(?10)))
		AND (?11 IS NULL OR d.platform IN (SELECT value FROM json_each(?11)))`
	topicOrder = ` ORDER BY t.topic, t.device LIMIT ?4`

	userTopicsByName  = ` FROM user_topics t INDEXED BY user_topics_by_topic WHERE t.network = ?1` + between + ` AND ?8 IS NULL`
	userTopicsOfThese = ` FROM user_topics t WHERE t.network = ?1 AND t.user IN (SELECT value FROM json_each(?8))` + between
	userResidue       = ` AND (?5 IS NULL OR t.topic IN (SELECT value FROM json_each(?5)))`
	userOrder         = ` ORDER BY t.topic, t.user LIMIT ?4`
	noPage            = ` AND ?2 = '' AND ?3 = '' AND ?4 = 0`
)

// topicArgs are the arguments that both lists have.
func topicArgs(network chatbell.NetworkID, page *store.TopicPage) []any {
	// The greatest character: a name that begins with the prefix is below the prefix with it.
	return []any{network, page.Topic, page.Of, page.Limit, orNull(page.Choice.Topics), page.Choice.Prefix, page.Choice.Prefix + "\U0010FFFF"}
}

// byName is a query for each name that is given; one where none is.
func byName(page store.TopicPage) []store.TopicPage {
	if page.Choice.Topics == nil {
		return []store.TopicPage{page}
	}
	var pages []store.TopicPage
	for _, name := range slices.Compact(slices.Sorted(slices.Values(page.Choice.Topics))) {
		if !strings.HasPrefix(name, page.Choice.Prefix) {
			continue
		}
		one := page
		one.Choice.Topics = []string{name}
		one.Choice.Prefix = name
		pages = append(pages, one)
	}
	return pages
}

// listed asks for a page name by name.
func listed[T any](page store.TopicPage, ask func(page *store.TopicPage) ([]T, error)) ([]T, error) {
	var out []T
	for _, one := range byName(page) {
		one.Limit = page.Limit - len(out)
		some, err := ask(&one)
		out = append(out, some...)
		if err != nil || len(out) == page.Limit {
			return out, err
		}
	}
	return out, nil
}

// total adds up what is counted name by name.
func total(choice store.TopicChoice, count func(page *store.TopicPage, into *int64) error) (sum int64, err error) {
	for _, one := range byName(store.TopicPage{Choice: choice}) {
		n := int64(0)
		if err := count(&one, &n); err != nil {
			return 0, fmt.Errorf("count topics: %w", asUnavailable(err))
		}
		sum += n
	}
	return sum, nil
}

// DeviceTopics lists topics of devices.
func (s *Store) DeviceTopics(ctx context.Context, network chatbell.NetworkID, page store.TopicPage) ([]store.DeviceTopic, error) {
	return listed(page, func(one *store.TopicPage) ([]store.DeviceTopic, error) { return s.deviceTopics(ctx, network, one) })
}

func (s *Store) deviceTopics(ctx context.Context, network chatbell.NetworkID, page *store.TopicPage) (out []store.DeviceTopic, err error) {
	rows, err := s.read.QueryContext(ctx, topicColumns+fromDeviceTopics(&page.Choice)+afterTopic+topicResidue+topicOrder, deviceTopicArgs(network, page)...)
	if err != nil {
		return nil, fmt.Errorf("read topics of devices: %w", asUnavailable(err))
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var one store.DeviceTopic
		if one.Device, err = scanTopicDevice(rows, &one.Topic); err != nil {
			return nil, fmt.Errorf("read topics of devices: %w", err)
		}
		out = append(out, one)
	}
	return out, rows.Err()
}

func fromDeviceTopics(choice *store.TopicChoice) string {
	if choice.Devices.IDs == nil && choice.Devices.Users == nil {
		return topicsByName
	}
	return topicsOfThese
}

func deviceTopicArgs(network chatbell.NetworkID, page *store.TopicPage) []any {
	devices := &page.Choice.Devices
	return slices.Concat(topicArgs(network, page), []any{orNull(devices.IDs), orNull(devices.Users), orNull(devices.Providers), orNull(devices.Platforms)})
}

// CountDeviceTopics counts topics of devices.
func (s *Store) CountDeviceTopics(ctx context.Context, network chatbell.NetworkID, choice store.TopicChoice) (int64, error) {
	return total(choice, func(page *store.TopicPage, into *int64) error {
		return s.read.QueryRowContext(ctx, `SELECT COUNT(*)`+fromDeviceTopics(&choice)+noPage+topicResidue, deviceTopicArgs(network, page)...).Scan(into)
	})
}

// UserTopics lists topics of users.
func (s *Store) UserTopics(ctx context.Context, network chatbell.NetworkID, page store.TopicPage) ([]store.UserTopic, error) {
	return listed(page, func(one *store.TopicPage) ([]store.UserTopic, error) { return s.userTopics(ctx, network, one) })
}

func (s *Store) userTopics(ctx context.Context, network chatbell.NetworkID, page *store.TopicPage) (out []store.UserTopic, err error) {
	rows, err := s.read.QueryContext(ctx, `SELECT t.topic, t.user`+fromUserTopics(&page.Choice)+afterUser+userResidue+userOrder,
		append(topicArgs(network, page), orNull(page.Choice.Users))...)
	if err != nil {
		return nil, fmt.Errorf("read topics of users: %w", asUnavailable(err))
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var one store.UserTopic
		if err := rows.Scan(&one.Topic, &one.User); err != nil {
			return nil, fmt.Errorf("read topics of users: %w", err)
		}
		out = append(out, one)
	}
	return out, rows.Err()
}

func fromUserTopics(choice *store.TopicChoice) string {
	if choice.Users == nil {
		return userTopicsByName
	}
	return userTopicsOfThese
}

// CountUserTopics counts topics of users.
func (s *Store) CountUserTopics(ctx context.Context, network chatbell.NetworkID, choice store.TopicChoice) (int64, error) {
	return total(choice, func(page *store.TopicPage, into *int64) error {
		return s.read.QueryRowContext(ctx, `SELECT COUNT(*)`+fromUserTopics(&choice)+noPage+userResidue,
			append(topicArgs(network, page), orNull(choice.Users))...).Scan(into)
	})
}
