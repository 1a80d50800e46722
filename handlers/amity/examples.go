package amity

// The document's examples. Each can be sent as it is.
const (
	exampleRegistration = `{"deviceId":"phone-1","platform":"android","token":"f0c1","userId":"alice","provider":"fcm"}`
	exampleOwnDevice    = `{"platform":"android","token":"f0c1","provider":"fcm"}`
	exampleSave         = `{"level":"user","isPushNotifiable":true,"notifiableEvents":[{"name":"chat","isPushNotifiable":true,"ignoreFromRoleIds":["muted"]}]}`
	exampleNetworkOff   = `{"level":"network","isPushNotifiable":false}`
	exampleSetting      = `{"isPushNotifiable":true,"notifiableEvents":[{"name":"chat","moduleName":"chat","isPushNotifiable":true,"isNetworkEnabled":true,` +
		`"listenFromRoleIds":[],"ignoreFromRoleIds":["muted"],"parameters":[]}]}`
	exampleCall = `{"event":"message.didCreate","data":{"messages":[{"messageId":"m1","channelId":"general","userId":"alice","type":"text",` +
		`"data":{"text":"Hi all"},"createdAt":"2026-11-20T10:00:00.000Z","updatedAt":"2026-11-20T10:00:00.000Z"}],"users":[{"userId":"alice","displayName":"Alice"}]}}`
	exampleCalled = `{"status":"success","events":[{"id":"message.didCreate:m1","type":"message.created","status":"accepted"}]}`
)
