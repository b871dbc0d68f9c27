use common::study::{Hyperband, Rounding, Sizes};
use scheduler::{Plan, plan::CutReason};

use crate::support::{hyperband, spec};

/// A schedule, its brackets written `configs@epochs`, and its totals: configs, evaluations, retrained, resumed.
type Row<'a> = (u32, u32, Sizes, Rounding, &'a str, [u64; 4]);

#[test]
fn plans_are_the_published_ones() {
    use Rounding::{Ceil, Floor};
    use Sizes::{Algorithm1, Keras, Table1};
    let rows: [Row<'_>; 8] = [
        // Li et al., JMLR 18(185), 2018, Algorithm 1.
        (
            81,
            3,
            Algorithm1,
            Floor,
            "81@1 27@3 9@9 3@27 1@81 | 34@3 11@9 3@27 1@81 | 15@9 5@27 1@81 | 8@27 2@81 | 5@81",
            [143, 206, 1902, 1581],
        ),
        (9, 3, Algorithm1, Floor, "9@1 3@3 1@9 | 5@3 1@9 | 3@9", [17, 22, 78, 69]),
        (8, 2, Algorithm1, Floor, "8@1 4@2 2@4 1@8 | 6@2 3@4 1@8 | 4@4 2@8 | 4@8", [22, 35, 128, 98]),
        (
            100,
            3,
            Algorithm1,
            Floor,
            "81@1 27@3 9@11 3@33 1@100 | 34@3 11@11 3@33 1@100 | 15@11 5@33 1@100 | 8@33 2@100 | 5@100",
            [143, 206, 2276, 1903],
        ),
        (
            100,
            3,
            Algorithm1,
            Ceil,
            "81@2 27@4 9@12 3@34 1@100 | 34@4 11@12 3@34 1@100 | 15@12 5@34 1@100 | 8@34 2@100 | 5@100",
            [143, 206, 2472, 2036],
        ),
        // The same paper, Table 1.
        (
            81,
            3,
            Table1,
            Floor,
            "81@1 27@3 9@9 3@27 1@81 | 27@3 9@9 3@27 1@81 | 9@9 3@27 1@81 | 6@27 2@81 | 5@81",
            [128, 187, 1701, 1404],
        ),
        // Keras Tuner 1.4.
        (
            81,
            3,
            Keras,
            Floor,
            "81@1 27@3 9@9 3@27 1@81 | 34@3 12@9 4@27 2@81 | 15@9 5@27 2@81 | 8@27 3@81 | 5@81",
            [143, 211, 2181, 1767],
        ),
        (
            100,
            3,
            Keras,
            Floor,
            "98@2 33@4 11@12 4@34 2@100 | 41@4 14@12 5@34 2@100 | 18@12 6@34 2@100 | 9@34 3@100 | 6@100",
            [172, 254, 3324, 2672],
        ),
    ];
    for (max_epochs, eta, sizes, rounding, brackets, totals) in rows {
        let plan = Plan::hyperband(&Hyperband { max_epochs, eta, sizes, rounding, ..Hyperband::default() });
        assert_eq!(written(&plan), brackets, "R={max_epochs} eta={eta} {sizes:?} {rounding:?}");
        assert_eq!(totals_of(&plan), totals, "R={max_epochs} eta={eta} {sizes:?} {rounding:?}");
        assert!(plan.cuts().is_empty());
    }
}

#[test]
fn trial_numbers_are_the_plans() {
    let plan = Plan::of(&hyperband(81, 3));
    let firsts: Vec<_> = plan.brackets().iter().map(|bracket| (bracket.s, bracket.first.0)).collect();
    assert_eq!(firsts, [(4, 0), (3, 81), (2, 115), (1, 130), (0, 138)]);
    let bracket = |trial| plan.bracket_of(common::ids::TrialNumber(trial));
    assert_eq!([0, 80, 81, 114, 142].map(bracket), [Some(0), Some(0), Some(1), Some(1), Some(4)]);
    assert_eq!(bracket(143), None);
}

#[test]
fn no_bracket_is_lost_to_a_logarithm() {
    // log(243) / log(3), log(125) / log(5) and log(1000) / log(10) are not whole in binary floating point.
    for (max_epochs, eta, brackets) in [(243, 3, 6), (125, 5, 4), (1000, 10, 4), (242, 3, 5), (1, 2, 1)] {
        for sizes in [Sizes::Algorithm1, Sizes::Table1, Sizes::Keras] {
            let plan = Plan::hyperband(&Hyperband { max_epochs, eta, sizes, ..Hyperband::default() });
            assert_eq!(plan.brackets().len(), brackets, "R={max_epochs} eta={eta} {sizes:?}");
        }
    }
}

