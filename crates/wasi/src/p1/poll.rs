//! Waiting: for clocks, for descriptors, and for both.
//!
//! The host's thread sleeps in slices, and asks after each whether the guest is still wanted.

use super::clock::clock_id;
use super::encode::{u32_at, u64_at, write_bytes};
use super::guest::still_wanted;
use super::table::Slot;
use super::{Answer, Errno, Fault, Guest, Memory, Rights, Table};
use crate::WasiCtx;
use crate::host::{Clock, ClockId, Interest, Position, Ready, Watch, wait};
use std::time::Duration;

/// The longest the host's thread sleeps without asking whether the guest is still wanted.
const SLICE: Duration = Duration::from_millis(10);

/// As many subscriptions as one call may have; each takes some of the host's memory.
const MOST: u32 = 4096;

const SUBSCRIPTION_SIZE: u32 = 48;
const EVENT_SIZE: u32 = 32;

/// Waits until at least one of several events has happened, and writes those that have.
pub fn poll_oneoff<G: Guest>(guest: &mut G, subscriptions: i32, events: i32, count: i32, out: i32) -> Answer<G> {
    let (count, events, out) = (count.cast_unsigned(), events.cast_unsigned(), out.cast_unsigned());
    if count == 0 || count > MOST {
        return Err(Errno::Inval.into());
    }
    let (memory, ctx) = guest.split()?;
    memory.check(events, count * EVENT_SIZE)?;
    memory.check(out, 4)?;
    let bytes = memory.bytes(subscriptions.cast_unsigned(), count * SUBSCRIPTION_SIZE)?;
    let waits = bytes.chunks_exact(SUBSCRIPTION_SIZE as usize).map(|bytes| Wait::read(bytes, ctx.clock()));
    let waits = waits.collect::<Result<Vec<_>, _>>()?;
    drop(memory);
    let happened = happen(guest, &waits)?;
    Ok(write_events(&mut guest.split()?.0, events, out, &happened)?)
}

/// Waits a slice for a descriptor that was found not to be ready, then asks whether the guest is still wanted.
pub(super) fn pause<G: Guest>(guest: &mut G, fd: i32, interest: Interest) -> Answer<G> {
    still_wanted(guest)?;
    let (_, ctx) = guest.split()?;
    match ctx.table.get(fd)?.descriptor.watched() {
        Some(fd) => drop(wait(&[Watch { fd, interest }], SLICE).map_err(Errno::from)?),
        None => std::thread::sleep(Duration::from_millis(1)),
    }
    still_wanted(guest)
}

/// What is waited for, and what the guest wants to be reminded of.
#[derive(Clone, Copy, Debug)]
struct Wait {
    userdata: u64,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// Until a clock shows this.
    Clock(ClockId, u64),
    /// For a clock there is not.
    NoClock(Errno),
    /// Until a descriptor is ready.
    Descriptor(i32, Interest),
}

/// In a subscription's flags: the time is a reading of the clock, not an interval.
const ABSOLUTE: u16 = 1;

impl Wait {
    fn read(bytes: &[u8], clock: &mut dyn Clock) -> Result<Self, Errno> {
        let what = match bytes[8] {
            0 => deadline(bytes, clock),
            1 => What::Descriptor(u32_at(bytes, 16).cast_signed(), Interest::Read),
            2 => What::Descriptor(u32_at(bytes, 16).cast_signed(), Interest::Write),
            _ => return Err(Errno::Inval),
        };
        Ok(Self { userdata: u64_at(bytes, 0), what })
    }

    /// The number of the event's kind.
    fn kind(self) -> u8 {
        match self.what {
            What::Clock(..) | What::NoClock(_) => 0,
            What::Descriptor(_, Interest::Read) => 1,
            What::Descriptor(_, Interest::Write) => 2,
        }
    }

    fn event(self, outcome: Result<(u64, Ready), Errno>) -> Event {
        Event { userdata: self.userdata, kind: self.kind(), outcome }
    }
}

/// An interval always runs on the monotonic clock: setting the other one must not lengthen it.
fn deadline(bytes: &[u8], clock: &mut dyn Clock) -> What {
    let (timeout, flags) = (u64_at(bytes, 24), u16::from_le_bytes([bytes[40], bytes[41]]));
    match clock_id(u32_at(bytes, 16)) {
        Err(errno) => What::NoClock(errno),
        Ok(id) if flags & ABSOLUTE != 0 => What::Clock(id, timeout),
        Ok(_) => What::Clock(ClockId::Monotonic, clock.monotonic().saturating_add(timeout)),
    }
}

#[derive(Clone, Copy, Debug)]
struct Event {
    userdata: u64,
    kind: u8,
    /// How many bytes can be transferred, and whether the other side is gone.
    outcome: Result<(u64, Ready), Errno>,
}

/// In an event's flags: the other side is gone.
const HANGUP: u16 = 1;

