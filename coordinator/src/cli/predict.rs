//! `rung predict`: what a model takes samples for.

mod pictures;

mod tables;

use clap::Args;
use serde::Serialize;

use super::{
    args::{FormatArgs, TargetArgs},
    failure::Failure,
    input::whole,
    output::{self, Show, Table},
    trained::{Answer, Answerer, AveragingArgs},
};

/// Flags of `rung predict`.
#[derive(Debug, Args)]
pub(super) struct PredictArgs {
    /// A study's name: its best model answers, and of an ensemble the members by their vote. Or a folder that `rung
    /// export --to safetensors` or `rung ensemble --out` wrote
    #[arg(value_name = "MODEL")]
    model: String,
    /// PNG or JPEG files, folders of them, IDX files (also gzipped), or `-` for one of these from standard input; CSV
    /// files with a head where the model takes rows of a table
    #[arg(value_name = "SAMPLES", required = true)]
    samples: Vec<String>,
    /// Classes to show for each sample in a table, the most likely first
    #[arg(long, value_name = "K", default_value_t = 3, value_parser = whole::<u32>(1..=1000))]
    top: u32,
    /// Scale images of another size to the model's; without it they are refused
    #[arg(long)]
    resize: bool,
    /// Turn black to white and white to black: Fashion-MNIST shows white things on black, photographs rarely do
    #[arg(long)]
    invert: bool,
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

/// Prints classes and probabilities.
pub(super) async fn run(args: PredictArgs) -> Result<(), Failure> {
    let answerer = args.averaging.over(Answerer::open(&args.model, &args.target.target()).await?)?;
    let model = answerer.model();
    let Named { names, samples } = match &model.file.features {
        Some(_) if args.resize || args.invert => {
            return Err(Failure::bad_input(
                "--resize and --invert are for images: the model takes rows of a table",
            ));
        }
        Some(features) => tables::read(features, &args.samples)?,
        None => {
            let (shape, scale) = (model.architecture.shape, model.file.pixels.scale);
            pictures::Reader { shape, scale, resize: args.resize, invert: args.invert }.read(&args.samples)?
        }
    };
    let answers = answerer.ask(&samples, &args.device).await?;
    if answers.len() != names.len() {
        let (asked, answered) = (names.len(), answers.len());
        return Err(Failure::failed(format!("rung-worker answered {answered} of {asked} samples")));
    }
    let class = |label: usize| model.file.class(label);
    let rows = names.into_iter().zip(&answers);
    let rows = rows.map(|(name, answer)| Prediction::new(name, answer, args.top as usize, &class));
    output::show(&Predictions(rows.collect::<Result<_, _>>()?), args.output.format)
}

/// Samples with their names.
#[derive(Debug, Default)]
struct Named {
    /// Where each came from.
    names: Vec<String>,
    /// Floats as model.json asks for them, sample by sample; of images channel by channel, row by row.
    samples: Vec<f32>,
}

/// What a model says of one sample.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Prediction {
    sample: String,
    /// The likeliest class's number.
    label: usize,
    /// Its name.
    class: String,
    probability: f64,
    top: Vec<Guess>,
    probabilities: Vec<f64>,
    /// Of one model and one image; a vote has none, nor a mean over copies of an image.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logits: Vec<f32>,
}

/// One class that a sample may be of.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Guess {
    label: usize,
    class: String,
    probability: f64,
}

impl Prediction {
    /// The prediction for a sample; fails where the answer is no number.
    fn new(
        sample: String,
        answer: &Answer,
        top: usize,
        class: &impl Fn(usize) -> String,
    ) -> Result<Self, Failure> {
        let Some(label) = answer.likeliest() else {
            return Err(Failure::failed(format!("the model's answer to {sample} is no number")).help(
                "its weights diverged in training, or the sample's values are too large for it: leave the sample out, or \
                 take another model",
            ));
        };
        let probabilities = answer.probabilities();
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        // Stable, so that the first of equals stays first.
        order.sort_by(|a, b| answer.log_probabilities[*b].total_cmp(&answer.log_probabilities[*a]));
        let guess = |label: usize| Guess { label, class: class(label), probability: probabilities[label] };
        Ok(Self {
            sample,
            label,
            class: class(label),
            probability: probabilities[label],
            top: order.into_iter().take(top).map(guess).collect(),
            logits: answer.logits.clone(),
            probabilities,
        })
    }
}

/// Samples in the order in which they were named.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Predictions(Vec<Prediction>);

impl Show for Predictions {
    fn table(&self) -> String {
        let mut table = Table::new(["sample", "label", "class", "probability", "next"]);
        for row in &self.0 {
            let next = row.top.iter().skip(1);
            let next: Vec<_> =
                next.map(|guess| format!("{} {:.4}", guess.class, guess.probability)).collect();
            let probability = format!("{:.4}", row.probability);
            table.row([&row.sample, &row.label.to_string(), &row.class, &probability, &next.join(", ")]);
        }
        table.render()
    }

    /// One column for each class's probability.
    fn csv(&self) -> Table {
        let classes = self.0.first().map_or(0, |row| row.probabilities.len());
        let head = ["sample", "label", "class", "probability"].map(str::to_owned);
        let mut table = Table::new(head.into_iter().chain((0..classes).map(|class| format!("p{class}"))));
        for row in &self.0 {
            let fixed =
                [row.sample.clone(), row.label.to_string(), row.class.clone(), row.probability.to_string()];
            table.row(fixed.into_iter().chain(row.probabilities.iter().map(ToString::to_string)));
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_stand_by_probability_and_columns_by_class() {
        let answer = Answer { logits: vec![0.0; 3], log_probabilities: vec![-2.0, 0.0, -2.0] };
        let class = |label: usize| ["coat", "bag", "boot"][label].to_owned();
        let row = Prediction::new("a.png".to_owned(), &answer, 2, &class).unwrap();
        assert_eq!((row.label, row.top.len(), row.top[1].class.as_str()), (1, 2, "coat"));
        let rows = Predictions(vec![row]);
        assert!(rows.table().ends_with("a.png       1  bag         1.0000  coat 0.1353"), "{}", rows.table());
        let csv = rows.csv().to_csv().unwrap();
        assert!(
            csv.starts_with("sample,label,class,probability,p0,p1,p2\na.png,1,bag,1,0.13533528"),
            "{csv}"
        );
    }

    #[test]
    fn an_answer_that_is_no_number_is_refused() {
        let answer = Answer { logits: vec![f32::NAN; 2], log_probabilities: vec![f32::NAN; 2] };
        let failure =
            Prediction::new("a.png".to_owned(), &answer, 2, &|label| label.to_string()).unwrap_err();
        assert_eq!(failure.message, "the model's answer to a.png is no number");
    }
}
