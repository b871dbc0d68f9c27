use std::collections::BTreeMap;

use common::{
    hparams::Scalar,
    metrics::{Goal, Metric},
    view::TrialView,
};
use maud::{Markup, html};

use super::{
    super::{
        importance::order,
        picture::{Picture, label, line, px},
    },
    ramp::Ramp,
    scale::Scale,
};
use crate::cli::text::plural;

/// Most trials that are drawn: the best half of it, and of the others every so many.
const MOST_LINES: usize = 600;

/// Above so many values an axis has ticks instead of a mark for each.
const MOST_MARKS: usize = 14;

const HEIGHT: f64 = 350.0;
const TOP: f64 = 46.0;
const FLOOR: f64 = HEIGHT - 18.0;

/// Every trial as a line through its hyperparameters to its value, the best on top, and how many trials that draws; none
/// where there is no axis.
pub(in crate::report) fn parallel(
    trials: &[TrialView],
    metric: Metric,
    goal: Goal,
) -> Option<(Picture, usize)> {
    let trials = chosen(trials, goal);
    let axes = axes(&trials);
    if axes.is_empty() {
        return None;
    }
    let values = || trials.iter().map(|(_, value)| *value);
    let (ramp, scale) = (Ramp::new(values(), goal), Scale::around(values()));
    let width = 1060_f64.max(axes.len() as f64 * 80.0);
    let place = |axis: usize| 60.0 + axis as f64 * (width - 130.0) / axes.len() as f64;
    let draw = |(trial, value): &(&TrialView, f64)| {
        let mut points: Vec<(f64, f64)> = axes
            .iter()
            .enumerate()
            .map(|(i, axis)| (place(i), axis.down(trial.hparams.get(&axis.name))))
            .collect();
        points.push((place(axes.len()), down(scale.at(*value))));
        let title = format!("trial {}: {value:.4}, {}", trial.trial, trial.hparams);
        line(&format!("thread {}", ramp.class(*value)), &points, &title)
    };
    let body = html! {
        @for trial in trials.iter().rev() { (draw(trial)) }
        @for (i, axis) in axes.iter().enumerate() { (axis.draw(place(i), i % 2 == 1)) }
        (upright(place(axes.len()), metric.as_str(), axes.len() % 2 == 1))
        @for tick in scale.ticks(6) {
            (label(place(axes.len()) + 7.0, down(scale.at(tick)) + 4.0, "start", &scale.text(tick, 6)))
        }
    };
    let title = format!("hyperparameters and {metric} of {}", plural(trials.len() as u64, "trial"));
    Some((Picture { name: "parallel".to_owned(), title, width, height: HEIGHT, body }, trials.len()))
}

/// Trials with a value, the best first.
fn chosen(trials: &[TrialView], goal: Goal) -> Vec<(&TrialView, f64)> {
    let finite = |trial: &TrialView| trial.value.filter(|value| value.is_finite());
    let mut chosen: Vec<(&TrialView, f64)> =
        trials.iter().filter_map(|trial| Some((trial, finite(trial)?))).collect();
    chosen.sort_by(|(a, x), (b, y)| goal.compare(*x, *y).then(a.trial.cmp(&b.trial)));
    if chosen.len() > MOST_LINES {
        let rest = chosen.split_off(MOST_LINES / 2);
        chosen.extend(rest.iter().step_by(rest.len().div_ceil(MOST_LINES / 2)));
    }
    chosen
}

/// A hyperparameter's values along a line.
struct Axis {
    name: String,
    marks: Vec<(f64, String)>,
    /// Where each value is, from 0 at the foot to 1.
    places: BTreeMap<String, f64>,
}

/// An axis for each hyperparameter that differs between trials.
fn axes(trials: &[(&TrialView, f64)]) -> Vec<Axis> {
    let mut names: Vec<&str> =
        trials.iter().flat_map(|(trial, _)| trial.hparams.iter().map(|(name, _)| name)).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().filter_map(|name| Axis::new(name, trials)).collect()
}

