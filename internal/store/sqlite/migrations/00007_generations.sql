-- +goose Up
-- A channel's members have a generation: a bulk list comes in as the next one, in small
-- transactions, and becomes the channel's by one change of the channel's row (gen). All of
-- its rows are then as new as the list (list_seq). joined_seq is -1 for who is there since
-- the list.
ALTER TABLE channels ADD COLUMN gen INTEGER NOT NULL DEFAULT 0;
ALTER TABLE channels ADD COLUMN list_seq INTEGER NOT NULL DEFAULT 0;

CREATE TABLE generations (
    network    TEXT NOT NULL,
    channel    TEXT NOT NULL,
    gen        INTEGER NOT NULL,
    user       TEXT NOT NULL,
    roles      TEXT NOT NULL DEFAULT '',
    joined_seq INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    deleted    INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (network, channel, gen, user)
) WITHOUT ROWID;
INSERT INTO generations SELECT network, channel, 0, user, roles, joined_seq, seq, deleted FROM members;
DROP TABLE members;
ALTER TABLE generations RENAME TO members;
CREATE INDEX members_by_user ON members (network, user);

-- Who is there, without those who left: a livestream that a million people left is as
-- quick to read as one that nobody was in.
CREATE INDEX members_there ON members (network, channel, gen, user, joined_seq) WHERE deleted = 0;

-- Generations that are no channel's, or not yet: they are removed little by little.
CREATE TABLE old_members (
    network TEXT NOT NULL,
    channel TEXT NOT NULL,
    gen     INTEGER NOT NULL,
    PRIMARY KEY (network, channel, gen)
) WITHOUT ROWID;

-- Tombstones are found by their age.
CREATE INDEX members_gone ON members (seq) WHERE deleted = 1;
CREATE INDEX users_gone ON users (seq) WHERE deleted = 1;
CREATE INDEX channels_gone ON channels (seq) WHERE deleted = 1;
