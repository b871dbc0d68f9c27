use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{
    hparams::Scalar,
    random::{Purpose, Stream},
};

fn draw(space: &SearchSpace, seed: u64) -> Hparams {
    space.draw(&mut Stream::new(seed, Purpose::Draw).words())
}

/// Whether a configuration is one of the space's: exactly its active parameters, each with one of its values.
fn admitted(space: &SearchSpace, hparams: &Hparams) -> bool {
    let mut active = 0;
    let fits = space.parameters.iter().all(|parameter| match hparams.get(&parameter.name) {
        Some(value) => {
            active += 1;
            parameter.is_active(hparams) && parameter.domain.contains(value)
        }
        None => !parameter.is_active(hparams),
    });
    fits && active == hparams.0.len()
}

#[test]
fn named_spaces_have_the_published_sizes() {
    let points = |name| SearchSpace::named(name).unwrap().points();
    assert_eq!(points("mlp"), Some(202_105_200));
    assert_eq!(points("mlp-tied"), Some(300));
    assert_eq!(points("cnn"), None);
    assert_eq!(SearchSpace::named("rnn"), None);
    assert_eq!(SearchSpace::default().points(), Some(1));
    for name in SearchSpace::NAMES {
        let space = SearchSpace::named(name).unwrap();
        assert_eq!(SearchSpace::new(space.parameters.clone()), Ok(space));
    }
}

#[test]
fn a_named_space_tells_which_models_it_is_for() {
    for name in SearchSpace::NAMES {
        let of_preset = crate::preset::search(name).unwrap().study.model;
        assert_eq!(SearchSpace::named(name).unwrap().model(), Some(of_preset), "{name}");
    }
    let odd = Parameter { name: "x".to_owned(), domain: Domain::Choice(Vec::new()), when: None };
    assert_eq!(SearchSpace { parameters: vec![odd] }.model(), None);
}

#[test]
fn a_domain_says_in_words_what_its_values_are() {
    let says = |written: &str, words: &str| {
        let file = format!("{{name: a, model: formula, space: {{x: {written}}}}}");
        let space = crate::study::StudySpec::from_yaml(&file).unwrap().space;
        assert_eq!(space.parameters[0].domain.to_string(), words);
    };
    says("{choice: [32, 64]}", "one of 32, 64");
    says("{int: [2, 6]}", "a whole number from 2 to 6");
    says("{int: [2, 6], step: 2}", "a whole number from 2 to 6 in steps of 2");
    says("{float: [0, 0.5]}", "a number from 0.0 to 0.5");
    says("{float: [0, 0.5], step: 0.1}", "a number from 0.0 to 0.5 in steps of 0.1");
}

#[test]
fn a_draw_is_the_same_for_ever() {
    let space = SearchSpace::named("mlp").unwrap();
    let expected = "dropout_0=0.1 dropout_1=0.1 layers=2 lr=0.0001 units_0=128 units_1=128";
    assert_eq!(draw(&space, 1).to_string(), expected);
    let space = SearchSpace::named("cnn").unwrap();
    let expected = "dropout=0.08019165292948244 filters_1=16 filters_2=64 filters_3=64 filters_4=128 kernel=5 \
                    lr=0.0001562386914977524 pool=2";
    assert_eq!(draw(&space, 1).to_string(), expected);
}

#[test]
fn every_depth_is_drawn_equally_often() {
    let space = SearchSpace::named("mlp").unwrap();
    let mut counts = [0; 7];
    for seed in 0..5_000 {
        let hparams = draw(&space, seed);
        let layers = hparams.int("layers").unwrap();
        assert_eq!(hparams.0.len() as i64, 2 + 2 * layers);
        counts[layers as usize] += 1;
    }
    assert!(counts[2..].iter().all(|count| (900..1_100).contains(count)), "{counts:?}");
}

#[test]
fn the_points_of_a_large_space_differ() {
    let space = SearchSpace::named("mlp").unwrap();
    let total = space.points().unwrap();
    let points: BTreeSet<String> = (0..2_000).map(|i| space.point(total / 2_000 * i).key()).collect();
    assert_eq!(points.len(), 2_000);
    assert!((0..2_000).all(|i| admitted(&space, &space.point(total - 1 - i))));
}

