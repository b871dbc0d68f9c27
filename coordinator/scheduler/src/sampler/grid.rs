//! Every admitted point once, in an order that the seed shuffles.

use common::{hparams::Hparams, ids::TrialNumber, study::StudySpec};

use super::{Used, digest, permutation::Permutation};

/// Points that are looked at for one trial; where none of so many is admitted and unused, the grid counts as exhausted.
const MOST_LOOKS: u128 = 1 << 20;

/// The first point in the seed's order that is admitted and unused.
///
/// Trials take such points in the order of their numbers, but for those that the study's own list tries first. So all
/// admitted points before the last one that was taken are used, and looking goes on behind it.
pub(super) fn draw(
    spec: &StudySpec,
    points: u128,
    trial: TrialNumber,
    used: &mut Used<'_>,
) -> Option<Hparams> {
    let order = Permutation::new(spec.seed, points);
    let (place, hparams) = looks(used.next, points).find_map(|place| {
        let hparams = spec.space.point(order.at(place));
        (spec.admits(&hparams) && used.insert(&hparams)).then_some((place, hparams))
    })?;
    if is_in_order(spec, trial) {
        used.next = place + 1;
    }
    Some(hparams)
}

/// The place behind the point that a trial took, where looking had begun at `next`.
pub(super) fn behind(spec: &StudySpec, trial: TrialNumber, hparams: &Hparams, next: u128) -> u128 {
    if !spec.sampler.is_grid() || !is_in_order(spec, trial) {
        return next;
    }
    let Some(points) = spec.space.points() else { return next };
    let (order, taken) = (Permutation::new(spec.seed, points), digest(hparams));
    let found = looks(next, points).find(|place| digest(&spec.space.point(order.at(*place))) == taken);
    found.map_or(next, |place| place + 1)
}

/// The places that are looked at from one on.
fn looks(next: u128, points: u128) -> std::ops::Range<u128> {
    next..points.min(next.saturating_add(MOST_LOOKS))
}

/// Whether a trial takes the next point: neither the study's own list says what it is, nor a list of all trials.
fn is_in_order(spec: &StudySpec, trial: TrialNumber) -> bool {
    trial.0 as usize >= spec.sampler.first().len() && spec.scheduler.listed().is_empty()
}
