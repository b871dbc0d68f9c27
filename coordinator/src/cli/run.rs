//! `rung run`: a coordinator, local workers and the result, in one go.

mod local;

mod session;

mod summary;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Args;
use common::{
    ballot::Ballot,
    duration,
    ids::StudyId,
    study::StudySpec,
    view::{BestView, StudyPhase, StudyView},
};

use super::{
    args::{FormatArgs, TargetArgs},
    failure::{Code, Failure},
    files, input,
    interrupt::Interrupt,
    output,
    text::{count, plural, quoted, without_flag, without_token},
    watch::{Ended, Watch},
};
use crate::client::{Cluster, OnConflict, Remote};

pub(crate) use local::{LocalWorkers, executable as worker_program};
use session::Session;
use summary::Summary;

/// How long a coordinator that ends may take to let go of its state folder.
const HANDOVER: Duration = Duration::from_secs(60);

/// How long to wait before trying to take its place again.
const RETRY: Duration = Duration::from_millis(500);

/// Flags of `rung run`.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    study: input::StudyArgs,
    #[command(flatten)]
    options: Options,
}

/// How a study is run, whatever it is.
#[derive(Debug, Args)]
#[command(next_help_heading = "Run")]
pub(super) struct Options {
    /// Start N workers on this machine and divide its cores among them [default: 1, or 0 where a coordinator runs]
    #[arg(long, value_name = "N", env = "RUNG_LOCAL", value_parser = input::whole::<u32>(0..=1024))]
    local: Option<u32>,
    /// Write the result to this folder at the end, where it replaces files of the same names
    ///
    /// Of a study: best.json, best.yaml, trials.csv, model.safetensors, model.json and report.html. Of an ensemble:
    /// ensemble.json, ensemble.csv, predictions.csv and a folder for each member.
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Give up after this time with exit code 124, as Ctrl-C would: seconds, or 90s, 5m, 2h
    #[arg(long, value_name = "TIME", value_parser = duration::span)]
    timeout: Option<Duration>,
    #[command(flatten)]
    conflict: ConflictArgs,
    #[command(flatten)]
    pub(super) target: TargetArgs,
    #[command(flatten)]
    pub(super) output: FormatArgs,
}

/// What to do where an unfinished study has the same name.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Run")]
pub(crate) struct ConflictArgs {
    /// Go on with an unfinished study of this name as it was started, whatever this one says
    #[arg(long, conflicts_with = "fresh")]
    resume: bool,
    /// Start a new study under the next free name, even where an unfinished one could go on
    #[arg(long)]
    fresh: bool,
}

impl ConflictArgs {
    /// What that means to a coordinator.
    pub(crate) fn on_conflict(&self) -> OnConflict {
        match (self.resume, self.fresh) {
            (true, _) => OnConflict::Resume,
            (_, true) => OnConflict::Fresh,
            _ => OnConflict::Match,
        }
    }
}

/// Tunes the study that is named.
pub(super) async fn run(args: RunArgs) -> Result<(), Failure> {
    tune(input::read(&args.study)?, args.options).await
}

/// A study that has run to its end.
pub(super) struct Finished<'a> {
    /// As it is now.
    pub(super) study: &'a StudyView,
    /// The cluster that has it.
    pub(super) cluster: Cluster,
    options: &'a Options,
    summary: Summary,
}

/// Runs a study to its end and shows the best trial.
pub(super) async fn tune(spec: StudySpec, options: Options) -> Result<(), Failure> {
    if let Some(folder) = &options.out {
        files::check_apart(folder, Ballot::FILE)?;
    }
    tune_then(spec, options, finish).await
}

