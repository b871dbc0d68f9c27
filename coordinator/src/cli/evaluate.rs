//! `rung evaluate`: what a model is worth on a data set.

mod scores;

use ::data::{Dataset, Values};
use clap::{Args, ValueEnum};
use common::{
    ids::TrialNumber,
    model_file::ModelFile,
    model_spec::DataShape,
    split::Parts,
    study::{DataSpec, Split},
};
use serde::Serialize;

use self::scores::{ClassScores, Scores};
use super::{
    args::{FormatArgs, TargetArgs},
    data::{self, Opened},
    failure::Failure,
    output::{self, Show, Table},
    text::{count, plural},
    trained::{Answerer, AveragingArgs},
};

/// Flags of `rung evaluate`.
#[derive(Debug, Args)]
pub(super) struct EvaluateArgs {
    /// A study's name: its best model answers, and of an ensemble the members by their vote. Or a folder that `rung
    /// export --to safetensors` or `rung ensemble --out` wrote
    #[arg(value_name = "MODEL")]
    model: String,
    /// The data set; without it, the one that the model was trained on
    #[arg(long, value_name = "NAME")]
    data: Option<String>,
    /// Which of its samples
    #[arg(long, value_enum, value_name = "PART", default_value_t = Part::Test)]
    part: Part,
    /// What to compute on: auto, cpu, cuda:N or mps
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: String,
    #[command(flatten)]
    averaging: AveragingArgs,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    output: FormatArgs,
}

/// A part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum Part {
    /// The test part; whoever chooses by it has no test part left
    Test,
    /// What the study ranked trials on: of the training part, or of the test part with `split: paper`
    Validation,
}

/// Prints accuracy, loss and a row for each class.
pub(super) async fn run(args: EvaluateArgs) -> Result<(), Failure> {
    let answerer = args.averaging.over(Answerer::open(&args.model, &args.target.target()).await?)?;
    let model = answerer.model();
    if args.part == Part::Validation && model.file.split == Split::None {
        return Err(Failure::bad_input("the model was trained with `split: none`, which held nothing out")
            .help("use --part test"));
    }
    let name = args.data.as_deref().unwrap_or(&model.file.data);
    let Opened { dataset, .. } = data::open(&args.target.target(), name).await?;
    fits(&model.architecture.shape, &dataset)?;
    if model.file.data_digest.as_ref().is_some_and(|digest| *digest != dataset.digest) {
        output::message(&format!(
            "{} is not the data that the model was trained on, which was {}",
            dataset.name, model.file.data
        ));
    }
    let Samples { values, truth } = samples(args.part, &dataset, &model.file);
    let answers = answerer.ask(&values, &args.device).await?;
    if answers.len() != truth.len() {
        let (asked, answered) = (truth.len(), answers.len());
        return Err(Failure::failed(format!("rung-worker answered {answered} of {asked} samples")));
    }
    if args.part == Part::Test {
        output::message("the test part was used: a number that was chosen by it is no test result any more");
    }
    let scores = Scores::of(&answers, &truth, &|label| model.file.class(label));
    let report = Evaluation {
        model: answerer.name(),
        study: model.file.study.to_string(),
        trial: answerer.trial(),
        data: dataset.name,
        part: args.part,
        flip_averaging: model.file.train.flip_averaging,
        shift_averaging: model.file.train.shift_averaging,
        scores,
    };
    output::show(&report, args.output.format)
}

/// Fails where the data's samples are not what the model takes.
fn fits(shape: &DataShape, dataset: &Dataset) -> Result<(), Failure> {
    let ::data::Samples { channels, height, width, .. } = dataset.test;
    let wanted = [shape.channels, shape.height, shape.width].map(|side| side as usize);
    if wanted != [channels, height, width] || shape.classes as usize != dataset.classes.len() {
        return Err(Failure::bad_input(format!(
            "the model takes {} × {} × {} values of {} classes, but {} has {channels} × {height} × {width} of {}",
            shape.channels,
            shape.height,
            shape.width,
            shape.classes,
            dataset.name,
            dataset.classes.len()
        ))
        .help("name a data set of the same shape with --data"));
    }
    Ok(())
}

