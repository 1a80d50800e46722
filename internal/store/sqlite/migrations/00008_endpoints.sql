-- +goose Up
-- Which URL an endpoint had when it was disabled, as a hash, because a URL may hold a secret:
-- with another one it counts as new. Empty where that is not known.
ALTER TABLE disabled_endpoints ADD COLUMN url TEXT NOT NULL DEFAULT '';
