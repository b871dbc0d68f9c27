//! Studies as they are named on a command line: a file or a preset, with values that flags replace.

use std::{fmt, fs, io, path::Path};

use clap::Args;
use common::{
    nearest::nearest,
    preset::{self, Preset},
    study::{ModelKind, Place, SchedulerSpec, SpecError, StudySpec},
};

use super::{args::key_value, failure::Failure};

/// The study that a command is about, and what to change in it.
#[derive(Debug, Clone, Args)]
pub(crate) struct StudyArgs {
    /// A study file (`-` reads standard input), or a preset's name: `rung model list` shows them
    #[arg(value_name = "STUDY.yaml|PRESET")]
    pub(crate) study: String,
    #[command(flatten)]
    pub(crate) overrides: Overrides,
}

/// Values that replace those of a study.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Study")]
pub(crate) struct Overrides {
    /// Most epochs that one trial trains for (R)
    #[arg(long, value_name = "R")]
    pub(crate) max_epochs: Option<u32>,
    /// One in N trials is promoted to the next rung
    #[arg(long, value_name = "N")]
    pub(crate) eta: Option<u32>,
    /// The study's seed; equal seeds give equal results
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Replaces any value of the study file, for example train.batch_size=64 or budget.max_time=5m
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) set: Vec<(String, String)>,
    /// Keys and values of a command's own flags, which are called as the key's last part is
    #[arg(skip)]
    pub(crate) own: Vec<(String, String)>,
}

impl Overrides {
    /// The dotted keys and values to replace, in a study that lists its trials or does not.
    fn pairs(&self, listed: bool) -> Vec<(String, String)> {
        let epochs = if listed { "scheduler.epochs" } else { "scheduler.max_epochs" };
        let mut pairs = [self.set.as_slice(), &self.own].concat();
        let mut push = |key: &str, value: Option<String>| {
            pairs.extend(value.map(|value| (key.to_owned(), value)));
        };
        push(epochs, self.max_epochs.map(|epochs| epochs.to_string()));
        push("scheduler.eta", self.eta.map(|eta| eta.to_string()));
        push("seed", self.seed.map(|seed| seed.to_string()));
        pairs
    }
}

/// Reads the study that is named and replaces what flags replace. Of presets of one name the search is meant.
pub(crate) fn read(args: &StudyArgs) -> Result<StudySpec, Failure> {
    let (source, text) = text(&args.study, preset::preset)?;
    parse(&source, &text, &args.overrides)
}

/// Reads the study that is named and replaces what flags replace. Of presets of one name the single configuration is meant.
pub(crate) fn read_training(args: &StudyArgs) -> Result<StudySpec, Failure> {
    let known = |name: &str| preset::training(name).or_else(|| preset::preset(name));
    let (source, text) = text(&args.study, known)?;
    parse(&source, &text, &args.overrides)
}

/// Parses a study's text and replaces what flags replace.
pub(crate) fn parse(source: &str, text: &str, overrides: &Overrides) -> Result<StudySpec, Failure> {
    let fault = |error: SpecError| {
        foreign(text, &error, overrides).unwrap_or_else(|| {
            let flag = match &error.place {
                Some(Place::Override(key)) => Some(flag(key, overrides)),
                _ => None,
            };
            Failure::from(SpecFault { source: source.to_owned(), text: text.to_owned(), flag, error })
        })
    };
    let listed = StudySpec::is_listed(text, &overrides.set).map_err(fault)?;
    StudySpec::from_yaml_with(text, &overrides.pairs(listed)).map_err(fault)
}

/// The failure of a flag that is Hyperband's alone, where the study lists its trials.
fn foreign(text: &str, error: &SpecError, overrides: &Overrides) -> Option<Failure> {
    let Some(Place::Override(key)) = &error.place else { return None };
    let own = ["eta", "sizes", "rounding", "mode", "iterations", "min_epochs"];
    let hyperbands = key.strip_prefix("scheduler.").is_some_and(|key| own.contains(&key));
    let listed =
        || StudySpec::from_yaml(text).is_ok_and(|spec| matches!(spec.scheduler, SchedulerSpec::Fixed { .. }));
    (hyperbands && listed()).then(|| {
        Failure::bad_input(format!(
            "{} is for Hyperband, and this study lists its trials (`scheduler: {{kind: fixed, …}}`)",
            flag(key, overrides)
        ))
        .help("leave it out")
    })
}

