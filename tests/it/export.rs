use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use ::data::{Samples, Sources};
use tests::{pytorch, rung, scratch};

use crate::data::{images, study, table};

pub(crate) const MLP: &str = "
name: mlp
model: mlp
scheduler:
  kind: fixed
  epochs: 1
  trials: [{hparams: {layers: 2, units_0: 32, units_1: 16, dropout_0: 0.2, lr: 0.003}}]
train: {batch_size: 512}
";

const CNN: &str = "
name: cnn
model: cnn
scheduler:
  kind: fixed
  epochs: 1
  trials: [{hparams: {blocks: 1, filters_1: 2, kernel: 3, pool: 4, dropout: 0.1, lr: 0.003}}]
train: {batch_size: 512}
";

const TWO: &str = "
name: two
model: cnn
scheduler:
  kind: fixed
  epochs: 1
  trials:
    - hparams: {blocks: 1, filters_1: 2, kernel: 3, pool: 4, dropout: 0.1, lr: 0.003}
    - hparams: {blocks: 1, filters_1: 3, kernel: 3, pool: 4, dropout: 0.0, lr: 0.01}
train: {batch_size: 512, flip_averaging: true, shift_averaging: 1}
data: {input: standard}
";

/// A state folder with one trained study.
pub(crate) fn trained(folder: &Path, name: &str, study: &str) -> PathBuf {
    let (state, file) = (folder.join("state"), folder.join("study.yaml"));
    fs::write(&file, study).unwrap();
    rung(&state, &["run", &text(&file), "--local", "1"]).ok();
    assert!(rung(&state, &["best", name, "-o", "json"]).ok().json()["test"].is_object());
    state
}

pub(crate) fn text(path: &Path) -> String {
    path.display().to_string()
}

/// The first images of the test part as an IDX file.
pub(crate) fn test_images(folder: &Path, count: usize) -> PathBuf {
    let test = ::data::open("fashion-mnist", &Sources::from_env()).unwrap().test;
    let (Samples { height, width, .. }, Some(pixels)) = (&test, test.pixels()) else { unreachable!() };
    let sizes = [count, *height, *width].map(|size| (size as u32).to_be_bytes());
    let path = folder.join("images.idx");
    fs::write(&path, [&[0, 0, 8, 3][..], &sizes.concat(), &pixels[..count * height * width]].concat())
        .unwrap();
    path
}

/// What is exported of a study of Fashion-MNIST is the same model to PyTorch as to Rung.
fn agrees_with_pytorch(name: &str, study: &str) {
    let Some(python) = pytorch() else { return };
    let folder = scratch();
    let state = trained(folder.path(), name, study);
    let samples = test_images(folder.path(), 300);
    agrees(python, folder.path(), (&state, name), (&samples, &samples));
}

/// PyTorch and Rung say the same of samples, which lie where each of them can read them.
fn agrees(
    mut python: Command,
    folder: &Path,
    (state, name): (&Path, &str),
    (samples, in_python): (&Path, &Path),
) {
    let out = text(&folder.join(format!("out-{name}")));
    rung(state, &["export", name, "--to", "safetensors", "--out", &out]).ok();
    rung(state, &["export", name, "--to", "torchscript", "--out", &out]).ok();
    let said = rung(state, &["predict", &out, &text(samples), "-o", "json"]).ok();
    let predictions = folder.join("predictions.json");
    fs::write(&predictions, said.stdout).unwrap();

    python.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/it/export.py"));
    says_same(python.arg(&out).arg(in_python).arg(&predictions));
}

/// Python finds nothing that differs.
fn says_same(python: &mut Command) {
    let output = python.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "same\n");
}

/// Members whose vote PyTorch counts as Rung does, from the members' files and from one file; with mirror images and shifts.
#[test]
fn an_exported_ensemble_votes_the_same_in_pytorch() {
    let Some(mut python) = pytorch() else { return };
    let folder = scratch();
    let state = trained(folder.path(), "two", TWO);
    rung(&state, &["ensemble", "two", "--from", "trials", "--members", "2", "--local", "1"]).ok();
    let samples = test_images(folder.path(), 300);
    python.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/it/export_ensemble.py")).arg(&samples);
    for vote in ["soft", "hard", "greedy"] {
        let out = folder.path().join(vote);
        for form in ["safetensors", "torchscript"] {
            let export = ["export", "two-ensemble", "--to", form, "--vote", vote, "--out", &text(&out)];
            let ran = rung(&state, &export).ok();
            assert!(ran.stderr.contains("ensemble.json"), "{ran:?}");
        }
        let said = rung(&state, &["predict", &text(&out), &text(&samples), "-o", "json"]).ok();
        fs::write(out.join("predictions.json"), said.stdout).unwrap();
        python.arg(&out);
    }
    says_same(&mut python);
}

