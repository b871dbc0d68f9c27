//! Rung's domain: what a study, a search space and a trial are, free of clock, network and disk.
//!
//! In the order of a trial's life: a [`study`] (perhaps a [`preset`]) names a [`space`]; a trial's [`hparams`] are
//! drawn from it by [`random`]; they decide its [`model_spec`]; it is leased ([`ids`], [`time`], [`trial`]), trains on
//! one part of the data ([`split`]), is measured on the other ([`metrics`], [`evaluation`]) and kept as a
//! [`checkpoint`]; the best one leaves with a [`model_file`], and other studies may begin with its [`weights`]. What readers see of all this is a [`view`], what a
//! worker needs for it [`equipment`], and what happened a [`history`]; whoever mistypes a name is helped by [`nearest`].

pub mod ids;

pub mod time;

pub mod duration;

pub mod study;

pub mod preset;

pub mod space;

pub mod random;

pub mod split;

pub mod hparams;

pub mod recipe;

pub mod model_spec;

pub mod trial;

pub mod metrics;

pub mod evaluation;

pub mod checkpoint;

pub mod model_file;

pub mod ballot;

pub mod weights;

pub mod view;

pub mod equipment;

pub mod history;

pub mod nearest;

pub mod shown;
