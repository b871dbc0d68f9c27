//! The pipe's messages, from and to what trainers know.

use std::{path::PathBuf, sync::Arc, time::Duration};

use common::{metrics::CurvePoint, study::StudySpec, view::DeviceFacts};
use proto::{Malformed, present, v1 as pb};

use super::{Command, Report};
use crate::trainer::{CheckpointFiles, EvaluateTask, PredictedFile, Progress, TrainTask, Trained};

fn study(json: &str) -> Result<Arc<StudySpec>, Malformed> {
    StudySpec::from_json(json).map(Arc::new).map_err(|error| Malformed::new("spec_json", error))
}

fn point(field: &'static str, point: Option<pb::CurvePoint>) -> Result<CurvePoint, Malformed> {
    present(field, point)?.try_into()
}

/// A path; none where nothing was named.
fn path(text: String) -> Option<PathBuf> {
    Some(text).filter(|text| !text.is_empty()).map(Into::into)
}

/// The worker's own folder has a UTF-8 name (its scratch sees to that), and so has everything in it.
fn text(path: PathBuf) -> String {
    path.to_string_lossy().into_owned()
}

impl From<CheckpointFiles> for pb::CheckpointFiles {
    fn from(files: CheckpointFiles) -> Self {
        Self { epoch: files.epoch, weights: text(files.weights), state: text(files.state) }
    }
}

impl From<pb::CheckpointFiles> for CheckpointFiles {
    fn from(files: pb::CheckpointFiles) -> Self {
        Self { epoch: files.epoch, weights: files.weights.into(), state: files.state.into() }
    }
}

