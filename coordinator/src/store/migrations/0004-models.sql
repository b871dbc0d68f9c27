-- Weights that were added to the cluster. Their objects lie content-addressed beside the data sets; an object is synced
-- before its row is written. The seal is a digest of the row, checked whenever it is read.
CREATE TABLE models (
    name TEXT NOT NULL PRIMARY KEY,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    facts TEXT NOT NULL,
    created INTEGER NOT NULL,
    seal BLOB NOT NULL
) STRICT;
