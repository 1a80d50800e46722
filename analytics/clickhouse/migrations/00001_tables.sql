-- +goose NO TRANSACTION
-- +goose Up
-- One row for each notification and target, written when its outcome is final. The
-- order answers "why did this user get nothing" without reading the others' rows.
CREATE TABLE IF NOT EXISTS deliveries (
    network         LowCardinality(String),
    event_id        String,
    event_type      LowCardinality(String),
    channel_id      String,
    user_id         String,
    device_id       String,
    delivery_id     UUID,
    target          LowCardinality(String),
    platform        LowCardinality(String),
    app             LowCardinality(String),
    locale          LowCardinality(String),
    template        LowCardinality(String),
    endpoint        LowCardinality(String),
    subject_id      String,
    replay          UInt32,
    outcome         LowCardinality(String),
    level           LowCardinality(String),
    reason          LowCardinality(String),
    attempts        UInt32,
    provider_id     String,
    provider_status UInt16,
    provider_reason LowCardinality(String),
    event_time      DateTime64(3, 'UTC'),
    accepted_at     DateTime64(3, 'UTC'),
    finished_at     DateTime64(3, 'UTC'),
    latency_ms      UInt32,
    source          LowCardinality(String),
    INDEX by_event event_id TYPE bloom_filter GRANULARITY 4,
    INDEX by_delivery delivery_id TYPE bloom_filter GRANULARITY 4
) ENGINE = MergeTree
PARTITION BY toYYYYMM(accepted_at)
ORDER BY (network, user_id, accepted_at, event_id)
TTL toDateTime(accepted_at) + INTERVAL 395 DAY
SETTINGS non_replicated_deduplication_window = 1000;

-- One row for each try.
CREATE TABLE IF NOT EXISTS attempts (
    network         LowCardinality(String),
    event_id        String,
    delivery_id     UUID,
    user_id         String,
    device_id       String,
    target          LowCardinality(String),
    endpoint        LowCardinality(String),
    number          UInt32,
    at              DateTime64(3, 'UTC'),
    duration_ms     UInt32,
    outcome         LowCardinality(String),
    reason          LowCardinality(String),
    will_retry      Bool,
    maybe_repeat    Bool,
    provider_id     String,
    provider_status UInt16,
    provider_reason LowCardinality(String),
    INDEX by_delivery delivery_id TYPE bloom_filter GRANULARITY 4
) ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (network, user_id, at)
TTL toDateTime(at) + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 1000;

-- One row for each accepted event, whether or not anybody was told.
CREATE TABLE IF NOT EXISTS events (
    network     LowCardinality(String),
    event_id    String,
    event_type  LowCardinality(String),
    channel_id  String,
    actor_id    String,
    event_time  DateTime64(3, 'UTC'),
    accepted_at DateTime64(3, 'UTC'),
    source      LowCardinality(String),
    audience    UInt32,
    INDEX by_event event_id TYPE bloom_filter GRANULARITY 4
) ENGINE = MergeTree
PARTITION BY toYYYYMM(accepted_at)
ORDER BY (network, accepted_at, event_id)
TTL toDateTime(accepted_at) + INTERVAL 395 DAY
SETTINGS non_replicated_deduplication_window = 1000;

-- The roll-up: small, and kept for years.
CREATE TABLE IF NOT EXISTS deliveries_hourly (
    hour           DateTime('UTC'),
    network        LowCardinality(String),
    event_type     LowCardinality(String),
    target         LowCardinality(String),
    outcome        LowCardinality(String),
    level          LowCardinality(String),
    reason         LowCardinality(String),
    deliveries     SimpleAggregateFunction(sum, UInt64),
    latency_ms_sum SimpleAggregateFunction(sum, UInt64),
    latency_ms_max SimpleAggregateFunction(max, UInt32)
) ENGINE = AggregatingMergeTree
PARTITION BY toYear(hour)
ORDER BY (network, hour, event_type, target, outcome, level, reason)
SETTINGS non_replicated_deduplication_window = 1000;

CREATE MATERIALIZED VIEW IF NOT EXISTS deliveries_hourly_feed TO deliveries_hourly AS
SELECT
    toStartOfHour(toDateTime(accepted_at, 'UTC')) AS hour,
    network, event_type, target, outcome, level, reason,
    count() AS deliveries,
    sum(toUInt64(latency_ms)) AS latency_ms_sum,
    max(latency_ms) AS latency_ms_max
FROM deliveries
GROUP BY hour, network, event_type, target, outcome, level, reason;

-- The twelve columns of Centrifugo PRO's table of the same name, with its types:
-- toString would leave what is LowCardinality as it is.
CREATE VIEW IF NOT EXISTS notifications AS
SELECT
    toString(delivery_id) AS uid,
    CAST(target, 'String') AS provider,
    CAST(event_type, 'String') AS type,
    device_id AS recipient,
    device_id,
    CAST(platform, 'String') AS platform,
    user_id AS user,
    provider_id AS msg_id,
    CAST(outcome, 'String') AS status,
    CAST(provider_reason, 'String') AS error_message,
    CAST(reason, 'String') AS error_code,
    toDateTime(finished_at) AS time
FROM deliveries;
