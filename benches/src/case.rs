//! A question, and what an answer consists of.

use crate::measure::{self, Effort, Pair};
use std::fmt;

/// One question, asked of both sides.
pub(crate) struct Case {
    /// Group and name, such as `call/nop`.
    pub(crate) name: String,
    /// Answers it.
    pub(crate) run: Run,
}

/// What answers a question.
type Run = Box<dyn Fn(&Effort) -> anyhow::Result<Row>>;

/// What was measured.
pub(crate) struct Row {
    pub(crate) unit: Unit,
    pub(crate) ours: f64,
    pub(crate) peer: Option<f64>,
    /// Ours by the peer's: the median over the rounds where there were rounds.
    pub(crate) ratio: Option<f64>,
    /// What no implementation could do without.
    pub(crate) floor: Option<f64>,
    /// Ours by the floor, likewise.
    pub(crate) over_floor: Option<f64>,
    /// How we were configured, where it is not the default.
    pub(crate) our_config: String,
    pub(crate) peer_config: String,
    /// More numbers, by their names in JSON.
    pub(crate) more: Vec<(&'static str, f64)>,
}

/// What the numbers of a row count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Nanoseconds,
    Bytes,
    /// System calls per cycle.
    Syscalls,
}

/// Why a question cannot be answered here.
#[derive(Debug)]
pub(crate) struct Skip(pub(crate) String);

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

impl Case {
    /// A case with a name and a way to answer it.
    pub(crate) fn new(name: impl Into<String>, run: impl Fn(&Effort) -> anyhow::Result<Row> + 'static) -> Case {
        Case { name: name.into(), run: Box::new(run) }
    }

    /// Two operations, timed in turns.
    pub(crate) fn pair(
        name: impl Into<String>,
        peer_config: impl Into<String>,
        make: impl Fn() -> anyhow::Result<Pair> + 'static,
    ) -> Case {
        let peer_config = peer_config.into();
        Case::new(name, move |effort| {
            let outcome = measure::compare(&mut make()?, effort);
            Ok(Row::timed(&outcome, peer_config.clone()))
        })
    }
}

impl Row {
    /// What a comparison found.
    pub(crate) fn timed(outcome: &measure::Outcome, peer_config: String) -> Row {
        Row {
            unit: Unit::Nanoseconds,
            ours: outcome.ours,
            peer: Some(outcome.peer),
            ratio: Some(outcome.ratio),
            floor: outcome.floor,
            over_floor: outcome.over_floor,
            our_config: String::new(),
            peer_config,
            more: Vec::new(),
        }
    }

    /// Two numbers of the same kind.
    pub(crate) fn counted(unit: Unit, ours: f64, peer: f64, peer_config: impl Into<String>) -> Row {
        Row {
            unit,
            ours,
            peer: Some(peer),
            ratio: (peer != 0.0).then_some(ours / peer),
            floor: None,
            over_floor: None,
            our_config: String::new(),
            peer_config: peer_config.into(),
            more: Vec::new(),
        }
    }
}
