use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use safetensors::SafeTensors;
use tests::{Cluster, Ran, rung, scratch};

use crate::data::images;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A study of one small residual net, ranked by its training loss.
fn resnet(name: &str, data: &str, epochs: u32, train: &str) -> String {
    format!(
        "name: {name}\ndata: {{name: {data}}}\nmodel: resnet\nobjective: {{metric: train_loss}}\n\
         train: {{batch_size: 8, {train}}}\n\
         scheduler:\n  kind: fixed\n  epochs: {epochs}\n  \
         trials: [{{hparams: {{width: 4, blocks: 1, stages: 2, lr: 0.01}}}}]\n"
    )
}

fn refused(ran: &Ran, says: &str) {
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
    assert!(ran.stderr.contains(says), "`{says}` is not in {ran:?}");
}

/// Tensors of a file by name, as bytes.
fn tensors(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect()
}

/// A state folder with images of three and of two classes, and the weights of a net that was trained on the three.
struct Bench {
    folder: tempfile::TempDir,
    state: PathBuf,
    weights: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let folder = scratch();
        let (state, out) = (folder.path().join("state"), folder.path().join("out"));
        let bench = Self { state, weights: out.join("model.safetensors"), folder };
        let images = images(bench.folder.path(), 30);
        let add = |name: &str| bench.rung(&["data", "add", name, text(&images), "--format", "folder"]).ok();
        add("three");
        fs::remove_dir_all(images.join("red")).unwrap();
        add("two");
        bench.run(&resnet("first", "three", 8, ""), &["--out", text(&out)]).ok();
        bench
    }

    fn rung(&self, args: &[&str]) -> Ran {
        rung(&self.state, args)
    }

    fn run(&self, study: &str, flags: &[&str]) -> Ran {
        let file = self.folder.path().join("study.yaml");
        fs::write(&file, study).unwrap();
        self.rung(&[&["run", text(&file), "--local", "1"], flags].concat())
    }

    fn submit(&self, study: &str) -> Ran {
        let file = self.folder.path().join("study.yaml");
        fs::write(&file, study).unwrap();
        self.rung(&["study", "submit", text(&file)])
    }

    fn best(&self, study: &str) -> serde_json::Value {
        self.rung(&["best", study, "-o", "json"]).ok().json()
    }
}

#[test]
fn a_study_begins_with_weights_of_another() {
    let bench = Bench::new();
    let added = bench.rung(&["model", "add", "shapes-net", text(&bench.weights), "-o", "json"]).ok().json();
    assert_eq!(added["facts"]["origin"]["model"], "resnet");
    assert_eq!(added["facts"]["tensors"]["dense.weight"], serde_json::json!([3, 8]));
    assert!(bench.rung(&["model"]).ok().stdout.contains("stored weights of resnet"));
    let shown = bench.rung(&["model", "show", "shapes-net"]).ok().stdout;
    assert!(shown.contains("stem.conv.weight") && shown.contains("4 × 3 × 3 × 3"), "{shown}");

    // Two classes need another head, so it is drawn anew; the rest is ahead of what is drawn.
    bench.run(&resnet("drawn", "two", 1, ""), &[]).ok();
    bench.run(&resnet("begun", "two", 1, "initial_weights: shapes-net"), &[]).ok();
    let loss = |study: &str| bench.best(study)["value"].as_f64().unwrap();
    assert!(loss("begun") < loss("drawn"), "{} {}", loss("begun"), loss("drawn"));

    // Of a frozen backbone every tensor is still what it was.
    let frozen = "initial_weights: {name: shapes-net, freeze: backbone}";
    let out = bench.folder.path().join("frozen");
    bench.run(&resnet("frozen", "two", 2, frozen), &["--out", text(&out)]).ok();
    let before = tensors(&bench.weights);
    for (name, bytes) in tensors(&out.join("model.safetensors")) {
        let moves = name.starts_with("dense.") || name.ends_with(".num_batches_tracked");
        assert_eq!(bytes != before[&name], moves, "{name}");
    }

    // The file that trains the same model again names the weights that it began with.
    let file = out.join("best.yaml");
    assert!(fs::read_to_string(&file).unwrap().contains(added["facts"]["digest"].as_str().unwrap()));
    bench.rung(&["run", text(&file), "--local", "1"]).ok();
    assert_eq!(bench.best("@last")["weights"], bench.best("frozen")["weights"]);
    // Finished studies need the weights no more, and that file needs them again.
    bench.rung(&["model", "remove", "shapes-net"]).ok();
    refused(&bench.rung(&["study", "submit", text(&file)]), "which are not in this cluster");
    bench.rung(&["model", "add", "by-another-name", text(&bench.weights)]).ok();
    bench.rung(&["study", "submit", text(&file)]).ok();
}

