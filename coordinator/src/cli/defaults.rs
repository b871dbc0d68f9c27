//! Defaults of flags, from the configuration file.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use clap::Command;
use config::{ConfigError, File, Section};

/// What the file can say of `rung`'s flags; `[worker]` is `rung-worker`'s.
const SECTIONS: &[Section] = &[
    Section {
        name: "client",
        keys: &["coordinator", "state", "output", "local", "tls-ca", "tls-cert", "tls-key"],
        command: None,
    },
    Section {
        name: "serve",
        keys: &[
            "listen",
            "advertise",
            "address-file",
            "lease",
            "quota",
            "tls-ca",
            "tls-cert",
            "tls-key",
            "certificate-life",
        ],
        command: Some("serve"),
    },
];

/// The file that this process has read; set once, at its start.
static READ: OnceLock<PathBuf> = OnceLock::new();

/// The program with the defaults that the file gives its flags.
pub(crate) fn applied(program: Command) -> Result<Command, ConfigError> {
    let program = config::prepared(program);
    let Some(file) = File::of_this_process()? else { return Ok(program) };
    let program = file.defaults(program, SECTIONS)?;
    READ.get_or_init(|| file.path().to_owned());
    Ok(program)
}

/// The file that was read, for programs that this one starts, and to say so.
pub(crate) fn read() -> Option<&'static Path> {
    READ.get().map(PathBuf::as_path)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_key_is_a_flag() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let text = "[client]\ncoordinator = \"a:1\"\nstate = \"s\"\noutput = \"json\"\nlocal = 2\n\
                    tls-ca = \"ca\"\ntls-cert = \"c\"\ntls-key = \"k\"\n\
                    [serve]\nlisten = \"127.0.0.1:0\"\nadvertise = \"a\"\naddress-file = \"f\"\nlease = \"5m\"\nquota = \"1GB\"\n\
                    tls-ca = \"ca\"\ntls-cert = \"c\"\ntls-key = \"k\"\ncertificate-life = \"24h\"\n";
        std::fs::write(&path, text).unwrap();
        let keys: usize = SECTIONS.iter().map(|section| section.keys.len()).sum();
        assert_eq!(text.matches(" = ").count(), keys);
        let program = File::read(path).unwrap().defaults(Cli::command(), SECTIONS).unwrap();
        program.debug_assert();
    }
}
