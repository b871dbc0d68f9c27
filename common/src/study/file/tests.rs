use proptest::prelude::*;

use super::*;
use crate::{
    checkpoint::Digest,
    hparams::{Hparams, Scalar},
    study::{
        Average, Budget, Constraints, DataFacts, DataSpec, Evaluate, FixedTrial, Freeze, ModelKind,
        Objective, Optimizer, SchedulerSpec, Split, TrainSpec,
    },
};

const STUDY: &str = "\
name: fashion-mlp
data: {name: fashion-mnist, split: holdout}
model: mlp
space:
  layers: {int: [2, 3]}
  units_0: {choice: [32, 64]}
  units_1: {choice: [32, 64]}
  units_2: {choice: [32, 64], when: layers >= 3}
  lr: {float: [1e-4, 1e-2], log: true}
constraints: {parameters: \"<= 60k\"}
objective: {metric: val_accuracy, goal: maximize}
scheduler: {kind: hyperband, max_epochs: 9, eta: 3}
sampler: {kind: random}
train: {batch_size: 128, optimizer: adam, early_stopping: {monitor: val_loss, patience: 10}}
budget: {max_time: 1h30m}
seed: 1
";

fn study() -> StudySpec {
    StudySpec::from_yaml(STUDY).unwrap()
}

/// What is said about a study that differs from the good one in one line.
fn said(key: &str, line: &str) -> String {
    let start = STUDY.find(&format!("\n{key}:")).map_or(0, |at| at + 1);
    let rest = &STUDY[start..];
    let end = rest.match_indices('\n').find(|(at, _)| !rest[at + 1..].starts_with(' ')).unwrap().0 + start;
    let text = format!("{}{line}{}", &STUDY[..start], &STUDY[end..]);
    StudySpec::from_yaml(&text).map_or_else(|error| error.to_string(), |_| "fine".to_owned())
}

#[test]
fn a_study_file_is_read() {
    let study = study();
    assert_eq!(study.space.parameters.len(), 5);
    assert_eq!(study.space.points(), None);
    assert_eq!(study.budget.max_time, Some(5400.0));
    assert_eq!(study.scheduler.max_epochs(), 9);
    assert_eq!(StudySpec::from_yaml("name: a\nmodel: mlp\nspace: mlp\n").unwrap().seed, 0);
}

#[test]
fn constraints_and_buildability_admit_configurations() {
    let hparams = |units: i64| {
        let units = Scalar::Int(units);
        Hparams::from([("layers", Scalar::Int(2)), ("units_0", units.clone()), ("units_1", units)])
    };
    assert!(study().admits(&hparams(64)));
    assert!(!study().admits(&hparams(128)), "more than 60k parameters");
    assert!(!study().admits(&Hparams::default()), "no layers");
    let formula = StudySpec { model: ModelKind::Formula, ..study() };
    assert!(formula.admits(&Hparams::default()));
}

/// A checkpoint of two files, each of which is one object.
#[test]
fn models_whose_state_no_object_can_hold_are_not_tried() {
    let mut study = study();
    study.constraints = Constraints::default();
    let shape = DataFacts::known("fashion-mnist").unwrap();
    study.data.name = "photos".to_owned();
    study.data.facts = Some(DataFacts { channels: 3, height: 224, width: 224, ..shape });
    let hparams = |units: i64| Hparams::from([("layers", Scalar::Int(1)), ("units_0", Scalar::Int(units))]);
    // 150,528 inputs: 77 and 154 million parameters.
    let admitted = |study: &StudySpec| [512, 1024].map(|units| study.admits(&hparams(units)));
    assert_eq!(admitted(&study), [true, false], "two sums of Adam");
    study.train.optimizer = Optimizer::Sgd;
    assert_eq!(admitted(&study), [true, true]);
    study.train.average = Average::Ema;
    assert_eq!(admitted(&study), [true, false]);
    study.train.early_stopping.as_mut().unwrap().restore_best = true;
    assert_eq!(admitted(&study), [false, false]);
    let refused = |tries: &str| {
        let text = format!("name: s\nmodel: mlp\ndata: {{name: photos}}\n{tries}\n");
        let facts = study.data.facts.clone().unwrap();
        StudySpec::from_yaml(&text).unwrap().on(facts).unwrap_err().message
    };
    let searched = refused(
        "space: {layers: {choice: [1]}, units_0: {choice: [1024]}}\nconstraints: {parameters: '>= 1k'}",
    );
    assert!(searched.contains("every model is too large"), "{searched}");
    let listed =
        refused("scheduler: {kind: fixed, epochs: 1, trials: [{hparams: {layers: 1, units_0: 1024}}]}");
    assert!(listed.contains("would not fit into an object of 1 GiB"), "{listed}");
}

#[test]
fn errors_say_where_and_what_would_help() {
    for case in include_str!("errors.txt").split("\n\n").filter(|case| !case.starts_with('#')) {
        let (given, expected) = case.trim_end().split_once("\n=> ").unwrap();
        let (key, text) = given.split_once(" | ").unwrap();
        assert_eq!(said(key, text), expected, "{given}");
    }
    assert_eq!(StudySpec::from_yaml("").unwrap_err().message, "the study file is empty");
    assert_eq!(StudySpec::from_yaml("# only\n").unwrap_err().message, "the study file is empty");
    assert_eq!(StudySpec::from_yaml("- 1").unwrap_err().message, "the study must be a mapping, not a list");
}

/// The study with overrides.
fn with(text: &str, overrides: &[(&str, &str)]) -> Result<StudySpec, SpecError> {
    let overrides: Vec<_> = overrides.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    StudySpec::from_yaml_with(text, &overrides)
}

#[test]
fn overrides_replace_values_by_dotted_key() {
    let overrides = [("scheduler.max_epochs", "27"), ("seed", "3"), ("train.early_stopping", "null")];
    let study = with(STUDY, &overrides).unwrap();
    assert_eq!((study.scheduler.max_epochs(), study.seed), (27, 3));
    assert_eq!(study.train.early_stopping, None);
    assert_eq!(with(STUDY, &[("space", "mlp-tied")]).unwrap().space.points(), Some(300));
    let bound = with(STUDY, &[("constraints.parameters", ">= 1k, <= 60k")]).unwrap();
    assert_eq!(bound, with(STUDY, &[("constraints.parameters", "\">= 1k, <= 60k\"")]).unwrap());
    assert_eq!(with(STUDY, &[("budget.max_trials", "5")]).unwrap().budget.max_trials, Some(5));
}

#[test]
fn overrides_change_parts_of_named_spaces_and_of_the_default_scheduler() {
    let bare = "name: a\nmodel: mlp\nspace: mlp-tied\n";
    let study = with(bare, &[("scheduler.eta", "4"), ("space.lr", "{choice: [0.5]}")]).unwrap();
    assert_eq!(study.space.points(), Some(100));
    assert!(study.to_yaml().contains("eta: 4"));
}

#[test]
fn overrides_go_inside_what_is_a_name_alone() {
    let bare = "name: a\nmodel: mlp\nspace: mlp-tied\ndata: mine\n";
    let data = |overrides: &[(&str, &str)]| with(bare, overrides).unwrap().data;
    let mine = DataSpec { name: "mine".to_owned(), ..DataSpec::default() };
    assert_eq!(data(&[]), mine);
    assert_eq!(data(&[("data.split", "paper")]), DataSpec { split: Split::Paper, ..mine });
    assert_eq!(data(&[("data.name", "fashion-mnist")]), DataSpec::default());
    let weights = "name: a\nmodel: resnet\nspace: {width: {choice: [8]}}\ntrain: {initial_weights: net}\n";
    let frozen = with(weights, &[("train.initial_weights.freeze", "backbone")]).unwrap();
    let initial = frozen.train.initial_weights.unwrap();
    assert_eq!((initial.name.as_str(), initial.freeze), ("net", Freeze::Backbone));
}

#[test]
fn what_is_tried_first_can_be_trained() {
    let sampler = |first: &str| format!("{{kind: random, first: [{first}]}}");
    let tried = sampler("{layers: 2, units_0: 64, lr: 1e-3}, {units_0: 32}");
    let study = with(STUDY, &[("sampler", &tried)]).unwrap();
    assert_eq!(study.sampler.first().len(), 2);
    assert_eq!(StudySpec::from_yaml(&study.to_yaml()).as_ref(), Ok(&study));
    assert_eq!(StudySpec::from_json(&study.to_json()).as_ref(), Ok(&study));
    // 784 times 64 weights are more than that.
    let small = ("constraints.parameters", "<= 30k");
    let error = with(STUDY, &[small, ("sampler", &sampler("{units_0: 64}"))]).unwrap_err();
    assert_eq!(error.message, "no configuration with these values can be trained");
    assert!(with(STUDY, &[small, ("sampler", &sampler("{units_0: 32}"))]).is_ok());
    // Values of which one is active only where the other is not.
    let text = "{name: s, model: formula, space: {a: {choice: [x, y]}, b: {int: [1, 2], when: a == x}, \
                c: {int: [1, 2], when: a == y}}, sampler: {kind: random, first: [FIRST]}}";
    let first =
        |given: &str| StudySpec::from_yaml(&text.replace("FIRST", given)).map_err(|error| error.message);
    assert_eq!(
        first("{b: 1, c: 1}").unwrap_err(),
        "these values are never active together: leave one of them out"
    );
    assert_eq!(first("{b: 1, a: y}").unwrap_err(), "`b` is not active beside these values: leave it out");
    assert!(first("{b: 1}").is_ok());
    let listed = ("scheduler", "{kind: fixed, epochs: 1, trials: [{hparams: {layers: 0}}]}");
    let error = with(STUDY, &[listed, ("sampler", &sampler("{units_0: 32}"))]).unwrap_err();
    assert!(error.message.contains("lists all trials"), "{error}");
}

#[test]
fn errors_name_the_override() {
    for (key, value, expected) in [
        ("scheduler.max_epoch", "9", "unknown key `max_epoch`; did you mean `max_epochs`?"),
        ("space", "{x: 2}", "`x` must be a mapping, not 2; write `{choice: [2]}`"),
        (
            "space",
            "{x: }",
            "`x` must be a mapping, not empty; write `{KEY: …}` with keys of choice, float, int, log, name, step, when",
        ),
        ("space", "{x: {int: 2}}", "`int` must be a list, not 2; write `[2, …]`"),
        ("scheduler.eta", "1", "`eta` must be at least 2, not 1"),
        ("seed.x", "1", "`x` is under 1, which is no mapping"),
        ("seed", "[1", "this is no valid YAML: unclosed bracket '['"),
        ("a..b", "1", "the key has an empty part"),
        (
            "scheduler.trials.0",
            "1",
            "unknown key `trials`; use one of eta, iterations, kind, max_epochs, min_epochs, \
                                     mode, rounding, sizes",
        ),
    ] {
        let error = with(STUDY, &[(key, value)]).unwrap_err().to_string();
        assert_eq!(error, format!("override `{key}`: {expected}"));
    }
}

#[test]
fn yaml_is_laid_out_for_people() {
    let expected = "\
name: fashion-mlp
data: {name: fashion-mnist, split: holdout, split_seed: 0}
model: mlp
space:
  layers: {int: [2, 3]}
  units_0: {choice: [32, 64]}
  units_1: {choice: [32, 64]}
  units_2: {choice: [32, 64], when: layers >= 3}
  lr: {float: [0.0001, 0.01], log: true}
constraints: {parameters: \"<= 60000\"}
objective: {metric: val_accuracy, goal: maximize, rank: last}
scheduler:
  kind: hyperband
  max_epochs: 9
  eta: 3
  sizes: algorithm1
  rounding: floor
  mode: early
  iterations: 1
  min_epochs: 1
sampler: {kind: random}
train:
  batch_size: 128
  optimizer: adam
  learning_rate: 0.001
  momentum: 0.9
  weight_decay: 0.0
  schedule: constant
  warmup: 0.0
  label_smoothing: 0.0
  augment: none
  average: none
  average_decay: 0.999
  flip_averaging: false
  shift_averaging: 0
  early_stopping: {monitor: val_loss, patience: 10, min_delta: 0.0, restore_best: false}
  threads: 1
  precision: float32
  epoch_seconds: 0.0
budget: {max_time: 5400.0}
evaluate: best
seed: 1
";
    assert_eq!(study().to_yaml(), expected);
}

#[test]
fn stored_studies_are_checked_and_independent_of_names() {
    let json = study().to_json();
    assert_eq!(StudySpec::from_json(&json), Ok(study()));
    let named = StudySpec::from_yaml("name: a\nmodel: mlp\nspace: mlp-tied\n").unwrap().to_json();
    assert!(
        named.contains(r#""space":[{"name":"layers","int":[2,6]},{"name":"units","choice":[32,"#),
        "{named}"
    );
    let broken = json.replace("\"eta\":3", "\"eta\":1");
    assert_eq!(StudySpec::from_json(&broken).unwrap_err().to_string(), "`eta` must be at least 2, not 1");
    assert!(StudySpec::from_json("{").is_err());
}

/// Any finite float, with its bits spread over all magnitudes.
fn float() -> impl Strategy<Value = f64> {
    any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |value| value.is_finite())
}

fn scalar() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        any::<bool>().prop_map(Scalar::Bool),
        any::<i64>().prop_map(Scalar::Int),
        float().prop_map(Scalar::Float),
        any::<String>().prop_map(Scalar::Text),
        prop_oneof![
            Just("true"),
            Just("1e3"),
            Just("~"),
            Just("no"),
            Just("a: b"),
            Just("- a"),
            Just(" a"),
            Just("a #b")
        ]
        .prop_map(|text| Scalar::Text(text.to_owned())),
    ]
}

