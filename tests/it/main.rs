//! Rung as its users run it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

/// One study gives one result table, whatever happens to workers and coordinator; on the formula trainer.
mod faults;

/// What is stored: damage, full disks, backups, two coordinators on one folder.
mod storage;

/// How soon a coordinator with a large store is at work again.
mod recovery;

/// A thousand workers at once.
mod crowd;

/// Loops of kill -9 and of stops past the lease.
#[cfg(target_os = "linux")]
mod kills;

/// Clocks that jump.
#[cfg(target_os = "linux")]
mod clock;

/// Disks that are full, that do not sync, that turn bits over.
#[cfg(target_os = "linux")]
mod disk;

/// What has gone wrong in other tuners, by reference.
#[cfg(target_os = "linux")]
mod others;

/// Networks that lose packets: all, one way's, now and then.
#[cfg(target_os = "linux")]
mod partitions;

/// What happens to a trial whose trainer dies, hangs or gives no number.
mod failures;

/// What a worker's machine or the coordinator's store is to blame for, and no trial.
mod blame;

/// One worker id, several processes.
mod ids;

/// Several studies share workers; studies are paused, resumed, stopped and deleted.
mod studies;

/// The command line: output shapes, exit codes, errors.
mod cli;

/// Members of an ensemble, their votes, and what happens when some of them are lost.
mod ensemble;

/// The configuration file, and what wins over it.
mod settings;

/// A libtorch that is missing, or of another version.
mod libtorch;

/// Real models on real data: the same table and the same weights.
mod training;

/// One's own data: packed, stored, fetched by workers and trained on.
mod data;

/// Weights of one study with which others begin.
mod models;

/// What leaves Rung: models in files, and what they say of pictures; compared with PyTorch.
mod export;

/// What `rung evaluate` measures: the study's own figures again, other data, other copies.
mod evaluate;

/// Who is let in, and who is not: tokens, certificates, roles, limits, hostile peers.
mod security;

/// Reports: their files, their page, and their numbers beside scikit-learn's.
mod report;

/// House rules that no linter knows.
mod tidy;
