-- Which coordinator may write: one more at every start, and checked in every transaction. A backup is marked so until a
-- coordinator takes it up. The room is where a store that was full proves that it can be written again.
CREATE TABLE coordinator (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    generation INTEGER NOT NULL,
    backup INTEGER NOT NULL,
    room BLOB NOT NULL
) STRICT;
INSERT INTO coordinator VALUES (1, 0, 0, x'');

-- The attempt that each trial had last, and whether its lease is out: every event that names one is checked against it
-- in its own transaction, behind the scheduler's back.
CREATE TABLE attempts (
    study TEXT NOT NULL,
    trial INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    live INTEGER NOT NULL,
    PRIMARY KEY (study, trial)
) STRICT, WITHOUT ROWID;

-- How long each log is, so that one that lost its end is noticed.
CREATE TABLE logs (
    study TEXT NOT NULL PRIMARY KEY,
    events INTEGER NOT NULL,
    seal BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Seals: a digest of each row, checked whenever it is read. Rows of earlier releases get theirs with this migration.
ALTER TABLE events ADD COLUMN seal BLOB;
ALTER TABLE studies ADD COLUMN spec_seal BLOB;
ALTER TABLE studies ADD COLUMN seal BLOB;
ALTER TABLE trials ADD COLUMN seal BLOB;
ALTER TABLE curves ADD COLUMN seal BLOB;
ALTER TABLE data ADD COLUMN seal BLOB;
