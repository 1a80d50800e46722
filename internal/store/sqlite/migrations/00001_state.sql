-- +goose Up
-- Every row that an event can change keeps the stream sequence that wrote it (seq):
-- an older event changes nothing. Deleted rows stay as tombstones for the same reason.
CREATE TABLE networks (
    id             TEXT PRIMARY KEY,
    default_locale TEXT NOT NULL,
    delivery       TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE keys (
    network TEXT NOT NULL,
    id      TEXT NOT NULL,
    scope   TEXT NOT NULL,
    hash    BLOB NOT NULL UNIQUE,
    PRIMARY KEY (network, id)
) WITHOUT ROWID;

CREATE TABLE users (
    network  TEXT NOT NULL,
    id       TEXT NOT NULL,
    name     TEXT NOT NULL DEFAULT '',
    locale   TEXT NOT NULL DEFAULT '',
    timezone TEXT NOT NULL DEFAULT '',
    roles    TEXT NOT NULL DEFAULT '',
    seq      INTEGER NOT NULL,
    deleted  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (network, id)
) WITHOUT ROWID;

CREATE TABLE channels (
    network TEXT NOT NULL,
    id      TEXT NOT NULL,
    name    TEXT NOT NULL DEFAULT '',
    type    TEXT NOT NULL DEFAULT '',
    mode    TEXT NOT NULL DEFAULT '',
    seq     INTEGER NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (network, id)
) WITHOUT ROWID;

CREATE TABLE members (
    network    TEXT NOT NULL,
    channel    TEXT NOT NULL,
    user       TEXT NOT NULL,
    roles      TEXT NOT NULL DEFAULT '',
    joined_seq INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    deleted    INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (network, channel, user)
) WITHOUT ROWID;
CREATE INDEX members_by_user ON members (network, user);

-- A bulk list on its way in; it becomes the channel's members in one step.
CREATE TABLE member_staging (
    import   TEXT NOT NULL,
    user     TEXT NOT NULL,
    name     TEXT NOT NULL,
    locale   TEXT NOT NULL,
    timezone TEXT NOT NULL,
    roles    TEXT NOT NULL,
    PRIMARY KEY (import, user)
) WITHOUT ROWID;

CREATE TABLE devices (
    network       TEXT NOT NULL,
    id            TEXT NOT NULL,
    user          TEXT NOT NULL,
    provider      TEXT NOT NULL,
    platform      TEXT NOT NULL,
    token         TEXT NOT NULL,
    app           TEXT NOT NULL,
    locale        TEXT NOT NULL,
    timezone      TEXT NOT NULL,
    sandbox       INTEGER NOT NULL,
    meta          TEXT NOT NULL,
    registered_at INTEGER NOT NULL, -- Unix milliseconds
    disabled      TEXT NOT NULL DEFAULT '',
    seq           INTEGER NOT NULL,
    PRIMARY KEY (network, id)
) WITHOUT ROWID;
CREATE INDEX devices_by_user ON devices (network, user, id);
CREATE UNIQUE INDEX devices_by_token ON devices (network, provider, app, token);

CREATE TABLE network_settings (
    network  TEXT PRIMARY KEY,
    settings TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE user_settings (
    network  TEXT NOT NULL,
    user     TEXT NOT NULL,
    settings TEXT NOT NULL,
    PRIMARY KEY (network, user)
) WITHOUT ROWID;

CREATE TABLE channel_settings (
    network  TEXT NOT NULL,
    user     TEXT NOT NULL,
    channel  TEXT NOT NULL,
    settings TEXT NOT NULL,
    PRIMARY KEY (network, user, channel)
) WITHOUT ROWID;

CREATE TABLE disabled_endpoints (
    network  TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    reason   TEXT NOT NULL,
    PRIMARY KEY (network, endpoint)
) WITHOUT ROWID;

CREATE TABLE later (
    id          TEXT PRIMARY KEY,
    due_at      INTEGER NOT NULL, -- Unix milliseconds
    destination TEXT NOT NULL,
    topic       TEXT NOT NULL,
    payload     BLOB NOT NULL
);
CREATE INDEX later_by_due ON later (due_at);

CREATE TABLE checkpoints (
    key  TEXT PRIMARY KEY,
    data BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE recorder_cursor (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    done    INTEGER NOT NULL,
    through INTEGER NOT NULL
);

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
