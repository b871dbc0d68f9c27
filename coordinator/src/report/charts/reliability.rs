use maud::html;

use super::{
    super::{
        calibration::Calibration,
        picture::{Picture, line, px},
    },
    frame::Frame,
    scale::Scale,
};
use crate::cli::text::plural;

/// Accuracy by confidence: on the diagonal the model is right as often as it says; dots are as large as their samples.
pub(in crate::report) fn reliability(calibration: &Calibration) -> Picture {
    let unit = Scale { from: 0.0, to: 1.0 };
    let frame = Frame { width: 520.0, height: 400.0, x: unit, y: unit };
    let most = calibration.bins.iter().map(|bin| bin.samples).max().unwrap_or(1).max(1) as f64;
    let seen = || calibration.bins.iter().filter(|bin| bin.samples > 0);
    let points: Vec<(f64, f64)> = seen().map(|bin| frame.place(bin.confidence, bin.accuracy)).collect();
    let floor = frame.down(0.0);
    let body = html! {
        (frame.axes("confidence", "accuracy", false))
        (frame.key(&[("line-1", "model"), ("line-ideal", "calibrated"), ("key-bar", "samples")]))
        @for bin in seen() {
            @let (from, to) = (frame.across(bin.above) + 1.0, frame.across(bin.up_to) - 1.0);
            @let height = bin.samples as f64 / most * (floor - frame.down(0.35));
            rect class="quiet-bar" x=(px(from)) y=(px(floor - height)) width=(px(to - from)) height=(px(height)) {
                title { (plural(bin.samples as u64, "sample")) }
            }
        }
        (line("line-ideal", &[frame.place(0.0, 0.0), frame.place(1.0, 1.0)], "confidence equals accuracy"))
        (line("line-1", &points, "accuracy by confidence"))
        @for bin in seen() {
            @let (x, y) = frame.place(bin.confidence, bin.accuracy);
            circle class="dot-1" cx=(px(x)) cy=(px(y)) r=(px(3.0 + 5.0 * (bin.samples as f64 / most).sqrt())) {
                @let samples = plural(bin.samples as u64, "sample");
                title { (format!("confidence {:.3}, accuracy {:.3}, {samples}", bin.confidence, bin.accuracy)) }
            }
        }
    };
    let title = "reliability diagram: accuracy by confidence".to_owned();
    Picture { name: "reliability".to_owned(), title, width: 520.0, height: 400.0, body }
}