impl Axis {
    fn new(name: &str, trials: &[(&TrialView, f64)]) -> Option<Self> {
        let mut values: Vec<Option<&Scalar>> =
            trials.iter().map(|(trial, _)| trial.hparams.get(name)).collect();
        values.sort_by(|a, b| order(*a, *b));
        values.dedup_by(|a, b| order(*a, *b).is_eq());
        if values.len() < 2 {
            return None;
        }
        let numbers: Vec<f64> = values.iter().filter_map(|value| value.and_then(Scalar::as_f64)).collect();
        let whole = numbers.len() + usize::from(values[0].is_none()) == values.len();
        let evenly = values.len() <= MOST_MARKS || !whole;
        let spread = |value: f64| spread(&numbers, value);
        let place = |(i, value): (usize, &Option<&Scalar>)| match value.and_then(Scalar::as_f64) {
            Some(number) if !evenly => 0.08 + 0.92 * spread(number),
            _ => i as f64 / (values.len() - 1) as f64,
        };
        let places: Vec<(String, f64)> =
            values.iter().enumerate().map(|(i, value)| (text(*value), place((i, value)))).collect();
        let step = places.len().div_ceil(MOST_MARKS).max(1);
        let marks = places.iter().step_by(step).map(|(text, place)| (*place, shortened(text))).collect();
        Some(Self { name: name.to_owned(), marks, places: places.into_iter().collect() })
    }

    fn down(&self, value: Option<&Scalar>) -> f64 {
        down(self.places.get(&text(value)).copied().unwrap_or(0.0))
    }

    fn draw(&self, x: f64, lower: bool) -> Markup {
        html! {
            (upright(x, &self.name, lower))
            @for (place, text) in &self.marks {
                text class="mark" x=(px(x + 5.0)) y=(px(down(*place) + 4.0)) { (text) }
            }
        }
    }
}

/// Where a number is among others: by its logarithm where they span more than two powers of ten.
fn spread(numbers: &[f64], value: f64) -> f64 {
    let (low, high) = (numbers[0], numbers[numbers.len() - 1]);
    if low > 0.0 && high / low > 50.0 {
        (value / low).ln() / (high / low).ln()
    } else {
        (value - low) / (high - low)
    }
}

fn text(value: Option<&Scalar>) -> String {
    value.map_or_else(|| "–".to_owned(), ToString::to_string)
}

/// At most so much of a value as fits between two axes.
fn shortened(text: &str) -> String {
    match text.parse::<f64>() {
        Ok(number) if text.len() > 7 && (number.abs() < 1e-3 || number.abs() >= 1e5) => {
            format!("{number:.1e}")
        }
        Ok(number) if text.len() > 7 => format!("{number:.4}"),
        _ => text.chars().take(10).collect(),
    }
}

/// An axis; the names of neighbours stand at different heights, so that they do not touch.
fn upright(x: f64, name: &str, lower: bool) -> Markup {
    let y = if lower { 32.0 } else { 14.0 };
    html! {
        line class="axis" x1=(px(x)) x2=(px(x)) y1=(px(TOP)) y2=(px(FLOOR)) {}
        text class="strong" x=(px(x)) y=(px(y)) text-anchor="middle" { (name) }
    }
}

fn down(place: f64) -> f64 {
    FLOOR - place * (FLOOR - TOP)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn numbers_over_powers_of_ten_are_spread_by_their_logarithm() {
        assert!((spread(&[1e-4, 1e-1], 1e-2) - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(spread(&[0.0, 4.0], 1.0), 0.25);
    }

    #[test]
    fn of_many_trials_the_best_are_all_drawn() {
        let mut trials = fixture::subject().trials;
        let model = trials[8].clone();
        trials.extend((9..3000).map(|number| TrialView {
            trial: common::ids::TrialNumber(number),
            value: Some(f64::from(number) / 3000.0),
            ..model.clone()
        }));
        let chosen = chosen(&trials, Goal::Maximize);
        assert!(chosen.len() <= MOST_LINES, "{}", chosen.len());
        assert_eq!(chosen[299].0.trial.0, 2999 - 299);
    }
}
