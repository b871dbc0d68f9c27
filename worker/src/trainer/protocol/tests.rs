use std::{path::PathBuf, sync::Arc, time::Duration};

use common::{
    hparams::{Hparams, Scalar},
    metrics::{CurvePoint, Metrics, TestMetrics},
    study::StudySpec,
};
use tokio_util::codec::Decoder as _;

use super::*;
use crate::trainer::CheckpointFiles;

fn files() -> CheckpointFiles {
    CheckpointFiles { epoch: 3, weights: "/tmp/w".into(), state: "/tmp/s".into() }
}

fn train() -> TrainTask {
    let study =
        StudySpec::from_yaml("name: drill\nmodel: formula\nspace:\n  x: {float: [0.0, 1.0]}\n").unwrap();
    TrainTask {
        study: Arc::new(study),
        hparams: Hparams::from([("x", Scalar::Float(0.1 + 0.2)), ("n", Scalar::Int(-3))]),
        trial_seed: u64::MAX,
        data_seed: 3,
        from_epoch: 3,
        to_epoch: 9,
        resume: Some(files()),
        checkpoint_every: Duration::from_millis(10_500),
        scratch: PathBuf::from("/tmp/x y"),
        data: Some(PathBuf::from("/tmp/x y/data.safetensors")),
        initial: Some(PathBuf::from("/tmp/x y/initial.safetensors")),
    }
}

fn point(loss: f64) -> CurvePoint {
    let metrics = Metrics {
        train_loss: loss,
        train_accuracy: 0.5,
        val_loss: loss,
        val_accuracy: 0.25,
        val_macro_f1: 0.125,
    };
    CurvePoint { epoch: 4, metrics, learning_rate: 1e-3, seconds: 0.5 }
}

#[test]
fn commands_arrive_as_they_were_given() {
    let evaluate =
        EvaluateTask { study: train().study, hparams: train().hparams, checkpoint: files(), data: None };
    let commands = [
        Command::Train(train()),
        Command::Stop { save: true },
        Command::Evaluate { task: evaluate, scratch: PathBuf::from("/tmp/e") },
        Command::Stop { save: false },
    ];
    let pipe = commands.iter().flat_map(|command| frame(command.clone())).collect::<Vec<u8>>();
    let mut pipe = &pipe[..];
    for command in commands {
        let arrived = read(&mut pipe).unwrap().unwrap();
        assert_eq!(format!("{arrived:?}"), format!("{command:?}"));
    }
    assert!(read(&mut pipe).unwrap().is_none());
}

#[test]
fn reports_arrive_as_they_were_written() {
    let reports = || {
        let (last, best) = (point(0.1), point(0.1).metrics);
        [
            Report::Ready(DeviceFacts {
                device: "cpu".to_owned(),
                memory_bytes: 1,
                ..DeviceFacts::default()
            }),
            Report::Progress(Progress::Steps(17)),
            Report::Progress(Progress::Epoch(last)),
            Report::Progress(Progress::Checkpoint(files())),
            Report::Ended(Trained::Finished {
                last,
                best,
                checkpoint: files(),
                early_stopped: true,
                restored: Some(best),
            }),
            Report::Ended(Trained::NotFinite { last: point(f64::NAN) }),
            Report::Ended(Trained::HandedBack { checkpoint: None }),
            Report::Evaluated {
                test: PredictedFile {
                    metrics: TestMetrics { accuracy: 0.5, loss: 1.0, clean: None },
                    probabilities: "/tmp/p".into(),
                },
                validation: Some(PredictedFile {
                    metrics: TestMetrics { accuracy: 0.75, loss: 0.5, clean: None },
                    probabilities: "/tmp/v".into(),
                }),
            },
            Report::Evaluated {
                test: PredictedFile {
                    metrics: TestMetrics { accuracy: 0.5, loss: 1.0, clean: None },
                    probabilities: "/tmp/p".into(),
                },
                validation: None,
            },
            Report::Failed("out of memory".to_owned()),
        ]
    };
    let mut pipe = Vec::new();
    reports().into_iter().for_each(|report| write(&mut pipe, report).unwrap());
    let (mut codec, mut pipe) = (codec(), bytes::BytesMut::from(&pipe[..]));
    for report in reports() {
        let body = codec.decode(&mut pipe).unwrap().unwrap();
        assert_eq!(format!("{:?}", decode(&body).unwrap()), format!("{report:?}"));
    }
}

#[test]
fn a_broken_frame_is_an_error_and_a_closed_pipe_an_end() {
    let whole = frame(Command::Stop { save: true });
    assert!(read(&mut &whole[..2]).unwrap().is_none());
    assert!(read(&mut &whole[..whole.len() - 1]).is_err());
    assert!(read(&mut &[0xff; 8][..]).is_err());
    assert!(read(&mut &[0, 0, 0, 1, 0xff][..]).is_err());
}
