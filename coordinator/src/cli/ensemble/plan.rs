//! The study that an ensemble is.

use common::{
    ids::StudyName,
    random::data_seed,
    space::SearchSpace,
    study::{
        Budget, Constraints, Evaluate, FixedTrial, ModelKind, Sampler, SchedulerSpec, Split, StudySpec,
        TrainedTrial,
    },
    trial::TrialState,
    view::{BestView, Leader, StudyPhase, StudyView, TrialView},
};

use super::{
    super::{
        failure::Failure,
        input::{self, Overrides},
        output,
        text::plural,
    },
    MemberArgs, Origin,
};
use crate::client::Cluster;

/// Members where nobody says how many.
const MEMBERS: u32 = 15;

/// The study that an ensemble is.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) spec: StudySpec,
    /// What the tuned study is called, as far as it is still there.
    pub(super) parent: Option<StudyName>,
    /// The ensemble itself, where it was named and has finished.
    pub(super) finished: Option<StudyView>,
}

/// The ensemble of a study; or the study itself, where it is an ensemble.
pub(super) async fn of(cluster: &Cluster, study: &str, args: &MemberArgs) -> Result<Plan, Failure> {
    let (view, spec) = meant(cluster, study, args).await?;
    let name = &view.name;
    if spec.model == ModelKind::Formula {
        return Err(Failure::bad_input(format!("study {name} trains no model: a formula has no votes")));
    }
    if spec.data.split == Split::None {
        return Err(
            unvalidated(name).help("tune with `data: {split: holdout}`, and make the ensemble of that study")
        );
    }
    if spec.parent.is_some() {
        if args.choose() {
            let failure =
                Failure::bad_input(format!("{name} is an ensemble already, whose members are fixed"));
            return Err(failure
                .help("leave out --members, --from, --epochs and --set to see it, or name the tuned study"));
        }
        let parent = parent(cluster, &spec).await?;
        let finished = (view.phase == StudyPhase::Finished).then_some(view);
        return Ok(Plan { spec, parent, finished });
    }
    if view.phase != StudyPhase::Finished {
        let failure =
            Failure::bad_input(format!("study {name} is not finished, so its best trial may change"));
        return Err(failure
            .help(format!("`rung study wait {name}` waits; `rung study stop {name}` ends it as it is")));
    }
    let best = cluster.best(view.id.as_str()).await?;
    let members = args.members.unwrap_or(MEMBERS);
    let scheduler = match args.from.unwrap_or_default() {
        Origin::Seeds => seeds(&best, members, args.epochs),
        Origin::Trials if args.epochs.is_some() => {
            return Err(Failure::bad_input("--epochs means nothing to --from trials, which trains nothing"));
        }
        Origin::Trials => top(&best, &cluster.trials(view.id.as_str()).await?, members)?,
    };
    let spec = spec_of(&best, scheduler, &args.set)?;
    if spec.data.split == Split::None {
        return Err(unvalidated(&spec.name).help("--set data.split=holdout keeps a tenth to validate on"));
    }
    Ok(Plan { spec, parent: Some(view.name), finished: None })
}

/// The refusal of an ensemble without validation samples.
fn unvalidated(name: &StudyName) -> Failure {
    Failure::bad_input(format!(
        "study {name} validates on nothing (split: none), so there is nothing to choose a vote by"
    ))
}

/// What the study is called that an ensemble was made of, as far as it is still there.
pub(super) async fn parent(cluster: &Cluster, spec: &StudySpec) -> Result<Option<StudyName>, Failure> {
    let Some(parent) = &spec.parent else { return Ok(None) };
    let studies = cluster.studies().await?;
    Ok(studies.into_iter().find(|other| other.id == *parent).map(|parent| parent.name))
}

/// The study that a text means. With flags that choose members `@last` is the tuned study, also where its ensemble has
/// begun since: the same command goes on.
async fn meant(cluster: &Cluster, study: &str, args: &MemberArgs) -> Result<(StudyView, StudySpec), Failure> {
    let (view, spec) = cluster.study(study).await?;
    let Some(parent) = spec.parent.as_ref().filter(|_| study == "@last" && args.choose()) else {
        return Ok((view, spec));
    };
    let still_there = cluster.studies().await?.iter().any(|other| other.id == *parent);
    if still_there { Ok(cluster.study(parent.as_str()).await?) } else { Ok((view, spec)) }
}

