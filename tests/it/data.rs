use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use image::{Rgb, RgbImage};
use tests::{Cluster, Ran, rung, scratch};

/// So many images of 8 × 8 pixels in each of three classes, whose colours differ.
pub(crate) fn images(folder: &Path, each: u32) -> PathBuf {
    let path = folder.join("shapes");
    for (class, name) in ["blue", "green", "red"].into_iter().enumerate() {
        fs::create_dir_all(path.join(name)).unwrap();
        for number in 0..each {
            let image = RgbImage::from_fn(8, 8, |x, y| {
                let noise = (number * 31 + x * 7 + y * 13) % 90;
                Rgb([2, 1, 0].map(|channel| (noise + if channel == class { 150 } else { 0 }) as u8))
            });
            image.save(path.join(name).join(format!("{number:03}.png"))).unwrap();
        }
    }
    path
}

/// A table of four features in which the first two tell three classes apart.
pub(crate) fn table(folder: &Path, rows: u32) -> PathBuf {
    let mut text = "a,b,c,d,species\n".to_owned();
    for row in 0..rows {
        let (class, noise) = (row % 3, f64::from(row * 17 % 23) / 23.0);
        let name = ["setosa", "versicolor", "virginica"][class as usize];
        let (a, b) = (f64::from(class) * 1000.0 + 400.0 * noise, f64::from(class) * 0.01 - 0.002 * noise);
        writeln!(text, "{a},{b},{},7,{name}", 0.5 - noise).unwrap();
    }
    let path = folder.join("table.csv");
    fs::write(&path, text).unwrap();
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub(crate) fn study(name: &str, data: &str, model: &str) -> String {
    let hparams = match model {
        "mlp" => "layers: 1, units: 16, lr: 0.01",
        _ => "blocks: 1, filters_1: 4, kernel: 3, pool: 2, dropout: 0.0, lr: 0.01",
    };
    format!(
        "name: {name}\ndata: {data}\nmodel: {model}\ntrain: {{batch_size: 16}}\n\
         scheduler: {{kind: fixed, epochs: 8, trials: [{{hparams: {{{hparams}}}}}]}}\n"
    )
}

/// The file below a folder whose path has a word in it.
fn file_called(folder: &Path, word: &str) -> PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if text(&path).contains(word) => return path,
                false => {}
            }
        }
    }
    panic!("no file is called {word}");
}

fn refused(ran: &Ran, says: &str) {
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains(says), "`{says}` is not in {ran:?}");
}

#[tokio::test]
async fn a_folder_of_images_is_fetched_by_a_worker_and_trained_on() -> Result<()> {
    let folder = scratch();
    let images = images(folder.path(), 30);
    let cluster = Cluster::start(1).await?;
    let state = cluster.state();
    let add =
        |name: &str| rung(&state, &["data", "add", name, text(&images), "--format", "folder", "-o", "json"]);
    let added = add("shapes").ok().json();
    assert_eq!((&added["facts"]["train"], &added["facts"]["test"]), (&72.into(), &18.into()));
    assert_eq!(added["facts"]["classes"], serde_json::json!(["blue", "green", "red"]));
    let shown = rung(&state, &["data", "show", "shapes", "-o", "json"]).ok().json();
    assert_eq!((&shown["channels"], &shown["digest"]), (&3.into(), &added["facts"]["digest"]));

    let digest = added["facts"]["digest"].as_str().unwrap();
    let object = file_called(&state.join("objects"), digest);
    for model in ["mlp", "cnn"] {
        cluster.submit(&study(model, "{name: shapes}", model)).await?;
        cluster.table(model).await?;
        // The second study's workers need not ask for what they have.
        if object.exists() {
            fs::rename(&object, object.with_extension("away"))?;
        }
        let best = cluster.best(model).await?;
        assert!(best.study.test.unwrap().accuracy > 0.9, "{best:?}");
        let facts = best.spec.data.facts.unwrap();
        assert_eq!(facts.digest.to_string(), added["facts"]["digest"].as_str().unwrap());
        assert_eq!((facts.channels, facts.height, facts.width, facts.train), (3, 8, 8, 72));
    }

    fs::rename(object.with_extension("away"), &object)?;

    // What a name means stays, and stays there while a study needs it.
    assert_eq!(add("shapes").ok().json()["facts"], added["facts"]);
    fs::remove_file(images.join("red/000.png"))?;
    refused(&add("shapes"), "has other content");
    refused(&rung(&state, &["data", "remove", "shapes"]), "is used by study");
    for model in ["mlp", "cnn"] {
        rung(&state, &["study", "delete", model]).ok();
    }
    rung(&state, &["data", "remove", "shapes"]).ok();
    let listed = rung(&state, &["data", "list", "-o", "json"]).ok().json();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    let error = cluster.submit(&study("late", "{name: shapes}", "mlp")).await.unwrap_err();
    assert!(format!("{error:#}").contains("unknown data set `shapes`"), "{error:#}");
    Ok(())
}

