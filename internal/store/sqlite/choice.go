package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"chatbell"
	"chatbell/internal/store"
)

// The devices of a choice are found by the index that fits best, which "from" names, and
// looked at for the rest of the choice. ?1 is the network, ?2 the id after which the page
// begins, ?3 how many there are on it, ?10 the value by which the index finds them.
const (
	chosenColumns = `SELECT d.id, d.user, d.provider, d.platform, d.token, d.app, d.locale, d.timezone, d.sandbox, d.meta, d.registered_at, d.disabled,
		COALESCE(r.created_at, d.registered_at), COALESCE(r.updated_at, d.registered_at), COALESCE(r.webpush_keys, '') `
	record    = ` LEFT JOIN device_records r ON r.network = d.network AND r.device = d.id `
	fromAll   = ` FROM devices d ` + record + ` WHERE d.network = ?1 AND d.id > ?2 AND ?10 IS NULL`
	fromIDs   = ` FROM devices d ` + record + ` WHERE d.network = ?1 AND d.id > ?2 AND d.id = ?10`
	fromUser  = ` FROM devices d INDEXED BY devices_by_user ` + record + ` WHERE d.network = ?1 AND d.id > ?2 AND d.user = ?10`
	fromToken = ` FROM devices d INDEXED BY devices_by_token_alone ` + record + ` WHERE d.network = ?1 AND d.id > ?2 AND d.token = ?10`
	// A join that begins with the topic: CROSS keeps the order.
	fromTopic = ` FROM device_topics t INDEXED BY device_topics_by_topic CROSS JOIN devices d ON d.network = t.network AND d.id = t.device ` + record +
		` WHERE t.network = ?1 AND t.device > ?2 AND t.topic = ?10`
	// residue is the rest of a choice; what is NULL chooses all.
	residue = ` AND (?4 IS NULL OR d.id IN (SELECT value FROM json_each(?4)))
		AND (?5 IS NULL OR d.user IN (SELECT value FROM json_each(?5)))
		AND (?6 IS NULL OR d.token IN (SELECT value FROM json_each(?6)))
		AND (?7 IS NULL OR EXISTS (SELECT 1 FROM device_topics x WHERE x.network = d.network AND x.device = d.id AND x.topic IN (SELECT value FROM json_each(?7))))
		AND (?8 IS NULL OR d.provider IN (SELECT value FROM json_each(?8)))
		AND (?9 IS NULL OR d.platform IN (SELECT value FROM json_each(?9)))
		AND (?11 = 0 OR d.disabled = '')`
	inOrder      = ` ORDER BY d.id LIMIT ?3`
	inTopicOrder = ` ORDER BY t.device LIMIT ?3`
)

// orNull is a list as a query takes it.
func orNull[T any](list []T) any {
	if list == nil {
		return nil
	}
	return encode(list)
}

// chooser is how the devices of a choice are found.
type chooser struct {
	query, count string
	keys         []string // one query each; nil for one without
	// rest is the choice without the list that the keys are of: it need not be looked
	// through for each of them.
	rest store.DeviceChoice
}

func chooserOf(c *store.DeviceChoice) chooser {
	rest := *c
	pick := func(from, order string, keys []string) chooser {
		keys = slices.Clone(keys)
		slices.Sort(keys)
		return chooser{chosenColumns + from + residue + order, `SELECT COUNT(*)` + from + residue + ` AND ?3 = 0`, slices.Compact(keys), rest}
	}
	switch {
	case c.IDs != nil:
		rest.IDs = nil
		return pick(fromIDs, inOrder, texts(c.IDs))
	case c.Tokens != nil:
		rest.Tokens = nil
		return pick(fromToken, inOrder, c.Tokens)
	case c.Users != nil:
		rest.Users = nil
		return pick(fromUser, inOrder, texts(c.Users))
	case c.Topics != nil:
		rest.Topics = nil
		return pick(fromTopic, inTopicOrder, texts(c.Topics))
	}
	return pick(fromAll, inOrder, nil)
}

func texts[S ~string](list []S) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return out
}

// each calls a function with the arguments of each query of the choice.
func (c *chooser) each(network chatbell.NetworkID, page *store.DevicePage, call func(args []any) error) error {
	choice := &c.rest
	args := func(key any) []any {
		return []any{
			network, page.After, page.Limit, orNull(choice.IDs), orNull(choice.Users), orNull(choice.Tokens), orNull(choice.Topics),
			orNull(choice.Providers), orNull(choice.Platforms), key, choice.Usable,
		}
	}
	if c.keys == nil {
		return call(args(nil))
	}
	for _, key := range c.keys {
		if err := call(args(key)); err != nil {
			return err
		}
	}
	return nil
}

