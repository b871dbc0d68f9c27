use super::*;
use crate::{hparams::Scalar, preset::preset, study::SchedulerSpec};

mod draws;

const SHAPE: DataShape = DataShape { channels: 1, height: 28, width: 28, classes: 10 };

/// The model of a preset of one configuration.
fn model(name: &str) -> ModelSpec {
    let study = preset(name).unwrap().study;
    let SchedulerSpec::Fixed { trials, .. } = &study.scheduler else { panic!("{name} searches") };
    ModelSpec::build(study.model, &trials[0].hparams, &study.data.shape().unwrap()).unwrap()
}

fn names(model: &ModelSpec) -> Vec<&str> {
    model.layers.iter().map(|layer| layer.name.as_str()).collect()
}

#[test]
fn presets_have_the_published_parameter_counts() {
    for (name, parameters) in [
        ("mlp-small", 235_146),
        ("mlp-medium", 575_050),
        ("mlp-large", 903_498),
        ("cnn-4block", 314_730),
        ("cnn-5block", 872_554),
        ("resnet-small", 174_970),
        ("resnet-20", 272_186),
        ("vgg-small", 435_754),
    ] {
        assert_eq!(model(name).parameters(), parameters, "{name}");
    }
    assert_eq!(ModelSpec::build(ModelKind::Formula, &Hparams::default(), &SHAPE).unwrap().parameters(), 0);
}

/// Training took so many microseconds an image on one core, each net measured beside the others.
#[test]
fn costs_are_in_proportion_to_what_was_measured() {
    let measured = [("resnet-small", 1480.0), ("resnet-20", 2114.0)];
    let rates = measured.map(|(name, microseconds)| model(name).cost() as f64 / microseconds);
    assert!((0.8..1.25).contains(&(rates[0] / rates[1])), "{rates:?}");
    // A convolution trains few numbers but uses them for every pixel.
    assert!(model("cnn-4block").parameters() < model("mlp-large").parameters());
    assert!(model("cnn-4block").cost() > 10 * model("mlp-large").cost());
}

#[test]
fn a_dense_network_is_flatten_then_dense_relu_dropout() {
    let hparams = Hparams::from([
        ("layers", Scalar::Int(2)),
        ("units_0", Scalar::Int(8)),
        ("units_1", Scalar::Int(4)),
        ("dropout_0", Scalar::Float(0.0)),
        ("dropout_1", Scalar::Float(0.5)),
    ]);
    let model = ModelSpec::build(ModelKind::Mlp, &hparams, &SHAPE).unwrap();
    assert_eq!(names(&model), ["flatten", "dense_0", "relu_0", "dense_1", "relu_1", "dropout_1", "dense_2"]);
    let outputs: Vec<u32> = model.layers.iter().map(|layer| layer.output[0]).collect();
    assert_eq!(outputs, [784, 8, 8, 4, 4, 4, 10]);
    let last = model.layers.last().unwrap();
    assert_eq!(
        *last,
        Layer {
            name: "dense_2".to_owned(),
            op: Op::Dense { inputs: 4, outputs: 10 },
            from: None,
            output: vec![10],
            parameters: 50,
        }
    );
}

#[test]
fn one_width_and_dropout_serve_all_layers() {
    let tied = Hparams::from([
        ("layers", Scalar::Int(3)),
        ("units", Scalar::Int(16)),
        ("units_1", Scalar::Int(32)),
        ("dropout", Scalar::Float(0.1)),
        ("dropout_2", Scalar::Float(0.0)),
    ]);
    let model = ModelSpec::build(ModelKind::Mlp, &tied, &SHAPE).unwrap();
    assert_eq!(model.parameters(), 785 * 16 + 17 * 32 + 33 * 16 + 17 * 10);
    assert!(names(&model).contains(&"dropout_1") && !names(&model).contains(&"dropout_2"));
}

