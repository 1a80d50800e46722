-- +goose Up
-- A bulk list comes in beside the database now, in a file of its own.
DROP TABLE member_staging;
