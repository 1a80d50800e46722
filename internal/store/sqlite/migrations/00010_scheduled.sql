-- +goose Up
-- Requests that wait for their time. One that is claimed is on its way to the broker, and
-- cannot be taken back any more.
CREATE TABLE scheduled (
    network TEXT NOT NULL,
    kind    TEXT NOT NULL,
    id      TEXT NOT NULL,
    key     TEXT NOT NULL,
    due_at  INTEGER NOT NULL, -- Unix milliseconds
    claimed INTEGER NOT NULL DEFAULT 0,
    payload BLOB NOT NULL,
    PRIMARY KEY (network, kind, id)
) WITHOUT ROWID;
CREATE INDEX scheduled_by_due ON scheduled (due_at, network, kind, id);

CREATE TABLE scheduled_totals (
    network TEXT PRIMARY KEY,
    total   INTEGER NOT NULL
) WITHOUT ROWID;
-- +goose StatementBegin
CREATE TRIGGER scheduled_put AFTER INSERT ON scheduled BEGIN
    INSERT INTO scheduled_totals VALUES (NEW.network, 1) ON CONFLICT (network) DO UPDATE SET total = total + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER scheduled_taken AFTER DELETE ON scheduled BEGIN
    UPDATE scheduled_totals SET total = total - 1 WHERE network = OLD.network;
END;
-- +goose StatementEnd