#[test]
fn an_exported_mlp_is_the_same_in_pytorch() {
    agrees_with_pytorch("mlp", MLP);
}

#[test]
fn an_exported_cnn_of_standardised_images_is_the_same_in_pytorch() {
    agrees_with_pytorch("cnn", &format!("{CNN}data: {{input: standard}}\n"));
}

#[test]
fn an_exported_mlp_of_a_table_is_the_same_in_pytorch() {
    let Some(python) = pytorch() else { return };
    let folder = scratch();
    let (state, table) = (folder.path().join("state"), table(folder.path(), 150));
    let add = ["data", "add", "flowers", &text(&table), "--format", "csv", "--label", "species"];
    rung(&state, &add).ok();
    let state = trained(folder.path(), "flowers", &study("flowers", "{name: flowers}", "mlp"));
    agrees(python, folder.path(), (&state, "flowers"), (&table, &table));
}

/// Some images of Fashion-MNIST as IDX files of one's own.
fn few_images(folder: &Path) -> PathBuf {
    let all = ::data::open("fashion-mnist", &Sources::from_env()).unwrap();
    let path = folder.join("few");
    fs::create_dir(&path).unwrap();
    for (name, part, count) in [("train", &all.train, 600), ("t10k", &all.test, 300)] {
        let Some(pixels) = part.pixels() else { unreachable!() };
        let [number, side] = [count, part.height].map(|size: usize| (size as u32).to_be_bytes());
        let images = [&[0, 0, 8, 3][..], &number, &side, &side, &pixels[..count * part.height * part.width]];
        fs::write(path.join(format!("{name}-images-idx3-ubyte")), images.concat()).unwrap();
        let labels = [&[0, 0, 8, 1][..], &number, &part.labels[..count]];
        fs::write(path.join(format!("{name}-labels-idx1-ubyte")), labels.concat()).unwrap();
    }
    path
}

/// Networks of every family, with batch norm, residuals, both heads and all activations, trained for moments.
#[test]
fn models_of_every_family_are_the_same_in_pytorch() {
    if pytorch().is_none() {
        return;
    }
    let folder = scratch();
    let state = folder.path().join("state");
    let add = |name: &str, path: &Path, form: &str| {
        rung(&state, &["data", "add", name, &text(path), "--format", form]).ok();
    };
    add("few", &few_images(folder.path()), "idx");
    let shapes = images(folder.path(), 20);
    add("shapes", &shapes, "folder");
    let grey = test_images(folder.path(), 100);
    let (colours, pixels) = (shapes.join("red"), folder.path().join("red.raw"));
    fs::write(&pixels, planes(&colours)).unwrap();
    for (name, data, model, hparams) in [
        ("dense", "few", "mlp", "layers: 2, units: 24, batch_norm: true, activation: gelu, dropout: 0.1"),
        (
            "blocks",
            "few",
            "cnn",
            "blocks: 2, filters: 4, kernel: 3, pool: 2, activation: silu, head: average",
        ),
        ("residual", "few", "resnet", "width: 4, blocks: 1, activation: elu"),
        ("equal", "few", "vgg", "width: 4, convs: 2, head: average, dense_layers: 0, activation: leaky_relu"),
        ("coloured", "shapes", "resnet", "width: 4, blocks: 2, stages: 2, activation: tanh"),
        ("bare", "shapes", "vgg", "width: 4, convs: 1, blocks: 2, batch_norm: false"),
    ] {
        let study = format!(
            "name: {name}\ndata: {{name: {data}}}\nmodel: {model}\ntrain: {{batch_size: 20}}\n\
             scheduler: {{kind: fixed, epochs: 3, trials: [{{hparams: {{lr: 0.01, {hparams}}}}}]}}\n"
        );
        trained(folder.path(), name, &study);
        let samples = if data == "few" { (&grey, &grey) } else { (&colours, &pixels) };
        agrees(pytorch().unwrap(), folder.path(), (&state, name), (samples.0, samples.1));
    }
}

