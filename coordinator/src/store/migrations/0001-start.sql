-- The event log: the truth. A study's state is the fold of its events.
CREATE TABLE events (
    study TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (study, sequence)
) STRICT, WITHOUT ROWID;

-- What readers see: projections of the log, written in the transaction of the events that changed them.
CREATE TABLE studies (
    study TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL,
    finished INTEGER,
    spec TEXT NOT NULL,
    view TEXT NOT NULL
) STRICT;

CREATE TABLE trials (
    study TEXT NOT NULL,
    trial INTEGER NOT NULL,
    view TEXT NOT NULL,
    PRIMARY KEY (study, trial)
) STRICT, WITHOUT ROWID;

-- Learning curves: one row per trial and epoch. Floats are stored as they are: SQLite keeps all bits but NaN's, which
-- it stores as NULL.
CREATE TABLE curves (
    study TEXT NOT NULL,
    trial INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    train_loss REAL,
    train_accuracy REAL,
    val_loss REAL,
    val_accuracy REAL,
    val_macro_f1 REAL,
    learning_rate REAL,
    seconds REAL,
    PRIMARY KEY (study, trial, epoch)
) STRICT, WITHOUT ROWID;
