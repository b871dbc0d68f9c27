//! Study files to start from.

use super::Preset;

/// What stands at the end of an example: keys that it could have besides, as overrides would write them.
const MORE: &[(&str, &str, &str)] = &[
    (
        "Configurations that are given and not searched; `space` and `sampler` then mean nothing.",
        "scheduler",
        FIXED,
    ),
    ("Every point of a space that can be counted, once.", "sampler", "{kind: grid}"),
    (
        "Configurations that are tried first; what one of them leaves out is drawn.",
        "sampler",
        "{kind: random, first: [{layers: 2, units_0: 512, units_1: 256, lr: 0.001}, {layers: 3}]}",
    ),
    (
        "A space written out: choices, whole numbers, real numbers, conditions on earlier parameters.",
        "space",
        SPACE,
    ),
    ("Only configurations with so many parameters.", "constraints", "{parameters: \">= 100k, <= 315k\"}"),
    (
        "Ends a trial's training when its validation loss no longer improves.",
        "train.early_stopping",
        "{monitor: val_loss, patience: 10, min_delta: 0, restore_best: true}",
    ),
    ("Shortens gradients to this norm.", "train.clip_norm", "1.0"),
    ("Images with mean 0 and deviation 1, and not from 0 to 1.", "data.input", "standard"),
    ("Cuts the plan (max_trials, total_epochs), or stops the study (max_time, target).", "budget", BUDGET),
];

const SPACE: &str = "{layers: {int: [1, 3]}, units: {choice: [32, 64]}, lr: {float: [0.001, 0.1], log: true, when: layers >= 2}}";

const FIXED: &str =
    "{kind: fixed, epochs: 20, trials: [{hparams: {layers: 1, units: 64}}, {hparams: {layers: 0}}]}";

const BUDGET: &str = "{max_trials: 50, total_epochs: 500, max_time: 1h30m, target: 0.93}";

/// A commented study file that reads back to the preset's study.
pub fn commented_example(preset: &Preset) -> String {
    let mut example = format!("# {}: {}.\n\n", preset.name, preset.summary);
    example.push_str(&preset.study.to_commented_yaml());
    example.push_str(
        "\n# More that a study may say, as `--set KEY=VALUE`; in a file a dot is a step into a section:\n",
    );
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