#[test]
fn a_table_trains_without_a_coordinator_and_validates_on_its_test_part() {
    let folder = scratch();
    let (state, table) = (folder.path().join("state"), table(folder.path(), 150));
    let add = ["data", "add", "flowers", text(&table), "--format", "csv", "--label", "species", "-o", "json"];
    let added = rung(&state, &add).ok().json();
    assert_eq!((&added["facts"]["kind"], &added["facts"]["width"]), (&"table".into(), &4.into()));
    assert!(rung(&state, &["data"]).ok().stdout.contains("flowers"));
    assert!(rung(&state, &["data", "verify", "flowers"]).ok().stdout.contains("as it was added"));

    let file = folder.path().join("study.yaml");
    fs::write(&file, study("cut", "{name: flowers}", "cnn")).unwrap();
    for command in [&["study", "submit"][..], &["plan"]] {
        let command = [command, &[text(&file)]].concat();
        refused(&rung(&state, &command), "needs images, and `flowers` is a table");
    }
    fs::write(&file, study("cut", "{name: flowers, split: none}", "mlp")).unwrap();
    refused(&rung(&state, &["study", "submit", text(&file)]), "use train_loss or train_accuracy");
    for (key, part) in [
        ("augment", "space: {layers: {int: [0, 1]}, units: {choice: [8]}, augment: {choice: [none, light]}}"),
        ("flip", "space: mlp-best"),
        ("augment", "scheduler: {kind: fixed, epochs: 1, trials: [{hparams: {layers: 0, augment: light}}]}"),
        ("shift_averaging", "space: mlp\ntrain: {shift_averaging: 1}"),
    ] {
        fs::write(&file, format!("name: cut\ndata: {{name: flowers}}\nmodel: mlp\n{part}\n")).unwrap();
        refused(
            &rung(&state, &["study", "submit", text(&file)]),
            &format!("`{key}` needs images, and `flowers` is a table"),
        );
    }

    fs::write(&file, study("cut", "{name: flowerz}", "mlp")).unwrap();
    let plan = rung(&state, &["plan", text(&file)]).ok();
    assert!(plan.stderr.contains("data set flowerz is not in this cluster yet"), "{plan:?}");

    fs::write(&file, study("cut", "{name: flowers, split: paper}", "mlp")).unwrap();
    let plan = rung(&state, &["plan", text(&file)]).ok();
    assert!(plan.stdout.contains("(120 an epoch)"), "{plan:?}");
    let out = folder.path().join("out");
    rung(&state, &["run", text(&file), "--local", "1", "--out", text(&out)]).ok();
    let best = rung(&state, &["best", "cut", "-o", "json"]).ok().json();
    assert!(best["test"]["accuracy"].as_f64().unwrap() > 0.9, "{best}");
    assert_eq!(best["test"]["clean"]["samples"], 27, "three of thirty test samples validate");
    assert!(rung(&state, &["best", "cut"]).ok().stdout.contains("on all, validation samples included"));
    let model: serde_json::Value =
        serde_json::from_slice(&fs::read(out.join("model.json")).unwrap()).unwrap();
    assert_eq!(model["classes"], serde_json::json!(["setosa", "versicolor", "virginica"]));

    // What leaves Rung takes rows as they stand in the table, whatever the order of its columns.
    assert_eq!(model["features"]["columns"], serde_json::json!(["a", "b", "c", "d"]));
    let evaluated = rung(&state, &["evaluate", text(&out), "-o", "json"]).ok().json();
    assert_eq!(evaluated["accuracy"], best["test"]["accuracy"]);
    assert_eq!(evaluated["loss"], best["test"]["loss"]);
    let turned = folder.path().join("turned.csv");
    fs::write(&turned, "note,d,c,b,a\nx,7,0.2,0.01,1100\n").unwrap();
    let said = rung(&state, &["predict", text(&out), text(&turned), "-o", "json"]).ok().json();
    assert_eq!(said[0]["class"], "versicolor", "{said}");
    assert_eq!(said[0]["sample"], format!("{}:2", text(&turned)));
    refused(&rung(&state, &["predict", "cut", text(&turned), "--resize"]), "are for images");
    refused(&rung(&state, &["evaluate", "cut", "--shift-averaging", "1"]), "are for images");
    let other = rung(&state, &["evaluate", "cut", "--data", "fashion-mnist"]);
    refused(&other, "the model takes 1 × 1 × 4 values of 3 classes, but fashion-mnist has 1 × 28 × 28 of 10");
    fs::write(&turned, "d,c,b\n7,0.2,0.01\n").unwrap();
    refused(&rung(&state, &["predict", "cut", text(&turned)]), "no column `a`: the model takes a, b, c, d");

    fs::write(
        &file,
        study("all", "{name: flowers, split: none}", "mlp") + "objective: {metric: train_loss}\n",
    )
    .unwrap();
    rung(&state, &["run", text(&file), "--local", "1"]).ok();
    let best = rung(&state, &["best", "all", "-o", "json"]).ok().json();
    assert!(best["value"].as_f64().unwrap() < 0.7 && best["metric"] == "train_loss", "{best}");
    refused(&rung(&state, &["evaluate", "all", "--part", "validation"]), "which held nothing out");

    // The file that trains the same model again names the data that it was trained on.
    rung(&state, &["run", text(&out.join("best.yaml")), "--local", "1"]).ok();
    let elsewhere = folder.path().join("elsewhere");
    refused(
        &rung(&elsewhere, &["study", "submit", text(&out.join("best.yaml"))]),
        "which is not in this cluster",
    );
}

