//! What a preset is, in tables and as scripts read it.

use common::{
    hparams::Hparams,
    model_spec::{DataShape, Layer, ModelSpec},
    preset::Preset,
    space::SearchSpace,
    study::{ModelKind, SchedulerSpec},
};
use serde::Serialize;

use super::{
    super::{
        failure::Failure,
        output::{self, Show, Table},
        text::count,
    },
    words::{points_text, values, what},
};

/// A preset's model, or the space of its models; or both, where a name has both.
#[derive(Debug, Serialize)]
pub(super) struct ModelReport {
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    pub(super) model: ModelKind,
    pub(super) parameters: Option<u64>,
    input: Option<DataShape>,
    layers: Vec<Layer>,
    hparams: Option<Hparams>,
    pub(super) space: Option<SearchSpace>,
    pub(super) points: Option<u128>,
}

impl ModelReport {
    /// The report on a preset.
    pub(super) fn new(preset: Preset) -> Result<Self, Failure> {
        let study = preset.study;
        let input = study.data.shape();
        let hparams = match study.scheduler {
            SchedulerSpec::Fixed { trials, .. } => trials.into_iter().next().map(|trial| trial.hparams),
            SchedulerSpec::Hyperband(_) => None,
        };
        let model = match (&hparams, &input) {
            (Some(hparams), Some(input)) => Some(ModelSpec::build(study.model, hparams, input)?),
            _ => None,
        };
        let space = Some(study.space).filter(|space| !space.is_empty());
        Ok(Self {
            name: preset.name,
            summary: preset.summary,
            model: study.model,
            parameters: model.as_ref().map(ModelSpec::parameters),
            input,
            layers: model.map(|model| model.layers).unwrap_or_default(),
            hparams,
            points: space.as_ref().and_then(SearchSpace::points),
            space,
        })
    }

    /// The report with the space of the search of the same name.
    pub(super) fn with_space(self, search: Self) -> Self {
        Self { space: search.space, points: search.points, ..self }
    }

    /// The configuration's layers, where there is one.
    fn configuration(&self) -> Option<String> {
        let hparams = self.hparams.as_ref()?;
        let mut table = Table::new(["layer", "what", "output", "parameters"]);
        for layer in &self.layers {
            let sides: Vec<_> = layer.output.iter().map(ToString::to_string).collect();
            table.row([layer.name.clone(), what(layer), sides.join(" × "), count(layer.parameters)]);
        }
        let parameters = self.parameters.map(count).unwrap_or_default();
        let facts = output::facts(&[("parameters", parameters), ("hparams", hparams.to_string())]);
        Some(format!("{}\n\n{facts}`rung train {}` trains it\n", table.render(), self.name))
    }

    /// The space's parameters, a row each.
    fn parameters(space: &SearchSpace) -> Table {
        let mut table = Table::new(["parameter", "values", "active when"]);
        for parameter in &space.parameters {
            let when = parameter.when.as_ref().map_or_else(|| "always".to_owned(), ToString::to_string);
            table.row([parameter.name.clone(), values(&parameter.domain), when]);
        }
        table
    }

    /// The space, where the preset is a search.
    fn search(&self) -> Option<String> {
        let table = Self::parameters(self.space.as_ref()?).render();
        let points = points_text(self.points);
        Some(format!("{table}\n\nconfigurations  {points}\n`rung run {}` searches them\n", self.name))
    }
}

impl Show for ModelReport {
    fn table(&self) -> String {
        let parts = [self.configuration(), self.search()];
        let text = parts.into_iter().flatten().collect::<Vec<_>>().join("\n");
        format!("{}: {}\n\n{text}", self.name, self.summary)
    }

    /// The configuration's layers; of a search alone, the parameters of its space.
    fn csv(&self) -> Table {
        if let (None, Some(space)) = (&self.hparams, &self.space) {
            return Self::parameters(space);
        }
        let mut table = Table::new(["layer", "kind", "output", "parameters"]);
        for layer in &self.layers {
            let sides: Vec<_> = layer.output.iter().map(ToString::to_string).collect();
            table.row([layer.name.clone(), what(layer), sides.join("x"), layer.parameters.to_string()]);
        }
        table
    }
}
