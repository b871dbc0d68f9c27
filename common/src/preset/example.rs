//! Study files to start from.

use super::Preset;

/// What stands at the end of an example: keys that it could have besides, as overrides would write them.
const MORE: &[(&str, &str, &str)] = &[
    (
        "A space written out: choices, whole numbers, real numbers, conditions on earlier parameters.",
        "space",
        SPACE,
    ),
    ("Only configurations with so many parameters.", "constraints", "{parameters: \">= 100k, <= 315k\"}"),
    (
        "Ends a trial's training when its validation loss no longer improves.",
        "train.early_stopping",
        "{patience: 10}",
    ),
    ("Cuts the plan (max_trials, total_epochs), or stops the study (max_time, target).", "budget", BUDGET),
];

const SPACE: &str =
    "{layers: {int: [2, 6]}, lr: {float: [0.0001, 0.01], log: true}, units: {choice: [32, 64]}}";

const BUDGET: &str = "{max_trials: 50, total_epochs: 500, max_time: 1h30m, target: 0.93}";

/// A commented study file that reads back to the preset's study.
pub fn commented_example(preset: &Preset) -> String {
    let mut example = format!("# {}: {}.\n\n", preset.name, preset.summary);
    example.push_str(&preset.study.to_commented_yaml());
    example.push_str("\n# More that a study may say, in a file or as `--set KEY=VALUE`:\n");
    for (comment, key, value) in MORE {
        example.push_str(&format!("#\n# {comment}\n#   {key}: {value}\n"));
    }
    example
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        preset::{ALL, preset},
        study::StudySpec,
    };

    #[test]
    fn examples_read_back_to_their_study() {
        for name in ALL {
            let preset = preset(name).unwrap();
            let example = commented_example(&preset);
            assert_eq!(StudySpec::from_yaml(&example).as_ref(), Ok(&preset.study), "{example}");
            assert!(example.lines().all(|line| line.len() <= 125), "{example}");
        }
    }

    #[test]
    fn what_else_a_study_may_say_is_valid() {
        let example = commented_example(&preset("mlp").unwrap());
        for (_, key, value) in MORE {
            let overrides = [((*key).to_owned(), (*value).to_owned())];
            StudySpec::from_yaml_with(&example, &overrides).unwrap();
        }
    }
}
