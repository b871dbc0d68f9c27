//! An ensemble as a report on its study, or on the study that it was made of, tells it.

use common::{
    study::{ModelKind, Split, StudySpec},
    view::{BestView, StudyPhase, StudyView},
};

use super::{super::failure::Failure, Labelled, gather};
use crate::{
    client::Cluster,
    ensemble::{Answers, Comparison, Entry, Objective, Truth, compare},
    report::{EnsembleMember, EnsembleRow, EnsembleSummary},
};

/// How a study's ensemble does, and what its vote says of the test part at its temperature: the study itself where it
/// is one, else the newest finished one that was made of it.
pub(in crate::cli) async fn summary(
    cluster: &Cluster,
    best: &BestView,
) -> Result<Option<(EnsembleSummary, Answers)>, Failure> {
    if best.spec.model == ModelKind::Formula || best.spec.data.split == Split::None {
        return Ok(None);
    }
    let Some((view, spec)) = find(cluster, best).await? else { return Ok(None) };
    let labelled = Labelled::of(cluster, &spec.data).await?;
    let gathered = gather::gather(cluster, &view, &labelled).await?;
    let objective = Objective { metric: view.metric, goal: view.goal };
    let Some(comparison) = compare(&gathered.members, &labelled.truth, objective, None) else {
        return Ok(None);
    };
    let told = told(&view, &comparison, &labelled.truth);
    Ok(told.map(|summary| (summary, comparison.predictions)))
}

/// The study that is the ensemble.
async fn find(cluster: &Cluster, best: &BestView) -> Result<Option<(StudyView, StudySpec)>, Failure> {
    if best.spec.parent.is_some() {
        let finished = best.study.phase == StudyPhase::Finished;
        return Ok(finished.then(|| (best.study.clone(), best.spec.clone())));
    }
    let mut later = cluster.studies().await?;
    later.retain(|study| study.phase == StudyPhase::Finished && study.created >= best.study.created);
    later.sort_by_key(|study| std::cmp::Reverse(study.created));
    for study in later {
        let (view, spec) = cluster.study(study.id.as_str()).await?;
        if spec.parent.as_ref() == Some(&best.study.id) {
            return Ok(Some((view, spec)));
        }
    }
    Ok(None)
}

fn told(view: &StudyView, comparison: &Comparison, truth: &Truth) -> Option<EnsembleSummary> {
    let scored = |entry: &Entry| {
        let (score, scaled) =
            entry.clean.clone().unwrap_or_else(|| (entry.test.clone(), entry.scaled_loss.1));
        (score.accuracy, score.loss, scaled)
    };
    let members = comparison.members.iter().map(|(trial, entry)| {
        let (accuracy, loss, _) = scored(entry);
        EnsembleMember { trial: *trial, accuracy, loss }
    });
    let rows = comparison.votes.iter().map(|(vote, entry)| {
        let (accuracy, loss, scaled_loss) = scored(entry);
        let (vote, temperature) = (vote.name().to_owned(), entry.temperature);
        EnsembleRow { vote, accuracy, loss: Some(loss), temperature, scaled_loss }
    });
    let clean = truth.test.len() - truth.validated.len();
    Some(EnsembleSummary {
        name: view.name.to_string(),
        clean_samples: (!truth.validated.is_empty()).then_some(clean as u32),
        best: comparison.members.get(comparison.best_single)?.0,
        chosen: comparison.chosen.name().to_owned(),
        members: members.collect(),
        rows: rows.collect(),
    })
}