/// The pixels of a folder's images by name, each image channel by channel.
fn planes(folder: &Path) -> Vec<u8> {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let planes = |path: &PathBuf| {
        let image = image::open(path).unwrap().into_rgb8();
        (0..3).flat_map(|channel| image.pixels().map(|pixel| pixel[channel]).collect::<Vec<_>>()).collect()
    };
    paths.iter().map(planes).collect::<Vec<Vec<u8>>>().concat()
}

/// Another vote takes the place of the first; a member's model and an ensemble want folders of their own.
#[test]
fn files_of_two_votes_never_mix() {
    let folder = scratch();
    let (state, folder) = (&trained(folder.path(), "two", TWO), folder.path());
    rung(state, &["ensemble", "two", "--from", "trials", "--members", "2", "--local", "1"]).ok();
    let out = folder.join("soft");
    let export = |more: &[&str], out: &Path| {
        let line = ["export", "two-ensemble", "--out", &text(out), "--to"];
        rung(state, &[&line, more].concat())
    };
    export(&["safetensors", "--vote", "soft"], &out).ok();
    export(&["torchscript", "--vote", "hard"], &out).ok();
    let ballot = fs::read_to_string(out.join("ensemble.json")).unwrap();
    assert!(ballot.contains(r#""vote":"hard""#) && !out.join("ensemble.py").exists(), "{ballot}");
    let alone = folder.join("alone");
    export(&["safetensors", "--trial", "1"], &alone).ok();
    let member = rung(state, &["evaluate", &text(&alone)]).ok();
    assert!(member.stdout.contains("trial 1 of two-ensemble"), "{member:?}");
    for (more, out, says) in [
        (&["safetensors"][..], &alone, "has model.json: one folder holds a model or an ensemble"),
        (
            &["safetensors", "--trial", "1"],
            &out,
            "has ensemble.json: one folder holds a model or an ensemble",
        ),
        (&["csv", "--vote", "hard"], &alone, "--trial and --vote are for a model"),
        (&["safetensors", "--vote", "hard", "--trial", "1"], &alone, "cannot be used with"),
    ] {
        let ran = export(more, out);
        assert_eq!(ran.code, Some(2), "{more:?}: {ran:?}");
        assert!(ran.stderr.contains(says), "{more:?} does not say `{says}`: {}", ran.stderr);
    }
    let best = |out: &Path| rung(state, &["best", "two", "--out", &text(out)]);
    let ran = best(&out);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("has ensemble.json: one folder holds a model or an ensemble"), "{ran:?}");
    assert!(!out.join("best.json").exists() && alone.join("model.py").exists());
    best(&alone).ok();
    assert!(!alone.join("model.py").exists(), "it is another model's");
    assert!(rung(state, &["evaluate", &text(&alone)]).ok().stdout.contains("of two\n"));

    let ran = rung(state, &["evaluate", "two-ensemble", "--shift-averaging", "0"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("are for a single model"), "{}", ran.stderr);
    fs::write(out.join("ensemble.json"), ballot.replace(r#""voters""#, r#""others""#)).unwrap();
    let ran = rung(state, &["predict", &text(&out), "nothing.png"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("missing field `voters`"), "{}", ran.stderr);
    fs::write(out.join("ensemble.json"), ballot.replace("two-ensemble", "other-ensemble")).unwrap();
    let ran = rung(state, &["predict", &text(&out), "nothing.png"]);
    assert!(ran.stderr.contains("member-0 holds trial 0 of two-ensemble"), "{}", ran.stderr);
}

#[test]
fn tables_have_every_trial_and_every_epoch() {
    let folder = scratch();
    let (state, file) = (folder.path().join("state"), folder.path().join("study.yaml"));
    let space = "space: {width: {int: [1, 64]}}";
    fs::write(
        &file,
        format!("name: quick\nmodel: formula\n{space}\nscheduler: {{kind: hyperband, max_epochs: 9}}\n"),
    )
    .unwrap();
    rung(&state, &["run", &text(&file), "--local", "2"]).ok();
    let out = folder.path().join("out");
    rung(&state, &["export", "quick", "--to", "csv", "--out", &text(&out)]).ok();
    rung(&state, &["export", "quick", "--to", "jsonl", "--out", &text(&out)]).ok();
    let rows = |name: &str| fs::read_to_string(out.join(name)).unwrap().lines().count();
    let trials = rung(&state, &["trial", "list", "quick", "-o", "json"]).ok().json();
    let (trials, epochs) = (trials.as_array().unwrap(), "epochs");
    let epochs: u64 = trials.iter().filter_map(|trial| trial[epochs].as_u64()).sum();
    assert_eq!([rows("trials.csv"), rows("trials.jsonl")], [trials.len() + 1, trials.len()]);
    assert_eq!([rows("curves.csv"), rows("curves.jsonl")], [epochs as usize + 1, epochs as usize]);

    // The formula has no network, and says so before anything is written.
    let none = folder.path().join("none");
    for form in ["safetensors", "torchscript"] {
        let ran = rung(&state, &["export", "quick", "--to", form, "--out", &text(&none)]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains("describes no network"), "{ran:?}");
    }
    assert!(!none.exists());
}

#[test]
fn a_study_without_a_result_has_nothing_to_use() {
    let folder = scratch();
    let (state, file) = (folder.path().join("state"), folder.path().join("study.yaml"));
    fs::write(&file, MLP).unwrap();
    rung(&state, &["study", "submit", &text(&file)]).ok();
    let out = text(&folder.path().join("out"));
    let images = text(&test_images(folder.path(), 1));
    for (args, says) in [
        (&["export", "mlp", "--to", "safetensors", "--out", &out][..], "no finished trial yet"),
        (&["export", "mlp", "--to", "torchscript", "--out", &out], "no finished trial yet"),
        (&["export", "mlp", "--to", "csv", "--out", &out], "no trial has begun yet"),
        (&["predict", "mlp", &images], "no finished trial yet"),
        (&["evaluate", "mlp"], "no finished trial yet"),
    ] {
        let ran = rung(&state, args);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{args:?}: {ran:?}");
        assert!(ran.stderr.contains(says) && ran.stderr.contains("rung study watch mlp"), "{ran:?}");
    }
    assert!(!Path::new(&out).exists());
}

#[test]
fn a_model_that_does_not_fit_is_refused_and_nothing_is_written() {
    let folder = scratch();
    let state = trained(folder.path(), "mlp", MLP);
    let model = folder.path().join("model");
    rung(&state, &["export", "mlp", "--to", "safetensors", "--out", &text(&model)]).ok();
    let images = text(&test_images(folder.path(), 1));
    let refused = |args: &[&str], says: &str| {
        let ran = rung(&state, args);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{args:?}: {ran:?}");
        assert!(ran.stderr.contains(says), "{args:?} does not say `{says}`: {}", ran.stderr);
    };
    let folder_name = text(&model);
    refused(&["predict", &folder_name, "none.png"], "none.png cannot be read");
    refused(&["predict", "nothing", &images], "nothing");
    refused(&["export", "mlp", "--to", "safetensors", "--trial", "7", "--out", "x"], "no trial 7");
    refused(&["export", "mlp", "--to", "csv", "--trial", "0", "--out", "x"], "--trial");
    refused(&["evaluate", &folder_name, "--data", "fashion-minst"], "fashion-mnist");

    // Weights that somebody changed are used, and that they are others is said.
    let json = fs::read_to_string(model.join("model.json")).unwrap();
    assert_eq!(rung(&state, &["predict", &folder_name, &images]).ok().stderr, "");
    let other = model.join("model.safetensors");
    let whole = fs::read(&other).unwrap();
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(&other, changed).unwrap();
    let ran = rung(&state, &["predict", &folder_name, &images]).ok();
    assert!(ran.stderr.contains("holds other weights than those"), "{ran:?}");
    fs::write(&other, whole).unwrap();

    // Layers that the weights lack, weights that the layers lack, and weights cut short.
    let (weights, file) = (model.join("model.safetensors"), model.join("model.json"));
    fs::write(&file, json.replace("\"dense_2\"", "\"dense_3\"")).unwrap();
    refused(&["predict", &folder_name, &images], "`dense_3.weight` is missing");
    let dense = json.find("{\"name\":\"dense_1\"").unwrap();
    let relu = dense + json[dense..].find("},{").unwrap() + 2;
    fs::write(&file, format!("{}{}", &json[..dense], &json[relu..])).unwrap();
    refused(&["predict", &folder_name, &images], "is no tensor of this model");
    fs::write(&file, &json).unwrap();
    let whole = fs::read(&weights).unwrap();
    fs::write(&weights, &whole[..whole.len() - 1]).unwrap();
    refused(&["evaluate", &folder_name], "model.safetensors");
    fs::write(&weights, &whole[..100]).unwrap();
    refused(&["evaluate", &folder_name], "model.safetensors is smaller than the");
    fs::remove_file(&file).unwrap();
    refused(&["predict", &folder_name, &images], "model.json");
}
