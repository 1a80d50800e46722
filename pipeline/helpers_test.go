package pipeline_test

import (
	"chatbell"
	"chatbell/internal/store"
)

func deviceFilter(user string) store.DeviceFilter {
	return store.DeviceFilter{User: chatbell.UserID(user), Limit: 10}
}
