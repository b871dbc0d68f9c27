use common::metrics::{Metric, Metrics};
use maud::html;

use super::{
    super::{
        Report,
        learning::TopTrial,
        picture::{Picture, line, px},
        progress::improvements,
    },
    frame::Frame,
    scale::Scale,
};
use crate::cli::text::plural;

const WIDTH: f64 = 352.0;
const HEIGHT: f64 = 250.0;

/// Loss of the best trial on its training and its validation part.
pub(in crate::report) fn loss(best: &TopTrial) -> Picture {
    let of = |metrics: &Metrics| (metrics.train_loss, metrics.val_loss);
    two_lines("loss", "loss", best, of)
}

/// Accuracy of the best trial on its training and its validation part.
pub(in crate::report) fn accuracy(best: &TopTrial) -> Picture {
    let of = |metrics: &Metrics| (metrics.train_accuracy, metrics.val_accuracy);
    two_lines("accuracy", "accuracy", best, of)
}

fn two_lines(name: &str, what: &str, best: &TopTrial, of: impl Fn(&Metrics) -> (f64, f64)) -> Picture {
    let both = |part: usize| -> Vec<(f64, f64)> {
        let value = |metrics: &Metrics| if part == 0 { of(metrics).0 } else { of(metrics).1 };
        let points = best.curve.iter().map(|point| (f64::from(point.epoch), value(&point.metrics)));
        points.filter(|(_, value)| value.is_finite()).collect()
    };
    let (train, validation) = (both(0), both(1));
    let frame = frame(train.iter().chain(&validation).copied());
    let lines = [("line-1", "training", &train), ("line-2", "validation", &validation)];
    let drawn: Vec<(&str, &str)> = lines
        .iter()
        .filter(|(.., points)| !points.is_empty())
        .map(|(class, text, _)| (*class, *text))
        .collect();
    let body = html! {
        (frame.axes("epochs", what, true))
        (frame.key(&drawn))
        (dotted(&frame, "1", &train, &format!("{what} on the training part")))
        (dotted(&frame, "2", &validation, &format!("{what} on the validation part")))
    };
    let parts: Vec<&str> = drawn.iter().map(|(_, text)| *text).collect();
    let title = format!("{what} of trial {} by epoch: {}", best.trial, parts.join(" and "));
    Picture { name: name.to_owned(), title, width: WIDTH, height: HEIGHT, body }
}

/// The objective over epochs, of the best trials; the best one stands out.
pub(in crate::report) fn top_trials(top: &[TopTrial], metric: Metric) -> Picture {
    let points = |trial: &TopTrial| -> Vec<(f64, f64)> {
        let points = trial.curve.iter().map(|point| (f64::from(point.epoch), metric.of(&point.metrics)));
        points.filter(|(_, value)| value.is_finite()).collect()
    };
    let frame = frame(top.iter().flat_map(points));
    let body = html! {
        (frame.axes("epochs", metric.as_str(), true))
        (frame.key(if top.len() > 1 { &[("line-1", "best"), ("line-quiet", "others")] } else { &[("line-1", "best")] }))
        @for (place, trial) in top.iter().enumerate().rev() {
            (dotted(&frame, if place == 0 { "1" } else { "quiet" }, &points(trial), &format!("trial {}", trial.trial)))
        }
    };
    let title = format!("{metric} by epoch of the {}", plural(top.len() as u64, "best trial"));
    Picture { name: "top-trials".to_owned(), title, width: WIDTH, height: HEIGHT, body }
}

