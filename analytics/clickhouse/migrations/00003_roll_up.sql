-- +goose NO TRANSACTION
-- +goose Up

-- The recorder counts by itself, and marks with its block what it has counted: a view
-- cannot tell after a crash whether it has seen a block.
DROP VIEW IF EXISTS deliveries_hourly_feed;

ALTER TABLE deliveries_hourly ADD COLUMN IF NOT EXISTS block SimpleAggregateFunction(anyLast, UInt64);
