use std::{
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use clap::{
    Arg, Command,
    builder::{OsStr, Resettable},
};
use common::nearest::nearest;
use etcetera::BaseStrategy as _;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{ConfigError, Section, WORKER, place::place, worker};

/// All tables that a file may have, whichever program they are for.
const TABLES: &[&str] = &["client", "serve", "worker"];

/// A configuration file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    path: PathBuf,
    text: String,
}

impl File {
    /// Reads the file of this process: the one that `--config` or `RUNG_CONFIG` names, or the user's where there is one.
    pub fn of_this_process() -> Result<Option<Self>, ConfigError> {
        let variable = env::var_os("RUNG_CONFIG").filter(|path| !path.is_empty());
        match flag(env::args_os().skip(1)).or(variable) {
            Some(named) => Self::read(named.into()).map(Some),
            None => match usual_place().map(Self::read) {
                Some(Err(ConfigError::Unreadable { source, .. })) if is_missing(&source) => Ok(None),
                found => found.transpose(),
            },
        }
    }

    /// Reads a file.
    pub fn read(path: PathBuf) -> Result<Self, ConfigError> {
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Self { path, text }),
            Err(source) => Err(ConfigError::Unreadable { path, source }),
        }
    }

    /// Where it was.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The text of a key, where the file has it.
    pub fn value(&self, table: &str, key: &str) -> Option<String> {
        let tables = DeTable::parse(&self.text).ok()?;
        let DeValue::Table(values) = found(tables.get_ref(), table)? else { return None };
        text(found(values, key)?)
    }

    /// The program with the file's values as defaults of its flags. Fails on what neither program knows, and on a value
    /// that the flag itself would refuse. What is said of workers is judged in either program, since those that `rung`
    /// starts read the same file.
    pub fn defaults(&self, mut program: Command, sections: &[Section]) -> Result<Command, ConfigError> {
        let tables = DeTable::parse(&self.text)
            .map_err(|error| self.wrong(error.span().map_or(0, |span| span.start), error.message()))?;
        for (name, value) in tables.get_ref() {
            let at = name.span().start;
            if !TABLES.contains(&name.get_ref().as_ref()) {
                return Err(self.unknown("table", name, TABLES));
            }
            let DeValue::Table(values) = value.get_ref() else {
                let message = format!("`{0}` is a table: write [{0}] and its keys below", name.get_ref());
                return Err(self.wrong(at, message));
            };
            for section in sections.iter().filter(|section| section.name == name.get_ref()) {
                program = self.section(program, section, values)?;
            }
            if name.get_ref() == WORKER.name && sections.iter().all(|section| section.name != WORKER.name) {
                self.section(worker::flags(), &WORKER, values).map(drop)?;
            }
        }
        Ok(program)
    }

    fn section(
        &self,
        mut program: Command,
        section: &Section,
        values: &DeTable<'_>,
    ) -> Result<Command, ConfigError> {
        for (key, value) in values {
            let name = key.get_ref().as_ref();
            let flag = section.flag(&program, name).filter(|_| section.keys.contains(&name));
            let Some(flag) = flag else {
                return Err(self.unknown(&format!("key of [{}]", section.name), key, section.keys));
            };
            let Some(text) = text(value.get_ref()) else {
                let kind = value.get_ref().type_str();
                let message = match value.get_ref() {
                    DeValue::Integer(_) => format!("`{name}` needs a decimal number"),
                    _ => format!("`{name}` needs a text or a number, not a value of type {kind}"),
                };
                return Err(self.wrong(value.span().start, message));
            };
            check(flag, name, &text).map_err(|message| self.wrong(value.span().start, message))?;
            program = section.with_default(program, name, &text);
        }
        Ok(program)
    }

    fn unknown(&self, what: &str, name: &Spanned<impl AsRef<str>>, known: &[&'static str]) -> ConfigError {
        let given = name.get_ref().as_ref();
        let help = match nearest(given, known.iter().copied()) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!("known are {}", known.join(", ")),
        };
        self.wrong(name.span().start, format!("unknown {what} `{given}`; {help}"))
    }

    fn wrong(&self, byte: usize, message: impl Into<String>) -> ConfigError {
        let (line, column) = place(&self.text, byte);
        ConfigError::Wrong { path: self.path.clone(), line, column, message: message.into() }
    }
}

/// What `--config` names; arguments are looked at before they are parsed, since their defaults are what is looked for.
fn flag(arguments: impl Iterator<Item = OsString>) -> Option<OsString> {
    let mut arguments = arguments.take_while(|argument| argument != "--");
    while let Some(argument) = arguments.next() {
        if argument == "--config" {
            return arguments.next();
        }
        if let Some(named) = argument.to_str().and_then(|text| text.strip_prefix("--config=")) {
            return Some(named.into());
        }
    }
    None
}

/// `rung/config.toml` in the user's folder of configuration; none for a user without a home.
fn usual_place() -> Option<PathBuf> {
    let folders = etcetera::base_strategy::choose_base_strategy().ok()?;
    Some(folders.config_dir().join("rung").join("config.toml"))
}

/// Whether there is no such file, rather than one that cannot be read.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The value of a key.
fn found<'a, 'i>(table: &'a DeTable<'i>, key: &str) -> Option<&'a DeValue<'i>> {
    table.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value.get_ref())
}

/// A value as a command line would say it.
fn text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        _ => None,
    }
}

/// Lets the flag's own parser judge a value; says what it says.
fn check(flag: &Arg, name: &str, value: &str) -> Result<(), String> {
    let alone = flag.clone().env(Resettable::<OsStr>::Reset);
    let command = Command::new("rung").no_binary_name(true).arg(alone);
    let judged = command.try_get_matches_from([format!("--{name}={value}")]);
    judged.map(drop).map_err(|error| {
        let text = error.to_string();
        let said = text.split("\n\n").next().unwrap_or_default();
        said.trim_start_matches("error: ").to_owned()
    })
}

#[cfg(test)]
mod tests;
