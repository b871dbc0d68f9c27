//! Every admitted point once, in an order that the seed shuffles.

use common::{hparams::Hparams, ids::TrialNumber, study::StudySpec};

use super::{Used, permutation::Permutation};

/// Points that are looked at for one trial; where none of so many is admitted, the grid counts as exhausted.
const MOST_LOOKS: u128 = 1 << 20;

/// The first point in the seed's order that is admitted and unused.
///
/// Every trial before took the first such point too, one each, but for those that are tried first by the study's own
/// list. So all admitted points before the place of that many trials are used.
pub(super) fn draw(
    spec: &StudySpec,
    points: u128,
    trial: TrialNumber,
    used: &mut Used<'_>,
) -> Option<Hparams> {
    let order = Permutation::new(spec.seed, points);
    let first = u128::from(trial.0).saturating_sub(spec.sampler.first().len() as u128);
    (first..points.min(first.saturating_add(MOST_LOOKS))).find_map(|place| {
        let hparams = spec.space.point(order.at(place));
        (spec.admits(&hparams) && used.insert(&hparams)).then_some(hparams)
    })
}
