-- +goose Up
-- What waits is counted as it comes and goes: counting a million rows at each scrape of
-- the metrics would cost more than all else. Of what waited before this version only
-- the time when it is due is known.
ALTER TABLE later ADD COLUMN kind TEXT NOT NULL DEFAULT '';
ALTER TABLE later ADD COLUMN since INTEGER NOT NULL DEFAULT 0; -- Unix milliseconds
UPDATE later SET since = due_at, kind = CASE
    WHEN destination LIKE '%/webhook/%' THEN 'webhook'
    WHEN destination LIKE '%/apns/%' THEN 'apns'
    ELSE 'fcm' END;
CREATE INDEX later_by_kind ON later (kind, since);

CREATE TABLE later_totals (
    kind  TEXT PRIMARY KEY,
    total INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO later_totals SELECT kind, COUNT(*) FROM later GROUP BY kind;

-- +goose StatementBegin
CREATE TRIGGER later_put AFTER INSERT ON later BEGIN
    INSERT INTO later_totals VALUES (NEW.kind, 1) ON CONFLICT (kind) DO UPDATE SET total = total + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER later_taken AFTER DELETE ON later BEGIN
    UPDATE later_totals SET total = total - 1 WHERE kind = OLD.kind;
END;
-- +goose StatementEnd
