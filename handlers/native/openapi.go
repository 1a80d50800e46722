package native

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

type object = map[string]any

var pathParam = regexp.MustCompile(`:([a-z]+)`)

// openAPI describes the routes that exist, made from the same list that serves them.
func (a *api) openAPI(routes []route) []byte {
	paths := object{}
	for _, r := range routes {
		path := pathParam.ReplaceAllString(r.path, "{$1}")
		item, _ := paths[path].(object)
		if item == nil {
			item = object{}
			paths[path] = item
		}
		item[strings.ToLower(r.method)] = r.describe()
	}
	doc := object{
		"openapi": "3.1.0",
		"info": object{
			"title": "chatbell", "version": a.version, "license": object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
			"description": "Notification server for chat backends. Errors are application/problem+json (RFC 9457).",
		},
		"paths": paths,
		"components": object{
			"schemas": schemas(),
			"securitySchemes": object{
				"bearer": object{"type": "http", "scheme": "bearer"},
				"apiKey": object{"type": "apiKey", "in": "header", "name": "X-API-Key"},
			},
		},
	}
	data, err := json.Marshal(doc)
	if err != nil {
		panic("encode openapi.json: " + err.Error()) // strings and maps only: a programming error
	}
	return data
}

func (r *route) describe() object {
	fails := object{"$ref": "#/components/schemas/Problem"}
	responses := object{
		strconv.Itoa(r.doc.status): r.doc.answer(),
		"default":                  object{"description": "what is wrong, and what would be right", "content": object{"application/problem+json": object{"schema": fails}}},
	}
	op := object{"summary": r.doc.summary, "responses": responses}
	if r.access != open {
		op["security"] = []any{object{"bearer": []any{}}, object{"apiKey": []any{}}}
	}
	if params := r.parameters(); len(params) > 0 {
		op["parameters"] = params
	}
	if r.doc.request != "" {
		op["requestBody"] = object{"required": true, "content": r.doc.content()}
	}
	if r.doc.media == mediaEvents {
		responses["207"] = object{"description": "some events were not accepted", "content": jsonContent("EventResults")}
		responses["422"] = object{"description": "every event was rejected", "content": jsonContent("EventResults")}
	}
	return op
}

func (r *route) parameters() []any {
	var out []any
	for _, m := range pathParam.FindAllStringSubmatch(r.path, -1) {
		out = append(out, object{"name": m[1], "in": "path", "required": true, "schema": object{"type": "string", "minLength": 1, "maxLength": 150}})
	}
	query := func(names ...string) {
		for _, n := range names {
			out = append(out, object{"name": n, "in": "query", "schema": object{"type": "string"}})
		}
	}
	switch {
	case r.method == http.MethodGet && r.path == "/v1/devices":
		query("user", "limit", "cursor")
	case r.method == http.MethodGet && strings.HasSuffix(r.path, "/members"):
		query("limit", "cursor")
	case r.method == http.MethodDelete && r.path == "/v1/devices":
		query("device_id", "user")
	}
	return out
}

func (o *operation) answer() object {
	a := object{"description": http.StatusText(o.status)}
	switch o.response {
	case "":
	case "object":
		a["content"] = object{"application/json": object{"schema": object{"type": "object"}}}
	default:
		a["content"] = jsonContent(o.response)
	}
	return a
}

func jsonContent(schema string) object {
	return object{"application/json": object{"schema": object{"$ref": "#/components/schemas/" + schema}}}
}

func (o *operation) content() object {
	one, example := ref(o.request), examples[o.request]
	lines := object{"schema": one, "example": example + "\n"}
	switch o.media {
	case "":
		return object{"application/json": object{"schema": one, "example": json.RawMessage(example)}}
	case mediaNDJSON:
		return object{mediaNDJSON: lines}
	case mediaEvents:
		return object{
			"application/json": object{
				"schema":  object{"oneOf": []any{one, object{"type": "array", "items": one, "maxItems": maxEvents}}},
				"example": json.RawMessage(example),
			},
			mediaNDJSON: lines,
		}
	}
	return object{o.media: object{"schema": one, "example": json.RawMessage(example)}}
}

