use std::collections::BTreeSet;

use common::{hparams::Hparams, study::StudySpec, time::Timestamp, view::StudyPhase};
use scheduler::{Event, audit::audit};

use crate::support::{Nature, play, spec};

/// The configurations of a study, in the order of trials.
fn drawn(spec: StudySpec, workers: u32) -> Vec<Hparams> {
    let (_, log) = play(spec, &Nature::default(), workers);
    assert_eq!(audit(&log), Vec::<String>::new());
    let hparams = |event: &Event| match event {
        Event::Drawn { hparams, .. } => Some(hparams.clone()),
        _ => None,
    };
    log.iter().filter_map(hparams).collect()
}

fn keys(hparams: &[Hparams]) -> BTreeSet<String> {
    hparams.iter().map(Hparams::key).collect()
}

const SMALL: &str = "space: {x: {int: [1, 6]}, y: {choice: [a, b, c, d, e]}}";

#[test]
fn draws_depend_on_the_seed_and_the_number_alone() {
    let study = |seed| spec(&format!("seed: {seed}"));
    let one = drawn(study(1), 1);
    assert_eq!(one.len(), 143);
    assert_eq!(one, drawn(study(1), 9));
    assert_ne!(one, drawn(study(2), 1));
    // Another schedule's trial of the same number has the same configuration.
    let short = drawn(spec("seed: 1\nscheduler: {kind: hyperband, max_epochs: 9, eta: 3}"), 1);
    assert_eq!(one[..short.len()], short);
}

#[test]
fn random_draws_are_distinct_until_the_space_is_used_up() {
    let hyperband = "scheduler: {kind: hyperband, max_epochs: 9, eta: 3, iterations: 4}";
    let drawn = drawn(spec(&format!("{SMALL}\n{hyperband}")), 3);
    assert_eq!(drawn.len(), 68);
    for pass in drawn.chunks(30) {
        assert_eq!(keys(pass).len(), pass.len());
    }
    assert_eq!(keys(&drawn).len(), 30);
}

#[test]
fn what_is_given_is_tried_first_and_never_again() {
    let study = |kind: &str| {
        let first = "[{x: 3, y: c}, {y: e}, {x: 3, y: c}]";
        spec(&format!(
            "{SMALL}\nsampler: {{kind: {kind}, first: {first}}}\n\
             scheduler: {{kind: hyperband, max_epochs: 9, eta: 3, iterations: 4}}"
        ))
    };
    for (kind, all) in [("random", 68), ("grid", 30)] {
        let one = drawn(study(kind), 1);
        assert_eq!(one.len(), all, "{kind}");
        assert_eq!((one[0].to_string().as_str(), one[1].text("y")), ("x=3 y=c", Some("e")), "{kind}");
        assert_eq!(keys(&one[..30]).len(), 30, "{kind}: given twice, it is tried once");
        assert_eq!(one, drawn(study(kind), 9), "{kind}");
    }
    // What is drawn for the other trials is what they would have anyway, but where it is given.
    let (given, plain) = (drawn(study("random"), 1), drawn(spec(SMALL), 1));
    let same = given[3..30].iter().zip(&plain[3..30]).filter(|(given, plain)| given == plain).count();
    assert!(same > 10, "{same}");
}

#[test]
fn constraints_leave_a_space_of_admitted_points() {
    // Widths 32 and 64 satisfy it, with one to four layers: eight of twenty configurations.
    let space = "space: {layers: {int: [1, 4]}, units: {choice: [32, 64, 128, 256, 512]}, \
                 dropout: {choice: [0.0]}, lr: {choice: [0.001]}}";
    let yaml = |sampler: &str| {
        let more = "constraints: {parameters: '< 68k'}\nscheduler: {kind: hyperband, max_epochs: 4, eta: 2}";
        StudySpec::from_yaml(&format!(
            "name: small\nmodel: mlp\n{space}\n{more}\nsampler: {{kind: {sampler}}}\n"
        ))
        .unwrap()
    };
    let random = drawn(yaml("random"), 2);
    assert_eq!(random.len(), 10);
    assert_eq!(keys(&random[..8]).len(), 8);
    assert!(random.iter().all(|hparams| hparams.int("units").unwrap() <= 64));
    // A grid has nothing left after the eighth; the places of the others stay empty, and the study ends.
    let (study, log) = play(yaml("grid"), &Nature::default(), 2);
    let ends = log.iter().filter(|event| matches!(event, Event::DrawsEnded { .. })).count();
    assert_eq!((study.trials().count(), ends, study.phase()), (8, 1, StudyPhase::Finished));
    assert_eq!(audit(&log), Vec::<String>::new());
}