// ChosenDevices lists the devices of a choice in the order of their ids.
func (s *Store) ChosenDevices(ctx context.Context, network chatbell.NetworkID, page store.DevicePage) ([]store.TopicDevice, error) {
	found, err := queryDevices(ctx, s.read, network, &page)
	if err != nil {
		return nil, fmt.Errorf("read the devices of a choice: %w", asUnavailable(err))
	}
	if !page.Topics || len(found) == 0 {
		return found, nil
	}
	at := make(map[chatbell.DeviceID]*store.TopicDevice, len(found))
	ids := make([]chatbell.DeviceID, len(found))
	for i := range found {
		ids[i] = found[i].ID
		at[found[i].ID] = &found[i]
		found[i].Topics = []string{}
	}
	return found, s.topicsOf(ctx, network, ids, at)
}

// topicsOf reads the topics of devices.
func (s *Store) topicsOf(ctx context.Context, network chatbell.NetworkID, ids []chatbell.DeviceID, at map[chatbell.DeviceID]*store.TopicDevice) error {
	rows, err := s.read.QueryContext(ctx, `SELECT device, topic FROM device_topics WHERE network = ? AND device IN (SELECT value FROM json_each(?)) ORDER BY device, topic`,
		network, encode(ids))
	if err != nil {
		return fmt.Errorf("read topics: %w", asUnavailable(err))
	}
	defer rows.Close()
	for rows.Next() {
		var device chatbell.DeviceID
		var topic string
		if err := rows.Scan(&device, &topic); err != nil {
			return fmt.Errorf("read topics: %w", err)
		}
		at[device].Topics = append(at[device].Topics, topic)
	}
	return rows.Err()
}

// queryDevices merges what the queries of a choice find.
func queryDevices(ctx context.Context, on querier, network chatbell.NetworkID, page *store.DevicePage) ([]store.TopicDevice, error) {
	var all []store.TopicDevice
	how := chooserOf(&page.Choice)
	err := how.each(network, page, func(args []any) error {
		some, err := scanDevices(ctx, on, how.query, args)
		all = append(all, some...)
		if len(all) > 2*page.Limit { // what is behind the page is of no use
			all = firstDevices(all, page.Limit)
		}
		return err
	})
	return firstDevices(all, page.Limit), err
}

// firstDevices are the first of some devices, each once.
func firstDevices(all []store.TopicDevice, limit int) []store.TopicDevice {
	slices.SortFunc(all, func(a, b store.TopicDevice) int { return cmp.Compare(a.ID, b.ID) })
	all = slices.CompactFunc(all, func(a, b store.TopicDevice) bool { return a.ID == b.ID })
	return all[:min(len(all), limit)]
}

func scanDevices(ctx context.Context, on querier, query string, args []any) (out []store.TopicDevice, err error) {
	rows, err := on.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		device, err := scanTopicDevice(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, device)
	}
	return out, rows.Err()
}

func scanTopicDevice(rows *sql.Rows, before ...any) (store.TopicDevice, error) {
	var out store.TopicDevice
	var created int64
	var updated int64
	var err error
	out.Device, err = scanDevice(func(into ...any) error {
		return rows.Scan(slices.Concat(before, into, []any{&created, &updated, &out.WebPushKeys})...)
	})
	out.CreatedAt = time.UnixMilli(created).UTC()
	out.UpdatedAt = time.UnixMilli(updated).UTC()
	return out, err
}

// CountDevices counts the devices of a choice. By topics, one that has several of them is
// read again for each.
func (s *Store) CountDevices(ctx context.Context, network chatbell.NetworkID, choice store.DeviceChoice) (total int64, err error) {
	how := chooserOf(&choice)
	if choice.IDs == nil && choice.Tokens == nil && choice.Users == nil && len(choice.Topics) > 1 {
		how = chooserOf(&store.DeviceChoice{}) // each once
		how.rest = choice
	}
	err = how.each(network, &store.DevicePage{Choice: choice}, func(args []any) error {
		n := int64(0)
		err := s.read.QueryRowContext(ctx, how.count, args...).Scan(&n)
		total += n
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("count the devices of a choice: %w", asUnavailable(err))
	}
	return total, nil
}
