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
    let columns: Vec<Column<'_>> = bracket.rungs.iter().map(Column::new).collect();
    let height = columns.iter().map(Column::height).fold(30.0, f64::max) + HEAD + 6.0;
    let width = columns.len() as f64 * (COLUMN + GAP) - GAP + 2.0;
    let body = html! {
        @for (place, column) in columns.iter().enumerate() {
            (column.draw(place as f64 * (COLUMN + GAP), ramp, cells <= MOST_TITLES))
        }
    };
    let rungs = bracket.rungs.len();
    let (results, rungs) = (plural(cells as u64, "result"), plural(rungs as u64, "rung"));
    let title = format!("bracket {}: {results} on {rungs}, coloured by value", bracket.bracket);
    Picture { name: format!("board-{}", bracket.bracket), title, width, height, body }
}

/// What the colours mean.
pub(in crate::report) fn legend(ramp: &Ramp, metric: &str) -> Picture {
    let body = html! {
        (label(0.0, 14.0, "start", metric))
        @for (place, (class, value)) in ramp.steps().enumerate() {
            @let x = 110.0 + place as f64 * 46.0;
            rect class=(class) x=(px(x)) y="3" width="46" height="14" {}
            (label(x, 31.0, "middle", &format!("{value:.3}")))
        }
        @if !ramp.is_flat() {
            (label(110.0 + 9.0 * 46.0, 31.0, "middle", &format!("{:.3}", ramp.best())))
        }
        rect class="failed" x="560" y="4" width="12" height="12" {}
        (label(578.0, 14.0, "start", "failed"))
        line class="cut" x1="640" x2="664" y1="10" y2="10" {}
        (label(670.0, 14.0, "start", "below: cut"))
    };
    let title = format!("colours of {metric}: the darker, in the dark the brighter, the better");
    Picture { name: "board-legend".to_owned(), title, width: 750.0, height: 36.0, body }
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
            (label(left, 30.0, "start", &format!("{} of {}", rung.cells.len(), plural(rung.planned, "result"))))
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
                text class=(format!("number {ink}")) x=(px(x + side / 2.0)) y=(px(y + side / 2.0 + 3.3)) text-anchor="middle" { (cell.trial) }
            }
        }
    }
}

fn told(cell: &Cell) -> String {
    let value = cell.value.map_or_else(|| "no value".to_owned(), |value| format!("{value:.4}"));
    format!("trial {}: {value} after {}, {}", cell.trial, plural(cell.epochs, "epoch"), cell.fate.as_str())
}
