package native

import (
	"chatbell"
	"chatbell/handlers/web"
	"chatbell/handlers/web/openapi"
)

// words is what the document says of an operation in words.
type words struct{ id, tag, summary, description string }

// reads is an operation whose answer is a T.
func reads[T any](w words, example openapi.Example, parameters ...any) openapi.Operation {
	return openapi.Operation{
		ID:          w.id,
		Tag:         w.tag,
		Summary:     w.summary,
		Description: w.description,
		Parameters:  parameters,
		Answers:     web.Done(web.Body[T](example)),
	}
}

// puts is an operation that takes an In and answers with an Out.
func puts[In, Out any](w words, in, out openapi.Example, parameters ...any) openapi.Operation {
	operation := reads[Out](w, out, parameters...)
	operation.Request = &openapi.Body{Content: web.Body[In](in)}
	return operation
}

// removes is an operation after which something is gone.
func removes(w words, parameters ...any) openapi.Operation {
	return openapi.Operation{
		ID:          w.id,
		Tag:         w.tag,
		Summary:     w.summary,
		Description: w.description,
		Parameters:  parameters,
		Answers:     web.Gone,
	}
}

var (
	docPutUser = puts[userInput, chatbell.User](
		words{"putUser", tagUsers, "Put a user", "Makes the user exactly this: what is absent is empty afterwards. The next event is matched with it."},
		web.Example("user", exampleUserInput), web.Example("user", exampleUser), userPath{})
	docGetUser = reads[chatbell.User](
		words{"getUser", tagUsers, "Read a user", "Reads what is known of the user, by a call or from events."},
		web.Example("user", exampleUser), userPath{})
	docDeleteUser = removes(
		words{"deleteUser", tagUsers, "Remove a user", "Removes the user with devices, memberships and settings."}, userPath{})
)

var (
	docPutChannel = puts[channelInput, chatbell.Channel](
		words{"putChannel", tagChannels, "Put a channel", "Makes the channel exactly this; its members stay."},
		web.Example("channel", exampleChannelInput), web.Example("channel", exampleChannel), channelPath{})
	docGetChannel = reads[chatbell.Channel](
		words{"getChannel", tagChannels, "Read a channel", "Reads the channel, without its members."},
		web.Example("channel", exampleChannel), channelPath{})
	docDeleteChannel = removes(
		words{"deleteChannel", tagChannels, "Remove a channel", "Removes the channel with its members."}, channelPath{})
)

var (
	docListMembers = reads[memberPage](
		words{"listMembers", tagChannels, "List the members of a channel", "Lists the members in the order of their ids, page by page."},
		web.Example("page", `{"members":[`+exampleMember+`],"next_cursor":"Ym9i"}`), channelPath{}, pageQuery{})
	docReplaceMembers = replaceMembers()
	docPutMember      = optional("No body is a member without roles.", puts[memberInput, member](
		words{"putMember", tagChannels, "Put a member of a channel", "Makes the user a member with exactly these roles in the channel. Neither needs to be known before."},
		web.Example("member", exampleMemberInput), web.Example("member", exampleMember), channelPath{}, userPath{}))
	docDeleteMember = removes(
		words{"deleteMember", tagChannels, "Take a user out of a channel", "Takes the user out of the channel; the user stays known."}, channelPath{}, userPath{})
)

// optional is an operation that need not have a body.
func optional(without string, op openapi.Operation) openapi.Operation {
	op.Request.Optional = true
	op.Request.Description = without
	return op
}

func replaceMembers() openapi.Operation {
	operation := reads[memberCount](words{
		"replaceMembers", tagChannels, "Replace the members of a channel",
		"Makes the members of the channel exactly these, one a line, at most 512 MiB in 10 minutes; the channel need not exist before. A bad line changes nothing, and is named by a pointer that begins with its index.",
	}, web.Example("count", `{"members":2}`), channelPath{})
	operation.Request = &openapi.Body{Optional: true, Description: "No line at all takes every member out.", Content: []openapi.Content{{
		Media: web.MediaLines, Schema: openapi.Lines("One Member a line, at most 64 KiB each; an empty line means nothing."),
		Examples: []openapi.Example{web.Example("members", exampleMember+"\n"+`{"id":"carol"}`+"\n")},
	}}}
	operation.Answers = append(operation.Answers, web.AnswerTooMany)
	return operation
}

func registersDevice() openapi.Operation {
	operation := puts[deviceInput, registered](
		words{"registerDevice", tagDevices, "Register a device", "Makes the device exactly this; the last registration wins, with a server key also over another user's. An app calls it at each start, with the user's token."},
		web.Example("device", exampleDeviceInput), web.Example("registered", `{"id":"phone-1","device_id":"phone-1"}`))
	operation.Answers = append(operation.Answers, web.Fails("DeviceTaken", "The device_id is another user's, and the caller is a user. Nothing was changed.", nil, errDeviceTaken))
	return operation
}

var (
	docRegisterDevice = registersDevice()
	docListDevices    = reads[devicePage](
		words{"listDevices", tagDevices, "List devices", "Lists the devices in the order of their ids, page by page."},
		web.Example("page", `{"devices":[`+exampleDevice+`]}`), devicesQuery{}, pageQuery{})
	docUnregisterDevice = removes(
		words{"unregisterDevice", tagDevices, "Unregister a device", "Removes a device as an app does at logout. With a user it acts only if the device is still that user's; otherwise the answer is 404. A user's token acts on that user's devices only."},
		deviceQuery{})
	docDeleteDevice = removes(
		words{"deleteDevice", tagDevices, "Remove a device", "Removes the device, whoever has it; with a user's token only if it is that user's."}, devicePath{})
)
