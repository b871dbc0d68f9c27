//! The page: sections in the order in which a reader asks, each with its picture and its table.

mod table;

mod summary;

mod study;

mod failed;

mod trials;

mod classes;

mod mistakes;

mod calibration;

mod ensemble;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Report, Section, Subject, colours, picture, picture::Picture};

const STYLE: &str = include_str!("page/page.css");

/// A part of the page.
struct Part {
    /// Its name in links.
    id: &'static str,
    heading: &'static str,
    body: Markup,
    /// Its pictures, which are files too.
    pictures: Vec<Picture>,
}

/// The page, and its pictures in their order.
pub(super) fn page(report: &Report, subject: &Subject) -> (String, Vec<Picture>) {
    let parts = parts(report, subject);
    let title = format!("{} · Rung report", report.header.study);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="generator" content=(format!("rung {}", report.header.written.rung));
                title { (title) }
                style { (PreEscaped(colours::STYLE)) (PreEscaped(picture::STYLE)) (PreEscaped(STYLE)) }
            }
            body {
                header {
                    (summary::title(report))
                    nav aria-label="Sections" { @for part in &parts { a href=(format!("#{}", part.id)) { (part.heading) } } }
                }
                main {
                    @for part in &parts {
                        section id=(part.id) { h2 { (part.heading) } (part.body) }
                    }
                }
                footer { (summary::footer(report)) }
            }
        }
    };
    (page.into_string(), parts.into_iter().flat_map(|part| part.pictures).collect())
}

/// What writes the files that parts of the page tell of: the page may stand without them.
fn command(report: &Report) -> Markup {
    html! { code { "rung report " (report.header.study) " --out DIR" } }
}

fn parts(report: &Report, subject: &Subject) -> Vec<Part> {
    let mut parts = vec![
        summary::study(report),
        study::board(report),
        trials::learning(report),
        trials::progress(report),
        trials::parallel(report, subject),
        trials::importance(report),
    ];
    parts.extend(failed::failed(report));
    match (&report.test_part, &subject.test) {
        (Section::Present(test), Ok(part)) => parts.extend([
            classes::confusion(test),
            classes::classification(test),
            mistakes::mistakes(test, part),
            calibration::calibration(test),
        ]),
        (Section::Missing { missing }, _) | (_, Err(missing)) => parts.push(Part {
            id: "test",
            heading: "Test part",
            body: html! { p { "Nothing is said of single classes: " (missing) "." } },
            pictures: Vec::new(),
        }),
    }
    parts.extend(ensemble::ensemble(report));
    parts.extend([study::places(report), study::file(report)]);
    parts
}
