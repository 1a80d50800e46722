package native

// operation is what /openapi.json says of a route besides its path and access.
type operation struct {
	summary  string
	request  string // schema of the body; empty means none
	media    string // of the body; empty means application/json
	status   int    // when all went well
	response string // schema of the answer; empty means none, "object" any
}

// Media types of request bodies that are not plain JSON objects.
const (
	mediaEvents = "events"
	mediaNDJSON = "application/x-ndjson"
	mediaMerge  = "application/merge-patch+json"
)

var (
	docEvents               = operation{"Take in events: one object, an array, or one object a line", "Event", mediaEvents, 202, "EventResults"}
	docHealthz              = operation{"Whether the process lives", "", "", 200, "object"}
	docReadyz               = operation{"Whether events can be accepted, and what is degraded", "", "", 200, "object"}
	docMetrics              = operation{"Metrics for Prometheus", "", "", 200, ""}
	docOpenAPI              = operation{"This document", "", "", 200, "object"}
	docPutUser              = operation{"Put a user", "User", "", 200, "User"}
	docGetUser              = operation{"Read a user", "", "", 200, "User"}
	docDeleteUser           = operation{"Remove a user with devices, memberships and settings", "", "", 204, ""}
	docPutChannel           = operation{"Put a channel", "Channel", "", 200, "Channel"}
	docGetChannel           = operation{"Read a channel", "", "", 200, "Channel"}
	docDeleteChannel        = operation{"Remove a channel with its members", "", "", 204, ""}
	docGetMembers           = operation{"List the members of a channel", "", "", 200, "object"}
	docPutMembers           = operation{"Make the members of a channel exactly these: one a line", "Member", mediaNDJSON, 200, "object"}
	docPutMember            = operation{"Make a user a member, with roles in the channel", "Member", "", 200, "Member"}
	docDeleteMember         = operation{"Take a user out of a channel", "", "", 204, ""}
	docPostDevice           = operation{"Register a device; the last registration wins", "Device", "", 200, "object"}
	docGetDevices           = operation{"List devices", "", "", 200, "object"}
	docDeleteDeviceByQuery  = operation{"Unregister a device, with user only if it is that user's", "", "", 204, ""}
	docDeleteDevice         = operation{"Remove a device", "", "", 204, ""}
	docGetNetworkSettings   = operation{"Read settings: the network's", "", "", 200, "Settings"}
	docPutNetworkSettings   = operation{"Replace settings: the network's", "Settings", "", 200, "Settings"}
	docPatchNetworkSettings = operation{"Merge into settings (RFC 7396): the network's", "Settings", mediaMerge, 200, "Settings"}
	docGetUserSettings      = operation{"Read settings: a user's", "", "", 200, "UserSettings"}
	docPutUserSettings      = operation{"Replace settings: a user's", "UserSettings", "", 200, "UserSettings"}
	docPatchUserSettings    = operation{"Merge into settings (RFC 7396): a user's", "UserSettings", mediaMerge, 200, "UserSettings"}
	docGetChannelSettings   = operation{"Read settings: a user's, for one channel", "", "", 200, "ChannelSettings"}
	docPutChannelSettings   = operation{"Replace settings: a user's, for one channel", "ChannelSettings", "", 200, "ChannelSettings"}
	docPatchChannelSettings = operation{"Merge into settings (RFC 7396): a user's, for one channel", "ChannelSettings", mediaMerge, 200, "ChannelSettings"}
)
