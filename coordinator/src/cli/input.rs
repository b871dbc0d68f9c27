//! Studies as they are named on a command line: a file or a preset, with values that flags replace.

use std::{fmt, fs, io, ops::RangeInclusive, path::Path};

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

/// The greatest seed of a study.
const MOST_SEED: u64 = (1 << 53) - 1;

/// Values that replace those of a study.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Study")]
pub(crate) struct Overrides {
    /// Most epochs that one trial trains for (R)
    #[arg(long, value_name = "R", value_parser = whole::<u32>(1..=100_000))]
    pub(crate) max_epochs: Option<u32>,
    /// One in N trials is promoted to the next rung
    #[arg(long, value_name = "N", value_parser = whole::<u32>(2..=u64::from(u32::MAX)))]
    pub(crate) eta: Option<u32>,
    /// The study's seed; equal seeds give equal results
    #[arg(long, value_name = "N", value_parser = whole::<u64>(0..=MOST_SEED))]
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

/// Takes a whole number of a range, as a flag gives it; the error says what is expected, which Rust's own does not.
pub(crate) fn whole<T: TryFrom<u64> + 'static>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text: &str| {
        let number = text.parse::<u64>().ok().filter(|number| range.contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        let (least, most) = (range.start(), range.end());
        number.ok_or_else(|| format!("a whole number from {least} to {most} is expected"))
    }
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
            Err(no_preset(format!("`{study}` is neither a preset nor a file"), study))
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

/// No preset, where nothing but a preset's name is taken.
pub(crate) fn unknown_preset(name: &str) -> Failure {
    let message = match Path::new(name).exists() {
        true => format!("`{name}` is a file, and this takes a preset's name"),
        false => format!("there is no preset `{name}`"),
    };
    no_preset(message, name)
}

fn no_preset(message: String, name: &str) -> Failure {
    let failure = Failure::bad_input(message);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_whole_number_of_the_range_is_told_what_is() {
        let small = whole::<u32>(1..=10);
        assert_eq!((small("1"), small("10")), (Ok(1), Ok(10)));
        for text in ["0", "11", "x", "", "-3", "1.5", "99999999999999999999"] {
            assert_eq!(small(text), Err("a whole number from 1 to 10 is expected".to_owned()), "{text}");
        }
        assert_eq!(whole::<u64>(0..=u64::MAX)("18446744073709551615"), Ok(u64::MAX));
    }

    #[test]
    fn flags_take_what_a_study_takes() {
        #[derive(Debug, clap::Parser)]
        struct Line {
            #[command(flatten)]
            overrides: Overrides,
        }
        for (flag, key, least, most) in [
            ("--max-epochs", "scheduler.max_epochs", 1, 100_000),
            ("--eta", "scheduler.eta", 2, u64::from(u32::MAX)),
            ("--seed", "seed", 0, MOST_SEED),
        ] {
            let taken = |number: i128| {
                let line = <Line as clap::Parser>::try_parse_from(["rung", &format!("{flag}={number}")]);
                let set =
                    Overrides { set: vec![(key.to_owned(), number.to_string())], ..Overrides::default() };
                let study = parse("a", "{name: a, model: formula, space: {x: {float: [0, 1]}}}", &set);
                assert_eq!(line.is_ok(), study.is_ok(), "{flag} {number}");
                line.map_err(|error| error.to_string())
            };
            assert!(taken(least.into()).is_ok() && taken(most.into()).is_ok(), "{flag}");
            for beyond in [i128::from(least) - 1, i128::from(most) + 1, 1 << 80] {
                let says = format!("a whole number from {least} to {most} is expected");
                let error = taken(beyond).unwrap_err();
                assert!(error.contains(&says), "{error}");
            }
        }
    }

    #[test]
    fn a_file_where_only_a_preset_is_taken_is_told_so() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        let failure = unknown_preset(path);
        assert_eq!(failure.message, format!("`{path}` is a file, and this takes a preset's name"));
        assert!(failure.help.unwrap().starts_with("presets are "));
        let failure = unknown_preset("mlpp");
        assert_eq!(failure.message, "there is no preset `mlpp`");
        let Err(failure) = text("mlpp", preset::preset) else { panic!("there is no such preset") };
        assert_eq!(failure.message, "`mlpp` is neither a preset nor a file");
    }
}