/// Runs a study to its end, or until somebody interrupts, and leaves nothing running that it started. What is done
/// with the finished study is `then`'s.
pub(super) async fn tune_then(
    spec: StudySpec,
    options: Options,
    then: impl AsyncFnOnce(Finished<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if let Some(folder) = &options.out {
        files::check(folder)?;
    }
    let mut interrupt = Interrupt::listen()?;
    let mut session = Session::open(&options.target.target(), options.local, &spec).await?;
    let (started, mut begun) = (Instant::now(), None);
    let followed = loop {
        let timeout = options.timeout.map(|timeout| timeout.saturating_sub(started.elapsed()));
        match follow((&spec, timeout), &options, &mut session, &mut begun, &mut interrupt).await {
            Ok(Followed::ToTheEnd(study, summary)) => break Ok((study, summary)),
            Ok(Followed::Orphaned(study)) => {
                session = take_over(session, (&spec, &study), &options, &mut interrupt).await?;
            }
            Err(failure) => break Err(failure),
        }
    };
    let done = match followed {
        Ok((study, summary)) => {
            let cluster = Cluster::Remote(Box::new(session.remote.clone()));
            let finished = Finished { study: &study, cluster, options: &options, summary };
            tokio::select! {
                biased;
                done = then(finished) => done,
                () = interrupt.recv() => Err(Failure::interrupted(shown_by(&study, &spec))),
            }
        }
        Err(failure) => Err(failure),
    };
    if done.is_ok() {
        // Whoever asked while the last of it was written has what was asked for.
        interrupt.forget();
    }
    let left = done.as_ref().is_err_and(|failure| matches!(failure.code, Code::Interrupted | Code::TimedOut));
    if left && !session.workers.is_empty() {
        output::message(
            "stopping: local workers save the epochs that they have trained; Ctrl-C again quits at once",
        );
    }
    let closed = tokio::select! {
        closed = session.close() => closed,
        () = interrupt.recv() => {
            // Workers leave by themselves once this process is gone.
            output::message("quitting at once; what is stored is not lost");
            std::process::exit(Code::Interrupted as i32);
        }
    };
    done.and(closed)
}

/// How following a study ended.
enum Followed {
    /// The study has finished.
    ToTheEnd(Box<StudyView>, Summary),
    /// Its coordinator was another command's, and ended with that.
    Orphaned(Box<StudyView>),
}

/// Follows the study that is submitted, or that has begun already, which is noted in `begun`.
async fn follow(
    (spec, timeout): (&StudySpec, Option<Duration>),
    options: &Options,
    session: &mut Session,
    begun: &mut Option<StudyId>,
    interrupt: &mut Interrupt,
) -> Result<Followed, Failure> {
    let (study, before) = match begun {
        Some(id) => {
            let (study, _) = session.remote.study(id.as_str()).await?;
            let phase = study.phase;
            (study, Some(phase))
        }
        None => submit(spec, options, &session.remote).await?,
    };
    let went_on = begun.replace(study.id.clone()).is_some();
    let summary = Summary::begin(before.is_some());
    if went_on && study.phase == StudyPhase::Finished {
        return Ok(Followed::ToTheEnd(Box::new(study), summary));
    }
    // Only now: a study that is refused needs no coordinator.
    let state = options.target.target().folder();
    output::message(&session.told(&state));
    announce(session, &study, before).await?;
    // A resumed study is what it was when it began, not what was submitted now.
    let (_, stored) = session.remote.study(study.id.as_str()).await?;
    let watch = Watch {
        remote: &session.remote,
        state: &state,
        study: &study,
        spec: &stored,
        workers: Some(&mut session.workers),
        own: session.own.as_ref(),
        heir_of: session.heir_of.as_deref(),
        timeout,
        progress: true,
    };
    match watch.until_over(interrupt).await {
        Ok(Ended::Finished(view)) => Ok(Followed::ToTheEnd(view, summary)),
        Ok(Ended::Orphaned) => Ok(Followed::Orphaned(Box::new(study))),
        Ok(Ended::Interrupted) => Err(Failure::interrupted(left(&study, spec, session))),
        Ok(Ended::TimedOut) => Err(Failure::timed_out(left(&study, spec, session))),
        // Another command's coordinator ends with that command.
        Err(failure) if session.own.is_none() && session.remote.workers().await.is_err() => {
            let help = format!("no coordinator runs any more; {}", go_on(&study, spec));
            Err(Failure { help: Some(help), ..failure })
        }
        Err(failure) if failure.help.is_none() => Err(failure.help(left(&study, spec, session))),
        Err(failure) => Err(failure),
    }
}

/// Submits a study, which may go on with one that is there; of such a one comes the phase that it was in.
async fn submit(
    spec: &StudySpec,
    options: &Options,
    remote: &Remote,
) -> Result<(StudyView, Option<StudyPhase>), Failure> {
    let before = remote.study(spec.name.as_str()).await;
    let (study, resumed) = remote.submit(spec, options.conflict.on_conflict()).await?;
    let phase = before.map_or(study.phase, |(view, _)| view.phase);
    let before = resumed.then_some(phase);
    Ok((study, before))
}

/// Goes on where another command's coordinator has ended with that command: with a coordinator of its own, or with one that
/// a third command was faster to start.
async fn take_over(
    left: Session,
    (spec, study): (&StudySpec, &StudyView),
    options: &Options,
    interrupt: &mut Interrupt,
) -> Result<Session, Failure> {
    output::message(
        "the coordinator has ended with the command that started it; this one goes on in its place",
    );
    left.abandon().await;
    let started = Instant::now();
    loop {
        let target = options.target.target();
        let opened = tokio::select! {
            opened = Session::open(&target, options.local, spec) => opened,
            () = interrupt.recv() => return Err(Failure::interrupted(go_on(study, spec))),
        };
        match opened {
            // The other one may still hold the folder.
            Err(_) if started.elapsed() < HANDOVER => tokio::time::sleep(RETRY).await,
            Err(failure) => return Err(failure.help(go_on(study, spec))),
            Ok(session) => return Ok(session),
        }
    }
}

/// Says what has begun, or goes on from the phase that it was in before.
async fn announce(session: &Session, study: &StudyView, before: Option<StudyPhase>) -> Result<(), Failure> {
    let name = &study.name;
    if before == Some(StudyPhase::Paused) {
        output::message(&format!("study {name} was paused"));
    }
    if before.is_some() {
        let (done, planned) = (count(study.epochs), count(study.planned_epochs));
        output::message(&format!("study {name} goes on: {done} of {planned} epochs are done"));
    } else {
        let (trials, epochs) = (plural(study.trials, "trial"), plural(study.planned_epochs, "epoch"));
        output::message(&format!("study {name}: {trials}, {epochs} planned"));
    }
    let cluster = Cluster::Remote(Box::new(session.remote.clone()));
    let others = cluster.studies().await?;
    let others = others.iter().filter(|other| other.id != study.id && other.phase != StudyPhase::Finished);
    let names: Vec<_> =
        others.filter(|other| other.phase != StudyPhase::Paused).map(|o| o.name.as_str()).collect();
    if !names.is_empty() {
        output::message(&format!("it shares the workers with {}, not finished either", names.join(", ")));
    }
    let connected = session.remote.workers().await?;
    if study.leases > 0 && connected.iter().all(|worker| worker.leases.is_empty()) {
        let trials = plural(study.leases, "trial");
        output::message(&format!(
            "{trials} are still leased to workers that do not answer; others train them when those leases end, or the workers \
             come back"
        ));
    }
    Ok(())
}

/// Prints the result and writes its files.
async fn finish(finished: Finished<'_>) -> Result<(), Failure> {
    let Finished { study, cluster, options, summary } = finished;
    if study.best.is_none() {
        return Err(super::study::without_result(study));
    }
    let best = cluster.best(study.id.as_str()).await?;
    let text = summary.end(&cluster, &best).await?;
    // Files first: nobody may read what is shown.
    let wrote = match &options.out {
        Some(folder) => write(&cluster, &best, folder).await.map(Some),
        None => Ok(None),
    };
    let shown = output::show(&super::best::BestReport::new(&best), options.output.format);
    output::message(&text);
    if let Some(wrote) = wrote? {
        output::message(&wrote);
    }
    shown
}

/// Writes a result's files; says which.
async fn write(cluster: &Cluster, best: &BestView, folder: &Path) -> Result<String, Failure> {
    let mut written = files::write(cluster, best, folder).await?;
    // The result is there; a machine without the data set is no reason to fail after all that training.
    match super::report::page(cluster, best, folder).await {
        Ok(()) => written.push("report.html"),
        Err(failure) => output::message(&format!("no report.html: {}", failure.message)),
    }
    Ok(format!("wrote {} to {}", written.join(", "), folder.display()))
}

/// Says that a study has its result, and which command shows it.
fn shown_by(study: &StudyView, spec: &StudySpec) -> String {
    let (name, verb) = (&study.name, if spec.parent.is_some() { "ensemble" } else { "best" });
    format!("study {name} has finished, and its result is stored; `rung {verb} {name}` shows it")
}

/// Says what becomes of a study that was left before its end, and how to go on with it.
fn left(study: &StudyView, submitted: &StudySpec, session: &Session) -> String {
    let name = &study.name;
    if session.own.is_none() {
        return format!(
            "study {name} goes on at {}; `rung study watch {name}` shows how",
            session.remote.address()
        );
    }
    go_on(study, submitted)
}

/// Names the command that goes on with an unfinished study.
fn go_on(study: &StudyView, submitted: &StudySpec) -> String {
    let name = &study.name;
    let renamed = (*name != submitted.name).then_some(name.as_str());
    let typed = without_token(std::env::args_os());
    let command: Vec<_> = resuming(typed, renamed).map(|argument| quoted(&argument)).collect();
    format!("study {name} is not finished; go on with: {}", command.join(" "))
}

/// The command line that goes on with a study which another command line has started. A time that may be over is left out.
fn resuming(arguments: impl Iterator<Item = String>, renamed: Option<&str>) -> impl Iterator<Item = String> {
    let name = renamed.map(|name| ["--set".to_owned(), format!("name={name}")]);
    let arguments = without_flag(arguments, "--timeout").filter(|argument| argument != "--fresh");
    arguments.chain(name.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_that_resumes_names_the_study_it_became() {
        let command = |renamed| {
            let started = ["rung", "run", "mlp", "--fresh", "--max-epochs", "9"].map(str::to_owned);
            resuming(started.into_iter(), renamed).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(command(Some("mlp-2")), "rung run mlp --max-epochs 9 --set name=mlp-2");
        assert_eq!(command(None), "rung run mlp --max-epochs 9");
    }

    #[test]
    fn the_command_that_goes_on_is_not_ended_by_the_time_that_is_over() {
        for line in ["rung run mlp --timeout 3 --seed 1", "rung run mlp --timeout=3 --seed 1"] {
            let resumed: Vec<_> = resuming(line.split(' ').map(str::to_owned), None).collect();
            assert_eq!(resumed.join(" "), "rung run mlp --seed 1", "{line}");
        }
    }
}
