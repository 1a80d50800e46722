package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chatbell"
	"chatbell/internal/store"
)

// choices: each filter, alone and with others, page by page, counted.
func choices(t *testing.T, f *fixture) {
	for i := range 60 {
		r := registration("", []string{"a", "b", ""}[i%3], fmt.Sprintf("t%02d", i))
		r.NewID = chatbell.DeviceID(fmt.Sprintf("d%02d", i))
		if i%2 == 0 {
			r.Topics = append(r.Topics, "even")
		}
		if i%5 == 0 {
			r.Topics = append(r.Topics, "five")
			r.Device.Platform = "web"
		}
		if i%4 == 0 {
			r.Device.Provider = chatbell.ProviderHMS
		}
		f.registerTopics(r)
	}
	f.must(second(f.DisableDevice(t.Context(), acme, "d00", "t00", time.Time{}, chatbell.InvalidToken)))
	every := func(is func(int) bool) (out []string) {
		for i := range 60 {
			if is(i) {
				out = append(out, fmt.Sprintf("d%02d", i))
			}
		}
		return out
	}
	for what, x := range map[string]struct {
		choice store.DeviceChoice
		is     func(int) bool
	}{
		"all":              {store.DeviceChoice{}, func(int) bool { return true }},
		"usable":           {store.DeviceChoice{Usable: true}, func(i int) bool { return i > 0 }},
		"nobody's":         {store.DeviceChoice{Users: []chatbell.UserID{""}}, func(i int) bool { return i%3 == 2 }},
		"users":            {store.DeviceChoice{Users: []chatbell.UserID{"b", "a", "b", "z"}}, func(i int) bool { return i%3 < 2 }},
		"a topic":          {store.DeviceChoice{Topics: []string{"five"}}, func(i int) bool { return i%5 == 0 }},
		"topics":           {store.DeviceChoice{Topics: []string{"five", "even"}}, func(i int) bool { return i%5 == 0 || i%2 == 0 }},
		"no topic":         {store.DeviceChoice{Topics: []string{"none"}}, func(int) bool { return false }},
		"a user's topic":   {store.DeviceChoice{Topics: []string{"even"}, Users: []chatbell.UserID{"a"}}, func(i int) bool { return i%6 == 0 }},
		"a provider":       {store.DeviceChoice{Providers: []chatbell.Provider{chatbell.ProviderHMS}}, func(i int) bool { return i%4 == 0 }},
		"a platform":       {store.DeviceChoice{Platforms: []chatbell.Platform{"web", "ios"}}, func(i int) bool { return i%5 == 0 }},
		"tokens":           {store.DeviceChoice{Tokens: []string{"t01", "t04", "t99"}}, func(i int) bool { return i == 1 || i == 4 }},
		"a token of":       {store.DeviceChoice{Tokens: []string{"t01", "t04"}, Users: []chatbell.UserID{"b"}}, func(i int) bool { return i == 1 || i == 4 }},
		"ids":              {byID("d07", "d03", "d03", "none"), func(i int) bool { return i == 3 || i == 7 }},
		"an id of a user":  {store.DeviceChoice{IDs: []chatbell.DeviceID{"d03", "d04"}, Users: []chatbell.UserID{"a"}}, func(i int) bool { return i == 3 }},
		"a topic's device": {store.DeviceChoice{Topics: []string{"five"}, Providers: []chatbell.Provider{"hms"}, Platforms: []chatbell.Platform{"web"}}, func(i int) bool { return i%20 == 0 }},
	} {
		for _, limit := range []int{1, 7, 1000} {
			var got []string
			page := store.DevicePage{Choice: x.choice, Limit: limit}
			for {
				list, err := f.ChosenDevices(t.Context(), acme, page)
				f.must(err)
				if len(list) == 0 {
					break
				}
				got = append(got, ids(list, func(d store.TopicDevice) chatbell.DeviceID { return d.ID })...)
				page.After = list[len(list)-1].ID
			}
			f.equal(fmt.Sprintf("%s, by %d", what, limit), got, every(x.is))
		}
		n, err := f.CountDevices(t.Context(), acme, x.choice)
		f.must(err)
		f.equal("how many: "+what, n, int64(len(every(x.is))))
	}
	none, err := f.ChosenDevices(t.Context(), "globex", store.DevicePage{Limit: 10})
	f.must(err)
	f.equal("another network's", len(none), 0)
}