// examples are bodies that can be sent as they are, by their schemas.
var examples = map[string]string{
	"Event": `{"id":"e1","type":"message.created","time":"2026-11-20T10:00:00Z","actor":{"id":"alice","name":"Alice","roles":["member"]},` +
		`"channel":{"id":"general","name":"General","type":"community"},"message":{"id":"m1","type":"text","text":"Hi all","mentions":["bob"]}}`,
	"User":            `{"name":"Alice","locale":"pt-BR","timezone":"America/Sao_Paulo","roles":["member"]}`,
	"Channel":         `{"name":"General","type":"community","notification_mode":"default"}`,
	"Member":          `{"id":"bob","name":"Bob","locale":"de","timezone":"Europe/Berlin","roles":["moderator"]}`,
	"Device":          `{"device_id":"phone-1","user":"alice","provider":"fcm","platform":"android","token":"f0c1","app":"com.acme.chat","locale":"pt-BR"}`,
	"Settings":        `{"enabled":true,"modules":[{"name":"chat","enabled":true,"roles":{"exclude":["bot"]}}],"events":[{"name":"channel.joined","enabled":false}]}`,
	"UserSettings":    `{"enabled":null,"snooze_until":"2026-11-20T18:00:00Z","quiet_hours":{"from":"22:00","to":"07:00","timezone":"Europe/Berlin"}}`,
	"ChannelSettings": `{"enabled":true,"mentions_only":true}`,
}

func text() object                 { return object{"type": "string"} }
func listOf(item any) object       { return object{"type": "array", "items": item} }
func ref(name string) object       { return object{"$ref": "#/components/schemas/" + name} }
func enum(values ...string) object { return object{"type": "string", "enum": values} }
func thing(required []string, props object) object {
	o := object{"type": "object", "properties": props}
	if len(required) > 0 {
		o["required"] = required
	}
	return o
}

// schemas are the objects of the API.
func schemas() object {
	id := object{"type": "string", "minLength": 1, "maxLength": 150}
	toggle := object{"type": []string{"boolean", "null"}}
	person := object{"id": id, "name": text(), "locale": text(), "timezone": text(), "roles": listOf(text())}
	roles := thing(nil, object{"include": listOf(text()), "exclude": listOf(text())})
	settings := func(more object) object {
		props := object{
			"enabled": toggle,
			"modules": listOf(thing([]string{"name"}, object{"name": text(), "enabled": toggle, "roles": roles})),
			"events":  listOf(thing([]string{"name"}, object{"name": text(), "enabled": toggle})),
		}
		for k, v := range more {
			props[k] = v
		}
		return thing(nil, props)
	}
	fieldError := thing([]string{"pointer", "detail"}, object{"pointer": text(), "detail": text()})
	return object{
		"Person": thing([]string{"id"}, person), "User": thing(nil, person), "Member": thing([]string{"id"}, person),
		"Channel": thing(nil, object{"id": id, "name": text(), "type": text(), "notification_mode": enum("default", "silent", "subscribe")}),
		"Message": thing([]string{"id", "type"}, object{
			"id": id, "type": enum("text", "image", "file", "audio", "video", "custom"), "text": text(),
			"mentions": listOf(id), "thread_id": text(), "data": object{},
		}),
		"Event": thing([]string{"type"}, object{
			"id": id, "type": object{"type": "string", "pattern": "^[a-z0-9._-]{1,64}$"}, "time": object{"type": "string", "format": "date-time"},
			"actor": ref("Person"), "channel": ref("Channel"), "message": ref("Message"), "members": listOf(ref("Person")),
			"user": ref("Person"), "badge": object{"type": "integer", "minimum": 0}, "data": object{},
		}),
		"EventResults": thing([]string{"events"}, object{"events": listOf(thing([]string{"status"}, object{
			"id": text(), "status": enum("accepted", "duplicate", "rejected", "retry"), "errors": listOf(fieldError),
		}))}),
		"Device": thing([]string{"user", "provider", "token"}, object{
			"device_id": id, "user": id, "provider": enum("apns", "fcm"), "platform": enum("ios", "android", "web"), "token": text(), "app": text(),
			"locale": text(), "timezone": text(), "sandbox": object{"type": "boolean"}, "meta": object{"type": "object", "additionalProperties": text()},
		}),
		"Settings": settings(nil),
		"UserSettings": settings(object{
			"snooze_until": object{"type": "string", "format": "date-time"},
			"quiet_hours":  thing([]string{"from", "to"}, object{"from": text(), "to": text(), "timezone": text()}),
		}),
		"ChannelSettings": settings(object{"mentions_only": object{"type": "boolean"}}),
		"Problem": thing([]string{"title", "status"}, object{
			"type": text(), "title": text(), "status": object{"type": "integer"}, "detail": text(), "errors": listOf(fieldError),
		}),
	}
}