/// Samples as a model takes them.
struct Samples {
    /// Floats as model.json asks for them, sample by sample.
    values: Vec<f32>,
    /// Their classes.
    truth: Vec<usize>,
}

/// The samples of a part, in the order of the data set.
fn samples(part: Part, dataset: &Dataset, model: &ModelFile) -> Samples {
    let labels = (&dataset.train.labels[..], &dataset.test.labels[..]);
    let picked = match part {
        Part::Test => dataset.test.clone(),
        Part::Validation => {
            let spec = DataSpec { split: model.split, split_seed: model.split_seed, ..DataSpec::default() };
            let Parts { validation, .. } = Parts::of(&spec, labels, dataset.classes.len(), &dataset.digest);
            let judged = if model.split == Split::Paper { &dataset.test } else { &dataset.train };
            judged.pick(&validation)
        }
    };
    let values = match &picked.values {
        Values::Pixels(pixels) => pixels.iter().map(|byte| f32::from(*byte) * model.pixels.scale).collect(),
        // Who wrote model.json before features were in it had to standardise.
        Values::Features(features) => match &dataset.scale {
            Some(scale) if model.features.is_none() => scale.standardised(features),
            _ => features.clone(),
        },
    };
    Samples { values, truth: picked.labels.iter().map(|label| usize::from(*label)).collect() }
}

/// What a model is worth.
#[derive(Debug, Serialize)]
struct Evaluation {
    model: String,
    study: String,
    /// None of an ensemble.
    #[serde(skip_serializing_if = "Option::is_none")]
    trial: Option<TrialNumber>,
    data: String,
    part: Part,
    /// Whether answers were averaged over mirror images.
    flip_averaging: bool,
    /// Over shifts by how many pixels; 0 for none.
    shift_averaging: u32,
    #[serde(flatten)]
    scores: Scores,
}

impl Evaluation {
    /// The copies of an image that its answer is the mean over, in words; none where it is the image alone.
    fn copies(&self) -> Option<String> {
        let shifts = format!("shifts by {}", plural(self.shift_averaging, "pixel"));
        match (self.flip_averaging, self.shift_averaging) {
            (false, 0) => None,
            (true, 0) => Some("mirror images".to_owned()),
            (false, _) => Some(shifts),
            (true, _) => Some(format!("mirror images and {shifts}")),
        }
    }
}

impl Show for Evaluation {
    fn table(&self) -> String {
        let Scores { samples, accuracy, loss, macro_f1, classes } = &self.scores;
        let part = match self.part {
            Part::Test => "test (now used)",
            Part::Validation => "validation",
        };
        let mut facts = vec![
            ("model", self.model.clone()),
            ("data", format!("{}, {part}, {} samples", self.data, count(*samples))),
        ];
        facts.extend(self.copies().map(|copies| ("mean over", copies)));
        facts.extend([
            ("accuracy", format!("{accuracy:.4}")),
            ("loss", format!("{loss:.4}")),
            ("macro_f1", format!("{macro_f1:.4}")),
        ]);
        let facts = output::facts(&facts);
        let mut table = Table::new(["class", "precision", "recall", "f1", "support"]);
        for ClassScores { class, precision, recall, f1, support, .. } in classes {
            let numbers = [precision, recall, f1].map(|number| format!("{number:.4}"));
            table.row([class.clone()].into_iter().chain(numbers).chain([support.to_string()]));
        }
        format!("{facts}\n{}", table.render())
    }

    /// A row for each class.
    fn csv(&self) -> Table {
        let mut table = Table::new(["label", "class", "precision", "recall", "f1", "support"]);
        for ClassScores { label, class, precision, recall, f1, support } in &self.scores.classes {
            let numbers = [precision, recall, f1].map(ToString::to_string);
            let row = [label.to_string(), class.clone()].into_iter().chain(numbers);
            table.row(row.chain([support.to_string()]));
        }
        table
    }
}
