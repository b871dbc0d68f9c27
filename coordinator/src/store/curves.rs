//! Rows of learning curves.

use common::{
    ids::TrialNumber,
    metrics::{CurvePoint, Metrics},
};
use rusqlite::{Row, Transaction, params};

use super::{
    Commit, StoreError,
    schema::Layout,
    seal::{Seal, Sealer},
};

/// The columns of a point, as [`point`] reads them.
pub(super) fn columns(layout: Layout) -> String {
    format!(
        "study, trial, epoch, train_loss, train_accuracy, val_loss, val_accuracy, val_macro_f1, learning_rate, seconds, {}",
        layout.seal()
    )
}

/// A trial and a point of its curve from a row of [`columns`].
pub(super) fn point(row: &Row<'_>, layout: Layout) -> Result<(TrialNumber, CurvePoint), StoreError> {
    // SQLite keeps NaN as NULL.
    let real = |column| row.get::<_, Option<f64>>(column).map(|value| value.unwrap_or(f64::NAN));
    let (study, trial): (String, u32) = (row.get(0)?, row.get(1)?);
    let point = CurvePoint {
        epoch: row.get(2)?,
        metrics: Metrics {
            train_loss: real(3)?,
            train_accuracy: real(4)?,
            val_loss: real(5)?,
            val_accuracy: real(6)?,
            val_macro_f1: real(7)?,
        },
        learning_rate: real(8)?,
        seconds: real(9)?,
    };
    let what = || format!("epoch {} of the curve of trial {trial} of study {study}", point.epoch);
    seal(&study, trial, &point).check(row.get(10)?, layout.is_sealed(), what)?;
    Ok((TrialNumber(trial), point))
}

/// Writes the points of a commit.
pub(super) fn write(transaction: &Transaction<'_>, commit: &Commit) -> Result<(), StoreError> {
    let mut insert = transaction
        .prepare_cached("INSERT OR REPLACE INTO curves VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
    for (study, trial, point) in &commit.curves {
        let metrics = &point.metrics;
        insert.execute(params![
            study.as_str(),
            trial.0,
            point.epoch,
            metrics.train_loss,
            metrics.train_accuracy,
            metrics.val_loss,
            metrics.val_accuracy,
            metrics.val_macro_f1,
            point.learning_rate,
            point.seconds,
            seal(study.as_str(), trial.0, point),
        ])?;
    }
    Ok(())
}

/// Seals the rows that an earlier release wrote.
pub(super) fn seal_all(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    let unsealed = Layout::of(transaction)?;
    let mut rows = transaction.prepare(&format!("SELECT {} FROM curves", columns(unsealed)))?;
    let mut update =
        transaction.prepare("UPDATE curves SET seal = ? WHERE study = ? AND trial = ? AND epoch = ?")?;
    let mut found = rows.query([])?;
    while let Some(row) = found.next()? {
        let (study, (trial, point)) = (row.get::<_, String>(0)?, point(row, unsealed)?);
        update.execute(params![seal(&study, trial.0, &point), study, trial.0, point.epoch])?;
    }
    Ok(())
}

fn seal(study: &str, trial: u32, point: &CurvePoint) -> Seal {
    let CurvePoint { epoch, metrics, learning_rate, seconds } = *point;
    let sealer = Sealer::of("curves").text(study).int(i64::from(trial)).int(i64::from(epoch));
    let reals = [
        metrics.train_loss,
        metrics.train_accuracy,
        metrics.val_loss,
        metrics.val_accuracy,
        metrics.val_macro_f1,
        learning_rate,
        seconds,
    ];
    reals.into_iter().fold(sealer, Sealer::real).seal()
}
