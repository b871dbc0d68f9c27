//! The pipe between a supervisor and a trainer: frames of a big-endian u32 length and a protobuf message.

mod convert;

use std::{
    io::{self, Read, Write},
    path::PathBuf,
};

use bytes::Bytes;
use common::view::DeviceFacts;
use prost::Message;
use proto::v1 as pb;
use tokio_util::codec::LengthDelimitedCodec;

use super::{EvaluateTask, PredictedFile, Progress, TrainTask, Trained};

/// Largest frame: a study file and its hyperparameters, with room to spare. A longer length is no length but noise.
const FRAME: usize = 8 << 20;

/// From a supervisor to its trainer.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    /// Train.
    Train(TrainTask),
    /// Evaluate, and write the probabilities of both parts into a folder.
    Evaluate { task: EvaluateTask, scratch: PathBuf },
    /// End the work at hand, with or without saving the last finished epoch.
    Stop { save: bool },
}

/// From a trainer to its supervisor.
#[derive(Debug)]
pub(crate) enum Report {
    /// The process is up and knows what it trains on. The host is not told: it is the supervisor's own.
    Ready(DeviceFacts),
    /// The work goes on.
    Progress(Progress),
    /// Training has ended, or an evaluation was stopped.
    Ended(Trained),
    /// The evaluation is done; the probabilities are in files.
    Evaluated { test: PredictedFile, validation: Option<PredictedFile> },
    /// The attempt failed.
    Failed(String),
}

/// Frames for the asynchronous side.
pub(crate) fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().max_frame_length(FRAME).new_codec()
}

/// A report from a frame's body.
pub(crate) fn decode(body: &[u8]) -> io::Result<Report> {
    let report = pb::TrainerReport::decode(body)?;
    report.try_into().map_err(|error: proto::Malformed| io::Error::other(error))
}

/// A command as a frame.
pub(crate) fn frame(command: Command) -> Bytes {
    framed(&pb::TrainerCommand::from(command))
}

/// Writes a report as a frame.
pub(super) fn write(to: &mut impl Write, report: Report) -> io::Result<()> {
    to.write_all(&framed(&pb::TrainerReport::from(report)))?;
    to.flush()
}

/// Reads a command; none at the pipe's end.
pub(super) fn read(from: &mut impl Read) -> io::Result<Option<Command>> {
    let mut length = [0; 4];
    // An end between frames is a supervisor that has gone; one within a frame is no different.
    match from.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > FRAME {
        return Err(io::Error::other(format!("a frame of {length} bytes")));
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    let command = pb::TrainerCommand::decode(&body[..])?;
    command.try_into().map(Some).map_err(|error: proto::Malformed| io::Error::other(error))
}

fn framed(message: &impl Message) -> Bytes {
    let body = message.encode_to_vec();
    let length = body.len() as u32;
    [&length.to_be_bytes()[..], &body].concat().into()
}

#[cfg(test)]
mod tests;
