use common::ids::TrialNumber;
use maud::{Markup, html};

use super::{
    super::{
        board::{BoardBracket, BoardRung, Cell, Fate},
        colours,
        picture::{Picture, label, px},
    },
    ramp::Ramp,
};
use crate::cli::text::plural;

/// Width of a rung's column, and the room between two.
const COLUMN: f64 = 189.0;
const GAP: f64 = 26.0;

/// Room above the cells for a rung's name.
const HEAD: f64 = 40.0;

/// Cells at least this wide have their trial's number in them.
const NUMBERED: f64 = 18.0;

/// Above so many cells they have no tooltips: the page would grow by megabytes.
const MOST_TITLES: usize = 4_000;

/// One bracket: a column for each rung, a cell for each trial; those that went on stand above the line.
pub(in crate::report) fn board(bracket: &BoardBracket, ramp: &Ramp) -> Picture {
    let cells: usize = bracket.rungs.iter().map(|rung| rung.cells.len()).sum();
    let results: usize = bracket.rungs.iter().map(BoardRung::results).sum();
    let columns: Vec<Column<'_>> = bracket.rungs.iter().map(Column::new).collect();
    let height = columns.iter().map(Column::height).fold(30.0, f64::max) + HEAD + 6.0;
    let width = columns.len() as f64 * (COLUMN + GAP) - GAP + 2.0;
    let body = html! {
        @for (place, column) in columns.iter().enumerate() {
            (column.draw(place as f64 * (COLUMN + GAP), ramp, cells <= MOST_TITLES))
        }
    };
    let rungs = bracket.rungs.len();
    let (results, rungs) = (plural(results as u64, "result"), plural(rungs as u64, "rung"));
    let title = format!("bracket {}: {results} on {rungs}, coloured by value", bracket.bracket);
    Picture { name: format!("board-{}", bracket.bracket), title, width, height, body }
}

/// What the colours mean.
pub(in crate::report) fn legend(ramp: &Ramp, metric: &str) -> Picture {
    let steps: Vec<(&str, f64)> = ramp.steps().collect();
    let bounds: Vec<f64> = match ramp.is_flat() {
        true => vec![ramp.best()],
        false => steps.iter().map(|(_, value)| *value).chain([ramp.best()]).collect(),
    };
    let texts = apart(&bounds);
    // Long ones have the room of two.
    let every = if texts.iter().all(|text| text.len() <= 5) { 1 } else { 2 };
    let body = html! {
        (label(0.0, 14.0, "start", metric))
        @for (place, (class, _)) in steps.iter().enumerate() {
            rect class=(class) x=(px(110.0 + place as f64 * 46.0)) y="3" width="46" height="14" {}
        }
        @for (place, text) in texts.iter().enumerate().step_by(every) {
            (label(110.0 + place as f64 * 46.0, 31.0, "middle", text))
        }
        rect class="failed" x="560" y="4" width="12" height="12" {}
        (label(578.0, 14.0, "start", "failed"))
        line class="cut" x1="640" x2="664" y1="10" y2="10" {}
        (label(670.0, 14.0, "start", "below: cut"))
    };
    let title = format!("colours of {metric}: the darker, in the dark the brighter, the better");
    Picture { name: "board-legend".to_owned(), title, width: 750.0, height: 36.0, body }
}

/// Numbers with as many decimals as tell neighbours apart.
fn apart(numbers: &[f64]) -> Vec<String> {
    let distances = numbers.windows(2).map(|pair| (pair[1] - pair[0]).abs());
    let least = distances.fold(f64::INFINITY, f64::min);
    let decimals = match least.is_finite() {
        true => (-least.log10() - 1e-9).ceil().clamp(0.0, 9.0) as usize,
        false => 4,
    };
    numbers.iter().map(|number| format!("{number:.decimals$}")).collect()
}

/// A rung's cells in rows.
struct Column<'a> {
    rung: &'a BoardRung,
    per_row: usize,
    pitch: f64,
}

impl<'a> Column<'a> {
    fn new(rung: &'a BoardRung) -> Self {
        let most = rung.cells.len().max(1);
        let per_row = ((most as f64).sqrt().ceil() as usize).clamp(9, 60);
        Self { rung, per_row, pitch: COLUMN / per_row as f64 }
    }

    fn rows(&self, cells: usize) -> f64 {
        cells.div_ceil(self.per_row) as f64 * self.pitch
    }

    /// Where the cells that did not go on begin.
    fn second(&self) -> f64 {
        match self.rung.promoted {
            0 => 0.0,
            promoted => self.rows(promoted) + 20.0,
        }
    }

    fn height(&self) -> f64 {
        self.second() + self.rows(self.rung.cells.len() - self.rung.promoted)
    }

