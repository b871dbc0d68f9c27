use common::study::{Hyperband, Rounding, SchedulerSpec, Sizes, StudySpec};
use scheduler::{BracketPlan, Event, Plan};

use crate::support::{Nature, play, promoted, spec};

const SIZES: [Sizes; 3] = [Sizes::Algorithm1, Sizes::Table1, Sizes::Keras];

/// ray#6780: HyperBand deadlocks for some (max_t, eta).
#[test]
fn every_schedule_is_played_to_its_end() {
    for max_epochs in 1..=300 {
        for eta in 2..=10 {
            // The paper's sizes always, the other two in turn; those not played are checked by formula below.
            let other = [Sizes::Table1, Sizes::Keras][((max_epochs + eta) % 2) as usize];
            for sizes in [Sizes::Algorithm1, other] {
                check_play(Hyperband { max_epochs, eta, sizes, ..Hyperband::default() });
            }
        }
    }
}

fn check_play(played: Hyperband) {
    let name = format!("{played:?}");
    let max_epochs = played.max_epochs;
    let spec = StudySpec { scheduler: SchedulerSpec::Hyperband(played), ..spec("") };
    let (study, log) = play(spec, &Nature { seed: 3, steps: 40, ..Nature::default() }, 7);
    let plan = study.plan();
    let count = |is: fn(&Event) -> bool| log.iter().filter(|event| is(event)).count() as u64;
    assert_eq!(study.complete(), Some(true), "{name}");
    assert_eq!(study.epochs(), plan.epochs_resumed(), "{name}");
    assert_eq!(count(|event| matches!(event, Event::Drawn { .. })), u64::from(plan.configs()), "{name}");
    assert_eq!(count(|event| matches!(event, Event::RungFinished { .. })), plan.evaluations(), "{name}");
    assert_eq!(promoted(&log).len() as u64, plan.evaluations() - u64::from(plan.configs()), "{name}");
    assert_eq!(study.best().unwrap().epochs, max_epochs, "{name}");
    assert_eq!(study.violations(), Vec::<String>::new(), "{name}");
}

/// Sizes are those of the formulas, taken literally and in other arithmetic than the plan's.
#[test]
fn totals_are_the_formulas() {
    for max_epochs in 1..=300 {
        for eta in 2..=10 {
            for (sizes, rounding) in
                SIZES.into_iter().flat_map(|s| [(s, Rounding::Floor), (s, Rounding::Ceil)])
            {
                check_plan(&Hyperband { max_epochs, eta, sizes, rounding, ..Hyperband::default() });
            }
        }
    }
}

fn check_plan(hyperband: &Hyperband) {
    let plan = Plan::hyperband(hyperband);
    let s_max = (0..).take_while(|s| hyperband.eta.pow(*s) <= hyperband.max_epochs).last().unwrap();
    let literal: Vec<_> = (0..=s_max).rev().map(|s| literal_bracket(hyperband, s_max, s)).collect();
    let planned =
        |bracket: &BracketPlan| bracket.rungs.iter().map(|rung| (rung.configs, rung.epochs)).collect();
    let brackets: Vec<Vec<(u32, u32)>> = plan.brackets().iter().map(planned).collect();
    assert_eq!(brackets, literal, "{hyperband:?}");
    let firsts = literal.iter().scan(0, |next, rungs| Some(std::mem::replace(next, *next + rungs[0].0)));
    assert!(plan.brackets().iter().map(|bracket| bracket.first.0).eq(firsts), "{hyperband:?}");
    assert!(
        brackets.iter().all(|b| b.windows(2).all(|w| w[0].0 >= w[1].0 && w[0].1 < w[1].1)),
        "{hyperband:?}"
    );
    // The paper's bound: each of s_max + 1 brackets costs at most (s_max + 1) R.
    if hyperband.sizes != Sizes::Keras && hyperband.rounding == Rounding::Floor {
        assert!(
            plan.epochs_retrained() <= u64::from((s_max + 1).pow(2) * hyperband.max_epochs),
            "{hyperband:?}"
        );
    }
}

/// The rungs of bracket s in rational numbers: a quotient is rounded once, at the end of its formula.
fn literal_bracket(hyperband: &Hyperband, s_max: u32, s: u32) -> Vec<(u32, u32)> {
    let Hyperband { max_epochs, eta, sizes, rounding, .. } = *hyperband;
    let keras_end = (1..).find(|e| eta.pow(e - 1) >= max_epochs).unwrap();
    let rung = |i: u32| {
        let size = match sizes {
            Sizes::Algorithm1 => ((s_max + 1) * eta.pow(s)).div_ceil(s + 1) / eta.pow(i),
            Sizes::Table1 => (s_max + 1) / (s + 1) * eta.pow(s) / eta.pow(i),
            Sizes::Keras => (keras_end * eta.pow(s - i)).div_ceil(s + 1),
        };
        let epochs = match (sizes, rounding) {
            (Sizes::Keras, _) | (_, Rounding::Ceil) => (max_epochs * eta.pow(i)).div_ceil(eta.pow(s)),
            (_, Rounding::Floor) => (max_epochs * eta.pow(i) / eta.pow(s)).max(1),
        };
        (size, epochs)
    };
    (0..=s).map(rung).collect()
}
