//! What the table tells of beside its rows.

/// A recipe that is not its row's although its test figures have been seen.
#[derive(Debug)]
pub(super) struct Tried {
    /// The row that it was of.
    pub(super) row: &'static str,
    /// What it was.
    pub(super) recipe: &'static str,
    /// What it had on the test part.
    pub(super) test: &'static str,
}

/// All of them, in the order of the rows.
pub(super) const TRIED: &[Tried] = &[
    of("mlp-best-search", "143 trials over the space `mlp-best`, first rung after one epoch", "0.9080"),
    of(
        "mlp-best-search",
        "17 trials over it, first rung after 9 epochs, answers averaged over shifts",
        "0.9179",
    ),
    of("mlp-best", "768 and 384 units, 16 epochs of AdamW, chosen by hand", "0.9100 ± 0.0007"),
    of("mlp-best", "768 and 256 units, 81 epochs of Adam: what the 143 trials found", "0.9120 ± 0.0015"),
    of(
        "cnn-4block-augmented",
        "the Keras study's own, ended by validation after 56 epochs",
        "0.9289, Shirt 0.784",
    ),
    of(
        "cnn-4block-augmented",
        "24 epochs of AdamW at 0.003, decay 0.05, twice the augmentation",
        "0.9271, Shirt 0.782",
    ),
    of(
        "cnn-4block-augmented",
        "30 epochs of AdamW at 0.0015, decay 0.01, a dropout of 0.3",
        "0.9327, Shirt 0.796",
    ),
    of("cnn-5block", "the Keras study's own, ended by validation after 21 epochs", "0.9208"),
    of("cnn-5block", "24 epochs of AdamW at 0.003, decay 0.05, with crops and label smoothing", "0.9327"),
    of("cnn-5block", "30 epochs of AdamW at 0.0015, decay 0.01, with flips, a dropout of 0.3", "0.9403"),
    of(
        "cnn-best",
        "a residual net of 272,186 parameters, 24 epochs, half of the images erased in part",
        "0.9427 (mean)",
    ),
    of("cnn-best", "the same net, a smaller decay, fewer erased images", "0.9455 ± 0.0012"),
    of(
        "cnn-best",
        "a plain net of 288,170 parameters, 40 epochs, answers not averaged over shifts",
        "0.9487 ± 0.0006, Shirt 0.842",
    ),
    of(
        "ensemble",
        "15 nets of `cnn-best`, 20 epochs, answers averaged over shifts; validation had preferred the residual nets",
        "0.9459, loss 0.1569, Shirt 0.833; members 0.9446 ± 0.0010",
    ),
    of(
        "ensemble-best",
        "two epochs for each member, at most a quarter of the rate of the net's own training",
        "0.9498, loss 0.1493, Shirt 0.847; members 0.9479 ± 0.0006",
    ),
];

const fn of(row: &'static str, recipe: &'static str, test: &'static str) -> Tried {
    Tried { row, recipe, test }
}
