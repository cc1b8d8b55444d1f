//! Clocks: the system's, or the embedder's own.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Which of a [`Clock`]'s two readings is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockId {
    /// Time since 1970; may jump.
    Realtime,
    /// Time since some moment before the guest started; never goes back.
    Monotonic,
}

/// A source of time, in nanoseconds.
pub trait Clock: Send {
    /// Nanoseconds since 1970-01-01 00:00 UTC.
    fn realtime(&mut self) -> u64;

    /// Nanoseconds since a moment that does not change while the guest lives. Never zero: some guests take that for a
    /// clock that does not run.
    fn monotonic(&mut self) -> u64;

    /// How finely the reading is divided; never zero.
    fn resolution(&self, _clock: ClockId) -> u64 {
        1
    }

    /// Lets `nanos` pass at once, if this clock does not run by itself. A clock that does run returns `false`, and
    /// the caller waits.
    fn skip(&mut self, _nanos: u64) -> bool {
        false
    }

    /// The reading of the clock named.
    fn now(&mut self, clock: ClockId) -> u64 {
        match clock {
            ClockId::Realtime => self.realtime(),
            ClockId::Monotonic => self.monotonic(),
        }
    }
}

/// The operating system's clocks. The monotonic one counts from one second before it was made, so that a guest does
/// not learn for how long the host has been up.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: Instant,
}

const SECOND: u64 = 1_000_000_000;

impl SystemClock {
    /// Starts the monotonic reading.
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn realtime(&mut self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    fn monotonic(&mut self) -> u64 {
        let since = u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        since.saturating_add(SECOND)
    }

    fn resolution(&self, clock: ClockId) -> u64 {
        let id = match clock {
            ClockId::Realtime => rustix::time::ClockId::Realtime,
            ClockId::Monotonic => rustix::time::ClockId::Monotonic,
        };
        let grain = rustix::time::clock_getres(id);
        let nanos = i128::from(grain.tv_sec) * i128::from(SECOND) + i128::from(grain.tv_nsec);
        u64::try_from(nanos).unwrap_or(1).max(1)
    }
}

/// A clock that stands still but for a fixed step at each reading, and jumps over every sleep: two runs that read it
/// alike see the same times.
#[derive(Clone, Copy, Debug)]
pub struct VirtualClock {
    realtime: u64,
    monotonic: u64,
    step: u64,
}

impl VirtualClock {
    /// Starts at `realtime` nanoseconds since 1970, and advances by `step` at each reading.
    pub fn new(realtime: u64, step: u64) -> Self {
        Self { realtime, monotonic: SECOND, step }
    }

    fn advance(&mut self, nanos: u64) {
        self.realtime = self.realtime.saturating_add(nanos);
        self.monotonic = self.monotonic.saturating_add(nanos);
    }
}

impl Clock for VirtualClock {
    fn realtime(&mut self) -> u64 {
        self.advance(self.step);
        self.realtime
    }

    fn monotonic(&mut self) -> u64 {
        self.advance(self.step);
        self.monotonic
    }

    fn resolution(&self, _clock: ClockId) -> u64 {
        self.step.max(1)
    }

    fn skip(&mut self, nanos: u64) -> bool {
        self.advance(nanos);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_runs_and_is_never_zero() {
        let mut clock = SystemClock::new();
        let first = clock.monotonic();
        assert!(first >= SECOND);
        assert!(clock.monotonic() >= first);
        assert!(clock.realtime() > 1_600_000_000 * SECOND);
        assert!(clock.resolution(ClockId::Monotonic) >= 1);
    }

    #[test]
    fn a_virtual_clock_repeats_itself() {
        let run = || {
            let mut clock = VirtualClock::new(7, 3);
            assert!(clock.skip(100));
            (clock.now(ClockId::Realtime), clock.now(ClockId::Monotonic), clock.now(ClockId::Realtime))
        };
        assert_eq!(run(), run());
        assert_eq!(run().0, 7 + 100 + 3);
    }
}
