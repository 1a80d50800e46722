-- +goose Up
-- The greatest sequence of events that any row keeps, or kept: a stream that is made anew
-- begins behind it.
CREATE TABLE newest (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL
);
INSERT INTO newest SELECT 1, COALESCE(MAX(seq), 0) FROM (
    SELECT MAX(seq) AS seq FROM users UNION ALL SELECT MAX(gone_seq) FROM users
    UNION ALL SELECT MAX(seq) FROM channels UNION ALL SELECT MAX(gone_seq) FROM channels
    UNION ALL SELECT MAX(seq) FROM members UNION ALL SELECT MAX(seq) FROM devices);