#[test]
fn pools_larger_than_the_image_are_left_out() {
    let hparams = Hparams::from([
        ("filters_1", Scalar::Int(16)),
        ("filters_2", Scalar::Int(32)),
        ("filters_3", Scalar::Int(32)),
        ("filters_4", Scalar::Int(32)),
        ("kernel", Scalar::Int(3)),
        ("pool", Scalar::Int(4)),
    ]);
    let model = ModelSpec::build(ModelKind::Cnn, &hparams, &SHAPE).unwrap();
    let pools: Vec<&str> = names(&model).into_iter().filter(|name| name.ends_with("pool")).collect();
    assert_eq!(pools, ["block_1.pool", "block_2.pool"]);
    let flat = model.layers.iter().find(|layer| layer.op == Op::Flatten).unwrap();
    assert_eq!(flat.output, [32]);
    assert_eq!(
        names(&model)[..7],
        [
            "block_1.conv_0",
            "block_1.norm_0",
            "block_1.relu_0",
            "block_1.conv_1",
            "block_1.norm_1",
            "block_1.relu_1",
            "block_1.pool"
        ]
    );
}

/// Modules of PyTorch are named so: no name twice, none that another one is inside of.
#[test]
fn layer_names_make_a_tree_of_modules() {
    for name in ["mlp-large", "cnn-5block", "resnet-small", "resnet-20", "vgg-small"] {
        let model = model(name);
        let mut names = names(&model);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), model.layers.len(), "{name}");
        let inside = |a: &str, b: &str| b.strip_prefix(a).is_some_and(|rest| rest.starts_with('.'));
        assert!(!names.iter().any(|a| names.iter().any(|b| inside(a, b))), "{name}: {names:?}");
    }
}

/// Whoever reads the list from the top has every output that a layer asks for.
#[test]
fn layers_refer_to_earlier_layers_of_fitting_shapes() {
    let model = model("resnet-20");
    for (i, layer) in model.layers.iter().enumerate() {
        let earlier = |name: &str| model.layers[..i].iter().find(|layer| layer.name == name).unwrap();
        if let Some(from) = &layer.from {
            assert_eq!(earlier(from).output[1] / 2, layer.output[1], "{}", layer.name);
        }
        if let Op::Add { other } = &layer.op {
            assert_eq!(earlier(other).output, layer.output, "{}", layer.name);
        }
    }
    assert_eq!(model.layers.iter().filter(|layer| layer.from.is_some()).count(), 2);
}

#[test]
fn batch_norm_activation_and_initializer_are_hyperparameters() {
    let text = |text: &str| Scalar::Text(text.to_owned());
    let mut hparams = Hparams::from([
        ("layers", Scalar::Int(1)),
        ("units", Scalar::Int(8)),
        ("batch_norm", Scalar::Bool(true)),
        ("activation", text("gelu")),
        ("initializer", text("he_normal")),
    ]);
    let dense = ModelSpec::build(ModelKind::Mlp, &hparams, &SHAPE).unwrap();
    assert_eq!(names(&dense), ["flatten", "dense_0", "norm_0", "gelu_0", "dense_1"]);
    assert_eq!(dense.parameters(), 785 * 8 + 16 + 90);
    assert_eq!(dense.initializer, Initializer::HeNormal);
    hparams.0.insert("activation".to_owned(), text("relux"));
    let error = ModelSpec::build(ModelKind::Mlp, &hparams, &SHAPE).unwrap_err().to_string();
    let expected =
        "the model cannot use activation=relux: one of relu, gelu, silu, tanh, elu, leaky_relu is expected";
    assert_eq!(error, expected);
    hparams.0.insert("activation".to_owned(), text("elu"));
    hparams.0.insert("batch_norm".to_owned(), Scalar::Int(1));
    let error = ModelSpec::build(ModelKind::Mlp, &hparams, &SHAPE).unwrap_err().to_string();
    assert_eq!(error, "the model cannot use batch_norm=1: true or false is expected");
}

