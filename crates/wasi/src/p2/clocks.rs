//! `wasi:clocks` and `wasi:random`.

use super::Host;
use super::poll::Pollable;
use super::refusal::Refusal;
use crate::host::ClockId;
use hatchery::Error;
use hatchery::component::{ComponentType, Lift, Lower};

const SECOND: u64 = 1_000_000_000;

/// `datetime`: seconds since 1970, and nanoseconds below a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lift, Lower)]
pub(crate) struct Datetime {
    pub(crate) seconds: u64,
    pub(crate) nanoseconds: u32,
}

impl Datetime {
    /// That many nanoseconds.
    pub(crate) fn from_nanos(nanos: u64) -> Self {
        Self { seconds: nanos / SECOND, nanoseconds: (nanos % SECOND) as u32 }
    }

    /// As nanoseconds, when 64 bits hold them.
    pub(crate) fn nanos(self) -> Option<u64> {
        self.seconds.checked_mul(SECOND)?.checked_add(self.nanoseconds.into())
    }
}

/// `wall-clock.now`.
pub(crate) fn wall_now(host: &mut impl Host) -> Datetime {
    Datetime::from_nanos(host.ctx().clock().realtime())
}

/// `wall-clock.resolution`.
pub(crate) fn wall_resolution(host: &mut impl Host) -> Datetime {
    Datetime::from_nanos(host.ctx().clock().resolution(ClockId::Realtime))
}

/// `monotonic-clock.now`.
pub(crate) fn now(host: &mut impl Host) -> u64 {
    host.ctx().clock().monotonic()
}

/// `monotonic-clock.resolution`.
pub(crate) fn resolution(host: &mut impl Host) -> u64 {
    host.ctx().clock().resolution(ClockId::Monotonic)
}

/// `monotonic-clock.subscribe-instant`.
pub(crate) fn subscribe_instant(host: &mut impl Host, when: u64) -> Result<u32, Error> {
    host.ctx().resources.add(Pollable::At(when))
}

/// `monotonic-clock.subscribe-duration`.
pub(crate) fn subscribe_duration(host: &mut impl Host, wait: u64) -> Result<u32, Error> {
    let when = now(host).saturating_add(wait);
    subscribe_instant(host, when)
}

/// As many random bytes as one call gives, which are in the host's memory for as long as it takes.
const MOST_RANDOM: u64 = 64 << 20;

/// As many random bytes as are made between two questions whether the guest is still wanted.
const PORTION: usize = 1 << 20;

/// `random.get-random-bytes`, and the insecure one, which is as good.
pub(crate) fn random_bytes(host: &mut impl Host, len: u64) -> Result<Vec<u8>, Error> {
    if len > MOST_RANDOM {
        return Err(Refusal::Entropy { asked: len, most: MOST_RANDOM }.into());
    }
    let mut bytes = vec![0; len as usize];
    for portion in bytes.chunks_mut(PORTION) {
        host.still_wanted()?;
        host.ctx().entropy.fill(portion).map_err(Error::host)?;
    }
    Ok(bytes)
}

/// `random.get-random-u64`, and the insecure one.
pub(crate) fn random_u64(host: &mut impl Host) -> Result<u64, Error> {
    let mut bytes = [0; 8];
    host.ctx().entropy.fill(&mut bytes).map_err(Error::host)?;
    Ok(u64::from_le_bytes(bytes))
}

/// `insecure-seed.insecure-seed`: what hash tables are seeded with. It is fresh each time, but for guests with an entropy
/// that repeats.
pub(crate) fn insecure_seed(host: &mut impl Host) -> Result<(u64, u64), Error> {
    Ok((random_u64(host)?, random_u64(host)?))
}

#[cfg(test)]
mod tests {
    use super::super::tests::Plain;
    use super::*;
    use crate::WasiCtx;
    use crate::host::{SeededEntropy, VirtualClock};

    #[test]
    fn times_are_split_and_joined() {
        let time = Datetime::from_nanos(12_345_678_901);
        assert_eq!(time, Datetime { seconds: 12, nanoseconds: 345_678_901 });
        assert_eq!(time.nanos(), Some(12_345_678_901));
        assert_eq!(Datetime { seconds: u64::MAX, nanoseconds: 0 }.nanos(), None);
    }

    #[test]
    fn clocks_and_entropy_are_the_embedder_s() {
        let ctx = WasiCtx::builder().clock(VirtualClock::new(5 * SECOND, 1)).entropy(SeededEntropy::new(0)).build();
        let mut host = Plain(ctx);
        assert_eq!(wall_now(&mut host), Datetime { seconds: 5, nanoseconds: 1 });
        assert!(now(&mut host) < now(&mut host));
        assert_eq!(random_u64(&mut host).unwrap().to_le_bytes()[0], 0xaf);
        assert!(random_bytes(&mut host, 1 << 40).is_err());
    }

    /// A host that wants its guest for a while.
    struct Patient(Plain, u32);

    impl Host for Patient {
        fn ctx(&mut self) -> &mut WasiCtx {
            self.0.ctx()
        }

        fn still_wanted(&mut self) -> Result<(), Error> {
            self.1 = self.1.checked_sub(1).ok_or_else(|| Error::host("stopped"))?;
            Ok(())
        }
    }

    #[test]
    fn many_random_bytes_are_given_to_a_guest_that_is_wanted() {
        let ctx = || WasiCtx::builder().entropy(SeededEntropy::new(0)).build();
        let bytes = random_bytes(&mut Plain(ctx()), 3 << 20).unwrap();
        assert_eq!(bytes.len(), 3 << 20);
        assert!(bytes.chunks(PORTION).all(|portion| portion.iter().any(|byte| *byte != 0)));
        assert!(random_bytes(&mut Patient(Plain(ctx()), 2), 3 << 20).is_err());
        assert!(random_bytes(&mut Patient(Plain(ctx()), 3), 3 << 20).is_ok());
    }
}
