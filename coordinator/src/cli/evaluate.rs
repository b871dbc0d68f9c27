//! `rung evaluate`: what a model is worth on a data set.

mod samples;

mod scores;

use clap::{Args, ValueEnum};
use common::{ids::TrialNumber, study::Split};
use serde::Serialize;

use self::{
    samples::Samples,
    scores::{ClassScores, Scores},
};
use super::{
    args::{FormatArgs, TargetArgs},
    data::{self, Opened},
    failure::Failure,
    output::{self, Show, Table},
    text::{count, exact, plural},
    trained::{Answer, Answerer, AveragingArgs},
};

/// Flags of `rung evaluate`.
#[derive(Debug, Args)]
pub(super) struct EvaluateArgs {
    /// A study's name: its best model answers, and of an ensemble the members by their vote. Or a folder that `rung
    /// export --to safetensors` or `rung ensemble --out` wrote
    #[arg(value_name = "MODEL")]
    model: String,
    /// The data set, whose columns and classes are found by their names; without it, the one that the model was trained on
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

impl Part {
    /// The part's name in output.
    fn as_str(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Validation => "validation",
        }
    }
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
    let samples = Samples::of(args.part, &dataset, (&model.file, &model.architecture.shape))?;
    if model.file.data_digest.as_ref().is_some_and(|digest| *digest != dataset.digest) {
        output::message(&format!(
            "{} is not the data that the model was trained on, which was {}",
            dataset.name, model.file.data
        ));
    }
    let answers = answerer.ask(&samples.values, &args.device).await?;
    if answers.len() != samples.truth.len() {
        let (asked, answered) = (samples.truth.len(), answers.len());
        return Err(Failure::failed(format!("rung-worker answered {answered} of {asked} samples")));
    }
    if args.part == Part::Test {
        output::message("the test part was used: a number that was chosen by it is no test result any more");
    }
    let class = |label: usize| model.file.class(label);
    let clean = samples.clean.as_ref().map(|clean| {
        let said: Vec<Answer> = clean.iter().map(|at| answers[*at].clone()).collect();
        let truth: Vec<usize> = clean.iter().map(|at| samples.truth[*at]).collect();
        Clean::from(Scores::of(&said, &truth, &class))
    });
    let report = Evaluation {
        model: answerer.name(),
        study: model.file.study.to_string(),
        trial: answerer.trial(),
        data: dataset.name,
        part: args.part,
        flip_averaging: model.file.train.flip_averaging,
        shift_averaging: model.file.train.shift_averaging,
        scores: Scores::of(&answers, &samples.truth, &class),
        clean,
    };
    output::show(&report, args.output.format)
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
    /// Where test samples validated: what `scores` has is contaminated by them.
    #[serde(skip_serializing_if = "Option::is_none")]
    clean: Option<Clean>,
}

/// Columns that there are only where some test samples validated.
const CLEAN: [&str; 4] = ["clean.samples", "clean.accuracy", "clean.loss", "clean.macro_f1"];

/// What a model is worth on those test samples alone that did not validate.
#[derive(Debug, Serialize)]
struct Clean {
    accuracy: f64,
    loss: f64,
    macro_f1: f64,
    samples: u64,
}

impl From<Scores> for Clean {
    fn from(Scores { accuracy, loss, macro_f1, samples, .. }: Scores) -> Self {
        Self { accuracy, loss, macro_f1, samples }
    }
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

/// Accuracy, loss and macro F1 on all test samples, where some validated.
fn contaminated([accuracy, loss, macro_f1]: [f64; 3]) -> String {
    format!(
        "{accuracy:.4} (loss {loss:.4}, macro_f1 {macro_f1:.4}) on all, validation samples included, as the classes \
         below"
    )
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
        let (all, clean) = ([*accuracy, *loss, *macro_f1], self.clean.as_ref());
        let shown = clean.map_or(all, |clean| [clean.accuracy, clean.loss, clean.macro_f1]);
        let [mut accuracy, loss, macro_f1] = shown.map(|number| format!("{number:.4}"));
        if let Some(clean) = clean {
            accuracy = format!("{accuracy} on the {} clean samples", count(clean.samples));
        }
        facts.extend([("accuracy", accuracy), ("loss", loss), ("macro_f1", macro_f1)]);
        facts.extend(clean.map(|_| ("contaminated", contaminated(all))));
        let facts = output::facts(&facts);
        let mut table = Table::new(["class", "precision", "recall", "f1", "support"]);
        for ClassScores { class, precision, recall, f1, support, .. } in classes {
            let numbers = [precision, recall, f1].map(|number| format!("{number:.4}"));
            table.row([class.clone()].into_iter().chain(numbers).chain([support.to_string()]));
        }
        format!("{facts}\n{}", table.render())
    }

