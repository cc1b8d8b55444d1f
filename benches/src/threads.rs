//! `threads/…`: what a second thread adds to the cycles of the first.

use crate::case::{Case, Row};
use crate::cycle::guests::{self, Guest, MEMORY, PAGE};
use crate::cycle::knobs;
use crate::cycle::sides::{self, Spec};
use crate::measure::{self, Effort, Outcome, Side};

/// What makes a guest.
type Make = fn() -> Guest;

/// All of the group.
pub(crate) fn cases() -> Vec<Case> {
    let guests: [(&str, Make); 5] = [
        ("nop", guests::nop),
        ("data-1", || guests::data(1, PAGE)),
        ("data-16", || guests::data(16, PAGE)),
        ("data-64-spread", || guests::data(64, MEMORY / 64)),
        ("grow-1", || guests::grow(1)),
    ];
    let case = |(name, guest): (&str, Make)| {
        Case::new(format!("threads/{name}"), move |effort| scaling(&Spec::new(guest()), effort))
    };
    guests.into_iter().map(case).collect()
}

/// One thread and two, of each side.
struct Threads {
    one: Side,
    two: Side,
    /// Operations in a sample, by threads.
    counts: [u64; 2],
    /// Nanoseconds a cycle, by threads; those of two are for both together.
    times: [Vec<f64>; 2],
    scaling: Vec<f64>,
}

impl Threads {
    fn new(mut one: Side, mut two: Side, warm_up: u64, effort: &Effort) -> Threads {
        one(warm_up);
        two(warm_up);
        let counts = [measure::calibrate(&mut one, effort), measure::calibrate(&mut two, effort)];
        Threads { one, two, counts, times: [Vec::new(), Vec::new()], scaling: Vec::new() }
    }

    /// A sample with one thread and one with two; the second says how long a cycle took.
    fn round(&mut self) -> f64 {
        let one = measure::sample(&mut self.one, self.counts[0]);
        let two = measure::sample(&mut self.two, self.counts[1]) / 2.0;
        self.times[0].push(one);
        self.times[1].push(two);
        self.scaling.push(one / two);
        two
    }
}

/// Cycles per second of two threads by those of one.
fn scaling(one: &Spec, effort: &Effort) -> anyhow::Result<Row> {
    let two = Spec { threads: 2, ..one.clone() };
    let (knobs, remark) = knobs::best(&two)?;
    let mut ours = Threads::new(sides::ours(one)?, sides::ours(&two)?, one.warm_up(), effort);
    let mut peer = Threads::new(sides::peer(one, &knobs)?, sides::peer(&two, &knobs)?, one.warm_up(), effort);
    let ratios = (0..effort.rounds).map(|_| ours.round() / peer.round()).collect();
    let of = |values| measure::median(values).unwrap_or(f64::NAN);
    let ([ours_one, ours_two], [peer_one, peer_two]) = (ours.times, peer.times);
    let (ratio, ours_two, peer_two) = (of(ratios), of(ours_two), of(peer_two));
    let outcome = Outcome { ratio, ours: ours_two, peer: peer_two, floor: None, over_floor: None };
    let mut row = Row::timed(&outcome, format!("{knobs}{remark}"));
    row.our_config = "working set; a cycle of two threads together".to_owned();
    row.more = vec![
        ("ours_scaling", of(ours.scaling)),
        ("peer_scaling", of(peer.scaling)),
        ("ours_1_thread_ns", of(ours_one)),
        ("peer_1_thread_ns", of(peer_one)),
    ];
    Ok(row)
}
