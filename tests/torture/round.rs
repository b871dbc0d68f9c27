use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use common::view::{StudyPhase, StudyView};
use proto::v1 as pb;
use tests::rung;
use tokio::time::{sleep, timeout};
use tonic::Code;

use crate::{dice::Dice, fault::Fault, record::Record, rig::Rig, studies::Expected};

/// Longest time that a call is tried for: by then every fault is healed.
const CALLS: Duration = Duration::from_secs(30);
/// Longest answer to one call.
const ANSWER: Duration = Duration::from_secs(3);

/// A round: what was asked for and acknowledged, and what became of it.
struct Round<'a> {
    rig: &'a mut Rig,
    dice: &'a mut Dice,
    /// Acknowledged calls that were looked after.
    calls: u32,
    violations: Vec<String>,
}

/// Runs a round of a fault.
pub(crate) async fn run(
    rig: &mut Rig,
    dice: &mut Dice,
    (number, fault): (u32, Fault),
    expected: &[Expected],
) -> Result<Record> {
    let began = Instant::now();
    let mut round = Round { rig, dice, calls: 0, violations: Vec::new() };
    let studies = round.submit(number, expected).await?;
    round.rig.watch.begin(studies.iter().map(|study| study.name.to_string()).collect());
    let injected = round.strike(fault, &studies).await?;
    let mut leases = 0;
    for (study, expected) in studies.iter().zip(expected) {
        leases += round.compare(study, expected).await?;
    }
    round.check_store();
    for study in &studies {
        round.delete(study).await?;
    }
    let Round { calls, mut violations, rig, .. } = round;
    violations.append(&mut rig.watch.violations);
    if !violations.is_empty() {
        eprintln!("{}", rig.cluster.logs());
    }
    Ok(Record {
        round: number,
        fault: fault.as_str().to_owned(),
        injected,
        seconds: began.elapsed().as_secs_f64(),
        calls,
        repeated_leases: leases,
        repeated_epochs: rig.watch.repeated,
        coordinator_kib: rig.cluster.memory()?,
        violations,
    })
}

impl Round<'_> {
    async fn submit(&mut self, number: u32, expected: &[Expected]) -> Result<Vec<StudyView>> {
        let mut studies = Vec::new();
        for study in expected {
            studies.push(self.rig.cluster.submit(&study.yaml(number)).await?);
            self.calls += 1;
        }
        Ok(studies)
    }

    /// Lets the fault strike several times, with a study paused now and then meanwhile.
    async fn strike(&mut self, fault: Fault, studies: &[StudyView]) -> Result<u32> {
        let times = match fault {
            Fault::WorkerKill | Fault::CoordinatorKill | Fault::Reset => 6 + self.dice.below(5),
            // Three deaths of its trainer would rightly fail a trial.
            Fault::TrainerKill => 2,
            Fault::Corruption => 1,
            _ => 1 + self.dice.below(2),
        };
        let mut injected = 0;
        for _ in 0..times {
            let wait = self.dice.wait(100, 700);
            self.rig.look(wait).await;
            let study = &studies[self.dice.below(studies.len() as u64) as usize];
            let paused = self.dice.below(3) == 0 && self.pause(study).await;
            injected += self.rig.strike(fault, self.dice).await?;
            if paused {
                self.resume(study).await?;
            }
        }
        Ok(injected)
    }

    /// Pauses a study; whether that was acknowledged.
    async fn pause(&mut self, study: &StudyView) -> bool {
        let call = async {
            Ok::<_, anyhow::Error>(self.rig.cluster.client().await?.pause_study(reference(study)).await?)
        };
        let done = matches!(timeout(ANSWER, call).await, Ok(Ok(_)));
        self.calls += u32::from(done);
        done
    }

    /// Looks whether a study is still paused, and resumes it.
    async fn resume(&mut self, study: &StudyView) -> Result<()> {
        let found = self.now(study).await?;
        // Training may have been over.
        if found.phase == StudyPhase::Running {
            self.violations.push(format!("{} was paused, and runs", study.name));
        }
        if found.phase != StudyPhase::Paused {
            return Ok(());
        }
        let cluster = &self.rig.cluster;
        acknowledged(async || Ok(cluster.client().await?.resume_study(reference(study)).await?)).await?;
        self.calls += 1;
        if self.now(study).await?.phase == StudyPhase::Paused {
            self.violations.push(format!("{} was resumed, and is paused", study.name));
        }
        Ok(())
    }

    async fn now(&self, study: &StudyView) -> Result<StudyView> {
        acknowledged(async || self.rig.cluster.study(study.id.as_str()).await).await
    }

    /// Compares a study with what it must be; returns how many leases it took beyond those of the undisturbed run.
    async fn compare(&mut self, study: &StudyView, expected: &Expected) -> Result<u32> {
        let end = Instant::now() + Duration::from_secs(120);
        while self.now(study).await?.phase != StudyPhase::Finished {
            if Instant::now() > end {
                self.violations.push(format!("{} does not end", study.name));
                return Ok(0);
            }
            self.rig.look(Duration::from_millis(200)).await;
        }
        let found = self.rig.cluster.table(study.id.as_str()).await?;
        for (row, wanted) in found.iter().zip(&expected.table) {
            if row != wanted {
                self.violations.push(format!("{}: {row:?} instead of {wanted:?}", study.name));
            }
        }
        if found.len() != expected.table.len() {
            self.violations.push(format!("{} has {} trials", study.name, found.len()));
        }
        let trials = self.rig.cluster.trials(study.id.as_str()).await?;
        let attempts: u32 = trials.iter().map(|trial| trial.attempts).sum();
        Ok(attempts.saturating_sub(expected.attempts))
    }

    /// Every promise that can be seen on disk.
    fn check_store(&mut self) {
        let ran = rung(&self.rig.cluster.state(), &["fsck", "-o", "json"]);
        if ran.code != Some(0) {
            self.violations.push(format!("fsck: {}{}", ran.stdout, ran.stderr));
        }
    }

    /// Deletes a study, which stays deleted.
    async fn delete(&mut self, study: &StudyView) -> Result<()> {
        let cluster = &self.rig.cluster;
        let gone =
            acknowledged(async || match cluster.client().await?.delete_study(reference(study)).await {
                // The answer to an earlier call may have been lost.
                Err(status) if status.code() == Code::NotFound => Ok(()),
                answer => Ok(answer.map(drop)?),
            });
        gone.await.with_context(|| format!("{} cannot be deleted", study.name))?;
        self.calls += 1;
        if cluster.study(study.id.as_str()).await.is_ok() {
            self.violations.push(format!("{} was deleted, and is there", study.name));
        }
        Ok(())
    }
}

/// Calls until it is acknowledged.
async fn acknowledged<T>(mut call: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    let end = Instant::now() + CALLS;
    loop {
        match timeout(ANSWER, call()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) if Instant::now() > end => return Err(error),
            Err(late) if Instant::now() > end => return Err(late.into()),
            _ => sleep(Duration::from_millis(50)).await,
        }
    }
}

fn reference(study: &StudyView) -> pb::StudyRef {
    pb::StudyRef { study: study.id.to_string() }
}
