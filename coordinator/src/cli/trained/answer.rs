//! Asking `rung-worker`, which has the tensors.

use std::{
    path::Path,
    process::{Output, Stdio},
};

use tokio::{io::AsyncWriteExt as _, process::Command};

use super::{super::failure::Failure, TrainedModel};
use crate::cli::run;

/// What a model says of one sample.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli) struct Answer {
    /// What comes out of the last layer, by class; nothing where several models voted, or where the probabilities are
    /// means over copies of an image.
    pub(in crate::cli) logits: Vec<f32>,
    /// The classes' log-probabilities.
    pub(in crate::cli) log_probabilities: Vec<f32>,
}

impl Answer {
    /// The most likely class, the first of equals; none where the answer is no number, as of a model that diverged.
    pub(in crate::cli) fn likeliest(&self) -> Option<usize> {
        let row = &self.log_probabilities;
        if row.iter().any(|value| value.is_nan()) {
            return None;
        }
        Some((0..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best }))
    }

    /// The classes' probabilities.
    pub(in crate::cli) fn probabilities(&self) -> Vec<f64> {
        self.log_probabilities.iter().map(|value| f64::from(*value).exp()).collect()
    }
}

impl TrainedModel {
    /// The model's answers to samples, floats as model.json asks for them, one after another.
    pub(in crate::cli) async fn ask(&self, samples: &[f32], device: &str) -> Result<Vec<Answer>, Failure> {
        let arguments = ["--device", device];
        let out = worker("ask", &self.folder, |command| command.args(arguments), samples).await?;
        let (classes, averages) = (self.architecture.shape.classes as usize, self.averages());
        let numbers: Vec<f32> = out.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let answers = numbers.chunks_exact(2 * classes).map(|row| Answer {
            // The network's of the image itself, of which no softmax makes a mean's probabilities.
            logits: if averages { Vec::new() } else { row[..classes].to_vec() },
            log_probabilities: row[classes..].to_vec(),
        });
        Ok(answers.collect())
    }
}

/// What is in a folder, a model or an ensemble, as a TorchScript file's bytes.
pub(super) async fn torchscript(model: &Path) -> Result<Vec<u8>, Failure> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("model.pt");
    worker("torchscript", model, |command| command.arg("--out").arg(&path), &[]).await?;
    Ok(std::fs::read(&path)?)
}

/// Floats that are made bytes at a time: samples may be gigabytes, and are not to be in memory twice.
const PIECE: usize = 1 << 16;

/// Runs a subcommand of `rung-worker` on a model's folder with floats on its stdin, little-endian; what it writes to its stdout.
async fn worker(
    verb: &str,
    folder: &Path,
    more: impl FnOnce(&mut Command) -> &mut Command,
    input: &[f32],
) -> Result<Vec<u8>, Failure> {
    let program = run::worker_program().map_err(|failure| {
        failure.help(
            "this needs tensors, which `rung` itself does not know: build it with `cargo build --release -p worker`, \
             put it beside `rung`, or name it in RUNG_WORKER",
        )
    })?;
    let mut command = Command::new(&program);
    command.arg(verb).arg("--model").arg(folder);
    more(&mut command).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let failed = |error: std::io::Error| Failure::failed(format!("{} {verb}: {error}", program.display()));
    let mut child = command.spawn().map_err(failed)?;
    let mut stdin = child.stdin.take();
    let feed = async {
        let Some(mut pipe) = stdin.take() else { return };
        for piece in input.chunks(PIECE) {
            let bytes: Vec<u8> = piece.iter().flat_map(|value| value.to_le_bytes()).collect();
            // A worker that ended early says why; that nobody read is no news then.
            if pipe.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    let ((), output) = tokio::join!(feed, child.wait_with_output());
    finished(output.map_err(failed)?)
}

/// What a worker that has ended wrote, or why it failed.
fn finished(output: Output) -> Result<Vec<u8>, Failure> {
    if output.status.success() {
        return Ok(output.stdout);
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let message = text.rsplit("error: ").next().unwrap_or_default().trim();
    match output.status.code() {
        Some(2) => Err(Failure::bad_input(message)),
        _ if message.is_empty() => Err(Failure::failed(format!("rung-worker ended with {}", output.status))),
        _ => Err(Failure::failed(format!("rung-worker: {message}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;
    use crate::cli::failure::Code;

    #[test]
    fn a_workers_complaint_becomes_the_commands() {
        let output = |code: i32, stderr: &str| Output {
            status: std::process::ExitStatus::from_raw(code << 8),
            stdout: vec![7],
            stderr: stderr.as_bytes().to_vec(),
        };
        assert_eq!(finished(output(0, "")).unwrap(), [7]);
        let bad = finished(output(2, "a warning\nerror: `a` is missing\n")).unwrap_err();
        assert_eq!((bad.code, bad.message.as_str()), (Code::BadInput, "`a` is missing"));
        let failed = finished(output(1, "error: out of memory")).unwrap_err();
        assert_eq!((failed.code, failed.message.as_str()), (Code::Failed, "rung-worker: out of memory"));
        assert!(finished(output(1, "")).unwrap_err().message.contains("exit status: 1"));
    }

    #[test]
    fn the_first_of_equals_is_the_answer() {
        let answer = Answer { logits: Vec::new(), log_probabilities: vec![-2.0, -0.5, -0.5] };
        assert_eq!(answer.likeliest(), Some(1));
        assert!((answer.probabilities()[1] - 0.606_530_659_7).abs() < 1e-9);
    }

    #[test]
    fn what_is_no_number_names_no_class() {
        let answer = |log_probabilities| Answer { logits: Vec::new(), log_probabilities };
        assert_eq!(answer(vec![f32::NAN; 3]).likeliest(), None);
        assert_eq!(answer(vec![0.0, f32::NAN]).likeliest(), None);
        assert_eq!(
            answer(vec![f32::NEG_INFINITY, 0.0]).likeliest(),
            Some(1),
            "a probability of 0 is a number"
        );
    }
}
