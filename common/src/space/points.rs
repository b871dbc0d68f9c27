//! Counting and numbering a space's configurations.
//!
//! Every parameter has at most one parent, so parameters form a forest. A parameter's subtree has as many
//! configurations as the sum over its values of the product over the children that the value makes active; a space
//! has the product over its roots. Values that make the same children active are taken together, so the arithmetic
//! is linear in the number of parameters and conditions.

use super::{Domain, Parameter};
use crate::hparams::Hparams;

/// Neighbouring values of one parameter that make the same children active.
struct Run {
    /// Index of the first value.
    start: u64,
    /// How many values.
    values: u64,
    /// The children that are active.
    children: Vec<usize>,
    /// Configurations of those children together.
    below: u128,
}

/// How many configurations there are; none where a parameter is continuous or the number is too large.
pub(super) fn count(parameters: &[Parameter]) -> Option<u128> {
    let runs = runs(parameters)?;
    roots(parameters).try_fold(1u128, |total, root| total.checked_mul(size(&runs[root])?))
}

/// The configuration at an index; the empty one where configurations cannot be counted.
pub(super) fn point(parameters: &[Parameter], index: u128) -> Hparams {
    let mut drawn = Hparams::default();
    let Some(runs) = runs(parameters) else {
        return drawn;
    };
    // Where a parameter is active, its subtree's index.
    let mut local: Vec<Option<u128>> = vec![None; parameters.len()];
    let mut rest = index;
    for root in roots(parameters) {
        rest = take(&mut local[root], rest, size(&runs[root]));
    }
    for (i, parameter) in parameters.iter().enumerate() {
        let Some(mut at) = local[i] else { continue };
        for run in &runs[i] {
            let here = u128::from(run.values) * run.below;
            if at >= here {
                at -= here;
                continue;
            }
            let value = parameter.domain.value(run.start + (at / run.below) as u64);
            drawn.0.insert(parameter.name.clone(), value);
            let mut rest = at % run.below;
            for &child in &run.children {
                rest = take(&mut local[child], rest, size(&runs[child]));
            }
            break;
        }
    }
    drawn
}

/// Takes the lowest digit of a number in mixed radix, and returns the other digits.
fn take(digit: &mut Option<u128>, number: u128, radix: Option<u128>) -> u128 {
    let radix = radix.unwrap_or(1).max(1);
    *digit = Some(number % radix);
    number / radix
}

/// The parameters that are always active.
fn roots(parameters: &[Parameter]) -> impl Iterator<Item = usize> {
    parameters.iter().enumerate().filter(|(_, parameter)| parameter.when.is_none()).map(|(i, _)| i)
}

/// The configurations of a subtree.
fn size(runs: &[Run]) -> Option<u128> {
    runs.iter()
        .try_fold(0u128, |total, run| total.checked_add(u128::from(run.values).checked_mul(run.below)?))
}

/// Every parameter's values, taken together where they make the same children active.
fn runs(parameters: &[Parameter]) -> Option<Vec<Vec<Run>>> {
    let mut all: Vec<Vec<Run>> = parameters.iter().map(|_| Vec::new()).collect();
    for i in (0..parameters.len()).rev() {
        let children: Vec<usize> = (i + 1..parameters.len())
            .filter(|c| parameters[*c].when.as_ref().is_some_and(|w| w.parameter == parameters[i].name))
            .collect();
        let domain = &parameters[i].domain;
        let starts = starts(parameters, domain, &children)?;
        for (n, &start) in starts.iter().enumerate() {
            let end = starts.get(n + 1).copied().map_or_else(|| domain.len(), Some)?;
            let value = domain.value(start);
            let children: Vec<usize> = children
                .iter()
                .copied()
                .filter(|c| parameters[*c].when.as_ref().is_some_and(|w| w.test.passes(&value)))
                .collect();
            let below = children.iter().try_fold(1u128, |product, c| product.checked_mul(size(&all[*c])?))?;
            all[i].push(Run { start, values: end - start, children, below });
        }
    }
    Some(all)
}

/// The indices at which the set of active children may change, 0 first.
fn starts(parameters: &[Parameter], domain: &Domain, children: &[usize]) -> Option<Vec<u64>> {
    let len = domain.len()?;
    if let (Domain::Choice(_), false) = (domain, children.is_empty()) {
        return Some((0..len).collect());
    }
    let mut starts = vec![0];
    for condition in children.iter().filter_map(|c| parameters[*c].when.as_ref()) {
        for bound in condition.test.values().iter().filter_map(crate::hparams::Scalar::as_f64) {
            let at = |index: u64| domain.value(index).as_f64().unwrap_or(f64::INFINITY);
            starts.push(first(len, |index| at(index) >= bound));
            starts.push(first(len, |index| at(index) > bound));
        }
    }
    starts.retain(|start| *start < len);
    starts.sort_unstable();
    starts.dedup();
    Some(starts)
}

/// The first index that passes, by bisection; `len` where none does.
fn first(len: u64, passes: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low + (high - low) / 2;
        if passes(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}
