//! The vote of an ensemble's members, as operations on tensors that a trace can follow.

use std::path::Path;

use common::ballot::{Ballot, Vote};
use tch::{Kind, Tensor};
use worker_ext::Error;

use super::{super::views::Views, Traced};

/// The least probability whose logarithm is taken, as of a single model's answers.
const LEAST: f64 = f32::MIN_POSITIVE as f64;

/// The members of an ensemble, and how they vote.
#[derive(Debug)]
pub(super) struct Voting {
    ballot: Ballot,
    /// The voters' models, in their order.
    models: Vec<Traced>,
}

impl Voting {
    /// The voters' models in an ensemble's folder.
    pub(super) fn open(folder: &Path, ballot: &Ballot) -> anyhow::Result<Self> {
        let open = |voter: &common::ballot::Voter| Traced::open(&folder.join(voter.folder()));
        let models = ballot.voters.iter().map(open).collect::<anyhow::Result<_>>()?;
        Ok(Self { ballot: ballot.clone(), models })
    }

    /// The models, with what their tensors' names begin with.
    pub(super) fn members(&self) -> impl Iterator<Item = (String, &Traced)> {
        let prefixes = self.ballot.voters.iter().map(|voter| format!("member_{}.", voter.trial));
        prefixes.zip(&self.models)
    }

    /// Samples for a trace.
    pub(super) fn example(&self) -> Result<Tensor, Error> {
        self.models[0].example()
    }

    /// The vote's log-probabilities at its temperature, samples × classes.
    pub(super) fn log_probabilities(&self, pixels: &Tensor) -> Result<Tensor, Error> {
        let said: Vec<Tensor> =
            self.models.iter().map(|model| distribution(model, pixels)).collect::<Result<_, _>>()?;
        let together = match self.ballot.vote {
            Vote::Soft | Vote::Greedy => self.soft(&said)?,
            Vote::Hard => hard(&said)?,
        };
        let sharp = together.f_clamp_min(LEAST)?.f_log()?.f_div_scalar(self.ballot.temperature)?;
        Ok(sharp.f_log_softmax(1, Kind::Double)?.f_clamp_min(LEAST.ln())?.f_to_kind(Kind::Float)?)
    }

    /// The mean, each member counted as often as it is to.
    fn soft(&self, said: &[Tensor]) -> Result<Tensor, Error> {
        let weights = self.ballot.voters.iter().map(|voter| f64::from(voter.weight));
        let total: f64 = weights.clone().sum();
        let counted = said.iter().zip(weights).map(|(p, weight)| p.f_mul_scalar(weight / total));
        sum(counted)
    }
}

/// One vote each, and one more spread as the members' mean: it settles ties, and leaves no class impossible.
fn hard(said: &[Tensor]) -> Result<Tensor, Error> {
    let one_hot = |p: &Tensor| p.f_zeros_like()?.f_scatter_value(1, &p.f_argmax(1, true)?, 1.0);
    let votes = sum(said.iter().map(one_hot))?;
    let members = said.len() as f64;
    let mean = sum(said.iter().map(|p| p.f_div_scalar(members)))?;
    Ok(votes.f_add(&mean)?.f_div_scalar(members + 1.0)?)
}

fn sum<E>(mut tensors: impl Iterator<Item = Result<Tensor, E>>) -> Result<Tensor, Error>
where
    Error: From<E>,
{
    let first = tensors.next().ok_or_else(|| Error::Failed("nobody votes".to_owned()))??;
    tensors.try_fold(first, |sum, tensor| Ok(sum.f_add(&tensor?)?))
}

/// A model's probabilities in double precision: their mean over the copies of samples that it was measured with.
fn distribution(model: &Traced, pixels: &Tensor) -> Result<Tensor, Error> {
    let copies = Views::of_an_answer(&model.stored.train, model.stored.shape).copies(pixels)?;
    let said = copies.iter().map(|copy| Ok::<_, Error>(model.logits(copy)?.f_softmax(1, Kind::Double)?));
    Ok(sum(said)?.f_div_scalar(copies.len() as f64)?)
}
