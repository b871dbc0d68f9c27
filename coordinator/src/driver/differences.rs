//! What keeps an unfinished study from being the one that is asked for.

use std::collections::BTreeSet;

use common::study::StudySpec;
use serde_json::Value;

/// Most differences of two studies that a refusal names.
const NAMED: usize = 3;

/// Most characters of a value that a refusal repeats.
const REPEATED: usize = 40;

/// What keeps two studies from agreeing: keys, the study's value and the one that is asked for.
pub(super) fn differences(study: &StudySpec, asked: &StudySpec) -> Vec<String> {
    let value = |spec: &StudySpec| serde_json::to_value(spec).unwrap_or_default();
    let mut found = Vec::new();
    compare("", (Some(&value(study)), Some(&value(asked))), &mut found);
    let more = found.len().saturating_sub(NAMED);
    found.truncate(NAMED);
    if more > 0 {
        found.push(format!("and {more} more"));
    }
    found
}

/// Adds where two values of a key differ, as deep inside them as can be said.
fn compare(key: &str, (study, asked): (Option<&Value>, Option<&Value>), found: &mut Vec<String>) {
    // A key may be left out where it has no value, and is the same then.
    let [study, asked] = [study, asked].map(|value| value.filter(|value| !value.is_null()));
    // What names mean counts where both studies have recorded it.
    let recorded = matches!(key, "data.facts" | "train.initial_weights.digest");
    if study == asked || key == "name" || (recorded && (study.is_none() || asked.is_none())) {
        return;
    }
    match (study, asked) {
        (Some(Value::Object(study)), Some(Value::Object(asked))) => {
            let keys: BTreeSet<&String> = study.keys().chain(asked.keys()).collect();
            for own in keys {
                let key = if key.is_empty() { own.clone() } else { format!("{key}.{own}") };
                compare(&key, (study.get(own), asked.get(own)), found);
            }
        }
        (Some(Value::Array(study)), Some(Value::Array(asked))) if study.len() == asked.len() => {
            for (index, (study, asked)) in study.iter().zip(asked).enumerate() {
                let key = match (name(study), name(asked)) {
                    (Some(one), Some(other)) if one == other => format!("{key}.{one}"),
                    _ => format!("{key}[{index}]"),
                };
                compare(&key, (Some(study), Some(asked)), found);
            }
        }
        _ => found.push(format!("{key} {}, not {}", repeated(study), repeated(asked))),
    }
}

/// What a person calls an item of a list, where it has a name: a parameter of a space.
fn name(item: &Value) -> Option<&str> {
    item.get("name")?.as_str()
}

/// A value as a refusal repeats it.
fn repeated(value: Option<&Value>) -> String {
    let text = match value {
        None => "unset".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    match text.char_indices().nth(REPEATED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use common::study::DataFacts;

    use super::{
        super::{Refused, effect::Conflict},
        *,
    };

    fn spec(more: &str) -> StudySpec {
        let text = format!("{{name: s, model: mlp, space: mlp{more}}}");
        StudySpec::from_yaml(&text).unwrap()
    }

    #[test]
    fn a_conflict_names_what_differs() {
        let study = spec("");
        assert_eq!(differences(&study, &spec(", seed: 3")), ["seed 0, not 3"]);
        let other = spec(", data: {split: paper}, scheduler: {kind: hyperband, max_epochs: 9}");
        let found = differences(&study, &other);
        assert_eq!(found[0], "data.split holdout, not paper");
        assert!(found[1].starts_with("scheduler.max_epochs ") && found[1].ends_with(", not 9"), "{found:?}");
        let limited = spec(", budget: {max_trials: 5}");
        assert_eq!(differences(&study, &limited), ["budget.max_trials unset, not 5"]);
        assert_eq!(differences(&limited, &study), ["budget.max_trials 5, not unset"]);
        let wider = StudySpec::from_yaml_with(
            &study.to_yaml(),
            &[("space.units_0.choice".to_owned(), "[32, 64, 128, 256, 500]".to_owned())],
        );
        assert_eq!(differences(&study, &wider.unwrap()), ["space.units_0.choice[4] 512, not 500"]);
        let conflict = Conflict { name: study.name, differences: vec!["seed 0, not 3".to_owned()] };
        assert_eq!(
            Refused::Conflict(conflict).to_string(),
            "an unfinished study is called s and has another spec (seed 0, not 3): --resume goes on with it as it is, \
             --fresh starts a new one beside it"
        );
    }

    #[test]
    fn what_a_study_has_recorded_is_no_difference_and_many_are_cut() {
        let study = spec("").on(DataFacts::known("fashion-mnist").unwrap()).unwrap();
        let named = StudySpec { name: "other".parse().unwrap(), ..spec("") };
        assert_eq!(differences(&study, &named), Vec::<String>::new());
        let other = spec(
            ", seed: 3, data: {split: paper}, budget: {max_trials: 5}, train: {batch_size: 7}, \
             scheduler: {kind: hyperband, max_epochs: 9}",
        );
        let found = differences(&study, &other);
        assert_eq!((found.len(), found.last().unwrap().as_str()), (4, "and 2 more"), "{found:?}");
    }

    #[test]
    fn a_value_is_repeated_as_far_as_it_is_short() {
        assert_eq!(repeated(Some(&"é".repeat(41).into())), format!("{}…", "é".repeat(40)));
        assert_eq!(repeated(Some(&"é".repeat(40).into())), "é".repeat(40));
    }
}
