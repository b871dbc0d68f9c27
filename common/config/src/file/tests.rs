use clap::value_parser;

use super::*;

const SECTIONS: &[Section] = &[
    Section { name: "client", keys: &["state"], command: None },
    Section { name: "serve", keys: &["lease", "listen"], command: Some("serve") },
];

fn state() -> Arg {
    Arg::new("state").long("state").env("CONFIG_TEST_STATE")
}

fn program() -> Command {
    let lease = Arg::new("lease").long("lease").value_parser(value_parser!(u32)).default_value("30");
    let secret = Arg::new("token").long("token");
    Command::new("rung")
        .subcommand(Command::new("serve").arg(state()).arg(lease).arg(Arg::new("listen").long("listen")))
        .subcommand(Command::new("study").subcommand(Command::new("list").arg(state()).arg(secret)))
}

fn file(text: &str) -> File {
    File { path: "rung.toml".into(), text: text.to_owned() }
}

fn value(text: &str, line: &[&str], flag: &str) -> String {
    let program = file(text).defaults(program(), SECTIONS).unwrap();
    let matches = program.try_get_matches_from([&["rung"], line].concat()).unwrap();
    let mut deepest = &matches;
    while let Some((_, below)) = deepest.subcommand() {
        deepest = below;
    }
    match flag {
        "lease" => deepest.get_one::<u32>(flag).unwrap().to_string(),
        _ => deepest.get_one::<String>(flag).cloned().unwrap_or_default(),
    }
}

fn refused(text: &str) -> String {
    file(text).defaults(program(), SECTIONS).unwrap_err().to_string()
}

#[test]
fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
    let text = "[client]\nstate = \"of the file\"\n[serve]\nlease = 60\n";
    assert_eq!(value(text, &["serve"], "lease"), "60");
    assert_eq!(value(text, &["serve", "--lease", "5"], "lease"), "5");
    assert_eq!(value("", &["serve"], "lease"), "30");
    assert_eq!(value(text, &["serve"], "state"), "of the file");
    assert_eq!(value(text, &["study", "list"], "state"), "of the file", "all commands that have it");
    assert_eq!(value(text, &["study", "list", "--state", "x"], "state"), "x");
}

#[test]
fn mistakes_are_named_with_line_and_what_would_be_right() {
    for (text, says) in [
        (
            "[serve]\nlaese = 3\n",
            "unknown key of [serve] `laese`; did you mean `lease`?\n  --> rung.toml:2:1",
        ),
        ("[srve]\n", "unknown table `srve`; did you mean `serve`?\n  --> rung.toml:1:2"),
        ("lease = 3", "unknown table `lease`; known are client, serve, worker\n  --> rung.toml:1:1"),
        ("client = 3", "`client` is a table: write [client] and its keys below\n  --> rung.toml:1:1"),
        (
            "[client]\nstate = [1]\n",
            "`state` needs a text or a number, not a value of type array\n  --> rung.toml:2:9",
        ),
        (
            "[client]\ntoken = \"x\"\n",
            "unknown key of [client] `token`; known are state\n  --> rung.toml:2:1",
        ),
        (
            "[serve]\n\nlease = \"soon\"\n",
            "invalid value 'soon' for '--lease <lease>': invalid digit found in string\n  --> rung.toml:3:9",
        ),
    ] {
        assert_eq!(refused(text), says);
    }
    let broken = refused("[serve]\nlease = \n");
    assert!(broken.ends_with("--> rung.toml:2:9"), "{broken}");
}

#[test]
fn the_other_programs_tables_are_left_alone_unless_they_are_of_workers() {
    let worker = |text: &str| file(text).defaults(Command::new("rung-worker"), &[WORKER]).map(drop);
    assert!(worker("[serve]\nwhatever = 3\n").is_ok());
    assert_eq!(value("[worker]\nslots = 3\ncores = \"0-3\"\n", &["serve"], "lease"), "30");
    for (line, says) in [
        ("whatever = 3", "unknown key of [worker] `whatever`; known are join, "),
        ("slot = 3", "unknown key of [worker] `slot`; did you mean `slots`?"),
        ("slots = 0", "invalid value '0' for '--slots <N>': use a whole number from 1 to 1024"),
        ("cores = \"9-1\"", "invalid value '9-1' for '--cores <LIST>': `9-1` is no list of cores"),
        ("join = \"here\"", "invalid value 'here' for '--join <HOST:PORT>': `here` is no address"),
        ("device = \"gpu\"", "invalid value 'gpu' for '--device <DEVICE>': `gpu` is no device"),
        (
            "exit-when-idle = \"soon\"",
            "invalid value 'soon' for '--exit-when-idle[=<TIME>]': `soon` is no span",
        ),
    ] {
        let said = refused(&format!("[worker]\n{line}\n"));
        assert!(said.starts_with(says) && said.contains("rung.toml:2:"), "{said}");
    }
}

#[test]
fn a_single_value_is_read() {
    let file = file("[worker]\ndata = \"there\"\nslots = 3\n");
    assert_eq!(file.value("worker", "data").as_deref(), Some("there"));
    assert_eq!(file.value("worker", "slots").as_deref(), Some("3"));
    assert_eq!((file.value("worker", "cores"), file.value("serve", "data")), (None, None));
}

#[test]
fn the_file_is_named_wherever_the_flag_stands() {
    let named = |line: &str| flag(line.split(' ').map(OsString::from));
    assert_eq!(named("serve --config a.toml"), Some("a.toml".into()));
    assert_eq!(named("--config=a.toml serve --lease 3"), Some("a.toml".into()));
    assert_eq!(named("run mlp"), None);
    assert_eq!(named("run -- --config a.toml"), None);
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let error = File::read(folder.path().join("none.toml")).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }), "{error}");
}