#[test]
fn what_cannot_be_built_is_drawn_again() {
    // 28 pixels are one after five halvings: of eight depths, six can be built.
    let study = |widths: &str, more: &str| {
        let space = format!("space: {{stages: {{int: [1, 8]}}, width: {{choice: {widths}}}}}");
        let hyperband = "scheduler: {kind: hyperband, max_epochs: 4, eta: 2}";
        StudySpec::from_yaml(&format!("name: deep\nmodel: resnet\n{space}\n{hyperband}\n{more}\n")).unwrap()
    };
    let one = drawn(study("[2, 4]", "seed: 5"), 1);
    assert_eq!((one.len(), keys(&one).len()), (10, 10));
    assert!(one.iter().all(|hparams| hparams.int("stages").unwrap() <= 6));
    assert_eq!(one, drawn(study("[2, 4]", "seed: 5"), 4));
    // Where the points do not suffice, all that can be built come before one comes again.
    let few = drawn(study("[2]", "seed: 5"), 3);
    assert_eq!((few.len(), keys(&few[..6]).len(), keys(&few).len()), (10, 6, 6));
    let grid = drawn(study("[2, 4]", "sampler: {kind: grid}"), 2);
    assert_eq!((grid.len(), keys(&grid).len()), (10, 10));
    assert!(grid.iter().all(|hparams| hparams.int("stages").unwrap() <= 6));
}

#[test]
fn a_space_without_an_admitted_point_ends_the_study() {
    // A study file's parser refuses it, as far as its own draws can tell.
    let space = "space: {layers: {int: [1, 4]}, units: {int: [32, 512]}, dropout: {choice: [0.0]}, \
                 lr: {float: [0.001, 0.1]}}";
    let mut spec = StudySpec::from_yaml(&format!("name: none\nmodel: mlp\n{space}\n")).unwrap();
    spec.constraints.parameters = Some("< 5".parse().unwrap());
    let (study, log) = play(spec, &Nature::default(), 2);
    assert_eq!((study.trials().count(), study.finished()), (0, Some(Timestamp(1))));
    assert_eq!(audit(&log), Vec::<String>::new());
}

#[test]
fn a_grid_is_every_point_once_in_an_order_of_the_seed() {
    let grid = |seed| {
        let hyperband = "scheduler: {kind: hyperband, max_epochs: 81, eta: 3}";
        drawn(spec(&format!("{SMALL}\n{hyperband}\nsampler: {{kind: grid}}\nseed: {seed}")), 4)
    };
    let one = grid(1);
    assert_eq!((one.len(), keys(&one).len()), (30, 30));
    assert_ne!(one, grid(2));
    assert_eq!(keys(&one), keys(&grid(2)));
}

#[test]
fn a_grid_of_which_few_points_are_admitted_has_all_its_trials() {
    // Three of 65,521 widths satisfy it, so that 51 trials need more looks than a single one may have.
    let space = "space: {layers: {int: [1, 1]}, units: {int: [16, 65536]}, dropout: {choice: [0.0, 0.1, 0.2, 0.3]}, \
                 lr: {choice: [0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.007, 0.008]}}";
    let text = format!(
        "name: tight\nmodel: mlp\n{space}\nconstraints: {{parameters: '< 15k'}}\nsampler: {{kind: grid}}\n\
         scheduler: {{kind: hyperband, max_epochs: 9, eta: 3, iterations: 3}}"
    );
    let one = drawn(StudySpec::from_yaml(&text).unwrap(), 1);
    assert_eq!((one.len(), keys(&one).len()), (51, 51));
    assert!(one.iter().all(|hparams| hparams.int("units").unwrap() <= 18));
    assert_eq!(one, drawn(StudySpec::from_yaml(&text).unwrap(), 9));
}

#[test]
fn listed_trials_keep_their_seeds() {
    let listed =
        "scheduler: {kind: fixed, epochs: 2, trials: [{hparams: {x: 0.5}}, {hparams: {x: 0.5}, seed: 77}]}";
    let (study, _) = play(spec(&format!("{listed}\nseed: 9")), &Nature::default(), 1);
    let seeds: Vec<_> = study.trials().map(|trial| trial.seed).collect();
    assert_eq!(seeds, [common::random::trial_seed(9, 0), 77]);
}
