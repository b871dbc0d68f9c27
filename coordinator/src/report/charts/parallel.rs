use std::collections::BTreeMap;

use common::{
    hparams::Scalar,
    metrics::{Goal, Metric},
    space::{Domain, SearchSpace},
    view::TrialView,
};
use maud::{Markup, html};

use super::{
    super::{
        importance::order,
        picture::{Picture, label, line, named, px},
    },
    ramp::Ramp,
    scale::Scale,
};
use crate::cli::text::plural;

/// Most trials that are drawn: the best half of it, and of the others every so many.
const MOST_LINES: usize = 600;

/// Numbers that were drawn from no range stand at equal distances, unless there are more of them.
const MOST_STEPS: usize = 14;

/// The longest name of a hyperparameter that is written out.
const MAX_NAME_CHARS: usize = 20;

/// The least distance of two marks of an axis.
const MARK: f64 = 15.0;

const HEIGHT: f64 = 350.0;
const TOP: f64 = 46.0;
const FLOOR: f64 = HEIGHT - 18.0;

/// Every trial as a line through its hyperparameters to its value, the best on top, and how many trials that draws; none
/// where there is no axis.
pub(in crate::report) fn parallel(
    trials: &[TrialView],
    space: &SearchSpace,
    (metric, goal): (Metric, Goal),
) -> Option<(Picture, usize)> {
    let trials = chosen(trials, goal);
    let axes = axes(&trials, space);
    if axes.is_empty() {
        return None;
    }
    let values = || trials.iter().map(|(_, value)| *value);
    let (ramp, scale) = (Ramp::new(values(), goal), Scale::around(values()));
    let width = 1060_f64.max(axes.len() as f64 * 80.0);
    let place = |axis: usize| 76.0 + axis as f64 * (width - 146.0) / axes.len() as f64;
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
fn axes(trials: &[(&TrialView, f64)], space: &SearchSpace) -> Vec<Axis> {
    let mut names: Vec<&str> =
        trials.iter().flat_map(|(trial, _)| trial.hparams.iter().map(|(name, _)| name)).collect();
    names.sort_unstable();
    names.dedup();
    let domain = |name: &str| {
        space.parameters.iter().find(|parameter| parameter.name == name).map(|parameter| &parameter.domain)
    };
    names.into_iter().filter_map(|name| Axis::new(name, domain(name), trials)).collect()
}

/// How the values of an axis are spaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spacing {
    /// At equal distances.
    Even,
    /// By their differences.
    Linear,
    /// By their ratios.
    Logarithmic,
}

impl Spacing {
    /// How values are spaced, of which these are the numbers in their order: as they were drawn, where they were drawn from a
    /// range.
    fn of(domain: Option<&Domain>, numbers: &[f64], others: usize) -> Self {
        let (low, high) = match numbers {
            [low, .., high] if others == 0 => (*low, *high),
            _ => return Self::Even,
        };
        let logarithmic = match domain {
            Some(Domain::Int { log, .. } | Domain::Float { log, .. }) => *log,
            Some(Domain::Choice(_)) | None if numbers.len() <= MOST_STEPS => return Self::Even,
            // Over two powers of ten all small ones would stand at the foot.
            Some(Domain::Choice(_)) | None => high / low >= 100.0,
        };
        if logarithmic && low > 0.0 { Self::Logarithmic } else { Self::Linear }
    }

    /// Where a number is between two others, from 0 to 1.
    fn place(self, (low, high): (f64, f64), value: f64) -> f64 {
        match self {
            Self::Logarithmic => (value / low).ln() / (high / low).ln(),
            Self::Even | Self::Linear => (value - low) / (high - low),
        }
    }
}