/// The ensemble's study, with values replaced; each member that trains has its own data seed.
fn spec_of(
    best: &BestView,
    scheduler: SchedulerSpec,
    set: &[(String, String)],
) -> Result<StudySpec, Failure> {
    let name = best.study.name.as_str();
    let spec = StudySpec {
        name: format!("{}-ensemble", &name[..name.len().min(55)]).parse()?,
        space: SearchSpace::default(),
        constraints: Constraints::default(),
        scheduler,
        sampler: Sampler::default(),
        budget: Budget::default(),
        evaluate: Evaluate::All,
        parent: Some(best.study.id.clone()),
        ..best.spec.clone()
    };
    let overrides = Overrides { set: set.to_vec(), ..Overrides::default() };
    let mut spec = input::parse(&format!("the ensemble of {name}"), &spec.to_yaml(), &overrides)?;
    (spec.evaluate, spec.parent) = (Evaluate::All, Some(best.study.id.clone()));
    let seed = spec.seed;
    if let SchedulerSpec::Fixed { trials, .. } = &mut spec.scheduler {
        for (member, trial) in (0..).zip(trials) {
            if trial.trained.is_none() {
                trial.data_seed.get_or_insert_with(|| data_seed(seed, member));
            }
        }
    }
    Ok(spec)
}

/// The best configuration, so many times.
fn seeds(best: &BestView, members: u32, epochs: Option<u32>) -> SchedulerSpec {
    let epochs = epochs.unwrap_or_else(|| best.study.best.map_or(best.trial.epochs, |leader| leader.epochs));
    let trials = vec![FixedTrial::new(best.trial.hparams.clone()); members as usize];
    SchedulerSpec::Fixed { epochs, horizon: None, trials }
}

/// The top trials that have a checkpoint: by value, then by epochs, then by number. They are what the study that trained them
/// made them, seeds and the end of schedules included, so that whoever trains one again gets the same.
fn top(parent: &BestView, trials: &[TrialView], members: u32) -> Result<SchedulerSpec, Failure> {
    let BestView { study, spec, .. } = parent;
    let own = trials.iter().filter_map(|trial| Some((trial, trained(trial, study.best)?)));
    let mut ranked: Vec<_> = own.collect();
    ranked.sort_by(|(a, x), (b, y)| {
        let by_value = study.goal.compare(x.value, y.value);
        by_value.then(y.epoch.cmp(&x.epoch)).then(a.trial.cmp(&b.trial))
    });
    ranked.truncate(members as usize);
    let Some(epochs) = ranked.iter().map(|(_, trained)| trained.epoch).max() else {
        return Err(Failure::failed(format!("no trial of study {} has a model to take over", study.name)));
    };
    if ranked.len() < members as usize {
        let text = plural(ranked.len() as u64, "trial");
        output::message(&format!(
            "study {} has {text} with a model, so the ensemble has no more",
            study.name
        ));
    }
    let listed = ranked.into_iter().map(|(trial, trained)| FixedTrial {
        seed: Some(trial.seed),
        data_seed: Some(spec.data_seed(trial.trial)),
        trained: Some(trained),
        ..FixedTrial::new(trial.hparams.clone())
    });
    Ok(SchedulerSpec::Fixed { epochs, horizon: Some(spec.scheduler.horizon()), trials: listed.collect() })
}

/// What is taken over of a trial whose checkpoint is kept: a completed one's last, or that of the study's best result,
/// after which its trial may have trained on.
fn trained(trial: &TrialView, best: Option<Leader>) -> Option<TrainedTrial> {
    let (value, checkpoint) = match best.filter(|best| best.trial == trial.trial) {
        _ if trial.state == TrialState::Completed => (trial.value?, trial.checkpoint?),
        Some(best) if trial.state.is_final() => (best.value, best.checkpoint),
        _ => return None,
    };
    Some(TrainedTrial {
        trial: trial.trial,
        value,
        epoch: checkpoint.epoch,
        weights: checkpoint.weights,
        state: checkpoint.state,
    })
}

