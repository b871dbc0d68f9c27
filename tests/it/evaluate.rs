use std::{fs, path::Path};

use serde_json::Value;
use tests::{rung, scratch};

use crate::{
    data::{study, table},
    export::{MLP, test_images, text, trained},
};

/// Without Python: an evaluation repeats the study's own test, from the study and from a folder.
#[test]
fn an_evaluation_repeats_the_studys_test_and_its_validation() {
    repeats_the_study(MLP);
}

#[test]
fn an_evaluation_of_standardised_images_repeats_the_study() {
    repeats_the_study(&format!("{MLP}data: {{input: standard}}\n"));
}

/// Where test samples validated, the figures on the others are the study's, too.
#[test]
fn an_evaluation_of_a_split_of_the_test_part_repeats_the_study() {
    repeats_the_study(&format!("{MLP}data: {{split: paper}}\n"));
}

fn repeats_the_study(study: &str) {
    let folder = scratch();
    let state = trained(folder.path(), "mlp", study);
    let out = text(&folder.path().join("out"));
    rung(&state, &["export", "@last", "--to", "safetensors", "--out", &out]).ok();
    let best = rung(&state, &["best", "mlp", "-o", "json"]).ok().json();
    for model in ["mlp", out.as_str()] {
        let ran = rung(&state, &["evaluate", model, "-o", "json"]).ok();
        assert!(ran.stderr.contains("the test part was used"), "{ran:?}");
        let found = ran.json();
        assert_eq!(found["accuracy"], best["test"]["accuracy"]);
        assert_eq!(found["loss"], best["test"]["loss"]);
        for figure in ["accuracy", "loss", "samples"] {
            assert_eq!(found["clean"][figure], best["test"]["clean"][figure], "{figure}");
        }
        let support: u64 = found["classes"].as_array().unwrap().iter().filter_map(support).sum();
        assert_eq!((found["samples"].as_u64(), support), (Some(10_000), 10_000));
    }
    let ran = rung(&state, &["evaluate", &out, "--part", "validation", "-o", "json"]).ok();
    assert_eq!((&ran.json()["accuracy"], ran.stderr.as_str()), (&best["value"], ""));
}

/// A data set that names its columns and classes is measured by these names, wherever they stand.
#[test]
fn another_table_is_measured_by_the_names_of_its_columns_and_classes() {
    let folder = scratch();
    let (state, own) = (folder.path().join("state"), table(folder.path(), 150));
    let add = |name: &str, path: &Path| {
        rung(&state, &["data", "add", name, &text(path), "--format", "csv", "--label", "species"]).ok();
    };
    add("flowers", &own);
    trained(folder.path(), "flowers", &study("flowers", "{name: flowers}", "mlp"));

    // Others are made of its rows `a,b,c,d,species`, of which the head is one: a column that is put in is called as its cells.
    let rows = fs::read_to_string(&own).unwrap();
    let other = |name: &str, row: &dyn Fn([&str; 5]) -> Option<String>| {
        let made = rows.lines().filter_map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            row(cells.try_into().unwrap())
        });
        let path = folder.path().join(format!("{name}.csv"));
        fs::write(&path, made.collect::<Vec<_>>().join("\n")).unwrap();
        add(name, &path);
    };
    other("turned", &|[a, b, c, d, species]| Some([d, "1", b, a, species, c].join(",")));
    other("fewer", &|[a, b, c, d, species]| (species != "setosa").then(|| [a, b, c, d, species].join(",")));
    other("short", &|[_, b, c, d, species]| Some([b, c, d, species].join(",")));
    other("purple", &|[a, b, c, d, species]| {
        Some([a, b, c, d, if species == "setosa" { "lilac" } else { species }].join(","))
    });

    let evaluate = |data: &str| rung(&state, &["evaluate", "flowers", "--data", data, "-o", "json"]);
    let (flowers, turned) = (evaluate("flowers").ok().json(), evaluate("turned").ok().json());
    assert_eq!((&turned["accuracy"], &turned["loss"]), (&flowers["accuracy"], &flowers["loss"]));
    assert_eq!(turned["classes"], flowers["classes"]);
    let fewer = evaluate("fewer").ok().json();
    let supports: Vec<u64> = fewer["classes"].as_array().unwrap().iter().filter_map(support).collect();
    assert_eq!(supports, [0, 10, 10], "a fifth of 50 rows each");
    for (data, says) in [
        ("short", "data set short has no column `a`: the model takes a, b, c, d"),
        ("purple", "data set purple has a class `lilac`, which the model does not know"),
    ] {
        let ran = evaluate(data);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
        assert!(ran.stderr.contains(says), "{}", ran.stderr);
    }
}

/// The same weights measured in two ways are what a study of each way measured.
#[test]
fn a_model_can_be_measured_over_other_copies_of_images() {
    let folder = scratch();
    let state = trained(folder.path(), "mlp", MLP);
    let averaged = MLP
        .replace("name: mlp", "name: two")
        .replace("512}", "512, flip_averaging: true, shift_averaging: 1}");
    trained(folder.path(), "two", &averaged);
    let test = |study: &str| rung(&state, &["best", study, "-o", "json"]).ok().json()["test"].clone();
    assert_ne!(test("mlp")["loss"], test("two")["loss"]);
    for (trained, as_in, flip, shift) in [("mlp", "two", "true", "1"), ("two", "mlp", "false", "0")] {
        let flags = ["--flip-averaging", flip, "--shift-averaging", shift];
        let found = rung(&state, &[&["evaluate", trained, "-o", "json"][..], &flags].concat()).ok().json();
        let (accuracy, loss) = (&found["accuracy"], &found["loss"]);
        assert_eq!((accuracy, loss), (&test(as_in)["accuracy"], &test(as_in)["loss"]), "{trained}");
    }
    let ran = rung(&state, &["evaluate", "two"]).ok();
    assert!(ran.stdout.contains("mean over  mirror images and shifts by 1 pixel\n"), "{ran:?}");
    assert!(!rung(&state, &["evaluate", "mlp"]).ok().stdout.contains("mean over"));

    // The logits are the image's own: of a mean there are none.
    let images = text(&test_images(folder.path(), 1));
    let said = |study: &str| rung(&state, &["predict", study, &images, "-o", "json"]).ok().json();
    assert!(said("mlp")[0]["logits"].is_array() && said("two")[0]["logits"].is_null());
    let ran = rung(&state, &["evaluate", "mlp", "--shift-averaging", "28"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("shifts everything out of an image of side 28"), "{}", ran.stderr);
}

fn support(class: &Value) -> Option<u64> {
    class["support"].as_u64()
}
