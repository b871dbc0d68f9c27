//! Whether probabilities can be believed.

use maud::html;

use super::{
    super::{Answerer, TestReport, calibration::Bin, charts},
    Part, classes,
    table::{facts, four, table},
};
use crate::cli::text::count;

/// The reliability diagram and what it comes to.
pub(super) fn calibration(test: &TestReport) -> Part {
    let calibration = &test.calibration;
    let picture = charts::reliability(calibration);
    let sure = if calibration.temperature > 1.0 { "too sure of itself" } else { "not sure enough" };
    let rows = [
        ("Log loss", four(test.log_loss)),
        ("Expected calibration error", four(calibration.expected_calibration_error)),
        ("Maximum calibration error", four(calibration.maximum_calibration_error)),
        ("Mean confidence", four(calibration.confidence)),
        ("Accuracy", four(test.accuracy)),
        ("Best temperature here", format!("{:.3}", calibration.temperature)),
        ("Log loss at it", four(calibration.log_loss_at_temperature)),
    ];
    let bin = |bin: &Bin| {
        let range = format!("{:.3} – {:.3}", bin.above, bin.up_to);
        vec![range, count(bin.samples as u64), four(bin.confidence), four(bin.accuracy)]
    };
    let bins: Vec<Vec<String>> = calibration.bins.iter().filter(|bin| bin.samples > 0).map(bin).collect();
    let columns =
        [("confidence", false), ("samples", false), ("mean confidence", false), ("accuracy", false)];
    let body = html! {
        p {
            "A calibrated model is right as often as it says: its dots lie on the dashed line. Fifteen bins of equal width (Guo et al., ICML \
            2017). The temperature is what logits would have to be divided by for the least log loss on these very samples: at "
            (format!("{:.2}", calibration.temperature)) " the model is " (sure) ". It is a diagnosis and not a score, being fitted to the test part."
            @if test.of == Answerer::Vote {
                " The probabilities are the vote's at its own temperature, which validation chose."
            }
        }
        (classes::contaminated(test))
        div class="side" {
            (picture.scrolled())
            div {
                (facts(&rows))
                details { summary { "Bins as a table" } (table("bins", &columns, &bins, None)) }
            }
        }
    };
    Part { id: "calibration", heading: "Calibration", body, pictures: vec![picture] }
}
