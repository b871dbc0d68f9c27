use ::data::Scale;
use common::{
    model_file::Pixels,
    study::{Input, ModelKind, StudySpec},
};

use crate::{
    cli::{data, failure::Failure},
    client::Cluster,
};

/// How pixels become what a study's models take. Looks at one's own data where they are standardised by it.
pub(in crate::cli) async fn pixels(cluster: &Cluster, spec: &StudySpec) -> Result<Pixels, Failure> {
    if spec.data.input == Input::Unit || spec.model == ModelKind::Formula {
        return Ok(Pixels::default());
    }
    let scale = match Scale::known(&spec.data.name) {
        Some(known) => Some(known),
        None => Scale::of_pixels(&data::of_study(cluster, &spec.data).await?.train),
    };
    Ok(scale.map_or_else(Pixels::default, |Scale { mean, deviation }| Pixels {
        mean,
        deviation,
        ..Pixels::default()
    }))
}
