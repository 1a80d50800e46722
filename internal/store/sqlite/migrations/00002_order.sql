-- +goose Up
-- Events of several channels, and a user's own, speak of one user, and the broker
-- orders only those of one channel. So each field of a user keeps the sequence that
-- wrote it, and users and channels that of their newest deletion (gone_seq): what is
-- older than a deletion stays gone, also where a newer event has made them again. A
-- channel whose members were replaced by a list keeps the list's there, too.
ALTER TABLE users ADD COLUMN name_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN locale_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN timezone_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN roles_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN gone_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE channels ADD COLUMN gone_seq INTEGER NOT NULL DEFAULT 0;
UPDATE users SET name_seq = seq, locale_seq = seq, timezone_seq = seq, roles_seq = seq;
UPDATE users SET gone_seq = seq WHERE deleted = 1;
UPDATE channels SET gone_seq = seq WHERE deleted = 1;

-- A deleted channel takes everybody's settings for it along.
CREATE INDEX channel_settings_by_channel ON channel_settings (network, channel);