#[test]
fn logarithmic_draws_are_even_in_the_logarithm() {
    let domain = Domain::Float { min: 1e-4, max: 1e-2, step: None, log: true };
    let mut words = Stream::new(1, Purpose::Draw).words();
    let below = (0..4_000).filter(|_| domain.draw(&mut words).as_f64().unwrap() < 1e-3).count();
    assert!((1_850..2_150).contains(&below), "{below}");
    let domain = Domain::Int { min: 1, max: 99, step: 1, log: true };
    let below = (0..4_000).filter(|_| domain.draw(&mut words).as_f64().unwrap() < 10.0).count();
    assert!((1_850..2_150).contains(&below), "{below}");
}

#[test]
fn steps_of_reals_are_short_numbers() {
    let domain = Domain::Float { min: 0.0, max: 0.3, step: Some(0.1), log: false };
    let values: Vec<Scalar> = (0..domain.len().unwrap()).map(|i| domain.value(i)).collect();
    assert_eq!(values, [0.0, 0.1, 0.2, 0.3].map(Scalar::Float));
}

#[test]
fn a_space_reads_the_same_from_a_mapping_and_from_a_list() {
    let mapping: SearchSpace = serde_json::from_str(
        r#"{"layers": {"int": [2, 6]}, "lr": {"float": [0.0001, 0.01], "log": true},
            "units": {"choice": [32, 64], "when": "layers >= 3"}, "dropout": {"choice": [0, 0.1]}}"#,
    )
    .unwrap();
    let stored = serde_json::to_string(&mapping).unwrap();
    assert!(stored.starts_with(r#"[{"name":"layers","int":[2,6]},{"name":"lr""#), "{stored}");
    assert_eq!(serde_json::from_str::<SearchSpace>(&stored).unwrap(), mapping);
    assert_eq!(mapping.parameters[3].domain, Domain::Choice(vec![Scalar::Float(0.0), Scalar::Float(0.1)]));
}

/// Parameters that make no sense beside a choice `a`, and what is said about them.
const SENSELESS: &[(&str, &str)] = &[
    (r#"{"choice": []}"#, "lists no value"),
    (r#"{"choice": [1, 2, 1.0]}"#, "lists 1.0 twice"),
    (r#"{"choice": ["a", "b\u001b[2J"]}"#, "value 1 of `choice` has a control character"),
    (r#"{"int": [3, 2]}"#, "min 3 is above max 2"),
    (r#"{"int": [1, 2], "step": 0}"#, "step 0 is not above 0"),
    (r#"{"int": [1, 2], "step": 0.5}"#, "no whole number"),
    (r#"{"int": [0, 2], "log": true}"#, "needs min above 0"),
    (r#"{"float": [2.5, 1]}"#, "min 2.5 is above max 1.0"),
    (r#"{"float": [0, 1], "log": true}"#, "needs min above 0"),
    (r#"{"float": [0, 1], "step": -0.1}"#, "step -0.1 is not above 0"),
    (r#"{"float": [-1e308, 1e308]}"#, "must be finite"),
    (r#"{"choice": [1], "log": true}"#, "takes neither"),
    (r#"{"int": [1, 2], "float": [1, 2]}"#, "exactly one of"),
    (r#"{}"#, "exactly one of"),
    (r#"{"int": [1, 2], "when": "later == 1"}"#, "earlier parameter, not `later`"),
    (r#"{"int": [1, 2], "when": "b == 1"}"#, "earlier parameter, not `b`"),
    (r#"{"int": [1, 2], "when": "a == rmsprop"}"#, "rmsprop is no value of `a`"),
    (r#"{"int": [1, 2], "when": "a >= adam"}"#, "not numbers"),
    (r#"{"int": [1, 2], "when": "a = adam"}"#, "is no condition"),
];

#[test]
fn senseless_parameters_are_refused_by_name() {
    for (parameter, flaw) in SENSELESS {
        let json = format!(
            r#"{{"a": {{"choice": ["adam", "sgd"]}}, "b": {parameter}, "later": {{"int": [1, 2]}}}}"#
        );
        let error = serde_json::from_str::<SearchSpace>(&json).unwrap_err().to_string();
        assert!(error.contains(flaw), "{parameter}: {error}");
    }
    assert!(serde_json::from_str::<SearchSpace>(r#"{"1 a": {"int": [1, 2]}}"#).is_err());
    assert!(
        serde_json::from_str::<SearchSpace>(
            r#"[{"name": "a", "int": [1, 2]}, {"name": "a", "int": [1, 2]}]"#
        )
        .is_err()
    );
}

/// A domain of few values.
fn domain() -> impl Strategy<Value = Domain> {
    prop_oneof![
        (1..4i64).prop_map(|n| Domain::Choice((0..n).map(Scalar::Int).collect())),
        Just(Domain::Choice(vec![Scalar::Text("a".into()), Scalar::Bool(true), Scalar::Float(0.5)])),
        (-3..3i64, 0..5i64, 1..3i64).prop_map(|(min, width, step)| Domain::Int {
            min,
            max: min + width,
            step,
            log: false
        }),
        (0..4u32).prop_map(|n| Domain::Float {
            min: 0.0,
            max: 0.25 * f64::from(n),
            step: Some(0.25),
            log: false
        }),
    ]
}

/// A test that makes sense for a domain.
fn test(domain: &Domain, pick: u64, comparison: usize) -> Test {
    let value = domain.value(pick % domain.len().unwrap_or(1));
    let comparison = Comparison::ALL[comparison % 6];
    match (&value, comparison) {
        (_, Comparison::AtLeast) if pick.is_multiple_of(3) => Test::In(vec![domain.value(0), value]),
        (Scalar::Text(_) | Scalar::Bool(_), _) => Test::Is(Comparison::NotEqual, value),
        _ if matches!(domain, Domain::Choice(values) if values[0].as_f64().is_none()) => {
            Test::Is(Comparison::Equal, value)
        }
        _ => Test::Is(comparison, value),
    }
}

/// A space of up to five parameters, half of them conditional.
pub(crate) fn space() -> impl Strategy<Value = SearchSpace> {
    prop::collection::vec((domain(), any::<Option<(u8, u8, u8)>>()), 0..6).prop_map(|parts| {
        let mut parameters: Vec<Parameter> = Vec::new();
        for (i, (domain, condition)) in parts.into_iter().enumerate() {
            let when = condition.filter(|_| i > 0).map(|(parent, pick, comparison)| {
                let parent = &parameters[usize::from(parent) % i];
                let test = test(&parent.domain, pick.into(), comparison.into());
                Condition { parameter: parent.name.clone(), test }
            });
            let when = when.filter(|when| when.check(&parameters).is_ok());
            parameters.push(Parameter { name: format!("p_{i}"), domain, when });
        }
        SearchSpace::new(parameters).unwrap()
    })
}

/// All configurations, by trying every value in turn.
fn enumerate(space: &SearchSpace) -> Vec<Hparams> {
    let mut all = vec![Hparams::default()];
    for parameter in &space.parameters {
        all = all
            .into_iter()
            .flat_map(|hparams| {
                let len = if parameter.is_active(&hparams) { parameter.domain.len().unwrap() } else { 0 };
                let with = |i| {
                    let mut with = hparams.clone();
                    with.0.insert(parameter.name.clone(), parameter.domain.value(i));
                    with
                };
                let extended: Vec<Hparams> = (0..len).map(with).collect();
                if len == 0 { vec![hparams] } else { extended }
            })
            .collect();
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn points_are_all_configurations_once(space in space()) {
        let expected: BTreeSet<String> = enumerate(&space).iter().map(Hparams::key).collect();
        let total = space.points().unwrap();
        let points: BTreeSet<String> = (0..total).map(|i| space.point(i).key()).collect();
        prop_assert_eq!(points.len() as u128, total);
        prop_assert_eq!(points, expected);
    }

    #[test]
    fn draws_are_configurations(space in space(), seed: u64) {
        let drawn = draw(&space, seed);
        prop_assert!(admitted(&space, &drawn), "{drawn}");
        prop_assert_eq!(&drawn, &draw(&space, seed));
    }

    #[test]
    fn a_domain_draws_its_own_values(
        low in 1e-6..1e3f64, width in 0.0..1e3f64, step in 0.01..100.0f64, log: bool, shape in 0..4u8, seed: u64
    ) {
        let (min, max) = (low as i64 + 1, (low + width) as i64 + 1);
        let domain = match shape {
            0 => Domain::Int { min, max, step: step as i64 + 1, log: false },
            1 => Domain::Int { min, max, step: 1, log },
            2 => Domain::Float { min: -low, max: width, step: Some(step), log: false },
            _ => Domain::Float { min: low, max: low + width, step: None, log },
        };
        prop_assert_eq!(domain.check(), Ok(()));
        let value = domain.draw(&mut Stream::new(seed, Purpose::Draw).words());
        prop_assert!(domain.contains(&value), "{value} of {domain:?}");
    }

    #[test]
    fn stored_spaces_read_back(space in space()) {
        let stored = serde_json::to_string(&space).unwrap();
        prop_assert_eq!(serde_json::from_str::<SearchSpace>(&stored).unwrap(), space);
    }
}
