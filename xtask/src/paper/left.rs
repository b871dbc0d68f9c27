//! What is left, and about how long it takes.

use super::job::Job;
use super::record::Record;
use super::row::Kind;

/// About how long something takes on one core.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Estimate {
    seconds: f64,
    /// Seconds of an epoch, where one was measured; else everything is a guess.
    epoch: Option<f64>,
}

/// What is left, one line for each row, given all that was measured.
pub(super) fn text(jobs: &[Job], records: &[Record], workers: u32) -> String {
    if jobs.is_empty() {
        return "nothing is left: every run has its record\n".to_owned();
    }
    let all: Vec<(&Job, Estimate)> = jobs.iter().map(|job| (job, estimate(job, records))).collect();
    let longest = all.iter().map(|(job, estimate)| alone(job, *estimate, workers));
    let wall = longest.fold(seconds(&all) / f64::from(workers), f64::max);
    let guesses = all.iter().filter(|(_, estimate)| estimate.epoch.is_none()).count();
    let guessed = match guesses {
        0 => "",
        some if some < all.len() => ", partly a guess",
        _ => ", a guess",
    };
    let (runs, workers) = (plural(jobs.len(), "run"), plural(workers as usize, "worker"));
    let mut text = format!("left: {runs}, about {} with {workers}{guessed}\n", span(wall));
    for own in all.chunk_by(|(one, _), (other, _)| one.row == other.row) {
        text.push_str(&line(own));
    }
    text
}

/// What is left of one row.
fn line(own: &[(&Job, Estimate)]) -> String {
    let (job, first) = own[0];
    let count = match job.row.kind {
        Kind::Ensemble => plural(job.scale.runs as usize, "member"),
        Kind::Fixed | Kind::Search | Kind::Retrain(_) => plural(own.len(), "run"),
    };
    let how = match first.epoch {
        Some(epoch) => format!("{epoch:.1} s an epoch, measured"),
        None => "a guess".to_owned(),
    };
    let epochs = format!("{count} of {}", plural(job.scale.epochs as usize, "epoch"));
    format!("  {:<22} {epochs:<24} {} of one core, {how}\n", job.row.name, span(seconds(own)))
}

fn seconds(all: &[(&Job, Estimate)]) -> f64 {
    all.iter().map(|(_, estimate)| estimate.seconds).sum()
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// The least time that a run takes: one configuration is trained on one core.
fn alone(job: &Job, estimate: Estimate, workers: u32) -> f64 {
    match job.row.kind {
        Kind::Fixed | Kind::Retrain(_) => estimate.seconds,
        Kind::Search | Kind::Ensemble => estimate.seconds / f64::from(workers),
    }
}

/// About how long a run takes: by the epochs of its row that were measured, or by the row's guess.
fn estimate(job: &Job, records: &[Record]) -> Estimate {
    let (row, epochs) = (job.row, f64::from(job.scale.epochs));
    let members = if row.kind == Kind::Ensemble { f64::from(job.scale.runs) } else { 1.0 };
    let own: Vec<&Record> =
        records.iter().filter(|record| record.row == row.name && record.trained > 0).collect();
    let trained: u64 = own.iter().map(|record| record.trained).sum();
    if trained == 0 {
        let share = epochs / f64::from(row.epochs);
        return Estimate { seconds: row.minutes * 60.0 * share * members, epoch: None };
    }
    let epoch = own.iter().map(|record| record.core_seconds()).sum::<f64>() / trained as f64;
    // Early stopping and brackets train other numbers of epochs than the most: as they did, in proportion.
    let most: f64 = own.iter().map(|record| most(record)).sum();
    Estimate { seconds: epoch * epochs * members * trained as f64 / most, epoch: Some(epoch) }
}

/// The most epochs that a record's run might have trained for, if it was no search.
fn most(record: &Record) -> f64 {
    let members = record.votes.as_ref().map_or(1, |votes| votes.members);
    f64::from(record.epochs) * f64::from(members)
}

/// A span of time in hours and minutes.
pub(super) fn span(seconds: f64) -> String {
    let minutes = (seconds / 60.0).ceil() as u64;
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}
