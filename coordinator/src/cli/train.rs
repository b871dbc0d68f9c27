//! `rung train`: one configuration in full.

use clap::Args;
use common::study::SchedulerSpec;

use super::{
    failure::Failure,
    input,
    run::{self, Options},
};

/// Flags of `rung train`.
#[derive(Debug, Args)]
pub(super) struct TrainArgs {
    #[command(flatten)]
    study: input::StudyArgs,
    #[command(flatten)]
    options: Options,
}

/// Trains a study of listed configurations.
pub(super) async fn run(args: TrainArgs) -> Result<(), Failure> {
    let spec = input::read_training(&args.study)?;
    match spec.scheduler {
        SchedulerSpec::Fixed { .. } => run::tune(spec, args.options).await,
        SchedulerSpec::Hyperband(_) => {
            let name = &args.study.study;
            Err(Failure::bad_input(format!("{name} is a search and not a configuration"))
                .help(format!("`rung run {name}` searches; `rung model list` shows what `rung train` takes")))
        }
    }
}