/// The best value so far over the epochs that all trials have trained.
pub(in crate::report) fn best_so_far(report: &Report) -> Picture {
    let steps = &report.best_so_far;
    let metric = report.header.metric;
    let places: Vec<(f64, f64)> = steps.iter().map(|step| (step.epochs as f64, step.value)).collect();
    let frame = Frame { width: 3.0 * WIDTH, ..frame(places.iter().copied()) };
    let corners = corners(&places).into_iter().map(|(x, y)| frame.place(x, y)).collect::<Vec<_>>();
    let title = format!("best {metric} so far over epochs trained");
    let body = html! {
        (frame.axes("epochs trained, all trials together", &format!("best {metric} so far"), true))
        (line("line-1", &corners, &title))
        @for step in improvements(steps) {
            @let (x, y) = frame.place(step.epochs as f64, step.value);
            circle class="dot-1" cx=(px(x)) cy=(px(y)) r="3.5" {
                title { (format!("{:.4} by trial {} after {}", step.value, step.trial, plural(step.epochs, "epoch"))) }
            }
        }
    };
    Picture { name: "best-so-far".to_owned(), title, width: frame.width, height: HEIGHT, body }
}

/// The corners of stairs through some points.
fn corners(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut corners = Vec::new();
    for (i, (x, y)) in points.iter().enumerate() {
        if i > 0 {
            corners.push((*x, points[i - 1].1));
        }
        corners.push((*x, *y));
    }
    corners
}

fn frame(points: impl Iterator<Item = (f64, f64)>) -> Frame {
    let points: Vec<(f64, f64)> = points.collect();
    let last = points.iter().map(|(x, _)| *x).fold(1.0, f64::max);
    let first = points.iter().map(|(x, _)| *x).fold(last, f64::min);
    let x = Scale { from: if last > first { first.min(1.0) } else { 0.0 }, to: last.max(first + 0.5) };
    Frame { width: WIDTH, height: HEIGHT, x, y: Scale::around(points.iter().map(|(_, y)| *y)) }
}

/// A line with a dot at each point, unless there are many.
fn dotted(frame: &Frame, class: &str, points: &[(f64, f64)], title: &str) -> maud::Markup {
    let places: Vec<(f64, f64)> = points.iter().map(|(x, y)| frame.place(*x, *y)).collect();
    html! {
        (line(&format!("line-{class}"), &places, title))
        @if points.len() <= 30 {
            @for ((x, y), (epoch, value)) in places.iter().zip(points) {
                circle class=(format!("dot-{class}")) cx=(px(*x)) cy=(px(*y)) r="2.5" {
                    title { (format!("{title}, epoch {epoch}: {value:.4}")) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use common::{history::RungResult, ids::TrialNumber};

    use super::*;
    use crate::report::fixture;

    #[test]
    fn each_improvement_has_one_dot_and_the_line_goes_on_to_the_end() {
        let mut subject = fixture::subject();
        let results = &mut subject.history.results;
        results[0].value = 0.5;
        let last = results.last().cloned().unwrap();
        results.push(RungResult { trial: TrialNumber(7), value: 0.1, ..last });
        let report = Report::new(&subject).unwrap();
        let body = best_so_far(&report).body.into_string();
        assert!(body.contains("<title>0.5000 by trial 0 after 1 epoch</title>"), "{body}");
        assert_eq!(body.matches("by trial 8 after").count(), 3, "{body}");
        assert_eq!(body.matches("<circle").count(), report.best_so_far.len() - 1);
    }

    #[test]
    fn keys_name_the_lines_that_are_drawn() {
        let mut best = Report::new(&fixture::subject()).unwrap().top;
        let both = loss(&best[0]).body.into_string();
        assert!(both.contains(">training</text>") && both.contains(">validation</text>"), "{both}");
        assert!(top_trials(&best, Metric::ValAccuracy).body.into_string().contains(">others</text>"));
        best.truncate(1);
        for point in &mut best[0].curve {
            (point.metrics.val_loss, point.metrics.val_accuracy) = (f64::NAN, f64::NAN);
        }
        let picture = loss(&best[0]);
        assert_eq!(picture.title, "loss of trial 8 by epoch: training");
        assert!(!picture.body.into_string().contains(">validation</text>"));
        assert!(!top_trials(&best, Metric::TrainLoss).body.into_string().contains(">others</text>"));
    }

    #[test]
    fn stairs_go_right_before_they_go_up() {
        assert_eq!(corners(&[(1.0, 0.5), (4.0, 0.7)]), [(1.0, 0.5), (4.0, 0.5), (4.0, 0.7)]);
    }
}
