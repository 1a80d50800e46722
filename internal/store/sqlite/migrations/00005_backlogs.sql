-- +goose Up
-- What waits has a backlog for each destination, in the order in which it came: a
-- destination that is back gets what waited for it in that order, and what waits for one
-- that is away is not touched. It is counted as it comes and goes: counting a million
-- rows at each start, or at each scrape of the metrics, would cost more than all else.
CREATE TABLE waiting (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    destination TEXT NOT NULL,
    kind        TEXT NOT NULL,
    due_at      INTEGER NOT NULL, -- Unix milliseconds
    since       INTEGER NOT NULL, -- Unix milliseconds
    payload     BLOB NOT NULL
);
CREATE INDEX waiting_by_order ON waiting (destination); -- and with it the seq
CREATE INDEX waiting_by_due ON waiting (destination, due_at);
CREATE INDEX waiting_by_age ON waiting (destination, since);

CREATE TABLE waiting_totals (
    destination TEXT PRIMARY KEY,
    kind        TEXT NOT NULL,
    total       INTEGER NOT NULL,
    bytes       INTEGER NOT NULL
) WITHOUT ROWID;

-- +goose StatementBegin
CREATE TRIGGER waiting_put AFTER INSERT ON waiting BEGIN
    INSERT INTO waiting_totals VALUES (NEW.destination, NEW.kind, 1, length(NEW.payload))
    ON CONFLICT (destination) DO UPDATE SET total = total + 1, bytes = bytes + excluded.bytes;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER waiting_changed AFTER UPDATE OF payload ON waiting BEGIN
    UPDATE waiting_totals SET bytes = bytes + length(NEW.payload) - length(OLD.payload) WHERE destination = NEW.destination;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER waiting_taken AFTER DELETE ON waiting BEGIN
    UPDATE waiting_totals SET total = total - 1, bytes = bytes - length(OLD.payload) WHERE destination = OLD.destination;
END;
-- +goose StatementEnd

INSERT INTO waiting (id, destination, kind, due_at, since, payload)
    SELECT id, destination, kind, due_at, since, payload FROM later ORDER BY due_at;
DROP TABLE later;
DROP TABLE later_totals;