    /// A row for each class; what is said of all samples stands in every row, so that a table has one kind of row.
    fn csv(&self) -> Table {
        let own = ["label", "class", "precision", "recall", "f1", "support", "model", "data", "part"];
        let whole = ["samples", "accuracy", "loss", "macro_f1"].into_iter();
        let clean = CLEAN.into_iter().filter(|_| self.clean.is_some());
        let mut table = Table::new(own.into_iter().chain(whole).chain(clean));
        let Scores { samples, accuracy, loss, macro_f1, classes } = &self.scores;
        let figures = |samples: u64, figures: [f64; 3]| {
            [samples.to_string()].into_iter().chain(figures.map(|figure| exact(Some(figure))))
        };
        let all = || figures(*samples, [*accuracy, *loss, *macro_f1]);
        let clean = || {
            let of = |clean: &Clean| figures(clean.samples, [clean.accuracy, clean.loss, clean.macro_f1]);
            self.clean.as_ref().map(of).into_iter().flatten()
        };
        for ClassScores { label, class, precision, recall, f1, support } in classes {
            let numbers = [precision, recall, f1].map(ToString::to_string);
            let row = [label.to_string(), class.clone()].into_iter().chain(numbers);
            let (model, data, part) = (self.model.clone(), self.data.clone(), self.part.as_str().to_owned());
            table.row(row.chain([support.to_string(), model, data, part]).chain(all()).chain(clean()));
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An evaluation in which three of four samples are answered rightly, of the first two all.
    fn evaluation(clean: Option<u64>) -> Evaluation {
        let answer = |right: f32| Answer {
            logits: Vec::new(),
            log_probabilities: [right, 1.0 - right].map(f32::ln).to_vec(),
        };
        let answers = [0.75, 0.75, 0.75, 0.25].map(answer);
        let scores =
            |count: usize| Scores::of(&answers[..count], &[0; 4][..count], &|label| label.to_string());
        Evaluation {
            model: "trial 3 of mlp".to_owned(),
            study: "mlp".to_owned(),
            trial: Some(TrialNumber(3)),
            data: "flowers".to_owned(),
            part: Part::Test,
            flip_averaging: false,
            shift_averaging: 0,
            scores: scores(4),
            clean: clean.map(|count| scores(count as usize).into()),
        }
    }

    #[test]
    fn csv_has_what_is_said_of_all_samples() {
        let csv = |clean| evaluation(clean).csv().to_csv().unwrap();
        let all = csv(None);
        let lines: Vec<_> = all.lines().collect();
        let head = "label,class,precision,recall,f1,support,model,data,part,samples,accuracy,loss,macro_f1";
        assert_eq!(lines[0], head);
        assert!(lines[1].contains(",4,trial 3 of mlp,flowers,test,4,0.75,"), "{all}");
        assert_eq!(lines.len(), 3, "a row for each class: {all}");
        let clean = csv(Some(2));
        assert!(clean.starts_with(&format!("{head},clean.samples,clean.accuracy,")), "{clean}");
        assert!(clean.contains(",test,4,0.75,") && clean.contains(",2,1,0.28"), "{clean}");
    }

    #[test]
    fn where_test_samples_validated_the_figure_on_the_others_comes_first() {
        let (all, clean) = (evaluation(None), evaluation(Some(2)));
        assert!(all.table().contains("accuracy  0.7500\nloss "), "{}", all.table());
        assert!(!all.table().contains("contaminated"), "{}", all.table());
        let table = clean.table();
        let first = "accuracy      1.0000 on the 2 clean samples\nloss          0.2877\n";
        assert!(table.contains(first), "{table}");
        assert!(table.contains("contaminated  0.7500 (loss 0.5623, macro_f1 "), "{table}");
        let json = serde_json::to_value(&clean).unwrap();
        assert_eq!((&json["accuracy"], &json["samples"]), (&0.75.into(), &4.into()));
        assert_eq!((&json["clean"]["accuracy"], &json["clean"]["samples"]), (&1.0.into(), &2.into()));
        assert!(serde_json::to_value(&all).unwrap().get("clean").is_none());
    }
}