#[test]
fn min_epochs_is_the_lowest_rung() {
    let plan = |min_epochs, sizes| {
        let hyperband = Hyperband { max_epochs: 81, min_epochs, sizes, ..Hyperband::default() };
        written(&Plan::hyperband(&hyperband))
    };
    assert_eq!(plan(9, Sizes::Algorithm1), "9@9 3@27 1@81 | 5@27 1@81 | 3@81");
    assert_eq!(plan(4, Sizes::Table1), "9@9 3@27 1@81 | 3@27 1@81 | 3@81");
    assert_eq!(plan(9, Sizes::Keras), "15@9 5@27 2@81 | 8@27 3@81 | 5@81");
    assert_eq!(plan(100, Sizes::Algorithm1), "1@81");
}

#[test]
fn iterations_repeat_all_brackets_with_new_trials() {
    let plan = Plan::of(&spec("scheduler: {kind: hyperband, max_epochs: 9, eta: 3, iterations: 3}"));
    assert_eq!(totals_of(&plan), [3 * 17, 3 * 22, 3 * 78, 3 * 69]);
    assert_eq!(plan.brackets()[3].first.0, 17);
    assert_eq!(plan.brackets()[8].iteration, 2);
}

#[test]
fn max_trials_cuts_the_bracket_it_falls_in() {
    let plan = Plan::of(&spec("budget: {max_trials: 90}"));
    assert_eq!(written(&plan), "81@1 27@3 9@9 3@27 1@81 | 9@3 3@9 1@27 1@81");
    let cut = plan.cuts()[0];
    assert_eq!((cut.s, cut.planned, cut.kept, cut.reason), (3, 34, 9, CutReason::MaxTrials));
    assert_eq!(plan.cuts().len(), 1);
}

#[test]
fn total_epochs_is_never_exceeded() {
    let plan = |total| {
        let mut spec = spec("");
        spec.budget.total_epochs = Some(total);
        Plan::of(&spec)
    };
    for total in 0..=1600 {
        let plan = plan(total);
        assert!(plan.epochs_resumed() <= total);
        assert_eq!(plan.cuts().is_empty(), total >= 1581);
        if let Some(cut) = plan.cuts().first() {
            assert_eq!(cut.reason, CutReason::TotalEpochs);
        }
    }
    assert_eq!(plan(80).configs(), 0);
    assert_eq!(written(&plan(81)), "1@1 1@3 1@9 1@27 1@81");
}

#[test]
fn a_bracket_never_has_more_trials_than_the_space_has_points() {
    let small =
        "space: {x: {int: [1, 10]}}\nscheduler: {kind: hyperband, max_epochs: 9, eta: 3, iterations: 2}";
    assert_eq!(written(&Plan::of(&spec(small))), "9@1 3@3 1@9 | 5@3 1@9 | 3@9 | 9@1 3@3 1@9 | 5@3 1@9 | 3@9");
    let tiny = "space: {x: {int: [1, 2]}}\nscheduler: {kind: hyperband, max_epochs: 9, eta: 3}";
    let plan = Plan::of(&spec(tiny));
    assert_eq!(written(&plan), "2@1 1@3 1@9 | 2@3 1@9 | 2@9");
    assert!(plan.cuts().iter().all(|cut| cut.reason == CutReason::Space && cut.kept == 2));
    // A grid uses a point once in a study, so it ends.
    let grid = Plan::of(&spec(&format!("{small}\nsampler: {{kind: grid}}")));
    assert_eq!(written(&grid), "9@1 3@3 1@9 | 1@3 1@9");
}

#[test]
fn a_fixed_schedule_is_one_rung() {
    let listed = "scheduler: {kind: fixed, epochs: 20, trials: [{hparams: {x: 0.1}}, {hparams: {x: 0.2}}]}";
    let plan = Plan::of(&spec(listed));
    assert_eq!(written(&plan), "2@20");
    assert_eq!(totals_of(&plan), [2, 2, 40, 40]);
    assert_eq!(Plan::of(&spec(&format!("{listed}\nbudget: {{max_trials: 1}}"))).configs(), 1);
}

#[test]
fn a_slip_of_the_pen_does_not_fill_memory() {
    let (max_epochs, eta, iterations) = (u32::MAX, 2, 4_000_000_000);
    let plan = Plan::hyperband(&Hyperband { max_epochs, eta, iterations, ..Hyperband::default() });
    assert_eq!(plan.configs(), Plan::MOST_TRIALS);
    assert_eq!(plan.cuts()[0].reason, CutReason::TooLarge);
}

fn written(plan: &Plan) -> String {
    let bracket = |rungs: &[scheduler::RungPlan]| {
        let rungs = rungs.iter().map(|rung| format!("{}@{}", rung.configs, rung.epochs));
        rungs.collect::<Vec<_>>().join(" ")
    };
    plan.brackets().iter().map(|b| bracket(&b.rungs)).collect::<Vec<_>>().join(" | ")
}

fn totals_of(plan: &Plan) -> [u64; 4] {
    [u64::from(plan.configs()), plan.evaluations(), plan.epochs_retrained(), plan.epochs_resumed()]
}
