//! `rung study`: studies from submission to deletion.

mod change;

mod follow;

mod read;

use clap::{Args, Subcommand};

use super::failure::Failure;

pub(super) use follow::without_result;

/// Flags of `rung study`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct StudyArgs {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    list: read::ListArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Store a study and start it; workers of a running coordinator train it
    Submit(change::SubmitArgs),
    /// All studies, oldest first
    List(read::ListArgs),
    /// One study and everything that decides its result
    Show(read::ShowArgs),
    /// Show a study's progress until it has finished
    Watch(follow::FollowArgs),
    /// Wait until a study has finished
    Wait(follow::FollowArgs),
    /// Lease nothing more of a study until it is resumed; what is being trained goes on to its rung
    Pause(change::ChangeArgs),
    /// Go on with a paused study
    Resume(change::ChangeArgs),
    /// End a study for good; its results stay
    Stop(change::ChangeArgs),
    /// Delete a study that has finished or was stopped, and its checkpoints
    Delete(change::DeleteArgs),
    /// Print a commented study file to start from
    Example(read::ExampleArgs),
    /// Print the JSON schema of study files, for editors
    Schema,
}

/// Does what was asked to studies.
pub(super) async fn run(args: StudyArgs) -> Result<(), Failure> {
    match args.verb {
        None => read::list(args.list).await,
        Some(Verb::List(args)) => read::list(args).await,
        Some(Verb::Show(args)) => read::show(args).await,
        Some(Verb::Example(args)) => read::example(&args),
        Some(Verb::Schema) => read::schema(),
        Some(Verb::Watch(args)) => follow::watch(args).await,
        Some(Verb::Wait(args)) => follow::wait(args).await,
        Some(Verb::Submit(args)) => change::submit(args).await,
        Some(Verb::Pause(args)) => change::pause(args).await,
        Some(Verb::Resume(args)) => change::resume(args).await,
        Some(Verb::Stop(args)) => change::stop(args).await,
        Some(Verb::Delete(args)) => change::delete(args).await,
    }
}