impl Axis {
    fn new(name: &str, domain: Option<&Domain>, trials: &[(&TrialView, f64)]) -> Option<Self> {
        let mut values: Vec<Option<&Scalar>> =
            trials.iter().map(|(trial, _)| trial.hparams.get(name)).collect();
        values.sort_by(|a, b| order(*a, *b));
        values.dedup_by(|a, b| order(*a, *b).is_eq());
        if values.len() < 2 {
            return None;
        }
        let numbers: Vec<f64> = values.iter().filter_map(|value| value.and_then(Scalar::as_f64)).collect();
        let missing = usize::from(values[0].is_none());
        let spacing = Spacing::of(domain, &numbers, values.len() - missing - numbers.len());
        // That there is none has the foot for itself.
        let foot = if missing > 0 { 0.08 } else { 0.0 };
        let place =
            |(i, value): (usize, &Option<&Scalar>)| match (value.and_then(Scalar::as_f64), &numbers[..]) {
                (Some(number), [low, .., high]) if spacing != Spacing::Even => {
                    foot + (1.0 - foot) * spacing.place((*low, *high), number)
                }
                _ => i as f64 / (values.len() - 1) as f64,
            };
        let places: Vec<(String, f64)> =
            values.iter().enumerate().map(|(i, value)| (text(*value), place((i, value)))).collect();
        let marks = marks(&places);
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

/// The marks of an axis, from its foot to its top, which both have one: of others that would touch, the first.
fn marks(places: &[(String, f64)]) -> Vec<(f64, String)> {
    // Of many values the marks are but a scale, which needs no more of them than can be read at a glance.
    let room = if places.len() > MOST_STEPS { 2.0 * MARK } else { MARK };
    let touch = |one: f64, other: f64| (other - one) * (FLOOR - TOP) < room;
    let mut marks: Vec<(f64, String)> = Vec::new();
    for (text, place) in places {
        if marks.last().is_none_or(|(below, _)| !touch(*below, *place)) {
            marks.push((*place, shortened(text)));
        }
    }
    if let Some((text, top)) = places.last() {
        marks.pop_if(|(below, _)| touch(*below, *top));
        marks.push((*top, shortened(text)));
    }
    marks
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
        text class="strong" x=(px(x)) y=(px(y)) text-anchor="middle" { (named(name, MAX_NAME_CHARS)) }
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
    fn numbers_are_spaced_as_they_were_drawn() {
        let few = [1.0, 2.0, 300.0];
        let range = |log| Domain::Float { min: 1.0, max: 400.0, step: None, log };
        assert_eq!(Spacing::of(Some(&range(false)), &few, 0), Spacing::Linear);
        assert_eq!(Spacing::of(Some(&range(true)), &few, 0), Spacing::Logarithmic);
        let choice = Domain::Choice(few.map(Scalar::Float).to_vec());
        assert_eq!(Spacing::of(Some(&choice), &few, 0), Spacing::Even);
        assert_eq!(Spacing::of(Some(&range(true)), &few, 1), Spacing::Even, "a value that is no number");
        let many: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!(Spacing::of(None, &many, 0), Spacing::Linear);
        let wide: Vec<f64> = (0..20).map(|power| 2_f64.powi(power)).collect();
        assert_eq!(Spacing::of(None, &wide, 0), Spacing::Logarithmic);
        assert!((Spacing::Logarithmic.place((1e-4, 1e-1), 1e-2) - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(Spacing::Linear.place((0.0, 4.0), 1.0), 0.25);
    }

    #[test]
    fn marks_do_not_touch() {
        let places = |count: u32| -> Vec<(String, f64)> {
            (0..count).map(|i| (i.to_string(), f64::from(i) / f64::from(count - 1))).collect()
        };
        assert_eq!(marks(&places(14)).len(), 14);
        let all = marks(&places(400));
        assert!(all.windows(2).all(|pair| (pair[1].0 - pair[0].0) * (FLOOR - TOP) >= MARK), "{all:?}");
        assert!((8..14).contains(&all.len()), "{}", all.len());
        assert_eq!(all.last().map(|(_, text)| text.as_str()), Some("399"));
        let crowded = [0.0, 0.01, 0.5, 0.51, 0.99, 1.0].map(|place| (place.to_string(), place));
        assert_eq!(marks(&crowded).iter().map(|(place, _)| *place).collect::<Vec<_>>(), [0.0, 0.5, 1.0]);
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
