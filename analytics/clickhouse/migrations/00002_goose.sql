-- +goose NO TRANSACTION
-- +goose Up
-- What was done before goose kept the count.
DROP TABLE IF EXISTS schema_migrations;