#[test]
fn a_convolutional_net_may_say_everything_block_by_block() {
    let text = |text: &str| Scalar::Text(text.to_owned());
    let hparams = Hparams::from([
        ("blocks", Scalar::Int(2)),
        ("filters_1", Scalar::Int(4)),
        ("filters", Scalar::Int(8)),
        ("kernel", Scalar::Int(3)),
        ("kernel_2", Scalar::Int(5)),
        ("pool", Scalar::Int(2)),
        ("convs", Scalar::Int(1)),
        ("dropout", Scalar::Float(0.5)),
        ("dropout_1", Scalar::Float(0.0)),
        ("dense_dropout", Scalar::Float(0.0)),
        ("batch_norm", Scalar::Bool(false)),
        ("activation", text("silu")),
        ("head", text("average")),
        ("dense_layers", Scalar::Int(2)),
        ("dense_units", Scalar::Int(6)),
    ]);
    let model = ModelSpec::build(ModelKind::Cnn, &hparams, &SHAPE).unwrap();
    let expected = [
        "block_1.conv_0 [4, 28, 28] 40",
        "block_1.silu_0 [4, 28, 28] 0",
        "block_1.pool [4, 14, 14] 0",
        "block_2.conv_0 [8, 14, 14] 808",
        "block_2.silu_0 [8, 14, 14] 0",
        "block_2.pool [8, 7, 7] 0",
        "block_2.dropout [8, 7, 7] 0",
        "average [8] 0",
        "dense_0 [6] 54",
        "silu_0 [6] 0",
        "dense_1 [3] 21",
        "silu_1 [3] 0",
        "dense_2 [10] 40",
    ];
    let described: Vec<String> = model
        .layers
        .iter()
        .map(|layer| format!("{} {:?} {}", layer.name, layer.output, layer.parameters))
        .collect();
    assert_eq!(described, expected);
}

#[test]
fn what_cannot_be_built_is_named() {
    let build = |kind, hparams: &Hparams| ModelSpec::build(kind, hparams, &SHAPE).unwrap_err().to_string();
    let mut hparams = Hparams::default();
    let set = |hparams: &mut Hparams, name: &str, value: Scalar| hparams.0.insert(name.to_owned(), value);
    assert_eq!(build(ModelKind::Mlp, &hparams), "the model needs `layers`");
    set(&mut hparams, "layers", Scalar::Int(1));
    assert_eq!(build(ModelKind::Mlp, &hparams), "the model needs `units_0`");
    set(&mut hparams, "units_0", Scalar::Float(2.0));
    assert!(build(ModelKind::Mlp, &hparams).starts_with("the model cannot use units_0=2.0: a whole number"));
    set(&mut hparams, "units_0", Scalar::Int(2));
    set(&mut hparams, "dropout_0", Scalar::Float(1.0));
    assert!(build(ModelKind::Mlp, &hparams).starts_with("the model cannot use dropout_0=1.0: a rate"));
    set(&mut hparams, "kernel", Scalar::Int(4));
    assert!(build(ModelKind::Cnn, &hparams).contains("kernel=4: an odd number"));
    set(&mut hparams, "kernel", Scalar::Int(3));
    set(&mut hparams, "pool", Scalar::Int(2));
    assert_eq!(build(ModelKind::Cnn, &hparams), "the model needs `filters_1`");
    let hollow = DataShape { height: 0, ..SHAPE };
    set(&mut hparams, "blocks", Scalar::Int(0));
    let error = ModelSpec::build(ModelKind::Cnn, &hparams, &hollow).unwrap_err();
    assert_eq!(error.to_string(), "layer `flatten` cannot take the shape [1, 0, 28]");
}

#[test]
fn models_know_their_hyperparameters() {
    for name in ["layers", "units", "units_0", "units_99", "dropout", "dropout_3", "lr"] {
        assert!(ModelKind::Mlp.knows(name), "{name}");
    }
    for name in ["unit_0", "units_", "units_01", "units_100", "units_+1", "filters_1", "units_N"] {
        assert!(!ModelKind::Mlp.knows(name), "{name}");
    }
    assert!(ModelKind::Cnn.knows("filters_4") && !ModelKind::Cnn.knows("units_0"));
    for name in ["blocks", "width", "weight_decay", "label_smoothing", "batch_size"] {
        assert!(ModelKind::Resnet.knows(name) && ModelKind::Vgg.knows(name), "{name}");
    }
    assert!(!ModelKind::Resnet.knows("pool") && !ModelKind::Resnet.knows("width_1"));
    assert!(ModelKind::Formula.knows("anything"));
}