#[test]
fn weights_that_do_not_fit_are_refused_and_those_in_use_stay() {
    let bench = Bench::new();
    let alone = bench.folder.path().join("alone.safetensors");
    fs::copy(&bench.weights, &alone).unwrap();
    let add = |name: &str, path: &Path| bench.rung(&["model", "add", name, text(path)]);
    refused(&add("mine", &bench.folder.path().join("none")), "cannot read");
    refused(&add("resnet-20", &alone), "is a preset that rung knows");
    refused(&add("Mine", &alone), "a-z, 0-9 and -");
    let whole = fs::read(&alone).unwrap();
    fs::write(bench.folder.path().join("cut.safetensors"), &whole[..whole.len() - 1]).unwrap();
    refused(&add("mine", &bench.folder.path().join("cut.safetensors")), "is no safetensors file");
    refused(&bench.rung(&["model", "remove", "mine"]), "there are no weights `mine`");
    assert!(!bench.rung(&["model"]).ok().stdout.contains("mine"), "nothing was stored");

    // Without a model.json the weights are held against each study.
    add("mine", &alone).ok();
    add("mine", &alone).ok();
    refused(&add("mine", &bench.weights), "have other content");
    let begun = resnet("begun", "two", 1, "initial_weights: mine");
    refused(&bench.submit(&begun.replace(": mine", ": mime")), "did you mean `mine`?");
    refused(&bench.submit(&begun.replace("width: 4", "width: 8")), "`stem.conv.weight` is 4 × 3 × 3 × 3");
    refused(
        &bench.submit(&begun.replace("blocks: 1", "blocks: 2")),
        "they lack `stage_1.block_2.conv_0.weight`",
    );
    refused(&bench.submit(&begun.replace("stages: 2", "stages: 1")), "which the model lacks");
    assert!(bench.rung(&["study"]).ok().stdout.lines().count() == 2, "only the first study was stored");

    bench.submit(&begun).ok();
    refused(&bench.rung(&["model", "remove", "mine"]), "what the unfinished study begun begins with");
    bench.rung(&["study", "stop", "begun"]).ok();
    bench.rung(&["model", "remove", "mine"]).ok();
    refused(&bench.rung(&["model", "show", "mine"]), "there is no model `mine`");
}

#[tokio::test]
async fn workers_fetch_the_weights_and_a_killed_one_changes_nothing() -> Result<()> {
    let bench = Bench::new();
    let images = bench.folder.path().join("shapes");
    let search = "
name: search
data: {name: two}
model: resnet
space: {width: {choice: [4]}, blocks: {choice: [1]}, stages: {choice: [2]}, lr: {choice: [0.01, 0.003, 0.001]}}
scheduler: {kind: hyperband, max_epochs: 3, eta: 3}
train: {batch_size: 8, initial_weights: shapes-net}
";
    let mut tables = Vec::new();
    for workers in [1, 2] {
        let mut cluster = Cluster::start(workers).await?;
        let state = cluster.state();
        rung(&state, &["data", "add", "two", text(&images), "--format", "folder"]).ok();
        rung(&state, &["model", "add", "shapes-net", text(&bench.weights)]).ok();
        cluster.submit(search).await?;
        if workers == 2 {
            cluster.until("search", 120, |study| study.epochs >= 2 || study.finished.is_some()).await?;
            cluster.kill_worker(0)?;
        }
        tables.push(cluster.table("search").await?);
    }
    assert!(tables[0].iter().all(|row| row.weights.is_some() && row.value.is_some()));
    assert_eq!(tables[0], tables[1]);
    Ok(())
}
