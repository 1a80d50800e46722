package config

import "time"

// later are the keys of the contract whose features are not in this build. A value that
// does not need the feature (empty, 0, without an address) is taken.
var later = map[string]string{
	"xmtp":        "the XMTP surface is",
	"history":     "the XMTP history surface is",
	"secrets_key": "encryption of stored secrets (this build stores none) is",
	"node":        "several nodes on one broker are",
	"retention":   "another retention than 395 days in ClickHouse is",

	"networks.webpush":                "Web Push is",
	"networks.prehook":                "a pre-hook is",
	"networks.rules":                  "rules of a network's own are",
	"networks.webhooks.max_in_flight": "another number of calls in flight is",
	"networks.webhooks.ordered":       "calls one after another are",
	"networks.webhooks.timeout":       "another timeout than 15 s is",
}

const (
	secretWhy = "a shorter one can be guessed; \"openssl rand -base64 32\" makes a good one"
	listenWhy = "host:port"
	idWhy     = "an id: 1 to 64 characters of a-z, 0-9, underscore and hyphen"
)

// perSecond bounds a rate.
var perSecond = counts(1<<40, "no machine takes more")

// settings is what is known of each key.
var settings = map[string]*setting{
	"data": {
		kind: "folder",
		doc: "Folder of the embedded stores: SQLite, JetStream and ClickHouse. It is made when absent; the files in it can be read by the server's user only. " +
			"A relative path starts at the working folder.",
	},
	"listen": {
		kind: listenWhy,
		doc:  "Address of the API, with `/openapi.json`, `/metrics`, `/healthz` and `/readyz`. Put a proxy with TLS in front of it before others reach it.",
	},
	"admin_key": {
		doc:    "Key that reaches every network. Without one nobody has such a key. It must differ from all other keys.",
		sample: "env:CHATBELL_ADMIN_KEY", bounds: lengths(16, 512, secretWhy),
	},
	"store": {
		kind: "`embedded`",
		doc:  "Where users, channels, devices and settings are kept. `embedded` is SQLite in the data folder. PostgreSQL is not in this build.",
	},
	"broker": {
		kind: "`embedded`, or addresses `nats://host:4222` or `tls://host:4222` with commas in between",
		doc: "The queue that events go through. `embedded` is NATS JetStream in this process. Addresses may hold user and password, or a token; " +
			"then better give the whole value as `env:NAME` or `file:PATH`. One server at a time works with such a broker: it holds a lease there (bucket `chatbell`), " +
			"and a second one is refused, naming the first. The lease of a killed server ends after 10 s, and at once for the one that follows on the same data folder.",
	},
	"broker_replicas": {
		doc:    "Replicas of the streams of an external broker. 0 means what they have, or else 3 on a cluster of three servers or more. Streams that have more keep them, with a warning.",
		bounds: counts(5, "NATS keeps five at most"),
	},
	"broker_storage": {
		doc: "Most that the broker's streams may hold together, on disk. EVENTS and RESULTS have 8/25 of it each, PUSH and HOOK 4/25 each, DEAD 1/25. " +
			"A stream that holds more than its share keeps what it has, and the start is refused.",
		bounds: sizes(256<<20, 4<<40, "the smallest stream has a 25th of it, and has to hold the largest message of 8 MiB; the embedded broker takes 4 TiB"),
	},
	"clickhouse": { //nolint:gosec // an example
		kind: "`embedded`, or an address `clickhouse://user:password@host:9000/database`, `http://…` or `https://…`",
		doc: "Where every outcome is recorded. `embedded` is the real ClickHouse engine in a child process, with ClickHouse's HTTP interface for analysts. " +
			"Better give an address with a password as `env:NAME` or `file:PATH`.",
	},
	"clickhouse_listen": {
		kind: listenWhy,
		doc:  "Address of the embedded engine's HTTP interface, which is read-only for analysts.",
	},
	"clickhouse_user": {doc: "The analysts' user at the embedded engine."},
	"clickhouse_password": {
		doc:    "The analysts' password at the embedded engine. Without one a password is made at the first start, printed once, and kept as a hash.",
		sample: "env:CHATBELL_CLICKHOUSE_PASSWORD",
		bounds: lengths(12, 512, "a password of 12 random letters takes longer to guess than anybody lives, even at the thousands of tries a second that the engine answers"),
	},
	"clickhouse_engine": {
		kind: "file",
		doc: "Path of `libchdb.so`, the embedded engine. Without it the library is looked for beside the binary, in the data folder, and where `make setup` puts it. " +
			"A relative path starts at the working folder.",
	},
	"shutdown_timeout": {
		doc: "How long SIGTERM may take: work in hand is finished, or handed back to the queue. Give the supervisor more (systemd `TimeoutStopSec`, Kubernetes " +
			"`terminationGracePeriodSeconds`).",
		bounds: durations(time.Second, time.Hour, "in less than a second nothing can be handed over, and nobody waits longer than an hour for a process that hangs"),
	},
	"allow_private_networks": {
		kind: "list of networks in CIDR form",
		doc: "Private networks that webhooks may reach; also those that may be called without TLS. Without it calls to loopback and private addresses are refused, " +
			"so that a customer's URL cannot reach what is only yours.",
		sample: "[10.0.0.0/8]", count: counts(1000, "each connection is held against all of them"),
	},
	"durability": {
		doc: "What has happened before a request is answered with 202. `page-cache`: the events survive a crash of the process; a power cut can take the last 250 ms. " +
			"`fsync` is not in this build.",
		oneOf: []string{"page-cache"}, choiceMend: "fsync is not in this build",
	},
	"dedup_window": {
		doc: "For how long an event's id is remembered: the same id again is answered with `duplicate`, also after a restart. An event takes about 155 bytes of memory for so long.",
		bounds: durations(time.Second, 24*time.Hour,
			"a caller's repeat comes seconds after the first try, and the ids of a day at 1,000 events a second take 13 GB of memory"),
	},
	"ca_files": {
		kind: "list of files",
		doc: "PEM files with certificate authorities that are trusted besides the system's, for every outgoing connection. Relative paths start at the configuration file, here and " +
			"in all keys below.",
		sample: "[internal-ca.pem]", count: counts(100, "put several authorities into one file"),
	},

	"quota": {doc: "What each network may send that has no quota of its own. What is more is answered with 429 and the time to come again, and nothing of the request is stored; other networks are not affected. " +
		"Besides, a network may never have more than four fifths of what is free of the backlog, and of the stream EVENTS."},
	"quota.events_per_second": {doc: "Events a second, with a burst of one second's worth; 0 is no limit.", bounds: perSecond},
	"quota.bytes_per_second":  {doc: "Bytes of events a second, as JSON, with a burst of one second's worth; 0 is no limit.", bounds: perSecond},

	"retry": {doc: "When what failed is tried again."},
	"retry.webhooks": {
		doc: "Waits after the first, second, … failed call of a webhook, each ±10 %. After the last the delivery has failed; an empty list means that nothing is tried again.",
		bounds: durations(100*time.Millisecond, 7*24*time.Hour,
			"an endpoint that just failed needs a moment, and nobody waits for a notification for longer than a week"),
		count: counts(30, "each try is a call that the endpoint has refused before"),
	},
	"retry.push": {doc: "Pushes are tried again after waits that double, each drawn at random between 0 and that (full jitter)."},
	"retry.push.initial": {
		doc:    "Longest wait after the first try.",
		bounds: durations(100*time.Millisecond, time.Hour, "a push service that just refused needs a moment"),
	},
	"retry.push.max": {
		doc:    "Longest wait after any try; not shorter than `initial`.",
		bounds: durations(100*time.Millisecond, 24*time.Hour, "a push service that just refused needs a moment"),
	},
	"retry.push.expire": {
		doc:    "For how long after its acceptance an event is worth a push, also at the push service while a phone is off. An event's own expiry wins.",
		bounds: durations(time.Second, 28*24*time.Hour, "push services keep a message for four weeks at most"),
	},

	"centrifugo": {doc: "The surface for callers of Centrifugo PRO's push notification API, see `docs/centrifugo.md`. The keys are the networks' server keys."},
	"centrifugo.listen": {
		kind: listenWhy,
		doc:  "Address of its HTTP API. Without one there is none.", sample: "127.0.0.1:8000",
	},
	"centrifugo.grpc_listen": {
		kind: listenWhy,
		doc:  "Address of its API on gRPC. Without one there is none.", sample: "127.0.0.1:10000",
	},

	"networks": {
		doc:   "The customers. Those of the file can be changed in the file only. Without any, and without any made by API, the network `default` is made at the first start and its key printed once.",
		count: counts(10_000, "each may have connections of its own to the push services"),
	},
	"networks.id":             {kind: idWhy, doc: "Name of the network.", sample: "acme", required: true},
	"networks.default_locale": {kind: "language tag (BCP 47), like en or pt-BR", doc: "Language of those who have none of their own.", def: "en"},
	"networks.delivery": {
		doc: "What tells people: pushes (`direct`), the webhooks of the network (`webhook`), or `both`. In every mode webhooks also get the raw events that they ask for.",
		def: "direct", oneOf: []string{"direct", "webhook", "both"},
	},
	"networks.keys":    {doc: "API keys.", count: counts(100, "a key for each program is enough")},
	"networks.keys.id": {kind: idWhy, doc: "Name of the key. A client key's id is the `kid` of the tokens that it signs, and unique among all networks.", sample: "backend", required: true},
	"networks.keys.secret": {
		doc:    "The key itself. All keys differ. A client key signs tokens, and RFC 7518 asks for 32 characters or more then.",
		sample: "env:ACME_KEY", bounds: lengths(16, 512, secretWhy), required: true,
	},
	"networks.keys.scope": {
		doc: "`server`: acts for the network. `client`: signs the tokens of the network's users, who reach their own devices and settings.",
		def: "server", oneOf: []string{"server", "client"},
	},
	"networks.webhooks": {
		doc:   "The customer's endpoints. They are called in delivery modes `webhook` and `both` for notifications, and in every mode for the events that they ask for.",
		count: counts(10, "as many as Amity has; each gets every event that it asks for"),
	},
	"networks.webhooks.id": {kind: idWhy, doc: "Name of the endpoint, in the rows of ClickHouse as well.", sample: "main", required: true},
	"networks.webhooks.url": {
		kind: "address `https://…`; `http://` only within allow_private_networks",
		doc:  "Where calls go. If there is a user, a password or a token in it, better give it as `env:NAME` or `file:PATH`.", sample: "https://hooks.acme.example/chatbell", required: true,
	},
	"networks.webhooks.secret": {
		kind: "secret, `whsec_…`",
		doc: "What calls are signed with: `whsec_` and the base64 of 24 to 64 random bytes, as Standard Webhooks has it. `chatbell secret` makes one. " +
			"With `signature: [amity]` alone any text of 16 characters or more is taken.",
		sample: "env:HOOK", required: true,
	},
	"networks.webhooks.events": {
		doc: "Event types that the endpoint gets, as notifications and raw; `\"*\"` means all.", def: `["*"]`, count: counts(100, "\"*\" means all"),
	},
	"networks.webhooks.signature": {
		doc: "Which signatures calls carry: Standard Webhooks' (`webhook-signature`), Amity's (`x-amity-signature`), or both.",
		def: "[standard]", oneOf: []string{"standard", "amity"}, count: counts(2, "there are two"),
	},
	"networks.quota":                   {doc: "What the network may send, in place of `quota`."},
	"networks.quota.events_per_second": {doc: "Events a second; 0 is no limit.", bounds: perSecond},
	"networks.quota.bytes_per_second":  {doc: "Bytes of events a second; 0 is no limit.", bounds: perSecond},
	"networks.amity": {
		doc: "The webhooks at Amity (social.plus) whose calls come to `/v1/hooks/amity?network=<id>`. Several only while one is being replaced: a call is taken " +
			"if it is signed with any of these secrets.",
		count: counts(10, "as many webhooks as a network has at Amity; each call is checked with every secret"),
	},
	"networks.amity.secret": {
		doc:    "The webhook's secret, as Amity's console shows it. It must differ from all keys: who knows it can make events.",
		sample: "env:ACME_AMITY", bounds: lengths(16, 512, secretWhy), required: true,
	},
	"networks.amity.signature": {
		doc: "How the signature is written in `x-amity-signature`.",
		def: "base64", oneOf: []string{"base64", "hex"},
	},
	"networks.templates": {
		kind:   "texts by template and language",
		doc:    "Texts of the network's own in place of the built-in ones: template, then language, then `title` and `body`.",
		sample: `{message.text: {en: {title: "{{.Actor}}", body: "{{.Text}}"}}}`,
	},
	"networks.templates.*.*.title": {doc: "The title; the built-in one when absent."},
	"networks.templates.*.*.body":  {doc: "The text; the built-in one when absent."},
}
