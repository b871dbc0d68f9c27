use maud::{Markup, html};

/// A column: its name, and whether it holds text rather than numbers.
pub(super) type Column<'a> = (&'a str, bool);

/// A table whose first column names its rows; the row at `best` stands out.
pub(super) fn table(id: &str, columns: &[Column<'_>], rows: &[Vec<String>], best: Option<usize>) -> Markup {
    html! {
        div class="scroll" {
            table id=(id) {
                thead { tr { @for (name, text) in columns { th scope="col" class=[text.then_some("text")] { (name) } } } }
                tbody {
                    @for (place, row) in rows.iter().enumerate() {
                        tr class=[(best == Some(place)).then_some("best")] {
                            @for (place, (cell, (_, text))) in row.iter().zip(columns).enumerate() {
                                @if place == 0 { th scope="row" { (cell) } }
                                @else { td class=[text.then_some("text")] { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Names and values.
pub(super) fn facts(facts: &[(&str, String)]) -> Markup {
    html! {
        div class="scroll" {
            table class="facts" {
                tbody { @for (name, value) in facts { tr { th scope="row" { (name) } td { (value) } } } }
            }
        }
    }
}

/// A number from 0 to 1, or a loss: four decimals.
pub(super) fn four(value: f64) -> String {
    if value.is_finite() { format!("{value:.4}") } else { "–".to_owned() }
}

/// Four decimals, or a dash.
pub(super) fn maybe(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), four)
}
