use ::data::{Dataset, Scale};
use common::{
    model_file::{Features, Inputs, Pixels},
    study::{DataKind, Input, ModelKind, StudySpec},
};

use crate::{
    cli::{data, failure::Failure},
    client::Cluster,
};

/// How samples become what a study's models take. Looks at one's own data where they are standardised by it.
pub(in crate::cli) async fn inputs(cluster: &Cluster, spec: &StudySpec) -> Result<Inputs, Failure> {
    let table = spec.data.facts().is_some_and(|facts| facts.kind == DataKind::Table);
    if spec.model == ModelKind::Formula || (spec.data.input == Input::Unit && !table) {
        return Ok(Inputs::default());
    }
    if table {
        return Ok(of_table(data::of_study(cluster, &spec.data).await?));
    }
    let scale = match Scale::known(&spec.data.name) {
        Some(known) => Some(known),
        None => Scale::of_pixels(&data::of_study(cluster, &spec.data).await?.train),
    };
    let pixels = scale.map_or_else(Pixels::default, |Scale { mean, deviation }| Pixels {
        mean,
        deviation,
        ..Pixels::default()
    });
    Ok(Inputs { pixels, features: None })
}

/// Features are what they are, with nothing to multiply by, and always standardised.
fn of_table(Dataset { scale, columns, .. }: Dataset) -> Inputs {
    let features = scale.map(|Scale { mean, deviation }| Features { columns, mean, deviation });
    Inputs { pixels: Pixels { scale: 1.0, ..Pixels::default() }, features }
}
