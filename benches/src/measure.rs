//! Timing two operations in turns.

use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// An operation: runs as often as it is told, and says how long that took. What it needs to do between two runs is not
/// in the time that it says.
pub(crate) type Side = Box<dyn FnMut(u64) -> Duration + Send>;

/// The two sides of a case, and what neither can do without.
pub(crate) struct Pair {
    pub(crate) ours: Side,
    pub(crate) peer: Side,
    pub(crate) floor: Option<Side>,
}

/// What was measured, in nanoseconds an operation.
pub(crate) struct Outcome {
    pub(crate) ours: f64,
    pub(crate) peer: f64,
    pub(crate) floor: Option<f64>,
    /// Median over the rounds of ours / peer in the same round.
    pub(crate) ratio: f64,
    /// The same of ours / floor.
    pub(crate) over_floor: Option<f64>,
}

/// How much time to spend.
pub(crate) struct Effort {
    /// Samples of each side.
    pub(crate) rounds: usize,
    /// Samples of each side when a single operation is longer than [`SLOW`].
    pub(crate) slow_rounds: usize,
    /// How long a sample should take.
    sample: Duration,
    /// Operations that are timed one by one.
    latencies: usize,
    /// How long timing them one by one may take, for each side.
    patience: Duration,
    /// How much less there is to do where the amount is ours to choose.
    pub(crate) divisor: usize,
}

/// From when on an operation is slow.
const SLOW: Duration = Duration::from_millis(100);
/// Operations that are timed one by one before it is the other side's turn.
const TURN: usize = 256;

impl Effort {
    /// For numbers to write down.
    pub(crate) const FULL: Effort = Effort {
        rounds: 41,
        slow_rounds: 9,
        sample: Duration::from_millis(4),
        latencies: 20_000,
        patience: Duration::from_millis(600),
        divisor: 1,
    };

    /// For a first look.
    pub(crate) const QUICK: Effort = Effort {
        rounds: 9,
        slow_rounds: 3,
        sample: Duration::from_millis(2),
        latencies: 4000,
        patience: Duration::from_millis(100),
        divisor: 10,
    };

    /// For choosing among a dozen.
    pub(crate) const GLANCE: Effort = Effort { latencies: 2000, patience: Duration::from_millis(80), ..Effort::QUICK };
}

/// An operation of which all time counts that passes.
pub(crate) fn elapsed(mut run: impl FnMut(u64) + Send + 'static) -> Side {
    Box::new(move |count| {
        let start = Instant::now();
        run(count);
        start.elapsed()
    })
}

/// An operation that computes on its thread and waits for nobody: what counts is the time in which the thread had a CPU,
/// whatever else runs on the machine.
pub(crate) fn computing(mut run: impl FnMut(u64) + Send + 'static) -> Side {
    Box::new(move |count| {
        let start = thread_time();
        run(count);
        thread_time().saturating_sub(start)
    })
}

/// A short operation that computes: as [`computing`] where there are many. Of a single one all time counts, as the clock
/// for that is quicker to read.
pub(crate) fn short(mut run: impl FnMut(u64) + Send + 'static) -> Side {
    Box::new(move |count| {
        if count == 1 {
            let start = Instant::now();
            run(1);
            return start.elapsed();
        }
        let start = thread_time();
        run(count);
        thread_time().saturating_sub(start)
    })
}

/// How long this thread had a CPU so far.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

impl Pair {
    /// Two operations that compute.
    pub(crate) fn computing(ours: impl FnMut(u64) + Send + 'static, peer: impl FnMut(u64) + Send + 'static) -> Pair {
        Pair { ours: computing(ours), peer: computing(peer), floor: None }
    }
}

/// Times both sides in turns, and the floor with them.
pub(crate) fn compare(pair: &mut Pair, effort: &Effort) -> Outcome {
    let ours_count = calibrate(&mut pair.ours, effort);
    let peer_count = calibrate(&mut pair.peer, effort);
    let floor_count = pair.floor.as_mut().map_or(0, |floor| calibrate(floor, effort));
    let slow = (pair.peer)(peer_count) > SLOW;
    let (mut ours, mut peer, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let (mut floor, mut over_floor) = (Vec::new(), Vec::new());
    for _ in 0..if slow { effort.slow_rounds } else { effort.rounds } {
        let a = sample(&mut pair.ours, ours_count);
        let b = sample(&mut pair.peer, peer_count);
        if let Some(side) = &mut pair.floor {
            let c = sample(side, floor_count);
            floor.push(c);
            over_floor.push(a / c);
        }
        ours.push(a);
        peer.push(b);
        ratios.push(a / b);
    }
    Outcome {
        ours: median(ours).unwrap_or(f64::NAN),
        peer: median(peer).unwrap_or(f64::NAN),
        ratio: median(ratios).unwrap_or(f64::NAN),
        floor: median(floor),
        over_floor: median(over_floor),
    }
}

/// The median, if there are any.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    (!values.is_empty()).then(|| quantile(&mut values, 0.5))
}

/// How many operations fill a sample.
pub(crate) fn calibrate(side: &mut Side, effort: &Effort) -> u64 {
    let mut count = 1;
    loop {
        let took = side(count);
        if took >= effort.sample / 2 {
            let scale = effort.sample.as_secs_f64() / took.as_secs_f64();
            return ((count as f64 * scale) as u64).max(1);
        }
        count *= 2;
    }
}

/// Nanoseconds an operation.
pub(crate) fn sample(side: &mut Side, count: u64) -> f64 {
    side(count).as_secs_f64() * 1e9 / count as f64
}

/// Operations timed one by one, in nanoseconds; what the clock costs is taken off.
pub(crate) struct Latencies {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// Times single operations of several sides, in turns of a few hundred.
pub(crate) fn latencies(sides: &mut [&mut Side], effort: &Effort) -> Vec<Latencies> {
    let clock = clock();
    let mut times = vec![Vec::new(); sides.len()];
    let start = Instant::now();
    let patience = effort.patience * sides.len() as u32;
    while times[0].len() < effort.latencies && start.elapsed() < patience {
        for (side, times) in sides.iter_mut().zip(&mut times) {
            let turn = Instant::now();
            for _ in 0..TURN {
                times.push((sample(side, 1) - clock).max(1.0));
                if turn.elapsed() > patience / 8 {
                    break;
                }
            }
        }
    }
    times.iter_mut().map(|times| Latencies { p50: quantile(times, 0.5), p99: quantile(times, 0.99) }).collect()
}

/// What it costs to look at the clock twice, in nanoseconds.
fn clock() -> f64 {
    let mut nothing = elapsed(|_| {});
    let mut times: Vec<f64> = (0..1000).map(|_| sample(&mut nothing, 1)).collect();
    quantile(&mut times, 0.5)
}

/// The value below which this fraction of them is.
pub(crate) fn quantile(values: &mut [f64], fraction: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() as f64 * fraction) as usize).min(values.len() - 1)]
}
