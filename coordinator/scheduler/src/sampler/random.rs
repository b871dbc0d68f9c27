//! Independent draws, distinct until the space is used up.

use std::ops::Range;

use common::{
    hparams::Hparams,
    ids::TrialNumber,
    random::{Purpose, Stream},
    study::StudySpec,
};

use super::{Used, permutation::Permutation};

/// The largest space that is searched point by point when draws find nothing new.
const SEARCHABLE: u128 = 1 << 17;

/// Draws of one trial from a space that can be searched otherwise.
const FEW_DRAWS: u32 = 1_000;

/// Draws of one trial from a space that cannot. When none of them is admitted, it is 95 % sure that fewer than one
/// in 30,000 would be: the study then ends its draws instead of blocking its driver.
const MANY_DRAWS: u32 = 100_000;

/// A trial's configuration: the first of its draws that is admitted and unused, else the first such point.
pub(super) fn draw(
    spec: &StudySpec,
    points: Option<u128>,
    trial: TrialNumber,
    used: &mut Used<'_>,
) -> Option<Hparams> {
    if points.is_some_and(|points| used.len() as u128 >= points) {
        used.begin_pass();
    }
    let Some(points) = points.filter(|points| *points <= SEARCHABLE) else {
        return drawn(spec, trial, 0..MANY_DRAWS, used);
    };
    if let Some(hparams) = drawn(spec, trial, 0..FEW_DRAWS, used).or_else(|| searched(spec, points, used)) {
        return Some(hparams);
    }
    // All admitted points are used, so the next pass begins; if that finds nothing either, none is admitted.
    used.begin_pass();
    drawn(spec, trial, FEW_DRAWS..2 * FEW_DRAWS, used).or_else(|| searched(spec, points, used))
}

/// The first of some draws that is admitted and unused.
fn drawn(spec: &StudySpec, trial: TrialNumber, draws: Range<u32>, used: &mut Used<'_>) -> Option<Hparams> {
    drawn_around(spec, &Hparams::default(), (trial, draws), used)
}

/// A configuration with values that are given: the first of a few draws in which all of them are active, and that is admitted
/// and unused.
pub(super) fn around(
    spec: &StudySpec,
    given: &Hparams,
    trial: TrialNumber,
    used: &mut Used<'_>,
) -> Option<Hparams> {
    drawn_around(spec, given, (trial, 0..FEW_DRAWS), used)
}

fn drawn_around(
    spec: &StudySpec,
    given: &Hparams,
    (trial, mut draws): (TrialNumber, Range<u32>),
    used: &mut Used<'_>,
) -> Option<Hparams> {
    let stream = Stream::new(spec.seed, Purpose::Draw).epoch(trial.0);
    draws.find_map(|draw| {
        let hparams = spec.space.draw_around(given, &mut stream.step(draw).words());
        let whole = given.iter().all(|(name, _)| hparams.get(name).is_some());
        (whole && spec.admits(&hparams) && used.insert(&hparams)).then_some(hparams)
    })
}

/// The first point, in the seed's order, that is admitted and unused.
fn searched(spec: &StudySpec, points: u128, used: &mut Used<'_>) -> Option<Hparams> {
    let order = Permutation::new(spec.seed, points);
    (0..points).find_map(|place| {
        let hparams = spec.space.point(order.at(place));
        (spec.admits(&hparams) && used.insert(&hparams)).then_some(hparams)
    })
}
