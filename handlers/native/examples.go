package native

// The document's examples. Each can be sent as it is.
const (
	exampleMessage = `{"id":"e1","type":"message.created","time":"2026-11-20T10:00:00Z","actor":{"id":"alice","name":"Alice","roles":["member"]},` +
		`"channel":{"id":"general","name":"General","type":"community"},"message":{"id":"m1","type":"text","text":"Hi all","mentions":["bob"]}}`
	exampleCreated = `{"id":"e2","type":"channel.created","actor":{"id":"alice","name":"Alice"},"channel":{"id":"general","name":"General"},` +
		`"members":[{"id":"alice"},{"id":"bob","locale":"de"}]}`
	exampleJoined = `{"id":"e3","type":"channel.joined","actor":{"id":"carol","name":"Carol"},"channel":{"id":"general"},"members":[{"id":"carol","name":"Carol"}]}`
	exampleOwn    = `{"id":"e4","type":"order.shipped","actor":{"id":"shop"},"data":{"order":7}}`

	exampleUserInput = `{"name":"Alice","locale":"pt-BR","timezone":"America/Sao_Paulo","roles":["member"]}`
	exampleUser      = `{"id":"alice","name":"Alice","locale":"pt-BR","timezone":"America/Sao_Paulo","roles":["member"]}`

	exampleChannelInput = `{"name":"General","type":"community","notification_mode":"default"}`
	exampleChannel      = `{"id":"general","name":"General","type":"community","notification_mode":"default"}`

	exampleMemberInput = `{"name":"Bob","locale":"de","timezone":"Europe/Berlin","roles":["moderator"]}`
	exampleMember      = `{"id":"bob","name":"Bob","locale":"de","timezone":"Europe/Berlin","roles":["moderator"]}`

	exampleDeviceInput = `{"device_id":"phone-1","user":"alice","provider":"fcm","platform":"android","token":"f0c1","app":"com.acme.chat","locale":"pt-BR","meta":{"os":"16"}}`
	exampleDevice      = `{"id":"phone-1","device_id":"phone-1","user":"alice","provider":"fcm","platform":"android","token":"f0c1","app":"com.acme.chat","locale":"pt-BR",` +
		`"meta":{"os":"16"},"registered_at":"2026-11-20T10:00:00Z"}`

	exampleNetworkSettings = `{"enabled":true,"modules":[{"name":"chat","enabled":true,"roles":{"exclude":["bot"]}}],"events":[{"name":"channel.joined","enabled":false}]}`
	exampleUserSettings    = `{"enabled":null,"snooze_until":"2026-11-20T18:00:00Z","quiet_hours":{"from":"22:00","to":"07:00","timezone":"Europe/Berlin"}}`
	exampleChannelSettings = `{"enabled":true,"mentions_only":true}`
)
