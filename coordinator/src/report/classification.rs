use serde::Serialize;

use super::confusion::Confusion;

/// Precision, recall and F1 of every class, and their averages, as scikit-learn's `classification_report` defines
/// them; a share of nothing is 0.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Classification {
    pub(super) classes: Vec<ClassScore>,
    pub(super) accuracy: f64,
    /// Each class counts the same.
    pub(super) macro_avg: Scores,
    /// Each class counts by its samples.
    pub(super) weighted_avg: Scores,
    pub(super) support: u64,
}

/// A class and its scores.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct ClassScore {
    pub(super) class: String,
    #[serde(flatten)]
    pub(super) scores: Scores,
    /// Samples of the class.
    pub(super) support: u64,
}

/// Three scores from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub(super) struct Scores {
    /// Share of what was taken for the class that is of it.
    pub(super) precision: f64,
    /// Share of the class that was taken for it.
    pub(super) recall: f64,
    /// Their harmonic mean.
    pub(super) f1: f64,
}

impl Classification {
    /// The scores that follow from a confusion.
    pub(super) fn new(confusion: &Confusion, names: &[String]) -> Self {
        let class = |(class, name): (usize, &String)| {
            let (right, support) = (confusion.counts[class][class], confusion.of_class(class));
            let (precision, recall) = (share(right, confusion.taken_for(class)), share(right, support));
            let f1 = share(2 * right, confusion.taken_for(class) + support);
            ClassScore { class: name.clone(), scores: Scores { precision, recall, f1 }, support }
        };
        let classes: Vec<ClassScore> = names.iter().enumerate().map(class).collect();
        // As scikit-learn does where no labels are given: classes that occur neither way are none.
        let occurring = |class: &usize| confusion.of_class(*class) + confusion.taken_for(*class) > 0;
        let occurring: Vec<usize> = (0..names.len()).filter(occurring).collect();
        let support: u64 = classes.iter().map(|class| class.support).sum();
        let right: u64 = (0..names.len()).map(|class| confusion.counts[class][class]).sum();
        let average = |weight: &dyn Fn(usize) -> f64| {
            let mean = |score: fn(&Scores) -> f64| {
                occurring.iter().map(|class| weight(*class) * score(&classes[*class].scores)).sum::<f64>()
            };
            Scores { precision: mean(|s| s.precision), recall: mean(|s| s.recall), f1: mean(|s| s.f1) }
        };
        Self {
            accuracy: share(right, support),
            macro_avg: average(&|_| 1.0 / occurring.len().max(1) as f64),
            weighted_avg: average(&|class| share(classes[class].support, support)),
            support,
            classes,
        }
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_follow_from_counts() {
        let confusion = Confusion { counts: vec![vec![3, 1, 0], vec![2, 4, 0], vec![0, 0, 0]] };
        let names = ["a", "b", "c"].map(str::to_owned);
        let report = Classification::new(&confusion, &names);
        let a = report.classes[0].scores;
        assert_eq!((a.precision, a.recall, a.f1), (0.6, 0.75, 6.0 / 9.0));
        assert_eq!(report.classes[2].scores, Scores::default(), "a share of nothing is 0");
        assert_eq!((report.accuracy, report.support), (0.7, 10));
        assert!((report.macro_avg.recall - (0.75 + 4.0 / 6.0) / 2.0).abs() < 1e-12);
        assert!((report.weighted_avg.recall - 0.7).abs() < 1e-12, "weighted recall is accuracy");
    }
}