#[test]
fn what_cannot_be_read_is_named_and_nothing_is_stored() {
    let folder = scratch();
    let state = folder.path().join("state");
    let images = images(folder.path(), 2);
    let add =
        |path: &Path, flags: &[&str]| rung(&state, &[&["data", "add", "mine", text(path)], flags].concat());
    let as_folder = ["--format", "folder"];
    refused(&add(&images.join("none"), &as_folder), "shapes/none");
    fs::create_dir(images.join("yellow")).unwrap();
    refused(&add(&images, &as_folder), "yellow`: this class folder is empty");
    fs::write(images.join("yellow/x.png"), b"no image").unwrap();
    refused(&add(&images, &as_folder), "yellow/x.png`: the image does not decode");
    RgbImage::new(9, 8).save(images.join("yellow/x.png")).unwrap();
    refused(&add(&images, &as_folder), "all images must have one size");
    refused(&add(&table(folder.path(), 9), &["--format", "csv"]), "it has no column `label`");
    refused(&add(&images, &["--format", "zip"]), "zip");
    refused(&add(&images, &["--format", "folder", "--label", "x"]), "only --format csv has columns");
    refused(&rung(&state, &["data", "add", "Mine", text(&images), "--format", "folder"]), "a-z, 0-9 and -");
    refused(&rung(&state, &["data", "remove", "mine"]), "unknown data set `mine`");
    refused(&rung(&state, &["data", "show", "mine"]), "unknown data set `mine`");
    assert!(!state.exists(), "nothing was to be stored");
}

#[test]
fn fashion_mnist_is_shown_in_pictures() {
    let folder = scratch();
    let (state, out) = (folder.path().join("state"), folder.path().join("out"));
    let shown =
        rung(&state, &["data", "show", "fashion-mnist", "--out", text(&out), "-o", "json"]).ok().json();
    assert_eq!((&shown["train"], &shown["classes"][6]["name"]), (&60_000.into(), &"Shirt".into()));
    assert_eq!(fs::read_to_string(out.join("samples.svg")).unwrap().matches("data:image/png").count(), 40);
    for (file, says) in [("classes.svg", "Ankle boot"), ("data.json", "\"test_share\":0.1")] {
        assert!(fs::read_to_string(out.join(file)).unwrap().contains(says), "{file}");
    }
    let dataset = data::open("fashion-mnist", &data::Sources::from_env()).unwrap();
    assert_eq!(data::Scale::known("fashion-mnist"), data::Scale::of_pixels(&dataset.train));
    let known = common::study::DataFacts::known("fashion-mnist").unwrap();
    assert_eq!(shown["digest"], known.digest.to_string());
    let names: Vec<_> =
        shown["classes"].as_array().unwrap().iter().map(|class| class["name"].clone()).collect();
    assert_eq!(serde_json::json!(known.classes), serde_json::json!(names));
}
