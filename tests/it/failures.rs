use anyhow::Result;
use common::trial::TrialState;
use nix::sys::signal::{Signal, kill};
use tests::Cluster;

fn study(hparams: &[&str]) -> String {
    let trials: String =
        hparams.iter().map(|hparams| format!("    - {{hparams: {{{hparams}}}}}\n")).collect();
    format!("name: failures\nmodel: formula\nscheduler:\n  kind: fixed\n  epochs: 4\n  trials:\n{trials}")
}

#[tokio::test]
async fn a_crashing_trainer_costs_three_attempts_and_no_worker() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    cluster.submit(&study(&["width: 1", "width: 2, fail: crash, fail_epoch: 2", "width: 3"])).await?;
    let table = cluster.table("failures").await?;
    let states: Vec<_> = table.iter().map(|row| row.state).collect();
    assert_eq!(states, [TrialState::Completed, TrialState::Failed, TrialState::Completed]);
    let trials = cluster.trials("failures").await?;
    assert_eq!(trials[1].attempts, 3);
    assert!(trials[1].failure.as_ref().is_some_and(|reason| reason.contains("signal")), "{:?}", trials[1]);
    Ok(())
}

#[tokio::test]
async fn a_value_that_is_no_number_is_final_at_the_first_attempt() -> Result<()> {
    let cluster = Cluster::start(1).await?;
    cluster.submit(&study(&["width: 1, fail: nan, fail_epoch: 2", "width: 2"])).await?;
    let table = cluster.table("failures").await?;
    assert_eq!(table[0].state, TrialState::Failed);
    assert_eq!(table[0].value, None);
    assert_eq!(table[1].state, TrialState::Completed);
    assert_eq!(cluster.trials("failures").await?[0].attempts, 1);
    Ok(())
}

#[tokio::test]
async fn a_hanging_trainer_is_killed_and_costs_an_attempt() -> Result<()> {
    let mut cluster = Cluster::start(0).await?;
    cluster.start_worker(&["--hang-timeout", "0.5"])?;
    cluster.submit(&study(&["width: 1, fail: hang, fail_epoch: 2", "width: 2"])).await?;
    let table = cluster.table("failures").await?;
    assert_eq!((table[0].state, table[1].state), (TrialState::Failed, TrialState::Completed));
    let trials = cluster.trials("failures").await?;
    assert_eq!(trials[0].attempts, 3);
    assert!(
        trials[0].failure.as_ref().is_some_and(|reason| reason.contains("no progress")),
        "{:?}",
        trials[0]
    );
    Ok(())
}

#[tokio::test]
async fn a_killed_trainer_costs_one_attempt_and_changes_no_number() -> Result<()> {
    let slow = study(&["width: 1", "width: 2"]) + "train: {epoch_seconds: 0.2}\n";
    let calm = Cluster::start(1).await?;
    calm.submit(&slow).await?;
    let expected = calm.table("failures").await?;

    let cluster = Cluster::start(1).await?;
    cluster.submit(&slow).await?;
    cluster.until_trained("failures", 0, 30).await?;
    for trainer in cluster.trainers(0)? {
        kill(trainer, Signal::SIGKILL)?;
    }
    assert_eq!(cluster.table("failures").await?, expected);
    let attempts: u32 = cluster.trials("failures").await?.iter().map(|trial| trial.attempts).sum();
    assert_eq!(attempts, 4, "two trials, one of them twice, and the evaluation of the best");
    Ok(())
}

#[tokio::test]
async fn failures_never_block_a_rung() -> Result<()> {
    let cluster = Cluster::start(3).await?;
    // Two in three configurations give no number from the first epoch on.
    let study = "
name: failures
model: formula
space:
  fail: {choice: [nan, nan2, none]}
  width: {int: [1, 40]}
scheduler: {kind: hyperband, max_epochs: 9, eta: 3}
seed: 3
"
    .replace("nan2", "error");
    cluster.submit(&study).await?;
    let table = cluster.table("failures").await?;
    assert!(table.iter().any(|row| row.state == TrialState::Failed));
    assert!(table.iter().any(|row| row.state == TrialState::Completed && row.epochs == 9));
    Ok(())
}