/// A study of listed configurations of the formula, which takes any hyperparameter.
fn fixed() -> impl Strategy<Value = StudySpec> {
    let hparams = prop::collection::btree_map("\\PC{0,12}", scalar(), 0..6).prop_map(Hparams);
    let seed = || prop::option::of(0..1u64 << 53);
    let trial = (hparams, seed(), seed()).prop_map(|(hparams, seed, data_seed)| FixedTrial {
        seed,
        data_seed,
        ..FixedTrial::new(hparams)
    });
    let rates = (float(), float(), prop::option::of(float()));
    (prop::collection::vec(trial, 1..4), 1..100u32, rates, 0..1u64 << 53).prop_map(
        |(trials, epochs, (rate, time, target), seed)| StudySpec {
            name: "any".parse().unwrap(),
            data: DataSpec::default(),
            model: ModelKind::Formula,
            space: SearchSpace::default(),
            constraints: Constraints::default(),
            objective: Objective::default(),
            scheduler: SchedulerSpec::Fixed { epochs, horizon: Some(epochs + 1), trials },
            sampler: crate::study::Sampler::default(),
            train: TrainSpec { learning_rate: rate.abs().max(1e-300), ..TrainSpec::default() },
            budget: Budget { max_time: Some(time.abs().max(1e-300)), target, ..Budget::default() },
            evaluate: Evaluate::All,
            parent: None,
            seed,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn listed_configurations_survive_yaml_and_json(study in fixed()) {
        let yaml = study.to_yaml();
        prop_assert_eq!(StudySpec::from_yaml(&yaml), Ok(study.clone()), "{}", yaml);
        prop_assert_eq!(StudySpec::from_json(&study.to_json()), Ok(study));
    }

    #[test]
    fn spaces_survive_yaml_and_json(space in crate::space::tests::space()) {
        if space.is_empty() {
            return Ok(());
        }
        let study = StudySpec { model: ModelKind::Formula, space, ..study() };
        let yaml = study.to_yaml();
        prop_assert_eq!(StudySpec::from_yaml(&yaml), Ok(study.clone()), "{}", yaml);
        prop_assert_eq!(StudySpec::from_json(&study.to_json()), Ok(study));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,80}", cut in 0..STUDY.len()) {
        let _ = StudySpec::from_yaml(&text);
        let _ = StudySpec::from_yaml(&STUDY[..cut]);
        let _ = StudySpec::from_yaml(&format!("{}{text}{}", &STUDY[..cut], &STUDY[cut..]));
    }
}

/// The spec of an ensemble of trials that the parent study has trained.
const ADOPTED: &str = "
name: mlp-ensemble
model: formula
evaluate: all
parent: 0a1b2c3d
scheduler:
  kind: fixed
  epochs: 9
  trials:
    - hparams: {x: 1}
      trained: {trial: 3, value: 0.875, epoch: 9, weights: WEIGHTS, state: STATE}
";

#[test]
fn trials_of_a_parent_are_taken_over_whole_or_not_at_all() {
    let digest = |text: &str| Digest::of(text.as_bytes()).to_string();
    let text = ADOPTED.replace("WEIGHTS", &digest("weights")).replace("STATE", &digest("state"));
    let study = StudySpec::from_yaml(&text).unwrap();
    assert!(study.is_adopted());
    assert_eq!(StudySpec::from_yaml(&study.to_yaml()), Ok(study.clone()));
    assert_eq!(StudySpec::from_json(&study.to_json()), Ok(study));
    let said = |text: String| StudySpec::from_yaml(&text).unwrap_err().to_string();
    assert!(said(text.replace("parent: 0a1b2c3d\n", "")).contains("needs the key `parent`"));
    assert!(said(format!("{text}    - hparams: {{x: 2}}\n")).contains("at some trials and not at others"));
    assert!(said(text.replace("epochs: 9", "epochs: 8")).contains("`epochs` 8 is below epoch 9"));
}

#[test]
fn a_listed_trial_may_have_a_data_seed_of_its_own() {
    let text = "{name: a, model: formula, seed: 5, scheduler: {kind: fixed, epochs: 1, trials: [\
        {hparams: {x: 1}}, {hparams: {x: 1}, data_seed: 7}]}}";
    let study = StudySpec::from_yaml(text).unwrap();
    assert_eq!([0, 1, 2].map(|trial| study.data_seed(crate::ids::TrialNumber(trial))), [5, 7, 5]);
    assert!(!study.is_adopted());
}

#[test]
fn ones_own_data_is_checked_once_it_is_known() {
    let text = "{name: s, data: {name: mine}, model: cnn, space: {blocks: {int: [1, 2]}}}";
    let study = StudySpec::from_yaml(text).unwrap();
    assert_eq!((study.data.shape(), study.data.object()), (None, None));
    let facts = DataFacts { digest: Digest::of(b"mine"), ..DataFacts::known("fashion-mnist").unwrap() };
    let error = study.clone().on(facts.clone()).unwrap_err();
    assert!(error.message.contains("the space lacks"), "{error}");

    let text = "{name: s, data: {name: mine}, model: mlp, space: mlp}";
    let study = StudySpec::from_yaml(text).unwrap().on(facts.clone()).unwrap();
    assert_eq!(study.data.object(), Some(facts.digest));
    assert_eq!(StudySpec::from_json(&study.to_json()).as_ref(), Ok(&study));
    assert_eq!(StudySpec::from_yaml(&study.to_yaml()).as_ref(), Ok(&study));
    let many = DataFacts { classes: vec![String::new(); 257], ..facts };
    assert!(study.on(many).unwrap_err().message.contains("257 classes"));
}

#[test]
fn facts_of_a_known_data_set_must_be_its_own() {
    let study = StudySpec::from_yaml("{name: s, model: mlp, space: mlp}").unwrap();
    let facts = DataFacts::known("fashion-mnist").unwrap();
    assert!(study.clone().on(facts.clone()).is_ok());
    let error = study.on(DataFacts { train: 1, ..facts }).unwrap_err();
    assert!(error.message.contains("leave them out"), "{error}");
}

#[test]
fn without_validation_only_training_can_be_judged() {
    let study = |more: &str| {
        let text = format!("{{name: s, model: mlp, space: mlp, data: {{split: none}}, {more}}}");
        StudySpec::from_yaml(&text).map_err(|error| error.to_string())
    };
    assert!(study("objective: {metric: val_loss}").unwrap_err().contains("use train_loss or train_accuracy"));
    let stopping = "objective: {metric: train_loss}, train: {early_stopping: {patience: 3, monitor: ";
    assert!(study(&format!("{stopping}val_loss}}}}")).unwrap_err().contains("use `monitor: loss`"));
    assert!(study(&format!("{stopping}loss}}}}")).is_ok());
}

#[test]
fn another_name_forgets_what_the_one_before_meant() {
    let facts = DataFacts { digest: Digest::of(b"mine"), ..DataFacts::known("fashion-mnist").unwrap() };
    let text = "{name: s, data: {name: mine}, model: mlp, train: {initial_weights: {name: one}}, \
                scheduler: {kind: fixed, epochs: 1, trials: [{hparams: {layers: 0}}]}}";
    let mut study = StudySpec::from_yaml(text).unwrap().on(facts.clone()).unwrap();
    study.train.initial_weights.as_mut().unwrap().digest = Some(Digest::of(b"one"));
    let with = |key: &str, value: &str| {
        let set = [(key.to_owned(), value.to_owned())];
        let study = StudySpec::from_yaml_with(&study.to_yaml(), &set).unwrap();
        (study.data.facts, study.train.initial_weights.unwrap().digest)
    };
    let recorded = (Some(facts.clone()), Some(Digest::of(b"one")));
    assert_eq!(with("data.name", "other"), (None, recorded.1));
    assert_eq!(with("train.initial_weights.name", "two"), (Some(facts), None));
    assert_eq!(with("data.name", "mine"), recorded, "the same name means what it meant");
    assert_eq!(with("seed", "3"), recorded);
}
