//! Over which copies of an image a model's answers are averaged.

use std::fs;

use clap::Args;
use common::study::TrainSpec;

use super::{
    super::{failure::Failure, files::line, input::whole},
    Answerer, TrainedModel,
};

/// Flags of commands that ask a model; what is left out is as the study's `train` section has it.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(in crate::cli) struct AveragingArgs {
    /// Whether an answer is the mean over an image and its mirror image, true or false [default: what the study says]
    #[arg(long, value_name = "BOOL")]
    flip_averaging: Option<bool>,
    /// Average over shifts by so many pixels, up, down, left and right; 0 for none [default: what the study says]
    #[arg(long, value_name = "PIXELS", value_parser = whole::<u32>(0..=u64::from(u32::MAX)))]
    shift_averaging: Option<u32>,
}

impl AveragingArgs {
    /// What answers, now over these copies.
    pub(in crate::cli) fn over(self, answerer: Answerer) -> Result<Answerer, Failure> {
        if self.flip_averaging.is_none() && self.shift_averaging.is_none() {
            return Ok(answerer);
        }
        match answerer {
            Answerer::Model(model) => Ok(Answerer::Model(Box::new(self.of_model(*model)?))),
            Answerer::Ensemble(_) => {
                let failure = "a vote's temperature is fitted to its members as they were measured, so that \
                               --flip-averaging and --shift-averaging are for a single model";
                Err(Failure::bad_input(failure).help(
                    "`rung ensemble STUDY --set train.shift_averaging=1` makes an ensemble that is measured so",
                ))
            }
        }
    }

    /// The model in another folder, whose model.json says which averaging is asked for.
    fn of_model(self, model: TrainedModel) -> Result<TrainedModel, Failure> {
        let mut file = model.file.clone();
        let TrainSpec { flip_averaging, shift_averaging, .. } = &mut file.train;
        *flip_averaging = self.flip_averaging.unwrap_or(*flip_averaging);
        *shift_averaging = self.shift_averaging.unwrap_or(*shift_averaging);
        if file.features.is_some() && (*flip_averaging || *shift_averaging > 0) {
            return Err(Failure::bad_input(
                "--flip-averaging and --shift-averaging are for images: the model takes rows of a table",
            ));
        }
        file.train
            .check_shift(&model.architecture.shape)
            .map_err(|error| Failure::bad_input(error.message))?;
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("model.safetensors"), model.bytes("model.safetensors")?)?;
        fs::write(folder.path().join("model.json"), line(&file)?)?;
        let path = folder.path().to_owned();
        TrainedModel::read(&path, Some(folder))
    }
}
