package native

import (
	"chatbell"
	"chatbell/handlers/web/openapi"
)

var docPutUser = openapi.Operation{
	ID: "putUser", Tag: tagUsers, Summary: "Put a user",
	Description: "Makes the user exactly this: what is absent is empty afterwards. The next event is matched with it.",
	Parameters:  []any{userPath{}},
	Request:     &openapi.Body{Content: body[userInput](example("user", exampleUserInput))},
	Answers:     ok(body[chatbell.User](example("user", exampleUser))),
}

var docGetUser = openapi.Operation{
	ID: "getUser", Tag: tagUsers, Summary: "Read a user",
	Description: "Reads what is known of the user, by a call or from events.",
	Parameters:  []any{userPath{}},
	Answers:     ok(body[chatbell.User](example("user", exampleUser))),
}

var docDeleteUser = openapi.Operation{
	ID: "deleteUser", Tag: tagUsers, Summary: "Remove a user",
	Description: "Removes the user with devices, memberships and settings.",
	Parameters:  []any{userPath{}},
	Answers:     gone,
}

var docPutChannel = openapi.Operation{
	ID: "putChannel", Tag: tagChannels, Summary: "Put a channel",
	Description: "Makes the channel exactly this; its members stay.",
	Parameters:  []any{channelPath{}},
	Request:     &openapi.Body{Content: body[channelInput](example("channel", exampleChannelInput))},
	Answers:     ok(body[chatbell.Channel](example("channel", exampleChannel))),
}

var docGetChannel = openapi.Operation{
	ID: "getChannel", Tag: tagChannels, Summary: "Read a channel",
	Description: "Reads the channel, without its members.",
	Parameters:  []any{channelPath{}},
	Answers:     ok(body[chatbell.Channel](example("channel", exampleChannel))),
}

var docDeleteChannel = openapi.Operation{
	ID: "deleteChannel", Tag: tagChannels, Summary: "Remove a channel",
	Description: "Removes the channel with its members.",
	Parameters:  []any{channelPath{}},
	Answers:     gone,
}

var docListMembers = openapi.Operation{
	ID: "listMembers", Tag: tagChannels, Summary: "List the members of a channel",
	Description: "Lists the members in the order of their ids, page by page.",
	Parameters:  []any{channelPath{}, pageQuery{}},
	Answers:     ok(body[memberPage](example("page", `{"members":[`+exampleMember+`],"next_cursor":"Ym9i"}`))),
}

var docReplaceMembers = openapi.Operation{
	ID: "replaceMembers", Tag: tagChannels, Summary: "Replace the members of a channel",
	Description: "Makes the members of the channel exactly these, one a line, at most 512 MiB in 10 minutes; the channel need not exist before. A bad line changes nothing, and is named by a pointer that begins with its index.",
	Parameters:  []any{channelPath{}},
	Request: &openapi.Body{Optional: true, Description: "No line at all takes every member out.", Content: []openapi.Content{{
		Media: mediaLines, Schema: openapi.Lines("One Member a line, at most 64 KiB each; an empty line means nothing."),
		Examples: []openapi.Example{example("members", exampleMember+"\n"+`{"id":"carol"}`+"\n")},
	}}},
	Answers: append(ok(body[memberCount](example("count", `{"members":2}`))), answerTooMany),
}

var docPutMember = openapi.Operation{
	ID: "putMember", Tag: tagChannels, Summary: "Put a member of a channel",
	Description: "Makes the user a member with exactly these roles in the channel. Neither needs to be known before.",
	Parameters:  []any{channelPath{}, userPath{}},
	Request:     &openapi.Body{Optional: true, Description: "No body is a member without roles.", Content: body[memberInput](example("member", exampleMemberInput))},
	Answers:     ok(body[member](example("member", exampleMember))),
}

var docDeleteMember = openapi.Operation{
	ID: "deleteMember", Tag: tagChannels, Summary: "Take a user out of a channel",
	Description: "Takes the user out of the channel; the user stays known.",
	Parameters:  []any{channelPath{}, userPath{}},
	Answers:     gone,
}

var docRegisterDevice = openapi.Operation{
	ID: "registerDevice", Tag: tagDevices, Summary: "Register a device",
	Description: "Makes the device exactly this; the last registration wins, also over another user's. An app calls it at each start, with the user's token.",
	Request:     &openapi.Body{Content: body[deviceInput](example("device", exampleDeviceInput))},
	Answers:     ok(body[registered](example("registered", `{"id":"phone-1","device_id":"phone-1"}`))),
}

var docListDevices = openapi.Operation{
	ID: "listDevices", Tag: tagDevices, Summary: "List devices",
	Description: "Lists the devices in the order of their ids, page by page.",
	Parameters:  []any{devicesQuery{}, pageQuery{}},
	Answers:     ok(body[devicePage](example("page", `{"devices":[`+exampleDevice+`]}`))),
}

var docUnregisterDevice = openapi.Operation{
	ID: "unregisterDevice", Tag: tagDevices, Summary: "Unregister a device",
	Description: "Removes a device as an app does at logout. With a user it acts only if the device is still that user's; otherwise the answer is 404. A user's token acts on that user's devices only.",
	Parameters:  []any{deviceQuery{}},
	Answers:     gone,
}

var docDeleteDevice = openapi.Operation{
	ID: "deleteDevice", Tag: tagDevices, Summary: "Remove a device",
	Description: "Removes the device, whoever has it; with a user's token only if it is that user's.",
	Parameters:  []any{devicePath{}},
	Answers:     gone,
}
