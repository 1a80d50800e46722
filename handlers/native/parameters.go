package native

import "chatbell"

// The parameters of the operations, as /openapi.json describes them.

type userPath struct {
	User chatbell.UserID `path:"user" description:"The user's id in the chat backend, percent-encoded."`
}

type channelPath struct {
	Channel chatbell.ChannelID `path:"channel" description:"The channel's id in the chat backend, percent-encoded."`
}

type devicePath struct {
	ID chatbell.DeviceID `path:"id" description:"The device's id, percent-encoded."`
}

type pageQuery struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" description:"How many to list at most."`
	Cursor string `query:"cursor" description:"The next_cursor of the page before; absent, the list begins."`
}

type devicesQuery struct {
	User chatbell.UserID `query:"user" description:"List this user's devices only. A user's token lists that user's in any case."`
}

type deviceQuery struct {
	DeviceID chatbell.DeviceID `query:"device_id" required:"true" description:"The device's id."`
	User     chatbell.UserID   `query:"user" description:"Unregister the device only if it is this user's now; absent, whoever has it."`
}

type traceHeader struct {
	TraceParent string `header:"traceparent" description:"A W3C trace context, passed on to providers and webhooks. One that cannot be read is ignored."`
}