#[cfg(test)]
mod tests {
    use common::ids::TrialNumber;

    use super::*;
    use crate::cli::fixture;

    #[test]
    fn members_are_the_best_configuration_with_seeds_of_their_own() {
        let best = fixture::best();
        let spec = spec_of(&best, seeds(&best, 3, None), &[]).unwrap();
        assert_eq!(spec.name.as_str(), "fashion-mlp-ensemble");
        assert_eq!((spec.scheduler.max_epochs(), spec.scheduler.horizon()), (9, 9));
        assert_eq!((spec.evaluate, &spec.parent), (Evaluate::All, &Some(best.study.id.clone())));
        let listed = spec.scheduler.listed();
        assert!(listed.iter().all(|trial| trial.hparams == best.trial.hparams && trial.seed.is_none()));
        assert_eq!(listed[2].data_seed, Some(data_seed(7, 2)));
        assert_eq!(StudySpec::from_yaml(&spec.to_yaml()), Ok(spec));
    }

    #[test]
    fn values_can_be_replaced_and_seeds_follow() {
        let best = fixture::best();
        let set = [("seed", "9"), ("train.batch_size", "64"), ("name", "mine"), ("evaluate", "best")];
        let set = set.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let spec = spec_of(&best, seeds(&best, 2, Some(4)), &set).unwrap();
        assert_eq!((spec.seed, spec.train.batch_size, spec.name.as_str()), (9, 64, "mine"));
        assert_eq!((spec.evaluate, spec.scheduler.max_epochs()), (Evaluate::All, 4));
        assert_eq!(spec.scheduler.listed()[1].data_seed, Some(data_seed(9, 1)));
        let wrong = [("train.batch".to_owned(), "1".to_owned())];
        assert!(spec_of(&best, seeds(&best, 2, None), &wrong).is_err());
    }

    #[test]
    fn a_best_trial_that_trained_on_is_taken_over_as_it_was_when_it_led() {
        let mut parent = fixture::best();
        let leader = parent.study.best.as_mut().unwrap();
        (leader.value, leader.checkpoint.epoch) = (0.7, 3);
        let trial = TrialView { state: TrialState::Stopped, value: Some(0.7), ..fixture::trial(3) };
        assert_eq!(trial.checkpoint.unwrap().epoch, 9, "it trained on");
        let listed = top(&parent, std::slice::from_ref(&trial), 1).unwrap().listed().to_vec();
        let trained = listed[0].trained.as_ref().unwrap();
        assert_eq!((trained.value, trained.epoch), (0.7, 3));
        let other = TrialView { trial: TrialNumber(4), ..trial };
        assert!(top(&parent, &[other], 1).is_err());
    }

    #[test]
    fn the_top_trials_are_ranked_by_value_and_then_by_epochs() {
        let trial = |number, value, epoch| {
            let mut trial = fixture::trial(number);
            trial.value = value;
            trial.checkpoint.as_mut().unwrap().epoch = epoch;
            trial
        };
        let running = TrialView { state: TrialState::Running, ..trial(9, Some(0.99), 9) };
        let trials = [
            trial(0, Some(0.8), 9),
            trial(1, Some(0.9), 3),
            trial(2, Some(0.9), 9),
            trial(3, None, 1),
            running,
        ];
        let scheduler = top(&fixture::best(), &trials, 2).unwrap();
        let listed: Vec<_> = scheduler.listed().iter().map(|t| t.trained.as_ref().unwrap().trial.0).collect();
        assert_eq!((listed, scheduler.max_epochs()), (vec![2, 1], 9));
        assert!(top(&fixture::best(), &trials[3..], 2).is_err());
        let parent = fixture::best().spec;
        let spec = spec_of(&fixture::best(), scheduler, &[]).unwrap();
        assert_eq!(spec.scheduler.horizon(), parent.scheduler.horizon());
        assert!(spec.is_adopted() && spec.scheduler.listed()[0].data_seed == Some(parent.seed));
    }
}