impl From<Command> for pb::TrainerCommand {
    fn from(command: Command) -> Self {
        use pb::trainer_command::Kind;
        let kind = match command {
            Command::Train(task) => Kind::Train(pb::TrainCommand {
                spec_json: task.study.to_json(),
                hparams: proto::scalars(&task.hparams),
                trial_seed: task.trial_seed,
                data_seed: task.data_seed,
                from_epoch: task.from_epoch,
                to_epoch: task.to_epoch,
                resume: task.resume.map(Into::into),
                checkpoint_every_ms: task.checkpoint_every.as_millis() as u64,
                scratch: text(task.scratch),
                data: task.data.map(text).unwrap_or_default(),
                initial: task.initial.map(text).unwrap_or_default(),
            }),
            Command::Evaluate { task, scratch } => Kind::Evaluate(pb::EvaluateCommand {
                spec_json: task.study.to_json(),
                hparams: proto::scalars(&task.hparams),
                checkpoint: Some(task.checkpoint.into()),
                scratch: text(scratch),
                data: task.data.map(text).unwrap_or_default(),
            }),
            Command::Stop { save } => Kind::Stop(pb::StopCommand { save }),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<pb::TrainerCommand> for Command {
    type Error = Malformed;

    fn try_from(command: pb::TrainerCommand) -> Result<Self, Malformed> {
        use pb::trainer_command::Kind;
        Ok(match present("trainer_command.kind", command.kind)? {
            Kind::Train(train) => Self::Train(TrainTask {
                study: study(&train.spec_json)?,
                hparams: proto::hparams(train.hparams)?,
                trial_seed: train.trial_seed,
                data_seed: train.data_seed,
                from_epoch: train.from_epoch,
                to_epoch: train.to_epoch,
                resume: train.resume.map(Into::into),
                checkpoint_every: Duration::from_millis(train.checkpoint_every_ms),
                scratch: train.scratch.into(),
                data: path(train.data),
                initial: path(train.initial),
            }),
            Kind::Evaluate(evaluate) => Self::Evaluate {
                task: EvaluateTask {
                    study: study(&evaluate.spec_json)?,
                    hparams: proto::hparams(evaluate.hparams)?,
                    checkpoint: present("evaluate_command.checkpoint", evaluate.checkpoint)?.into(),
                    data: path(evaluate.data),
                },
                scratch: evaluate.scratch.into(),
            },
            Kind::Stop(stop) => Self::Stop { save: stop.save },
        })
    }
}

impl From<Report> for pb::TrainerReport {
    fn from(report: Report) -> Self {
        use pb::trainer_report::Kind;
        let kind = match report {
            Report::Ready(facts) => Kind::Ready(pb::TrainerReady {
                libtorch: facts.libtorch,
                device: facts.device,
                capability: facts.capability,
                name: facts.name,
                memory_bytes: facts.memory_bytes,
            }),
            Report::Progress(Progress::Steps(steps)) => Kind::Steps(pb::TrainerSteps { steps }),
            Report::Progress(Progress::Epoch(point)) => Kind::Epoch(point.into()),
            Report::Progress(Progress::Checkpoint(files)) => Kind::Checkpoint(files.into()),
            Report::Ended(Trained::Finished { last, best, checkpoint, early_stopped, restored }) => {
                Kind::Finished(pb::TrainerFinished {
                    last: Some(last.into()),
                    best: Some(best.into()),
                    checkpoint: Some(checkpoint.into()),
                    early_stopped,
                    restored: restored.map(Into::into),
                })
            }
            Report::Ended(Trained::NotFinite { last }) => Kind::NotFinite(last.into()),
            Report::Ended(Trained::HandedBack { checkpoint }) => {
                Kind::Stopped(pb::TrainerStopped { checkpoint: checkpoint.map(Into::into) })
            }
            Report::Ended(Trained::Abandoned) => Kind::Stopped(pb::TrainerStopped { checkpoint: None }),
            Report::Evaluated { test, validation } => {
                let validation = validation.map(|part| (part.metrics.into(), text(part.probabilities)));
                let (validation, validation_probabilities) = validation.unzip();
                Kind::Evaluated(pb::TrainerEvaluated {
                    test: Some(test.metrics.into()),
                    probabilities: text(test.probabilities),
                    validation,
                    validation_probabilities: validation_probabilities.unwrap_or_default(),
                })
            }
            Report::Failed(reason) => Kind::Failed(pb::TrainerFailed { reason }),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<pb::TrainerReport> for Report {
    type Error = Malformed;

    fn try_from(report: pb::TrainerReport) -> Result<Self, Malformed> {
        use pb::trainer_report::Kind;
        Ok(match present("trainer_report.kind", report.kind)? {
            Kind::Ready(ready) => Self::Ready(DeviceFacts {
                device: ready.device,
                name: ready.name,
                libtorch: ready.libtorch,
                capability: ready.capability,
                memory_bytes: ready.memory_bytes,
                host: String::new(),
            }),
            Kind::Steps(steps) => Self::Progress(Progress::Steps(steps.steps)),
            Kind::Epoch(epoch) => Self::Progress(Progress::Epoch(epoch.try_into()?)),
            Kind::Checkpoint(files) => Self::Progress(Progress::Checkpoint(files.into())),
            Kind::Finished(finished) => Self::Ended(Trained::Finished {
                last: point("trainer_finished.last", finished.last)?,
                best: present("trainer_finished.best", finished.best)?.into(),
                checkpoint: present("trainer_finished.checkpoint", finished.checkpoint)?.into(),
                early_stopped: finished.early_stopped,
                restored: finished.restored.map(Into::into),
            }),
            Kind::NotFinite(last) => Self::Ended(Trained::NotFinite { last: last.try_into()? }),
            Kind::Stopped(stopped) => {
                Self::Ended(Trained::HandedBack { checkpoint: stopped.checkpoint.map(Into::into) })
            }
            Kind::Failed(failed) => Self::Failed(failed.reason),
            Kind::Evaluated(evaluated) => Self::Evaluated {
                test: PredictedFile {
                    metrics: present("trainer_evaluated.test", evaluated.test)?.into(),
                    probabilities: evaluated.probabilities.into(),
                },
                validation: evaluated.validation.map(|metrics| PredictedFile {
                    metrics: metrics.into(),
                    probabilities: evaluated.validation_probabilities.into(),
                }),
            },
        })
    }
}
