-- +goose Up
-- What devices subscribe to, and what users do, whose list is copied to their devices: a
-- send reads the topics of devices only. What else is kept beside a device has a table of
-- its own, because a registration replaces the device's row.
CREATE TABLE device_topics (
    network TEXT NOT NULL,
    device  TEXT NOT NULL,
    topic   TEXT NOT NULL,
    PRIMARY KEY (network, device, topic)
) WITHOUT ROWID;
CREATE UNIQUE INDEX device_topics_by_topic ON device_topics (network, topic, device);

CREATE TABLE user_topics (
    network TEXT NOT NULL,
    user    TEXT NOT NULL, -- empty: everybody's
    topic   TEXT NOT NULL,
    PRIMARY KEY (network, user, topic)
) WITHOUT ROWID;
CREATE UNIQUE INDEX user_topics_by_topic ON user_topics (network, topic, user);

CREATE TABLE device_records (
    network      TEXT NOT NULL,
    device       TEXT NOT NULL,
    user         TEXT NOT NULL,
    created_at   INTEGER NOT NULL, -- Unix milliseconds
    updated_at   INTEGER NOT NULL, -- Unix milliseconds
    webpush_keys TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (network, device)
) WITHOUT ROWID;
INSERT INTO device_records (network, device, user, created_at, updated_at) SELECT network, id, user, registered_at, registered_at FROM devices;

-- Some callers know no apps: they know a token by its provider alone.
CREATE INDEX devices_by_token_alone ON devices (network, token, provider, id);

-- Whoever writes devices: one that changes hands loses its topics, and each has those of
-- its user and of everybody. An INSERT OR REPLACE makes every INSERT here one of its kind,
-- which is why nothing may be left to a conflict.
-- +goose StatementBegin
CREATE TRIGGER device_put AFTER INSERT ON devices BEGIN
    DELETE FROM device_topics WHERE network = NEW.network AND device = NEW.id
        AND EXISTS (SELECT 1 FROM device_records r WHERE r.network = NEW.network AND r.device = NEW.id AND r.user <> NEW.user);
    INSERT INTO device_records (network, device, user, created_at, updated_at)
        SELECT NEW.network, NEW.id, NEW.user, NEW.registered_at, NEW.registered_at
        WHERE NOT EXISTS (SELECT 1 FROM device_records r WHERE r.network = NEW.network AND r.device = NEW.id);
    UPDATE device_records SET user = NEW.user, updated_at = NEW.registered_at, webpush_keys = '' WHERE network = NEW.network AND device = NEW.id;
    INSERT INTO device_topics (network, device, topic)
        SELECT DISTINCT NEW.network, NEW.id, topic FROM user_topics u WHERE u.network = NEW.network AND u.user IN ('', NEW.user)
        AND NOT EXISTS (SELECT 1 FROM device_topics t WHERE t.network = NEW.network AND t.device = NEW.id AND t.topic = u.topic);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER device_changed AFTER UPDATE OF user ON devices BEGIN
    UPDATE device_records SET user = NEW.user WHERE network = NEW.network AND device = NEW.id;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER device_taken AFTER DELETE ON devices BEGIN
    DELETE FROM device_topics WHERE network = OLD.network AND device = OLD.id;
    DELETE FROM device_records WHERE network = OLD.network AND device = OLD.id;
END;
-- +goose StatementEnd

-- A user who is deleted has no list any more.
-- +goose StatementBegin
CREATE TRIGGER user_deleted AFTER UPDATE OF deleted ON users WHEN NEW.deleted = 1 BEGIN
    DELETE FROM user_topics WHERE network = NEW.network AND user = NEW.id;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER user_put_deleted AFTER INSERT ON users WHEN NEW.deleted = 1 BEGIN
    DELETE FROM user_topics WHERE network = NEW.network AND user = NEW.id;
END;
-- +goose StatementEnd