// topicLists: topics in their order, by each filter, page by page, counted; what comes and
// goes while somebody pages neither hides nor repeats what stays.
func topicLists(t *testing.T, f *fixture) {
	for i := range 6 {
		user := []string{"a", "b"}[i%2]
		r := registration("", user, fmt.Sprint("t", i), "news", fmt.Sprint("own:", i))
		r.NewID = chatbell.DeviceID(fmt.Sprint("d", i))
		f.registerTopics(r)
		f.userList(fmt.Sprint("u", i), store.TopicSet, "news", fmt.Sprint("list:", i))
	}
	for what, x := range map[string]struct {
		choice store.TopicChoice
		want   string
	}{
		"all":       {store.TopicChoice{}, "news/d0 news/d1 news/d2 news/d3 news/d4 news/d5 own:0/d0 own:1/d1 own:2/d2 own:3/d3 own:4/d4 own:5/d5"},
		"a name":    {store.TopicChoice{Topics: []string{"own:3"}}, "own:3/d3"},
		"names":     {store.TopicChoice{Topics: []string{"own:3", "own:1", "own:1", "none"}}, "own:1/d1 own:3/d3"},
		"a prefix":  {store.TopicChoice{Prefix: "own:"}, "own:0/d0 own:1/d1 own:2/d2 own:3/d3 own:4/d4 own:5/d5"},
		"both":      {store.TopicChoice{Prefix: "own:", Topics: []string{"news", "own:2"}}, "own:2/d2"},
		"devices":   {store.TopicChoice{Devices: byID("d4", "d1")}, "news/d1 news/d4 own:1/d1 own:4/d4"},
		"users":     {store.TopicChoice{Devices: store.DeviceChoice{Users: []chatbell.UserID{"b"}}, Prefix: "o"}, "own:1/d1 own:3/d3 own:5/d5"},
		"providers": {store.TopicChoice{Devices: store.DeviceChoice{Providers: []chatbell.Provider{"hms"}}}, ""},
		"platforms": {store.TopicChoice{Devices: store.DeviceChoice{Platforms: []chatbell.Platform{"android"}}, Topics: []string{"own:0"}}, "own:0/d0"},
	} {
		for _, limit := range []int{1, 4, 100} {
			var got []string
			for page := (store.TopicPage{Choice: x.choice, Limit: limit}); ; {
				list, err := f.DeviceTopics(t.Context(), acme, page)
				f.must(err)
				if len(list) == 0 {
					break
				}
				for i := range list {
					got = append(got, list[i].Topic+"/"+string(list[i].Device.ID))
				}
				page.Topic = list[len(list)-1].Topic
				page.Of = string(list[len(list)-1].Device.ID)
			}
			f.equal(fmt.Sprintf("%s, by %d", what, limit), strings.Join(got, " "), x.want)
		}
		n, err := f.CountDeviceTopics(t.Context(), acme, x.choice)
		f.must(err)
		f.equal("how many: "+what, n, int64(len(strings.Fields(x.want))))
	}
	f.userLists(map[string]store.TopicChoice{
		"news/u1 news/u4 list:4/u4 list:1/u1":             {Users: []chatbell.UserID{"u4", "u1"}},
		"list:2/u2":                                       {Topics: []string{"list:2"}},
		"news/u0 news/u1 news/u2 news/u3 news/u4 news/u5": {Prefix: "news"},
		"list:5/u5":                                       {Topics: []string{"news", "list:5"}, Prefix: "li"},
	})
}

// userLists compares what choices choose with what they should, in whatever order it is
// written here.
func (f *fixture) userLists(all map[string]store.TopicChoice) {
	f.Helper()
	for want, choice := range all {
		expected := slices.Sorted(slices.Values(strings.Fields(want)))
		for _, limit := range []int{1, 3, 100} {
			got := []string{}
			for page := (store.TopicPage{Choice: choice, Limit: limit}); ; {
				list, err := f.UserTopics(f.Context(), acme, page)
				f.must(err)
				if len(list) == 0 {
					break
				}
				for _, one := range list {
					got = append(got, one.Topic+"/"+string(one.User))
				}
				page.Topic = list[len(list)-1].Topic
				page.Of = string(list[len(list)-1].User)
			}
			f.equal(fmt.Sprintf("lists by %d", limit), got, expected)
		}
		n, err := f.CountUserTopics(f.Context(), acme, choice)
		f.must(err)
		f.equal("how many lists", n, int64(len(expected)))
	}
}
