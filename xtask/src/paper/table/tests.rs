use super::*;
use crate::paper::ensemble::{Part, Scaled};
use crate::paper::job::named;
use crate::paper::record::{ClassF1, Test};

fn record(row: &str, run: u32, accuracy: f64) -> Record {
    Record {
        row: row.to_owned(),
        run,
        epochs: 8,
        file: None,
        search_epochs: None,
        trained: 8,
        parameters: 904_330,
        metric: "train_loss".to_owned(),
        value: 0.5,
        test: Test { accuracy, loss: 0.3, clean: None },
        f1: vec![ClassF1 { class: "Shirt".to_owned(), f1: 0.8 }],
        hparams: serde_json::Value::Null,
        votes: None,
        active_seconds: 6.0,
        training_seconds: None,
        machine: "a machine".to_owned(),
    }
}

fn line<'a>(page: &'a str, row: &str) -> &'a str {
    page.lines().find(|line| line.contains(row)).unwrap()
}

#[test]
fn runs_are_averaged_and_listed_and_short_ones_say_so() {
    let page = page(&[record("mlp-small", 1, 0.90), record("mlp-small", 2, 0.91)]);
    let own = line(&page, "`mlp-small` two");
    assert!(own.contains("0.9050 ± 0.0071") && own.contains("0.8000 ± 0.0000"), "{own}");
    assert!(own.contains("| 2 of 5 | 8 of 100 | 0.2 |"), "{own}");
    assert!(
        page.contains("| `mlp-small` | 2 | 0.9100 |  | 0.3000 | 0.8000 | 8 | 8 | 0.1 | a machine |"),
        "{page}"
    );
    assert!(page.contains("`cnn-best` Rung's own CNN, which that search preferred |  | not run yet"));
    assert!(line(&page, "`cnn-4block` ").contains("| 0.9308, loss 0.1952, Shirt 0.78 | not run yet"));
    assert!(!page.contains("Other recipes"), "no other recipe of these rows was measured: {page}");
}

#[test]
fn recipes_that_were_measured_before_are_told() {
    let page = page(&[record("cnn-best", 1, 0.95)]);
    assert!(page.contains("## Other recipes that were measured"), "{page}");
    let told = page.lines().filter(|line| line.starts_with("| `cnn-best` |")).count();
    let tried = TRIED.iter().filter(|old| old.row == "cnn-best").count();
    assert!(tried > 0);
    assert_eq!(told, 1 + tried, "{page}");
    assert!(TRIED.iter().all(|old| named(old.row).is_ok()));
}

#[test]
fn runs_of_fewer_epochs_do_not_count_beside_longer_ones() {
    let long = Record { epochs: 100, ..record("mlp-small", 1, 0.91) };
    let page = page(&[long, record("mlp-small", 2, 0.5)]);
    assert!(line(&page, "`mlp-small` two").contains("| 0.9100 |"));
    assert!(page.contains("| `mlp-small` | 2 | 0.5000 |"));
}

#[test]
fn a_configuration_of_a_short_search_says_so() {
    let full = Record { epochs: 27, search_epochs: Some(27), ..record("mlp-search-best", 1, 0.9) };
    let short = Record { search_epochs: Some(9), ..full.clone() };
    let shown = |record| line(&page(&[record]), "`mlp-search-best` ").to_owned();
    assert!(shown(full).contains("| 1 of 5 | 27 |"));
    assert!(shown(short).contains("| 1 of 5 | 27, chosen with 9 of 27 |"));
}

#[test]
fn an_ensemble_shows_its_votes_and_who_finished() {
    let voter = |name: &str, accuracy| Voter {
        name: name.to_owned(),
        trial: None,
        picks: None,
        validation: Part { accuracy, loss: 0.2, f1: vec![0.7] },
        test: Part { accuracy, loss: 0.2, f1: vec![0.7] },
        clean: Some(Part { accuracy: accuracy - 0.001, loss: 0.2, f1: vec![0.7] }),
        temperature: 1.25,
        scaled: Scaled { validation_loss: 0.1, test_loss: 0.15, clean_loss: Some(0.16) },
    };
    let rows = [("member 0", 0.93), ("member 2", 0.94), ("best single", 0.94), ("soft vote", 0.95)];
    let votes = Votes {
        planned: 3,
        members: 2,
        vote: "greedy".to_owned(),
        classes: vec!["Shirt".to_owned()],
        test_samples: 10_000,
        contaminated: 1_000,
        rows: rows.map(|(name, accuracy)| voter(name, accuracy)).to_vec(),
    };
    let clean = votes.clean(votes.row("soft vote").unwrap()).unwrap();
    assert_eq!((clean.loss, clean.samples), (0.16, 9_000));
    let page = page(&[Record { votes: Some(votes), epochs: 4, ..record("ensemble", 1, 0.95) }]);
    let epochs = named("ensemble").unwrap().epochs;
    assert!(line(&page, "`ensemble` soft").contains(&format!("| 2 of 15 members | 4 of {epochs} |")));
    assert!(page.contains("2 of 3 members finished"), "{page}");
    assert!(page.contains("| soft vote | 0.9500 | 0.9490 | 0.2000 | 1.250 | 0.1500 | 0.7000 |"), "{page}");
    assert!(page.contains("Members alone: 0.9350 ± 0.0071 (0.9300, 0.9400)."), "{page}");
}