impl Event {
    /// Userdata at 0, error at 8, kind at 10, bytes at 16, flags at 24.
    fn encode(self) -> [u8; EVENT_SIZE as usize] {
        let mut bytes = [0; EVENT_SIZE as usize];
        bytes[..8].copy_from_slice(&self.userdata.to_le_bytes());
        bytes[10] = self.kind;
        match self.outcome {
            Err(errno) => bytes[8..10].copy_from_slice(&errno.number().to_le_bytes()),
            Ok((available, ready)) => {
                bytes[16..24].copy_from_slice(&available.to_le_bytes());
                let flags = if ready == Ready::HungUp { HANGUP } else { 0 };
                bytes[24..26].copy_from_slice(&flags.to_le_bytes());
            }
        }
        bytes
    }
}

fn write_events(memory: &mut impl Memory, at: u32, out: u32, events: &[Event]) -> Result<(), Fault> {
    let bytes: Vec<u8> = events.iter().flat_map(|event| event.encode()).collect();
    write_bytes(memory, at, &bytes)?;
    write_bytes(memory, out, &u32::try_from(events.len()).unwrap_or(MOST).to_le_bytes())
}

/// Waits, in slices, until something has happened.
fn happen<G: Guest>(guest: &mut G, waits: &[Wait]) -> Result<Vec<Event>, super::Failure<G::Trap>> {
    let mut patience = Duration::ZERO;
    loop {
        still_wanted(guest)?;
        let (_, ctx) = guest.split()?;
        let events = look(ctx, waits, patience)?;
        if !events.is_empty() {
            return Ok(events);
        }
        patience = next_slice(ctx, waits);
    }
}

/// What has happened by now, or does within the time given.
fn look(ctx: &mut WasiCtx, waits: &[Wait], patience: Duration) -> Result<Vec<Event>, Errno> {
    let mut events = descriptors(&ctx.table, waits, patience)?;
    events.extend(waits.iter().filter_map(|&wait| match wait.what {
        What::Clock(id, deadline) => (ctx.clock().now(id) >= deadline).then(|| wait.event(Ok((0, Ready::Yes)))),
        What::NoClock(errno) => Some(wait.event(Err(errno))),
        What::Descriptor(..) => None,
    }));
    Ok(events)
}

/// How long to wait next: to the nearest deadline, but no longer than a slice. A clock that can jump does so, and then
/// there is nothing to wait for.
fn next_slice(ctx: &mut WasiCtx, waits: &[Wait]) -> Duration {
    let left = waits.iter().filter_map(|wait| match wait.what {
        What::Clock(id, deadline) => Some(deadline.saturating_sub(ctx.clock().now(id))),
        _ => None,
    });
    let nearest = left.min();
    match nearest {
        Some(nanos) if ctx.clock().skip(nanos) => Duration::ZERO,
        Some(nanos) => SLICE.min(Duration::from_nanos(nanos)),
        None => SLICE,
    }
}

/// The descriptors that are ready, in error, or become ready in time. If one needs no waiting for, none is waited for.
fn descriptors(table: &Table, waits: &[Wait], patience: Duration) -> Result<Vec<Event>, Errno> {
    let (mut events, mut watches, mut watched) = (Vec::new(), Vec::new(), Vec::new());
    for &wait in waits {
        let What::Descriptor(fd, interest) = wait.what else { continue };
        match subscribed(table, fd, interest) {
            Err(errno) => events.push(wait.event(Err(errno))),
            Ok(Subscribed::Always(bytes)) => events.push(wait.event(Ok((bytes, Ready::Yes)))),
            Ok(Subscribed::Watch(watch)) => {
                watches.push(watch);
                watched.push((wait, fd, interest));
            }
        }
    }
    let patience = if events.is_empty() { patience } else { Duration::ZERO };
    for (ready, (wait, fd, interest)) in wait(&watches, patience)?.into_iter().zip(watched) {
        if ready != Ready::No {
            events.push(wait.event(Ok((available(table.slot(fd)?, interest), ready))));
        }
    }
    Ok(events)
}

/// What an event says can be transferred; 0 where nobody knows.
fn available(slot: &Slot, interest: Interest) -> u64 {
    match interest {
        Interest::Read => slot.descriptor.available(Position::Current).unwrap_or(0),
        Interest::Write => 0,
    }
}

enum Subscribed<'t> {
    /// It is always ready, with this many bytes.
    Always(u64),
    Watch(Watch<'t>),
}

fn subscribed(table: &Table, fd: i32, interest: Interest) -> Result<Subscribed<'_>, Errno> {
    let slot = table.slot(fd)?;
    let transfer = match interest {
        Interest::Read => Rights::FD_READ,
        Interest::Write => Rights::FD_WRITE,
    };
    slot.allows(Rights::POLL_FD_READWRITE | transfer)?;
    Ok(match slot.descriptor.watched() {
        Some(fd) => Subscribed::Watch(Watch { fd, interest }),
        None => Subscribed::Always(available(slot, interest)),
    })
}
