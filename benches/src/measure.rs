//! Timing two operations in turns.

use std::time::{Duration, Instant};

/// An operation, run this often.
pub(crate) type Side = Box<dyn FnMut(u64)>;

/// The two sides of a case.
pub(crate) struct Pair {
    pub(crate) ours: Side,
    pub(crate) peer: Side,
}

/// What was measured, in nanoseconds an operation.
pub(crate) struct Outcome {
    pub(crate) ours: f64,
    pub(crate) peer: f64,
    /// Median over the rounds of ours / peer in the same round.
    pub(crate) ratio: f64,
}

/// How long a sample should take.
const SAMPLE: Duration = Duration::from_millis(4);
/// Samples of each side.
const ROUNDS: usize = 41;
/// Samples of each side when a single operation is longer than a sample.
const SLOW_ROUNDS: usize = 9;
/// From when on an operation is slow.
const SLOW: Duration = Duration::from_millis(100);

/// Times both sides in turns.
pub(crate) fn compare(pair: &mut Pair) -> Outcome {
    let ours_count = calibrate(&mut pair.ours);
    let peer_count = calibrate(&mut pair.peer);
    let start = Instant::now();
    (pair.peer)(peer_count);
    let rounds = if start.elapsed() > SLOW { SLOW_ROUNDS } else { ROUNDS };
    let (mut ours, mut peer, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let a = sample(&mut pair.ours, ours_count);
        let b = sample(&mut pair.peer, peer_count);
        ours.push(a);
        peer.push(b);
        ratios.push(a / b);
    }
    Outcome { ours: median(ours), peer: median(peer), ratio: median(ratios) }
}

/// How many operations fill a sample.
fn calibrate(side: &mut Side) -> u64 {
    let mut count = 1;
    loop {
        let start = Instant::now();
        side(count);
        let took = start.elapsed();
        if took >= SAMPLE / 2 {
            let scale = SAMPLE.as_secs_f64() / took.as_secs_f64();
            return ((count as f64 * scale) as u64).max(1);
        }
        count *= 2;
    }
}

fn sample(side: &mut Side, count: u64) -> f64 {
    let start = Instant::now();
    side(count);
    start.elapsed().as_secs_f64() * 1e9 / count as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
