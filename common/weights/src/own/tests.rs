use common::{
    hparams::{Hparams, Scalar},
    model_spec::{DataShape, ModelSpec},
    study::ModelKind,
};
use half::{bf16, f16};
use safetensors::{Dtype, tensor::TensorView};

use super::*;

/// A tensor to write: its name, type, shape and bytes.
type Written = (String, Dtype, Vec<usize>, Vec<u8>);

fn single(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn file(folder: &Path, tensors: &[Written]) -> PathBuf {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (name.clone(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    let path = folder.join("model.safetensors");
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    path
}

fn one(dtype: Dtype, shape: &[usize], bytes: Vec<u8>) -> Vec<Written> {
    vec![("w".to_owned(), dtype, shape.to_vec(), bytes)]
}

fn problem(folder: &Path, tensors: &[Written]) -> String {
    read(&file(folder, tensors)).unwrap_err().to_string()
}

#[test]
fn half_precision_becomes_single_and_counts_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let numbers = [0.5f32, -2.0, 0.099_975_586];
    let halves: Vec<u8> = numbers.iter().flat_map(|n| f16::from_f32(*n).to_le_bytes()).collect();
    let brains: Vec<u8> = numbers[..2].iter().flat_map(|n| bf16::from_f32(*n).to_le_bytes()).collect();
    let tensors = [
        ("a.weight".to_owned(), Dtype::F16, vec![3], halves),
        ("b.weight".to_owned(), Dtype::BF16, vec![2], brains),
        ("c.weight".to_owned(), Dtype::F32, vec![1, 1], single(&[7.25])),
        ("c.num_batches_tracked".to_owned(), Dtype::I64, vec![], vec![1; 8]),
    ];
    let packed = read(&file(folder.path(), &tensors)).unwrap();
    let unpacked = crate::unpack(&packed.bytes).unwrap();
    assert_eq!(unpacked.tensors.keys().collect::<Vec<_>>(), ["a.weight", "b.weight", "c.weight"]);
    assert_eq!(unpacked.tensors["a.weight"].bytes[..], single(&numbers));
    assert_eq!(unpacked.tensors["b.weight"].bytes[..], single(&numbers[..2]));
    assert_eq!(crate::verified(&packed.bytes).unwrap(), packed.facts);
}

#[test]
fn what_cannot_be_a_weight_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (tensors, says) in [
        (one(Dtype::F64, &[1], vec![0; 8]), "`w` is F64: weights are F32, F16 or BF16"),
        (one(Dtype::I64, &[1], vec![0; 8]), "`w` is I64"),
        (one(Dtype::F32, &[2], single(&[1.0, f32::NAN])), "`w` holds NaN at element 1"),
        (one(Dtype::F32, &[0, 4], vec![]), "`w` has the shape [0, 4]"),
        (vec![("a\u{1b}[2J".to_owned(), Dtype::F32, vec![1], vec![0; 4])], r#""a\u{1b}[2J" is no name"#),
        (Vec::new(), "it holds no tensor"),
    ] {
        let problem = problem(folder.path(), &tensors);
        assert!(problem.contains(says) && problem.contains("model.safetensors`: "), "{problem}");
    }
}

#[test]
fn a_file_that_is_not_whole_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), &one(Dtype::F32, &[1], single(&[1.0])));
    let whole = fs::read(&path).unwrap();
    let with_length = |length: u64| [&length.to_le_bytes()[..], &whole[8..]].concat();
    for (bytes, says) in [
        (whole[..whole.len() - 1].to_vec(), "it is no safetensors file: "),
        ([&whole[..], &[0]].concat(), "it is no safetensors file: "),
        (with_length(2 << 20), "its header claims 2097152 bytes, and 1048576 are the most"),
        (with_length(1 << 20), "its header claims 1048576 bytes, and "),
        (b"PK\x03\x04 and so on".to_vec(), "may hold code and is never read"),
        (b"hello".to_vec(), "it has 5 bytes"),
        (b"x,y,label\n1,2,3\n".to_vec(), "it is no safetensors file: it is a text"),
        (vec![7; 64], "it is no safetensors file: there is no header where one has to be"),
        (vec![0; 8], "it is no safetensors file: "),
    ] {
        fs::write(&path, bytes).unwrap();
        let problem = read(&path).unwrap_err().to_string();
        assert!(problem.contains(says), "{problem}");
    }
    assert!(read(folder.path()).unwrap_err().to_string().contains("name the file in it"));
    assert!(read(&folder.path().join("none")).unwrap_err().to_string().starts_with("cannot read `"));
}

/// What `rung run --out` writes beside the weights, as far as it matters.
fn describe(folder: &Path, units: u32) {
    let json = format!(
        r#"{{"study":"s","trial":3,"metric":"val_accuracy","value":0.5,"epochs":2,
        "hparams":{{"layers":1,"units":{units}}},"model":"mlp","parameters":0,"checkpoint":null,"complete":true,
        "test":null,"data":"mine","input":{{"channels":1,"height":2,"width":2,"classes":2}},"classes":["a","b"],
        "layers":[{{"name":"dense_1","op":{{"kind":"dense","inputs":{units},"outputs":2}},"output":[2],
        "parameters":0}}],"format":"safetensors"}}"#
    );
    fs::write(folder.join("model.json"), json).unwrap();
}

#[test]
fn a_model_json_beside_the_file_tells_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let hparams = Hparams::from([("layers", Scalar::Int(1)), ("units", Scalar::Int(3))]);
    let input = DataShape { channels: 1, height: 2, width: 2, classes: 2 };
    let model = ModelSpec::build(ModelKind::Mlp, &hparams, &input).unwrap();
    let zeros = |shape: &[u32]| vec![0; 4 * shape.iter().product::<u32>() as usize];
    let sides = |shape: &[u32]| shape.iter().map(|side| *side as usize).collect();
    let mut tensors: Vec<Written> = model
        .parameter_tensors()
        .into_iter()
        .map(|t| (t.name, Dtype::F32, sides(&t.shape), zeros(&t.shape)))
        .collect();
    let unknown = read(&file(folder.path(), &tensors)).unwrap();
    assert_eq!(unknown.facts.origin, None);

    describe(folder.path(), 3);
    let known = read(&file(folder.path(), &tensors)).unwrap();
    assert_eq!(known.facts.origin, Some(Origin { model: ModelKind::Mlp, hparams, input }));
    assert_ne!(known.facts.digest, unknown.facts.digest);
    assert_eq!(crate::verified(&known.bytes).unwrap(), known.facts);

    describe(folder.path(), 4);
    let other = problem(folder.path(), &tensors);
    assert!(other.contains("`dense_0.bias` is 3 and should be 4") && other.contains("move that file away"));
    describe(folder.path(), 3);
    tensors.retain(|(name, ..)| name != "dense_1.weight");
    assert!(problem(folder.path(), &tensors).contains("`dense_1` is missing or has another shape"));
    fs::write(folder.path().join("model.json"), "{").unwrap();
    let foreign = problem(folder.path(), &tensors);
    assert!(
        foreign.contains("model.json`: it is no model.json")
            && foreign.ends_with("to add the weights without it")
    );
}
