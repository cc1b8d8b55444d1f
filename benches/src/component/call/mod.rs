//! `component/call/…`: what it takes to pass values into a component, out of it, and between two of a tree.

mod guest;
mod ours;
mod peer;

use crate::case::Case;
use crate::measure::Pair;

/// Where a call leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From the host into a component.
    In,
    /// From a component to the host.
    Out,
    /// From a component to another of the same tree.
    Across,
}

/// What is passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A number, and one that is returned.
    U32,
    /// A string of so many bytes; its length is returned. A host function borrows it from the guest's memory.
    Text(usize),
    /// The same, as a string that the host function owns.
    OwnedText(usize),
    /// A string of so many bytes, and the same that is returned.
    Echo(usize),
    /// A list of so many records of three fields; how many is returned.
    Records(usize),
    /// A borrowed resource of whoever is called; its number is returned.
    Resource,
}

/// Elements of the lists.
const RECORDS: usize = 64;

/// All of them.
pub(super) fn cases() -> Vec<Case> {
    let shapes = [
        ("u32", Shape::U32),
        ("string-32", Shape::Text(32)),
        ("string-64k", Shape::Text(64 << 10)),
        ("echo-32", Shape::Echo(32)),
        ("records-64", Shape::Records(RECORDS)),
        ("resource", Shape::Resource),
    ];
    let ways = [("in", Way::In), ("out", Way::Out), ("across", Way::Across)];
    let all = ways.into_iter().flat_map(|way| shapes.map(|shape| (way, shape)));
    let owned = [(("out", Way::Out), ("owned-string-32", Shape::OwnedText(32)))];
    let case = |((way_name, way), (shape_name, shape))| {
        Case::pair(format!("component/call/{way_name}-{shape_name}"), peer::CONFIG, move || pair(way, shape))
    };
    all.chain(owned).map(case).collect()
}

/// A string of so many bytes, for the rest of the run.
pub(super) fn text(bytes: usize) -> &'static str {
    "x".repeat(bytes).leak()
}

fn pair(way: Way, shape: Shape) -> anyhow::Result<Pair> {
    Ok(match way {
        Way::In => Pair { ours: ours::into_guest(shape)?, peer: peer::into_guest(shape)?, floor: None },
        _ => Pair { ours: ours::out_of_guest(way, shape)?, peer: peer::out_of_guest(way, shape)?, floor: None },
    })
}