    fn draw(&self, left: f64, ramp: &Ramp, titles: bool) -> Markup {
        let rung = self.rung;
        let (promoted, others) = rung.cells.split_at(rung.promoted);
        let epochs = plural(rung.epochs, "epoch");
        let line = HEAD + self.second() - 10.0;
        html! {
            text class="strong" x=(px(left)) y="14" { (epochs) }
            (label(left, 30.0, "start", &format!("{} of {}", rung.results(), plural(rung.planned, "result"))))
            @for (place, cell) in promoted.iter().enumerate() {
                (self.cell(cell, place, (left, HEAD), (ramp, titles)))
            }
            @if let Some(score) = rung.cut_score {
                line class="cut" x1=(px(left)) x2=(px(left + COLUMN - 56.0)) y1=(px(line)) y2=(px(line)) {}
                (label(left + COLUMN, line + 4.0, "end", &format!("{score:.4}")))
            }
            @for (place, cell) in others.iter().enumerate() {
                (self.cell(cell, place, (left, HEAD + self.second()), (ramp, titles)))
            }
        }
    }

    fn cell(
        &self,
        cell: &Cell,
        place: usize,
        (left, top): (f64, f64),
        (ramp, titles): (&Ramp, bool),
    ) -> Markup {
        let side = (self.pitch * 0.86).max(self.pitch - 2.5);
        let x = left + (place % self.per_row) as f64 * self.pitch;
        let y = top + (place / self.per_row) as f64 * self.pitch;
        let (class, ink) = match cell.value {
            Some(value) if cell.fate != Fate::Failed => (ramp.class(value), colours::ink(ramp.step(value))),
            _ => ("failed", "on-weak"),
        };
        html! {
            rect class=(class) x=(px(x)) y=(px(y)) width=(px(side)) height=(px(side)) rx=(px(side.min(12.0) / 6.0)) {
                @if titles { title { (told(cell)) } }
            }
            @if self.pitch >= NUMBERED {
                text class=(format!("number {} {ink}", size(cell.trial))) x=(px(x + side / 2.0)) y=(px(y + side / 2.0 + 3.3)) text-anchor="middle" { (cell.trial) }
            }
        }
    }
}

/// The class of a trial's number, by how much room it takes in a cell.
fn size(trial: TrialNumber) -> &'static str {
    match trial.0 {
        0..100 => "two",
        100..1_000 => "three",
        _ => "four",
    }
}

fn told(cell: &Cell) -> String {
    let value = cell.value.map_or_else(|| "no value".to_owned(), |value| format!("{value:.4}"));
    format!("trial {}: {value} after {}, {}", cell.trial, plural(cell.epochs, "epoch"), cell.fate.as_str())
}

#[cfg(test)]
mod tests {
    use common::metrics::Goal;

    use super::*;
    use crate::report::{board::Board, fixture};

    #[test]
    fn a_trial_without_a_value_is_no_result() {
        let board = Board::new(&fixture::subject());
        let (first, ramp) = (&board.brackets[0], Ramp::new(board.values(), Goal::Maximize));
        let picture = super::board(first, &ramp);
        assert!(picture.body.into_string().contains(">8 of 9 results</text>"), "one failed without a value");
        assert_eq!(picture.title, "bracket 0: 12 results on 3 rungs, coloured by value");
    }

    #[test]
    fn the_legend_tells_every_colour_from_the_next() {
        let texts = |low: f64, high: f64| {
            let body = legend(&Ramp::new([low, high].into_iter(), Goal::Maximize), "x").body.into_string();
            let texts = body.split("y=\"31\" text-anchor=\"middle\">").skip(1);
            texts.map(|rest| rest[..rest.find('<').unwrap()].to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(texts(0.0, 0.9), ["0.0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9"]);
        assert_eq!(texts(0.8, 0.8045), ["0.8000", "0.8010", "0.8020", "0.8030", "0.8040"]);
        for (low, high) in [(0.8, 0.8045), (0.0, 0.0513), (0.812_34, 0.812_39), (0.0, 3e5)] {
            let mut texts = texts(low, high);
            let count = texts.len();
            texts.dedup();
            assert_eq!(texts.len(), count, "{texts:?}");
            assert!(texts.iter().all(|text| count == 10 && text.len() <= 5 || count == 5), "{texts:?}");
        }
        assert_eq!(texts(0.5, 0.5), ["0.5000"]);
    }

    #[test]
    fn numbers_fit_their_cells() {
        assert_eq!(
            [7, 99, 100, 999, 1_000].map(|trial| size(TrialNumber(trial))),
            ["two", "two", "three", "three", "four"]
        );
    }
}