/// Where a study comes from, and its text.
fn text(study: &str, known: impl Fn(&str) -> Option<Preset>) -> Result<(String, String), Failure> {
    if study == "-" {
        let text = io::read_to_string(io::stdin());
        let unread = |error| Failure::bad_input(format!("cannot read a study from standard input: {error}"));
        return Ok(("standard input".to_owned(), text.map_err(unread)?));
    }
    let looks_like_file = study.contains(['/', '\\', '.']);
    if let (false, Some(preset)) = (looks_like_file, known(study)) {
        return Ok((format!("preset {study}"), preset::commented_example(&preset)));
    }
    match fs::read_to_string(study) {
        Ok(text) => Ok((study.to_owned(), text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !looks_like_file => {
            Err(unknown_preset(study))
        }
        Err(error) => {
            let failure = Failure::bad_input(format!("cannot read study file {study}: {error}"));
            Err(match error.kind() {
                io::ErrorKind::NotFound => {
                    failure.help(format!("`rung study example mlp > {study}` writes one to start from"))
                }
                _ => failure,
            })
        }
    }
}

/// Samples of an epoch, as far as they are known without the data.
pub(crate) fn training_samples(spec: &StudySpec) -> Option<u64> {
    if spec.model == ModelKind::Formula { None } else { spec.data.training_samples() }
}

/// Neither a preset nor a file.
pub(crate) fn unknown_preset(name: &str) -> Failure {
    let unknown = format!("`{name}` is neither a preset nor a file");
    let failure = Failure::bad_input(unknown);
    match nearest(name, preset::ALL.iter().copied()) {
        Some(nearest) => failure.help(format!("did you mean `{nearest}`?")),
        None => failure.help(format!("presets are {}", preset::ALL.join(", "))),
    }
}

/// A study's text that is no study, shown with the line that is wrong.
#[derive(Debug)]
pub(crate) struct SpecFault {
    source: String,
    text: String,
    /// The flag that is wrong, where it is one.
    flag: Option<String>,
    error: SpecError,
}

impl std::error::Error for SpecFault {}

impl fmt::Display for SpecFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SpecError { message, place, help } = &self.error;
        match place {
            Some(Place::File { line, column }) => {
                write!(f, "{message}\n  --> {}:{line}:{column}", Path::new(&self.source).display())?;
                if let Some(wrong) = self.text.lines().nth((*line as usize).saturating_sub(1)) {
                    let gutter = line.to_string();
                    let margin = " ".repeat(gutter.len());
                    let (wrong, column) = around(wrong, (*column as usize).saturating_sub(1));
                    let before: String = wrong.chars().take(column).map(blank).collect();
                    write!(f, "\n {margin} |\n {gutter} | {wrong}\n {margin} | {before}^")?;
                }
            }
            _ => write!(f, "{message} (in {})", self.flag.as_ref().unwrap_or(&self.source))?,
        }
        match help {
            Some(help) => write!(f, "\nhelp: {help}"),
            None => Ok(()),
        }
    }
}

/// What keeps a mark below its place: tabs stay tabs.
fn blank(c: char) -> char {
    if c == '\t' { '\t' } else { ' ' }
}

/// The flag by which a key was replaced: the last one that does counts.
fn flag(key: &str, overrides: &Overrides) -> String {
    match key {
        "scheduler.max_epochs" | "scheduler.epochs" if overrides.max_epochs.is_some() => {
            "--max-epochs".to_owned()
        }
        "scheduler.eta" if overrides.eta.is_some() => "--eta".to_owned(),
        "seed" if overrides.seed.is_some() => "--seed".to_owned(),
        key => match overrides.own.iter().any(|(own, _)| own == key) {
            true => format!("--{}", key.rsplit('.').next().unwrap_or(key)),
            false => format!("--set {key}"),
        },
    }
}

/// At most this much of a line is shown to the left and to the right of a mistake.
const SHOWN: usize = 100;

/// A line cut down to the surroundings of a column, and the column there.
fn around(line: &str, column: usize) -> (String, usize) {
    let from = column.saturating_sub(SHOWN);
    let shown: String = line.chars().skip(from).take(2 * SHOWN).collect();
    (shown, column - from)
}
