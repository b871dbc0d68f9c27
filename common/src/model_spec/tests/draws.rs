//! What the named spaces draw can be built.

use super::*;
use crate::{
    random::{Purpose, Stream},
    space::{Domain, SearchSpace},
};

fn space(name: &str) -> SearchSpace {
    SearchSpace::named(name).unwrap()
}

#[test]
fn every_point_of_the_cnn_space_can_be_built() {
    let mut space = space("cnn");
    for parameter in &mut space.parameters {
        if let Domain::Float { min, max, .. } = parameter.domain {
            parameter.domain = Domain::Choice(vec![Scalar::Float(min), Scalar::Float(max)]);
        }
    }
    let points = space.points().unwrap();
    assert_eq!(points, 2 * 2 * 2 * 27 * 2 * 2);
    for point in 0..points {
        let hparams = space.point(point);
        assert!(ModelSpec::build(ModelKind::Cnn, &hparams, &SHAPE).is_ok(), "{hparams}");
    }
}

#[test]
fn ten_thousand_draws_of_the_one_step_search_can_be_built() {
    for name in ["cnn-all", "resnet", "vgg", "mlp-best"] {
        let (study, draws) = (preset(name).unwrap().study, if name == "cnn-all" { 10_000 } else { 1_000 });
        // The search `mlp-best` is narrower than the space of its name.
        assert_eq!(study.space == space(name), name != "mlp-best");
        let drawn =
            |space: &SearchSpace, draw| space.draw(&mut Stream::new(3, Purpose::Draw).epoch(draw).words());
        for hparams in (0..draws).flat_map(|draw| [drawn(&study.space, draw), drawn(&space(name), draw)]) {
            assert!(hparams.iter().all(|(name, _)| study.model.knows(name)), "{hparams}");
            let built = ModelSpec::build(study.model, &hparams, &SHAPE);
            assert!(built.is_ok(), "{built:?} {hparams}");
        }
    }
}

#[test]
fn small_images_can_be_searched_too() {
    let small = DataShape { channels: 3, height: 5, width: 9, classes: 2 };
    for draw in 0..1_000 {
        let hparams = space("cnn-all").draw(&mut Stream::new(4, Purpose::Draw).epoch(draw).words());
        let model = ModelSpec::build(ModelKind::Cnn, &hparams, &small).unwrap();
        assert!(model.layers.iter().all(|layer| !layer.output.contains(&0)), "{hparams}");
    }
}
